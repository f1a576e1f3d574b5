package arm

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
)

// refusals words what the pipeline refuses, as management.azure.com does.
type refusals struct {
	resources *Resources
	types     []*Type
	tenant    string
	audiences []string
}

func (f *refusals) word(r *azapi.Request, refusal azapi.Refusal) error {
	switch refusal.Stage {
	case azapi.StageNoToken:
		return noToken.New().SetHeader("WWW-Authenticate", f.challenge("The authentication failed because of missing 'Authorization' header."))
	case azapi.StageBadToken:
		return badToken.New(strings.TrimSuffix(fmt.Sprint(refusal.Err), ".")).
			SetHeader("WWW-Authenticate", f.challenge("The access token is invalid.")).With(refusal.Err)
	case azapi.StageAudience:
		return badAudience.New(r.Caller.Audience, strings.Join(f.audiences, "/,")+"/").
			SetHeader("WWW-Authenticate", f.challenge("The access token has been obtained for wrong audience or resource."))
	case azapi.StageVersion:
		if r.Version == "" {
			return noVersion.New()
		}
		return badVersion.New(fmt.Sprintf("%.100s", r.Version))
	case azapi.StageNoOperation:
		return f.noOperation(r, refusal.Allow)
	default:
		return f.forbidden(r, r.Operation.Action, r.Scope())
	}
}

func (f *refusals) challenge(description string) string {
	return fmt.Sprintf(`Bearer authorization_uri="https://login.windows.net/%s", error="invalid_token", error_description="%s"`, f.tenant, description)
}

// forbidden refuses a caller without a role. A subscription that does not exist
// is said so first, as Azure does; everything below one stays unsaid.
func (f *refusals) forbidden(r *azapi.Request, action azapi.Action, scope string) error {
	parts := segments(r)
	if len(parts) > 1 && strings.EqualFold(parts[0], "subscriptions") {
		if !chain.IsGUID(parts[1]) {
			return badSubscription.New(parts[1])
		}
		if _, err := f.resources.Subscription(r.Context(), parts[1]); err != nil {
			return err
		}
	}
	if f.tenant != "" && !strings.EqualFold(r.Caller.TenantID, f.tenant) {
		issuer := "https://sts.windows.net/"
		return badTenant.New(issuer+r.Caller.TenantID+"/", issuer+f.tenant+"/", "https://login.windows.net/"+f.tenant).
			SetHeader("WWW-Authenticate", f.challenge("The access token is from the wrong issuer."))
	}
	return Forbidden(r, action, scope)
}

// Forbidden is the refusal of a further action that an operation needs.
func Forbidden(r *azapi.Request, action azapi.Action, scope string) error {
	return notAuthorized.New(r.Caller.Name(), r.Caller.ObjectID, action.Access().Name, scope)
}

// ownTypes are the types that no provider's value describes.
func ownTypes() []string {
	return []string{
		"Microsoft.Authorization/roleAssignments", "Microsoft.Authorization/roleDefinitions", LockType,
		SubscriptionType, ResourceGroupType, "Microsoft.Resources/tags",
	}
}

// noOperation says what of the path is not served.
func (f *refusals) noOperation(r *azapi.Request, allow []string) error {
	if len(allow) > 0 {
		return badMethod.New(r.Method).SetHeader("Allow", strings.Join(allow, ", "))
	}
	id, err := IDOf(r, 0)
	if err != nil {
		return err
	}
	if len(id.Providers) == 0 {
		return noSuchPath.New(fmt.Sprintf("%.200s", r.URL.Path))
	}
	last := id.Providers[len(id.Providers)-1]
	served := map[string]bool{}
	namespaces := map[string]bool{"Microsoft.Authorization": true, "Microsoft.Resources": true}
	for _, t := range f.types {
		namespaces[t.namespace()] = true
		if strings.EqualFold(t.namespace(), last.Namespace) {
			served[t.Name] = true
		}
	}
	for _, typ := range ownTypes() {
		if chain.Contains(last.Namespace, typ) {
			served[typ] = true
		}
	}
	if len(served) == 0 {
		return UnknownNamespace.New(last.Namespace, strings.Join(slices.Sorted(maps.Keys(namespaces)), ", "))
	}
	if slices.ContainsFunc(f.types, func(t *Type) bool { return strings.EqualFold(t.Name, id.Type()) }) {
		return badMethod.New(r.Method).SetHeader("Allow", strings.Join([]string{http.MethodGet, http.MethodPut, http.MethodDelete}, ", "))
	}
	return unknownType.New(strings.Join(last.Types, "/"), last.Namespace, fmt.Sprintf("%.40s", r.Query("api-version")),
		strings.Join(slices.Sorted(maps.Keys(served)), ", "))
}
