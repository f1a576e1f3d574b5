package directory

import (
	"errors"
	"net/http"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/fault"
)

// What the directory refuses. How it reads on the wire is the caller's: the
// token service, Resource Manager and Graph word it differently.
var (
	ErrTenantNotFound     = errors.New("tenant not found")
	ErrPrincipalNotFound  = errors.New("principal not found")
	ErrCredentialNotFound = errors.New("federated credential not found")
	ErrCredentialExists   = errors.New("federated credential exists")
	ErrKeyNotFound        = errors.New("secret or certificate not found")
	ErrTooManyKeys        = errors.New("too many secrets or certificates")
	ErrDomainTaken        = errors.New("domain belongs to another tenant")
	ErrInvalid            = errors.New("invalid value") // a GUID, domain, resource id, certificate or time that cannot be
	ErrImmutable          = errors.New("property cannot change")
	ErrSecretWrong        = errors.New("client secret is wrong")
	ErrSecretExpired      = errors.New("client secret is expired")
)

// ErrConcurrentWrites refuses a write of a federated credential while another
// one under the same identity is under way
// (https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations#concurrent-updates-arent-supported-user-assigned-managed-identities).
var ErrConcurrentWrites = &fault.Kind{
	Code:   "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity",
	Status: http.StatusConflict,
	Format: "Too many Federated Identity Credentials are written concurrently for the managed identity '%s'. Concurrent Federated Identity Credentials writes under the same managed identity are not supported.",
	Link:   chain.LinkFederatedCredential,
	Why:    "Two federated credentials of one identity were written at the same time.",
	Fix:    "Write the federated credentials of one identity one after the other: depends_on in Terraform, dependsOn in templates.",
}
