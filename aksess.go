// Package aksess is a local Azure for Go tests: Entra ID's token service, OIDC
// issuers of clusters, Resource Manager, Key Vault, App Configuration, Blob and
// Queue, with roles, access policies and firewalls enforced, in the test's own
// process and without a network.
//
// An [Azure] answers requests to Azure's own host names. Give [Azure.Client] to
// an SDK as its transport and it talks to the local Azure, unmodified:
//
//	azure, err := aksess.New(aksess.Options{})
//	credential, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
//		ClientOptions: policy.ClientOptions{Transport: azure.Client()}, …
//	})
//
// [Azure.Start] also listens on loopback, for programs in other processes; the
// variables that point them at it are [Azure.Environ]'s. The same local Azure is
// `aksess up` on the command line.
package aksess

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/aksess/aksess/internal/app"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/deploy"
	"github.com/aksess/aksess/internal/fault"
)

// Options of a local Azure. The zero value works: ephemeral, in memory.
type Options struct {
	// Dir is the folder of the state, which then survives Close; "" forgets it.
	Dir string
	// Now is the clock of everything: token lifetimes, retention, rotation.
	// time.Now when nil.
	Now func() time.Time
	// Log is told of each request, never of a token, secret or assertion. Nothing is logged when nil.
	Log *slog.Logger
	// ClientAddress is what callers are seen to come from by resource firewalls;
	// 203.0.113.10 when zero.
	ClientAddress netip.Addr
	// TenantID and SubscriptionID of a new state; random GUIDs when empty.
	TenantID, SubscriptionID string
}

// Azure is a local Azure. All methods are safe for concurrent use.
type Azure struct {
	TenantID       string
	SubscriptionID string

	app      *app.App
	deployer *deploy.Client
	address  netip.Addr

	mu    sync.Mutex
	last  *Refusal
	start bool
}

// New returns a local Azure that is ready to answer through its Client. The
// caller closes it. Errors are of the state's folder.
func New(o Options) (*Azure, error) {
	azure := &Azure{address: o.ClientAddress}
	if !azure.address.IsValid() {
		azure.address = netip.MustParseAddr("203.0.113.10")
	}
	opened, err := app.Open(context.Background(), app.Config{
		Dir: o.Dir, Now: o.Now, Log: o.Log, ClientAddress: azure.address,
		TenantID: o.TenantID, SubscriptionID: o.SubscriptionID, Observe: azure.observe,
	})
	if err != nil {
		return nil, err
	}
	azure.app = opened
	azure.TenantID, azure.SubscriptionID = opened.Account.TenantID, opened.Account.SubscriptionID
	azure.deployer = &deploy.Client{
		HTTP: azure.Client(), TenantID: azure.TenantID, Now: o.Now,
		ClientID: opened.Account.Deployer.ClientID, ClientSecret: opened.Account.Deployer.ClientSecret,
	}
	return azure, nil
}

// Close stops listening, if it listens, and releases the state. An Azure must
// not be used afterwards.
func (a *Azure) Close() error { return a.app.Close() }

// ServeHTTP answers a request to one of Azure's hosts, chosen by its Host. The
// caller's address is the request's RemoteAddr.
func (a *Azure) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.app.Handler().ServeHTTP(w, r) }

// Start listens on a free loopback port, which is an HTTP proxy for Azure's
// hosts. It fails when it was started before.
func (a *Azure) Start() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.start {
		return errors.New("the local Azure was started before")
	}
	if err := a.app.Start(context.Background()); err != nil {
		return err
	}
	a.start = true
	return nil
}

// Environ returns the variables, as NAME=VALUE, that send programs in other
// processes to a started local Azure: proxy and trust for Go, Node and Python.
func (a *Azure) Environ() []string {
	proxy, ca := a.app.ProxyURL(), a.app.CAFile()
	return []string{
		"HTTPS_PROXY=" + proxy, "https_proxy=" + proxy, "HTTP_PROXY=" + proxy, "http_proxy=" + proxy,
		"NO_PROXY=localhost,127.0.0.1,::1", "no_proxy=localhost,127.0.0.1,::1",
		"SSL_CERT_FILE=" + ca, "REQUESTS_CA_BUNDLE=" + ca, "CURL_CA_BUNDLE=" + ca, "NODE_EXTRA_CA_CERTS=" + ca,
	}
}

// Refusal is why a request was refused: what the client was not told.
type Refusal struct {
	Service   string // "keyvault"
	Operation string // "GetSecret"
	Status    int    // HTTP status
	Code      string // Azure's code: "AADSTS700213", "Forbidden/ForbiddenByPolicy"
	Message   string // Azure's text
	Link      string // the link of the chain: "federated credential", "role or access policy", "resource firewall"
	Why       string // what was looked at, and the nearest miss
}

// LastRefusal returns the most recent refusal that concerns the chain, nil if
// there was none. The first 401 of a vault, which only asks for a token, is none.
func (a *Azure) LastRefusal() *Refusal {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last
}

func (a *Azure) observe(e azapi.Event) {
	var coded *fault.Error
	if !errors.As(e.Err, &coded) || coded.Kind.Link == "" || (e.Status == http.StatusUnauthorized && e.Caller.Scheme == "" && e.Service != "entra") {
		return
	}
	refusal := &Refusal{
		Service: e.Service, Operation: e.Operation, Status: e.Status,
		Code: coded.Kind.ID(), Message: coded.Message, Link: string(coded.Kind.Link), Why: coded.Explain,
	}
	if refusal.Why == "" {
		refusal.Why = e.Verdict.Nearest
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = refusal
}

// Manage sends a request to Resource Manager as the deployer, who is Owner of
// the subscription: the way to everything that has no helper here. id is a
// resource id, body is sent as JSON and out, which may be nil, is decoded from it.
// An answer that is no success is an error with Azure's code and text.
func (a *Azure) Manage(ctx context.Context, method, id, apiVersion string, body, out any) error {
	return a.deployer.Manage(ctx, method, id, apiVersion, body, out)
}

// DeployerID is the object id of the deployer.
func (a *Azure) DeployerID() string { return a.app.Account.Deployer.ObjectID }

// ResourceGroup returns the id of a resource group, creating it if need be.
func (a *Azure) ResourceGroup(ctx context.Context, name string) (string, error) {
	id := "/subscriptions/" + a.SubscriptionID + "/resourceGroups/" + name
	err := a.Manage(ctx, http.MethodPut, id, "2023-07-01", map[string]any{"location": location}, nil)
	if err != nil {
		return "", fmt.Errorf("creating resource group %q: %w", name, err)
	}
	return id, nil
}
