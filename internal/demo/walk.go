package demo

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/deploy"
	"github.com/aksess/aksess/internal/inject"
)

// kubeconfig is as much of a kubeconfig as a token request needs.
type kubeconfig struct {
	Clusters []struct{ Cluster struct{ Server string } }
	Users    []struct{ User struct{ Token string } }
}

// walk is the state of one walk along the chain.
type walk struct {
	*scenario
	app            *application
	trail          *trail
	template       json.RawMessage
	serviceAccount inject.ServiceAccount
	config         inject.Config
	variables      []inject.EnvVar
	token          string // the projected token
	access         string // an access token for the vault
}

// newWalk reads the manifests: the pod's template and the service account.
func newWalk(s *scenario, app *application, t *trail) (*walk, error) {
	w := &walk{scenario: s, app: app, trail: t, config: inject.Config{TenantID: s.account.TenantID}}
	objects, err := s.objects()
	if err != nil {
		return nil, err
	}
	for _, object := range objects {
		switch object.Kind {
		case "Deployment":
			w.template = object.Spec.Template
		case "ServiceAccount":
			w.serviceAccount = inject.ServiceAccount{Namespace: namespace, Name: object.Metadata.Name, Annotations: object.Metadata.Annotations}
		}
	}
	return w, nil
}

// steps are the six links in order.
func (w *walk) steps() []func(context.Context) (Step, error) {
	return []func(context.Context) (Step, error){w.inject, w.issuer, w.exchange, w.identity, w.accessAndData}
}

// mutate asks the webhook's decision and returns the pod's variables.
func (w *walk) mutate(labelled bool) (inject.Result, []inject.EnvVar, error) {
	pod, err := podOf(w.template, labelled)
	if err != nil {
		return inject.Result{}, nil, err
	}
	result, err := inject.Mutate(pod, w.serviceAccount, w.config)
	if err != nil || result.Skipped != "" {
		return result, nil, err
	}
	variables, _, err := inject.Environment(w.serviceAccount, w.config)
	return result, variables, err
}

func (w *walk) inject(context.Context) (Step, error) {
	result, variables, err := w.mutate(true)
	if err != nil {
		return Step{}, err
	}
	w.variables = variables
	names := make([]string, len(variables))
	for i, v := range variables {
		names[i] = v.Name
	}
	return Step{
		Name: "inject", OK: len(result.Patch) > 0,
		Summary: fmt.Sprintf("pod of %s/wi-api: %s; token for %s, %d s", namespace, result.Summary, result.Token.Audience, result.Token.Expiration),
		Seen:    map[string]any{"patch": result.Patch, "variables": names, "warnings": result.Warnings},
	}, nil
}

// issuer asks the cluster for the token that the kubelet would project.
func (w *walk) issuer(ctx context.Context) (Step, error) {
	if len(w.kubeconfig.Clusters) == 0 || len(w.kubeconfig.Users) == 0 {
		return Step{}, fmt.Errorf("the cluster's kubeconfig names no cluster or no user")
	}
	var answer struct {
		Status struct{ Token string }
	}
	err := w.client.Do(ctx, deploy.Call{
		Method: http.MethodPost,
		URL:    w.kubeconfig.Clusters[0].Cluster.Server + "/api/v1/namespaces/" + namespace + "/serviceaccounts/" + serviceAccount + "/token",
		Token:  w.kubeconfig.Users[0].User.Token,
		Body: m{"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": m{
			"audiences": []string{chain.TokenAudience}, "expirationSeconds": chain.DefaultTokenExpiration,
		}},
	}, &answer)
	if err != nil {
		return Step{}, err
	}
	w.token = answer.Status.Token
	claims, err := claimsOf(w.token)
	if err != nil {
		return Step{}, err
	}
	var discovery struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := w.client.Do(ctx, deploy.Call{Method: http.MethodGet, URL: w.issuerURL + ".well-known/openid-configuration"}, &discovery); err != nil {
		return Step{}, err
	}
	expires, _ := claims["exp"].(float64)
	return Step{
		Name: "issuer", OK: claims["iss"] == w.issuerURL && discovery.Issuer == w.issuerURL,
		Summary: fmt.Sprintf("iss %v  sub %v  aud %v  exp %s", claims["iss"], claims["sub"], claims["aud"], time.Unix(int64(expires), 0).UTC().Format(time.RFC3339)),
		Seen: map[string]any{
			"iss": claims["iss"], "sub": claims["sub"], "aud": claims["aud"], "exp": claims["exp"], "jwks_uri": discovery.Keys,
		},
	}, nil
}

