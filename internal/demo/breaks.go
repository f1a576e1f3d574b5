package demo

import (
	"context"
	"net/http"
	"strings"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/inject"
)

// damage is one way to break the chain, and how to mend it.
type damage struct {
	name, change string
	link         chain.Link // where it must be refused
	unlabelled   bool       // the pod is admitted without the label
	do, undo     func(context.Context) error
}

func (w *walk) damages() []damage {
	subject := chain.Subject(namespace, serviceAccount)
	nothing := func(context.Context) error { return nil }
	return []damage{
		{
			name: "label missing", change: `the pod template has no label azure.workload.identity/use: "true"`,
			link: chain.LinkPod, unlabelled: true, do: nothing, undo: nothing,
		},
		{
			name: "wrong namespace", change: "the federated credential's subject names namespace staging",
			link: chain.LinkFederatedCredential,
			do: func(ctx context.Context) error {
				return w.putCredential(ctx, w.issuerURL, chain.Subject("staging", serviceAccount))
			},
			undo: w.createCredential,
		},
		{
			name: "issuer without its slash", change: "the federated credential's issuer lacks the trailing slash",
			link: chain.LinkFederatedCredential,
			do: func(ctx context.Context) error {
				return w.putCredential(ctx, strings.TrimSuffix(w.issuerURL, "/"), subject)
			},
			undo: w.createCredential,
		},
		{
			name: "role assignment removed", change: "App Configuration Data Reader is no longer assigned",
			link: chain.LinkAccess,
			do: func(ctx context.Context) error {
				return w.client.Manage(ctx, http.MethodDelete, w.assignment, apiRoles, nil, nil)
			},
			undo: func(ctx context.Context) (err error) {
				w.assignment, err = w.assign(ctx, w.storeID(), roleConfigReader, w.principalID)
				return err
			},
		},
		{
			name: "access policy without get", change: "the vault's access policy of the identity has only list",
			link: chain.LinkAccess,
			do:   func(ctx context.Context) error { return w.putVault(ctx, []string{"List"}, deployerAddress+"/32") },
			undo: w.createVault,
		},
		{
			name: "firewall without the address", change: "the vault's firewall admits 203.0.113.99 instead of the caller's address",
			link: chain.LinkFirewall,
			do:   func(ctx context.Context) error { return w.putVault(ctx, []string{"Get", "List"}, "203.0.113.99/32") },
			undo: w.createVault,
		},
	}
}

// breakOnce breaks the chain, runs the application, and mends the chain again.
func (w *walk) breakOnce(ctx context.Context, d damage) (Break, error) {
	if err := d.do(ctx); err != nil {
		return Break{}, err
	}
	w.trail.clear()
	variables := w.variables
	var skipped inject.Result
	if d.unlabelled {
		var err error
		if skipped, variables, err = w.mutate(false); err != nil {
			return Break{}, err
		}
		// Off a cluster nothing plays the node's metadata service: keep the SDK
		// from looking for other credentials of whoever runs the demo.
		variables = append(variables, inject.EnvVar{Name: "AZURE_TOKEN_CREDENTIALS", Value: "WorkloadIdentityCredential"})
	}
	result, err := w.app.run(ctx, variables, w.token)
	if err != nil && !d.unlabelled {
		return Break{}, err
	}
	b := Break{Name: d.name, Change: d.change, want: string(d.link)}
	b.Refusal = firstError(result, err)
	if refusal := w.trail.refusal(); refusal != nil {
		b.Code, b.Link, b.Explain = refusal.Kind.ID(), string(refusal.Kind.Link), refusal.Explain
		if strings.HasPrefix(refusal.Kind.Code, "AADSTS") {
			b.Code = refusal.Kind.Code // the rest is OAuth's own code
		}
	} else if skipped.Skipped != "" {
		b.Code, b.Link, b.Explain = "not injected", string(chain.LinkPod), skipped.Skipped
	}
	b.OK = b.Refusal != "" && b.Link == b.want
	return b, d.undo(ctx)
}

func firstError(s seen, err error) string {
	for _, text := range []string{s.Settings.Error, s.Blobs.Error, s.Messages.Error} {
		if text != "" {
			return text
		}
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// firstLines shortens a text for a terminal.
func firstLines(text string, n int) string {
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	return strings.Join(lines[:min(n, len(lines))], "\n")
}
