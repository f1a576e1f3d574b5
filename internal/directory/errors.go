package directory

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/fault"
)

// What the directory refuses. How it reads on the wire is the caller's: the
// token service, Resource Manager and Graph word it differently.
var (
	ErrTenantNotFound     = errors.New("tenant not found")
	ErrPrincipalNotFound  = errors.New("principal not found")
	ErrPrincipalExists    = errors.New("the application has a service principal")
	ErrUserNotFound       = errors.New("user not found")
	ErrUserExists         = errors.New("user principal name is taken")
	ErrUserDisabled       = errors.New("user is disabled")
	ErrGroupNotFound      = errors.New("group not found")
	ErrObjectNotFound     = errors.New("directory object not found")
	ErrMemberExists       = errors.New("the group has the member or owner")
	ErrMemberNotFound     = errors.New("the group has no such member or owner")
	ErrTooManyMembers     = errors.New("too many members or owners")
	ErrCredentialNotFound = errors.New("federated credential not found")
	ErrCredentialExists   = errors.New("federated credential exists")
	ErrKeyNotFound        = errors.New("secret or certificate not found")
	ErrTooManyKeys        = errors.New("too many secrets or certificates")
	ErrDomainTaken        = errors.New("domain belongs to another tenant")
	ErrInvalid            = errors.New("invalid value") // a GUID, domain, resource id, certificate or time that cannot be
	ErrImmutable          = errors.New("property cannot change")
	ErrSecretWrong        = errors.New("client secret is wrong")
	ErrSecretExpired      = errors.New("client secret is expired")
	ErrPasswordWrong      = errors.New("password is wrong")
	ErrPasswordWeak       = errors.New("password is too short or too simple")
)

// ErrNoServicePrincipal is the ErrPrincipalNotFound of an application that is
// registered and has no service principal.
var ErrNoServicePrincipal = fmt.Errorf("%w: the application has no service principal", ErrPrincipalNotFound)

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