// claimsOf decodes a token's claims for display; nobody relies on them.
func claimsOf(token string) (map[string]any, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("a token of %d parts", len(parts))
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, err
	}
	var claims map[string]any
	return claims, json.Unmarshal(payload, &claims)
}

func (w *walk) exchange(ctx context.Context) (Step, error) {
	answer, err := w.client.Assert(ctx, w.clientID, w.token, deploy.KeyVault)
	if err != nil {
		return Step{}, err
	}
	w.access = answer.AccessToken
	return Step{
		Name: "exchange", OK: w.access != "",
		Summary: fmt.Sprintf("federated credential %q matched issuer, subject and audience; access token for https://vault.azure.net, %d s", credentialName, answer.ExpiresIn),
		Seen:    map[string]any{"credential": w.credentialID(), "resource": "https://vault.azure.net", "expires_in": answer.ExpiresIn},
	}, nil
}

func (w *walk) identity(context.Context) (Step, error) {
	claims, err := claimsOf(w.access)
	if err != nil {
		return Step{}, err
	}
	return Step{
		Name: "identity", OK: claims["appid"] == w.clientID && claims["oid"] == w.principalID,
		Summary: fmt.Sprintf("%s: appid %v  oid %v", identityName, claims["appid"], claims["oid"]),
		Seen:    map[string]any{"appid": claims["appid"], "oid": claims["oid"], "xms_mirid": claims["xms_mirid"]},
	}, nil
}

// accessAndData runs the application; the trail says what allowed each read.
// It makes the step `access`; Walk adds `data` from what it remembered.
func (w *walk) accessAndData(ctx context.Context) (Step, error) {
	w.trail.clear()
	result, err := w.app.run(ctx, w.variables, w.token)
	if err != nil {
		return Step{}, err
	}
	w.trail.result = result
	allowed := w.trail.allowed()
	var lines []string
	for _, service := range []string{"appconfig", "keyvault", "blob", "queue"} {
		if by := allowed[service]; by != "" {
			lines = append(lines, service+": "+shortID(by))
		}
	}
	return Step{
		Name: "access", OK: len(lines) == 4,
		Summary: strings.Join(lines, "; "),
		Seen:    map[string]any{"allowed": allowed},
	}, nil
}

var longID = regexp.MustCompile(`/subscriptions/\S*/([^/\s]+)`)

// shortID leaves of each resource id in a text only the resource's name.
func shortID(text string) string { return longID.ReplaceAllString(text, "$1") }

func dataStep(s seen) Step {
	step := Step{Name: "data", OK: s.Settings.Error == "" && s.Blobs.Error == "" && s.Messages.Error == ""}
	step.Seen = map[string]any{"settings": s.Settings, "blobs": s.Blobs, "messages": s.Messages}
	var parts []string
	if settings, ok := s.Settings.Data.(map[string]any); ok {
		for _, name := range []string{"DemoConfig", "DemoSecret"} {
			if setting, ok := settings[name].(map[string]any); ok {
				parts = append(parts, fmt.Sprintf("%s=%q from %s", name, setting["value"], setting["from"]))
			}
		}
	}
	if blobs, ok := s.Blobs.Data.(map[string]any); ok {
		for name, text := range blobs {
			parts = append(parts, fmt.Sprintf("blob %s=%q", name, text))
		}
	}
	if messages, ok := s.Messages.Data.([]any); ok {
		for _, text := range messages {
			parts = append(parts, fmt.Sprintf("message %q", text))
		}
	}
	for _, failed := range []string{s.Settings.Error, s.Blobs.Error, s.Messages.Error} {
		if failed != "" {
			parts = append(parts, firstLines(failed, 1))
		}
	}
	step.Summary = strings.Join(parts, "; ")
	return step
}
