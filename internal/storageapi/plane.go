package storageapi

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/storage"
)

// Resource is the audience of tokens for any storage account.
const Resource = "https://storage.azure.com"

// defaultVersion is what answers carry when the request names no version.
const defaultVersion = "2025-11-05"

// Plane is one data plane of storage accounts.
type Plane struct {
	Name string // "blob", as in the host and in the resource type blobServices
	// Server is the value of the header of that name.
	Server string
	// Forms are the texts that SharedKey and SharedKeyLite sign.
	Forms Forms

	// Policies are the stored access policies of what the path names. nil: there
	// are none on this plane.
	Policies func(r *azapi.Request) ([]storage.StoredPolicy, error)

	suffix   string
	accounts *arm.View[*storage.Account]
	services *storage.Services
}

// New returns the plane of that name for the accounts among the resources,
// whose services have the settings kept by c.
func New(name, server string, forms Forms, resources *arm.Resources, c storage.Config) *Plane {
	decode := func(r *arm.Resource) (*storage.Account, error) {
		base := storage.Account{ID: r.ID, Name: r.Name, Location: r.Location}
		return storage.DecodeAccount(base, r.Properties, r.Private)
	}
	return &Plane{
		Name: name, Server: server, Forms: forms, suffix: "." + name + ".core.windows.net",
		accounts: arm.NewView(resources, storage.TypeAccount, decode), services: storage.NewServices(c),
	}
}

// Service is the plane with its operations. The caller adds what is its own:
// further selectors, a decision, attributes.
func (p *Plane) Service(operations []azapi.Operation) *azapi.Service {
	return &azapi.Service{
		Name:       p.Name,
		Hosts:      []string{"*" + p.suffix},
		Dialect:    azapi.DialectStorage,
		Version:    azapi.VersionHeader,
		Audiences:  []string{Resource, "{host}"},
		Selectors:  []string{"restype", "comp"},
		Operations: operations,
		Target:     p.target,
		Refuse:     refuse,
		Decide:     Decide,
		Attributes: Attributes,
		Headers:    p.headers,
		Schemes:    map[string]azapi.Scheme{"SharedKey": p.sharedKey, "SharedKeyLite": p.sharedKeyLite},
		Query:      p.sharedAccess,
	}
}

// Selectors are the values of restype and comp that choose an operation.
func Selectors(restype, comp string) map[string]string {
	return map[string]string{"restype": restype, "comp": comp}
}

// Call is what is known about one request beside the request itself.
type Call struct {
	*storage.Account
	// CreateOnly: the caller may make an object but not overwrite one.
	CreateOnly bool
	// Overrides are headers that a shared access signature sets on the answer.
	Overrides map[string]string

	source *Object // of a copy, when the request reads one
	tags   bool    // a shared access signature permits tags
}

// Of returns the call that a request is. The request must have been targeted.
func Of(r *azapi.Request) *Call { return r.Target.Resource.(*Call) }

func (p *Plane) target(ctx context.Context, r *azapi.Request) (azapi.Target, error) {
	name := strings.TrimSuffix(r.Host, p.suffix)
	account, err := p.accounts.Get(ctx, name)
	if errors.Is(err, arm.ErrNotFound) {
		return azapi.Target{}, storage.AccountNotFound.New(name)
	}
	if err != nil {
		return azapi.Target{}, err
	}
	return azapi.Target{
		ID: account.ID, Name: account.Name, TenantID: account.TenantID, Location: account.Location,
		Network: account.Network, Resource: &Call{Account: account},
	}, nil
}

// ServiceScope is the ARM id of the plane's service of the account.
func (p *Plane) ServiceScope(r *azapi.Request) string {
	call, ok := r.Target.Resource.(*Call)
	if !ok {
		return ""
	}
	return call.ServiceID(p.Name)
}

// Decide decides by role, for callers of the account's own tenant.
func Decide(r *azapi.Request, grants func() ([]access.Grant, error)) (access.Verdict, error) {
	if err := OwnTenant(r); err != nil {
		return access.Verdict{}, err
	}
	held, err := grants()
	if err != nil {
		return access.Verdict{}, err
	}
	return r.DecideRole(r.Operation.Action, held), nil
}

// OwnTenant refuses a caller of another tenant than the account's.
func OwnTenant(r *azapi.Request) error {
	call := Of(r)
	if r.Caller.TenantID != call.TenantID {
		return invalidToken(call.Account, "Issuer validation failed. Issuer did not match.")
	}
	return nil
}

func (p *Plane) headers(h http.Header, r *azapi.Request) {
	version := r.Header.Get("x-ms-version")
	if version == "" || len(version) > 32 {
		version = defaultVersion
	}
	h.Set("x-ms-version", version)
	h.Set("Server", p.Server)
}
