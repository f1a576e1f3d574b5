package keyvault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/store"
)

const (
	resource   = "https://vault.azure.net"
	hostSuffix = ".vault.azure.net"

	actionGet      = TypeVault + "/secrets/getSecret/action"
	actionSet      = TypeVault + "/secrets/setSecret/action"
	actionUpdate   = TypeVault + "/secrets/update/action"
	actionMetadata = TypeVault + "/secrets/readMetadata/action"
	actionDelete   = TypeVault + "/secrets/delete"
	actionRecover  = TypeVault + "/secrets/recover/action"
	actionPurge    = TypeVault + "/secrets/purge/action"
	actionBackup   = TypeVault + "/secrets/backup/action"
	actionRestore  = TypeVault + "/secrets/restore/action"
	actionContacts = TypeVault + "/certificatecontacts/write" // of all three: Azure has no action for reading them
)

// Secrets keeps the secrets of all vaults.
type Secrets struct {
	Store     store.Store
	Resources *arm.Resources
	Now       func() time.Time
	NewID     func() string // GUIDs

	vaults   *arm.View[*Vault]
	secrets  store.Collection[secret]
	versions store.Collection[version]
	deleted  store.Collection[secret]
	contacts store.Collection[contacts]
	keys     store.Collection[[]byte]
	answers  *answers
}

// New returns the service. All fields of s but the unexported ones are required.
func New(s Secrets) *Secrets {
	s.answers = &answers{}
	s.vaults = arm.NewView(s.Resources, TypeVault, vaultOf)
	s.secrets = store.Collection[secret]{Store: s.Store, Kind: kindSecret}
	s.versions = store.Collection[version]{Store: s.Store, Kind: kindVersion}
	s.deleted = store.Collection[secret]{Store: s.Store, Kind: kindDeleted}
	s.contacts = store.Collection[contacts]{Store: s.Store, Kind: kindContacts}
	s.keys = store.Collection[[]byte]{Store: s.Store, Kind: kindBackupKey}
	return &s
}

// Service is the data plane under *.vault.azure.net
// (https://learn.microsoft.com/rest/api/keyvault/secrets/operation-groups).
func (s *Secrets) Service() *azapi.Service {
	return &azapi.Service{
		Name:       "keyvault",
		Hosts:      []string{"*" + hostSuffix},
		Dialect:    azapi.DialectARM,
		Version:    azapi.VersionQuery,
		Audiences:  []string{resource, "cfa8b339-82a2-471a-a3c9-0fc0be7a4093"},
		Operations: s.operations(),
		Target:     s.target,
		Refuse:     refuse,
		Decide:     decide,
		Headers:    headers,
	}
}

func (s *Secrets) operations() []azapi.Operation {
	op := func(name, method, pattern, action, permission string, handle azapi.Handler) azapi.Operation {
		return azapi.Operation{
			Name: name, Method: method, Pattern: pattern, Action: azapi.Data(action), Permission: permission,
			Scope: scope, MaxBody: maxBody, Handle: handle,
		}
	}
	restore := op("RestoreSecret", http.MethodPost, "/secrets/restore", actionRestore, "secrets/restore", s.restore)
	restore.MaxBody = maxRestore
	return []azapi.Operation{
		op("SetSecret", http.MethodPut, "/secrets/{name}", actionSet, "secrets/set", s.set),
		op("GetSecret", http.MethodGet, "/secrets/{name}", actionGet, "secrets/get", s.get),
		op("GetSecretVersion", http.MethodGet, "/secrets/{name}/{version}", actionGet, "secrets/get", s.get),
		op("UpdateSecret", http.MethodPatch, "/secrets/{name}", actionUpdate, "secrets/set", s.update),
		op("UpdateSecretVersion", http.MethodPatch, "/secrets/{name}/{version}", actionUpdate, "secrets/set", s.update),
		op("GetSecrets", http.MethodGet, "/secrets", actionMetadata, "secrets/list", s.list),
		op("GetSecretVersions", http.MethodGet, "/secrets/{name}/versions", actionMetadata, "secrets/list", s.listVersions),
		op("DeleteSecret", http.MethodDelete, "/secrets/{name}", actionDelete, "secrets/delete", s.delete),
		op("GetDeletedSecrets", http.MethodGet, "/deletedsecrets", actionMetadata, "secrets/list", s.listDeleted),
		op("GetDeletedSecret", http.MethodGet, "/deletedsecrets/{name}", actionMetadata, "secrets/get", s.getDeleted),
		op("RecoverDeletedSecret", http.MethodPost, "/deletedsecrets/{name}/recover", actionRecover, "secrets/recover", s.recover),
		op("PurgeDeletedSecret", http.MethodDelete, "/deletedsecrets/{name}", actionPurge, "secrets/purge", s.purge),
		op("BackupSecret", http.MethodPost, "/secrets/{name}/backup", actionBackup, "secrets/backup", s.backup),
		restore,
		op("GetCertificateContacts", http.MethodGet, contactsPath, actionContacts, "certificates/managecontacts", s.getContacts),
		op("SetCertificateContacts", http.MethodPut, contactsPath, actionContacts, "certificates/managecontacts", s.setContacts),
		op("DeleteCertificateContacts", http.MethodDelete, contactsPath, actionContacts, "certificates/managecontacts", s.deleteContacts),
	}
}

