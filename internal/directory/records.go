package directory

import (
	"encoding/json"
	"time"

	"github.com/aksess/aksess/internal/federation"
)

// Tenant is a directory.
type Tenant struct {
	ID          string `json:"id"`     // GUID
	Domain      string `json:"domain"` // "contoso.onmicrosoft.com"
	DisplayName string `json:"displayName"`
	Country     string `json:"country"`
}

// Kinds of principals.
const (
	TypeApplication     = "Application"     // an app registration with its service principal
	TypeManagedIdentity = "ManagedIdentity" // a user-assigned or system-assigned identity
)

// Principal is a service principal with the credentials that may sign in as it.
type Principal struct {
	TenantID    string    `json:"tenantId"`
	ObjectID    string    `json:"objectId"`    // of the service principal: oid, principalId
	AppID       string    `json:"appId"`       // client id
	AppObjectID string    `json:"appObjectId"` // of the app registration; "" for managed identities
	Type        string    `json:"type"`        // TypeApplication or TypeManagedIdentity
	DisplayName string    `json:"displayName"`
	ResourceID  string    `json:"resourceId"` // ARM id of a managed identity, as created
	Disabled    bool      `json:"disabled,omitempty"`
	Created     time.Time `json:"created"`

	// NoService says that the application has no service principal, not yet or
	// not any more: it can be configured, and nobody signs in as it.
	NoService      bool     `json:"noService,omitempty"`
	Directory      []string `json:"directory,omitempty"` // permissions on the directory itself: ReadAll, ReadWriteAll
	IdentifierURIs []string `json:"identifierUris,omitempty"`
	AppOwners      []string `json:"appOwners,omitempty"` // object ids of the owners of the app registration; those deleted since may be among them
	Owners         []string `json:"owners,omitempty"`    // the same of the service principal
	// Registration and Service are further properties of the app registration
	// and of the service principal, as Graph takes and shows them. Nothing here acts on them.
	Registration map[string]json.RawMessage `json:"registration,omitempty"`
	Service      map[string]json.RawMessage `json:"service,omitempty"`

	Federated    []FederatedCredential `json:"federated,omitempty"`
	Secrets      []Secret              `json:"secrets,omitempty"`
	Certificates []Certificate         `json:"certificates,omitempty"`

	matchable []federation.Credential // Federated in the form that federation.Match takes, made once when read
}

// Permissions on the directory itself, as Graph's application permissions name
// them (https://learn.microsoft.com/graph/permissions-reference).
const (
	ReadAll      = "Directory.Read.All"
	ReadWriteAll = "Directory.ReadWrite.All"
)

// Matchable returns the federated credentials for federation.Match. Those of a
// principal that the directory returned are shared and must not be modified.
func (p *Principal) Matchable() []federation.Credential {
	if len(p.matchable) == len(p.Federated) {
		return p.matchable
	}
	return matchable(p.Federated)
}

func matchable(federated []FederatedCredential) []federation.Credential {
	credentials := make([]federation.Credential, len(federated))
	for i, f := range federated {
		credentials[i] = federation.Credential{Name: f.Name, Issuer: f.Issuer, Subject: f.Subject, Audiences: f.Audiences}
	}
	return credentials
}

// FederatedCredential trusts the tokens of one subject of one issuer
// (https://learn.microsoft.com/rest/api/managedidentity/federated-identity-credentials).
type FederatedCredential struct {
	ID          string   `json:"id"` // GUID
	Name        string   `json:"name"`
	Issuer      string   `json:"issuer"`
	Subject     string   `json:"subject"`
	Audiences   []string `json:"audiences"`
	Description string   `json:"description,omitempty"`

	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"` // when issuer, subject or audience last changed: what propagation counts from
}

// Secret is a client secret. Only its digest is kept.
type Secret struct {
	ID      string    `json:"id"` // keyId, GUID
	Name    string    `json:"name"`
	Hint    string    `json:"hint"` // first three characters, as Graph shows them
	Salt    []byte    `json:"salt"`
	Digest  []byte    `json:"digest"`          // SHA-256 of salt and secret; secrets are random and long, so no slow hash is needed
	Starts  time.Time `json:"starts,omitzero"` // not valid before it
	Expires time.Time `json:"expires"`
	Service bool      `json:"service,omitempty"` // set on the service principal, not on the app registration; either signs in
}

// Certificate is a client certificate.
type Certificate struct {
	ID      string `json:"id"` // keyId, GUID
	Name    string `json:"name,omitempty"`
	DER     []byte `json:"der"`
	Service bool   `json:"service,omitempty"` // as of a Secret
}

// User is a person of a tenant.
type User struct {
	TenantID    string    `json:"tenantId"`
	ObjectID    string    `json:"objectId"`
	Name        string    `json:"name"` // user principal name, "ada@contoso.onmicrosoft.com"
	DisplayName string    `json:"displayName"`
	Mail        string    `json:"mail,omitempty"`
	Disabled    bool      `json:"disabled,omitempty"`
	Directory   []string  `json:"directory,omitempty"` // permissions on the directory itself: ReadWriteAll; every user may read
	Salt        []byte    `json:"salt,omitempty"`
	Digest      []byte    `json:"digest,omitempty"` // PBKDF2 of the password; without one nobody signs in as the user
	Iterations  int       `json:"iterations,omitempty"`
	Created     time.Time `json:"created"`

	// Profile is further properties, as Graph takes and shows them. Nothing here acts on them.
	Profile map[string]json.RawMessage `json:"profile,omitempty"`
}

// Group is a set of users, principals and groups of a tenant.
type Group struct {
	TenantID        string    `json:"tenantId"`
	ObjectID        string    `json:"objectId"`
	DisplayName     string    `json:"displayName"`
	Description     string    `json:"description,omitempty"`
	MailNickname    string    `json:"mailNickname,omitempty"`
	SecurityEnabled bool      `json:"securityEnabled"`
	MailEnabled     bool      `json:"mailEnabled,omitempty"`
	Types           []string  `json:"groupTypes,omitempty"` // "Unified"
	Members         []string  `json:"members,omitempty"`    // object ids
	Owners          []string  `json:"owners,omitempty"`     // object ids
	Created         time.Time `json:"created"`

	Profile map[string]json.RawMessage `json:"profile,omitempty"` // as of a User
}
