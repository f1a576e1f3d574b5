package app

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/fault"
	"github.com/aksess/aksess/internal/imds"
)

// Paths of the listener's own address that programs and people on this machine use.
const (
	identityPath = "/msi/token"
	devicePath   = "/device"
)

// machine is this machine as Azure would see it: one with the managed
// identities of Config.MachineIdentities, whose tokens its programs get without
// any credential.
type machine struct {
	app      *App
	metadata *imds.Handler
	endpoint *imds.AppService
	address  atomic.Pointer[string] // of the listener, for programs on this machine; nil until it listens
}

// newMachine makes the machine; secret is the IDENTITY_HEADER of this start.
func newMachine(a *App, secret string) *machine {
	m := &machine{app: a}
	m.metadata = &imds.Handler{Tokens: m.token, Now: a.config.Now, Log: a.config.Log}
	m.endpoint = &imds.AppService{Handler: *m.metadata, Secret: secret}
	return m
}

// plain answers what clients send to http://169.254.169.254 through the proxy.
func (m *machine) plain() http.Handler { return onlyLoopback(m.metadata) }

// mount adds what is served at the listener's own address, also for clients
// that take the metadata service's address from their configuration
// (ARM_MSI_ENDPOINT), and for browsers that do not use the proxy.
func (m *machine) mount(mux *http.ServeMux) {
	mux.Handle("/metadata/", m.plain())
	mux.Handle(identityPath, onlyLoopback(m.endpoint))
	mux.Handle(devicePath, onlyLoopback(m.app.tokens.DevicePage()))
}

// onlyLoopback refuses peers that are not on this machine: the machine's
// identities are those of its own programs, and passwords do not go over a
// network in the clear.
func onlyLoopback(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil || !peer.Addr().Unmap().IsLoopback() {
			http.Error(w, `{"error":"forbidden","error_description":"Only programs on the machine itself are served"}`, http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// token signs a token of the machine's identity that the selector names.
func (m *machine) token(ctx context.Context, selector imds.Selector, resource string) (*imds.Answer, error) {
	identities, err := m.identities(ctx)
	if err != nil {
		return nil, err
	}
	chosen := slices.DeleteFunc(identities, func(p *directory.Principal) bool { return !selects(selector, p) })
	switch {
	case len(chosen) == 0:
		return nil, imds.IdentityNotFound()
	case len(chosen) > 1:
		return nil, imds.SeveralIdentities()
	}
	issued, err := m.app.tokens.Issue(ctx, chosen[0], resource)
	if err != nil {
		return nil, refusal(err)
	}
	return imds.NewAnswer(imds.Token{
		Value: issued.Value, ClientID: chosen[0].AppID, NotBefore: issued.NotBefore(), Expires: issued.Expires,
	}, resource), nil
}

// identities are those of the machine that exist now, each once: one that is
// created after the start counts.
func (m *machine) identities(ctx context.Context) ([]*directory.Principal, error) {
	var found []*directory.Principal
	for _, name := range m.app.config.MachineIdentities {
		identity, err := m.identity(ctx, name)
		switch {
		case errors.Is(err, directory.ErrPrincipalNotFound):
			continue
		case err != nil:
			return nil, err
		}
		known := slices.ContainsFunc(found, func(p *directory.Principal) bool { return p.ObjectID == identity.ObjectID })
		if identity.Type == directory.TypeManagedIdentity && !known {
			found = append(found, identity)
		}
	}
	return found, nil
}

// identity finds one by its client id, object id or resource id.
func (m *machine) identity(ctx context.Context, name string) (*directory.Principal, error) {
	if !chain.IsGUID(name) {
		return m.app.Directory.ByResourceID(ctx, name)
	}
	byClient, err := m.app.Directory.ByAppID(ctx, m.app.Account.TenantID, name)
	if errors.Is(err, directory.ErrPrincipalNotFound) {
		return m.app.Directory.ByObjectID(ctx, name)
	}
	return byClient, err
}

func selects(s imds.Selector, p *directory.Principal) bool {
	switch {
	case s.ClientID != "":
		return strings.EqualFold(s.ClientID, p.AppID)
	case s.ObjectID != "":
		return strings.EqualFold(s.ObjectID, p.ObjectID)
	case s.ResourceID != "":
		return sameResource(s.ResourceID, p.ResourceID)
	}
	return true
}

func sameResource(a, b string) bool {
	left, err := chain.ParseID(a)
	if err != nil {
		return false
	}
	right, err := chain.ParseID(b)
	return err == nil && left.Key() == right.Key()
}

// refusal makes what the token service refuses a refusal of the metadata
// service, which repeats its code and text.
func refusal(err error) error {
	var coded *fault.Error
	if !errors.As(err, &coded) || coded.Kind.Inner == "" || coded.Kind.Status >= http.StatusInternalServerError {
		return err
	}
	out := &imds.Error{Status: coded.Kind.Status, Code: coded.Kind.Inner, Description: coded.Kind.Code + ": " + coded.Message, Cause: err}
	if seconds, err := strconv.Atoi(coded.Header.Get("Retry-After")); err == nil {
		out.RetryAfter = time.Duration(seconds) * time.Second
	}
	return out
}

// listens notes where the listener is.
func (m *machine) listens(at net.Addr) {
	address := at.String()
	if tcp, ok := at.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		address = net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port)) // every address, this one among them
	}
	address = "http://" + address
	m.address.Store(&address)
}

// url is that of a path at the listener's own address, "" until it listens.
func (m *machine) url(path string) string {
	if address := m.address.Load(); address != nil {
		return *address + path
	}
	return ""
}

// IdentityEndpoint is what IDENTITY_ENDPOINT and IDENTITY_HEADER are to be for
// programs that get tokens as the machine's identities in the way of App
// Service, which needs no proxy. The header is a secret and another one after
// each start. The endpoint is "" until the App is started.
func (a *App) IdentityEndpoint() (endpoint, header string) {
	return a.machine.url(identityPath), a.machine.endpoint.Secret
}

// MetadataEndpoint is the metadata service's token endpoint at the listener's
// own address, for clients that do not send it through a proxy: Terraform's
// ARM_MSI_ENDPOINT. "" until the App is started.
func (a *App) MetadataEndpoint() string { return a.machine.url(imds.TokenPath) }

// HasMachineIdentities reports whether the machine was given any identity. Its
// programs then need neither a secret nor a federated credential.
func (a *App) HasMachineIdentities() bool { return len(a.config.MachineIdentities) > 0 }

// DevicePage is the address of the sign-in page of the device code flow for a
// browser that does not use the proxy; "" until the App is started.
func (a *App) DevicePage() string { return a.machine.url(devicePath) }