func (s *Secrets) target(ctx context.Context, r *azapi.Request) (azapi.Target, error) {
	vault, err := s.vaults.Get(ctx, strings.TrimSuffix(r.Host, hostSuffix))
	if errors.Is(err, arm.ErrNotFound) {
		return azapi.Target{}, vaultNotFound.New(r.ResourceName())
	}
	if err != nil {
		return azapi.Target{}, err
	}
	if r.Local() {
		local := *vault // a view of its own, so that no kept answer is taken for it
		local.base, vault = r.BaseURL(), &local
	}
	return azapi.Target{
		ID: vault.ID, Name: vault.Name, TenantID: vault.TenantID, Location: vault.Location, Network: vault.Network, Resource: vault,
	}, nil
}

// scope is the secret under its vault, as role assignments on single secrets name it.
func scope(r *azapi.Request) string {
	if name := r.Param("name"); name != "" {
		return r.Target.ID + "/secrets/" + name
	}
	return r.Target.ID
}

func vaultFrom(r *azapi.Request) *Vault { return r.Target.Resource.(*Vault) }

// decide asks the vault's access policies, or the roles when it is in role mode.
func decide(r *azapi.Request, grants func() ([]access.Grant, error)) (access.Verdict, error) {
	vault := vaultFrom(r)
	if !strings.EqualFold(r.Caller.TenantID, vault.TenantID) {
		return access.Verdict{}, badIssuer.New(vault.TenantID, r.Caller.Issuer)
	}
	if !vault.RBAC {
		return access.DecidePolicy(r.Caller.Principal, r.Operation.Permission, vault.Policies), nil
	}
	held, err := grants()
	if err != nil {
		return access.Verdict{}, err
	}
	return r.DecideRole(r.Operation.Action, held), nil
}

// transport and version are shared: answers replace header values, they do not change them.
var (
	transportSecurity = []string{"max-age=31536000;includeSubDomains"}
	serviceVersion    = []string{"1.9.0.0"}
)

func headers(h http.Header, r *azapi.Request) {
	h["Strict-Transport-Security"] = transportSecurity
	h["X-Ms-Keyvault-Service-Version"] = serviceVersion
	h["X-Ms-Keyvault-Network-Info"] = []string{"conn_type=Ipv4;addr=" + r.Origin.Address.String() + ";act_addr_fam=InterNetwork;"}
	if vault, ok := r.Target.Resource.(*Vault); ok {
		h["X-Ms-Keyvault-Region"] = []string{vault.Location}
	}
}

// refuse words the pipeline's refusals as the vault does.
func refuse(r *azapi.Request, refusal azapi.Refusal) error {
	vault, ok := r.Target.Resource.(*Vault)
	if !ok {
		return vaultNotFound.New(r.ResourceName())
	}
	p := r.Caller
	challenge := `Bearer authorization="https://login.microsoftonline.com/` + vault.TenantID + `", resource="` + resource + `"`
	switch refusal.Stage {
	case azapi.StageNoToken:
		return missingToken.New().SetHeader("WWW-Authenticate", challenge)
	case azapi.StageBadToken:
		return badToken.New(refusal.Err).SetHeader("WWW-Authenticate", challenge+`, error="invalid_token"`)
	case azapi.StageAudience:
		return badAudience.New(p.Audience).SetHeader("WWW-Authenticate", challenge+`, error="invalid_token"`)
	case azapi.StageFirewall:
		return byFirewall.New(r.Origin.Address, p.AppID, p.ObjectID, p.TenantID, vault.Name, vault.Location)
	case azapi.StageVersion:
		if r.Version == "" {
			return badParameter.New("api-version must be specified")
		}
		return badParameter.New(fmt.Sprintf("The api-version %.64q is not well formed.", r.Version))
	case azapi.StageAccess:
		return refuseAccess(r, vault, refusal.Verdict)
	}
	if len(refusal.Allow) > 0 {
		return methodNotAllowed.New(r.Method, r.URL.Path).SetHeader("Allow", strings.Join(refusal.Allow, ", "))
	}
	return notServed.New(r.Method, r.URL.Path)
}

func refuseAccess(r *azapi.Request, vault *Vault, verdict access.Verdict) error {
	p := r.Caller
	if vault.RBAC {
		return byRole.New(p.AppID, p.ObjectID, p.TenantID, r.Operation.Action.Access().Name,
			strings.ToLower(r.Scope()), vault.Name, vault.Location)
	}
	kind := byPolicy
	if verdict.Reason == access.ReasonNoPolicy {
		kind = noPolicy
	}
	object, verb, _ := strings.Cut(r.Operation.Permission, "/")
	return kind.New(p.AppID, p.ObjectID, p.TenantID, object, verb, vault.Name, vault.Location)
}
