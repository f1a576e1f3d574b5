package inject

import (
	"context"
	"errors"
	"strconv"

	"github.com/aksess/aksess/internal/chain"
)

// ServiceAccount is the part of a Kubernetes service account that matters here.
type ServiceAccount struct {
	Namespace   string
	Name        string
	Annotations map[string]string // see [ServiceAccountAnnotations]; others are ignored
}

// ServiceAccounts finds service accounts.
type ServiceAccounts interface {
	// Get returns the service account, ErrNotFound if the cluster has none of
	// that name, or another error if the cluster could not be asked. The caller
	// does not change the annotations.
	Get(ctx context.Context, namespace, name string) (ServiceAccount, error)
}

// ErrNotFound is returned, possibly wrapped, for a service account that does not exist.
var ErrNotFound = errors.New("service account not found")

// ServiceAccountAnnotations returns the keys that this package reads from a
// service account. A cache needs to keep no others.
func ServiceAccountAnnotations() []string {
	own := [...]string{chain.AnnotationClientID, chain.AnnotationTenantID, chain.AnnotationTokenExpiration, chain.AnnotationClientIDs}
	pods := podAnnotations()
	return append(own[:], pods[:]...)
}

// podAnnotations are read from pods only. On a service account they are worth a warning.
func podAnnotations() [5]string {
	return [...]string{
		chain.AnnotationInjectProxySidecar, chain.AnnotationProxySidecarPort, chain.AnnotationProxySidecarMode,
		chain.AnnotationSkipContainers, chain.AnnotationUsePrefix + chain.BindingSuffix,
	}
}

// accountAnnotations are read from service accounts only.
func accountAnnotations() [3]string {
	return [...]string{chain.AnnotationClientID, chain.AnnotationTenantID, chain.AnnotationClientIDs}
}

func (sa ServiceAccount) String() string {
	return quote(sa.Namespace + "/" + sa.Name)
}

// identity is what a service account's annotations say, checked.
type identity struct {
	clientID string     // "" when the service account names none
	others   []Identity // under names
	tenantID string     // "" when neither the service account nor the cluster names one
	warnings []string
}

func identify(sa ServiceAccount, cfg Config) (identity, error) {
	id := identity{clientID: sa.Annotations[chain.AnnotationClientID], tenantID: cfg.TenantID}
	if id.clientID != "" && !chain.IsGUID(id.clientID) {
		return id, invalid("annotation %s of service account %s has value %s: expected a GUID, the client id of a managed identity or an application",
			chain.AnnotationClientID, sa, quote(id.clientID))
	}
	var err error
	if id.others, err = parseIdentities(sa); err != nil {
		return id, err
	}
	for _, key := range podAnnotations() {
		if _, misplaced := sa.Annotations[key]; misplaced {
			id.warnings = append(id.warnings, "annotation "+key+" of service account "+sa.String()+" has no effect there: it belongs on the pod")
		}
	}
	tenant, annotated := sa.Annotations[chain.AnnotationTenantID]
	switch {
	case annotated && tenant != "":
		if !validTenant(tenant) {
			return id, invalid("annotation %s of service account %s has value %s: expected a tenant, a GUID or a domain name",
				chain.AnnotationTenantID, sa, quote(tenant))
		}
		id.tenantID = tenant
	case annotated && cfg.TenantID != "":
		id.warnings = append(id.warnings, "annotation "+chain.AnnotationTenantID+" of service account "+sa.String()+
			" is empty: the cluster's tenant "+quote(cfg.TenantID)+" is used")
	}
	return id, nil
}

// nameless reports whether the service account names no identity at all. One
// that names its identities apart may do without AZURE_CLIENT_ID.
func (id identity) nameless() bool { return id.clientID == "" && len(id.others) == 0 }

func (id identity) missingTenant(sa ServiceAccount) string {
	return "no tenant: service account " + sa.String() + " has no annotation " + chain.AnnotationTenantID +
		" and the cluster has no default; " + chain.EnvTenantID + " is not set"
}

func (id identity) missingClient(sa ServiceAccount) string {
	return "service account " + sa.String() + " has no annotation " + chain.AnnotationClientID + ": " +
		chain.EnvClientID + " is not set"
}

// Expiration returns the lifetime of the service account's projected token in
// seconds: the annotation's, else chain.DefaultTokenExpiration. The error is a [*Denied].
func Expiration(sa ServiceAccount) (int64, error) {
	if value, ok := sa.Annotations[chain.AnnotationTokenExpiration]; ok {
		return parseExpiration("service account "+sa.String(), value)
	}
	return chain.DefaultTokenExpiration, nil
}

// parseExpiration keeps upstream's wording after the name of the annotation.
func parseExpiration(object, value string) (int64, error) {
	const key = chain.AnnotationTokenExpiration
	seconds, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 0, invalid("annotation %s of %s has value %s: %v", key, object, quote(value), clipped(err))
	}
	if seconds < chain.MinTokenExpiration || seconds > chain.MaxTokenExpiration {
		return 0, invalid("annotation %s of %s has value %s: token expiration %d not valid. Expected value to be between %d and %d",
			key, object, quote(value), seconds, chain.MinTokenExpiration, chain.MaxTokenExpiration)
	}
	return seconds, nil
}

// clipped bounds the value inside a number's parse error.
func clipped(err error) error {
	var number *strconv.NumError
	if errors.As(err, &number) && len(number.Num) > quoteLimit {
		return &strconv.NumError{Func: number.Func, Num: number.Num[:quoteLimit], Err: number.Err}
	}
	return err
}

func validTenant(s string) bool { return chain.IsGUID(s) || chain.IsDomain(s) }

func validPort(n int64) bool { return n >= 1 && n <= 65535 }
