package managedidentity_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/arm/armtest"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/service/managedidentity"
	"github.com/aksess/aksess/internal/service/resources"
	"github.com/aksess/aksess/internal/store"
)

const (
	identities = armtest.RG + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities"
	identity   = identities + "/uai"
	fic        = identity + "/federatedIdentityCredentials"
	issuer     = "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/55555555-5555-5555-5555-555555555555/"
)

type world struct {
	*armtest.Server
	directory *directory.Directory
}

func start(t testing.TB) *world {
	t.Helper()
	w := &world{}
	w.Server = armtest.New(t, armtest.Setup{
		Types: func(s *armtest.Server) []*arm.Type {
			w.directory = directory.New(s.Store, directory.Options{Now: s.Now, NewID: s.NewID})
			if _, err := w.directory.EnsureTenant(t.Context(), directory.Tenant{ID: armtest.TenantID, Domain: "contoso.onmicrosoft.com"}); err != nil {
				t.Fatal(err)
			}
			return managedidentity.Types(managedidentity.Options{Directory: w.directory, Resources: s.Resources, TenantID: armtest.TenantID})
		},
		Operations: func(s *armtest.Server, types []*arm.Type) []azapi.Operation {
			return resources.Operations(resources.Options{Resources: s.Resources, Types: types, Grants: s.Grants})
		},
	})
	return w
}

func body(issuer, subject string, audiences ...string) map[string]any {
	return map[string]any{"properties": map[string]any{"issuer": issuer, "subject": subject, "audiences": audiences}}
}

const audience = "api://AzureADTokenExchange"

func TestIdentity(t *testing.T) {
	w := start(t)
	w.Want(armtest.Request{Path: identity}, 404, "ResourceNotFound")
	created := w.Want(armtest.Request{Method: "PUT", Path: identity, As: armtest.Contributor, Body: `{"location":"westeurope","properties":{"clientId":"sent"}}`}, 201, "")
	principal, err := w.directory.ByResourceID(t.Context(), identity)
	if err != nil {
		t.Fatalf("the principal: %v", err)
	}
	want := fmt.Sprintf(`{"clientId":"%s","isolationScope":"None","principalId":"%s","tenantId":"%s"}`, principal.AppID, principal.ObjectID, armtest.TenantID)
	if got := created.Get("properties"); got != want {
		t.Errorf("properties: got %s, want %s", got, want)
	}
	for _, request := range []armtest.Request{
		{Method: "PUT", Path: identity, Body: `{"location":"westeurope","tags":{"a":"b"}}`},
		{Method: "PATCH", Path: identity, Body: `{"properties":{},"tags":{"c":"d"}}`},
		{Path: identity, As: armtest.Reader},
	} {
		if got := w.Want(request, 200, "").Get("properties"); got != want {
			t.Errorf("properties after %s: got %s, want %s", request.Method, got, want)
		}
	}
	w.Want(armtest.Request{Method: "PUT", Path: identity, Body: `{"location":"westeurope","properties":{"isolationScope":"Planet"}}`}, 400, "InvalidRequestContent")
	for _, name := range []string{"-xx", "xx", strings.Repeat("x", 129)} {
		w.Want(armtest.Request{Method: "PUT", Path: identities + "/" + name, Body: `{"location":"westeurope"}`}, 400, "InvalidIdentityName")
	}
	for _, name := range []string{"xxx", strings.Repeat("x", 128)} {
		w.Want(armtest.Request{Method: "PUT", Path: identities + "/" + name, Body: `{"location":"westeurope"}`}, 201, "")
		w.Want(armtest.Request{Method: "DELETE", Path: identities + "/" + name}, 200, "")
	}
	w.Want(armtest.Request{Method: "PUT", Path: identity, As: armtest.Reader, Body: `{"location":"westeurope"}`}, 403, "AuthorizationFailed")
	w.Want(armtest.Request{Path: identities, As: armtest.Nobody}, 403, "AuthorizationFailed")
	if got := w.Want(armtest.Request{Path: armtest.S + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities"}, 200, "").Get("value.0.name"); got != "uai" {
		t.Errorf("list: got %q, want uai", got)
	}
	w.Want(armtest.Request{Method: "DELETE", Path: identity}, 200, "")
	if _, err := w.directory.ByObjectID(t.Context(), principal.ObjectID); err == nil {
		t.Error("the principal outlives its identity")
	}
	w.Want(armtest.Request{Method: "DELETE", Path: identity}, 204, "")
	again := w.Want(armtest.Request{Method: "PUT", Path: identity, Body: `{"location":"westeurope"}`}, 201, "")
	if again.Get("properties.principalId") == principal.ObjectID {
		t.Error("an identity made anew has the old principal")
	}
}

func TestGroupTakesPrincipalsAlong(t *testing.T) {
	w := start(t)
	w.Want(armtest.Request{Method: "PUT", Path: identity, Body: `{"location":"westeurope"}`}, 201, "")
	w.Want(armtest.Request{Method: "PUT", Path: fic + "/one", Body: body(issuer, "s", audience)}, 201, "")
	w.Want(armtest.Request{Method: "DELETE", Path: armtest.RG}, 200, "")
	if _, err := w.directory.ByResourceID(t.Context(), identity); err == nil {
		t.Error("the principal outlives the group")
	}
}

func TestFederatedCredential(t *testing.T) {
	w := start(t)
	w.Want(armtest.Request{Method: "PUT", Path: fic + "/one", Body: body(issuer, "s", audience)}, 404, "ParentResourceNotFound")
	w.Want(armtest.Request{Path: fic}, 404, "ParentResourceNotFound")
	w.Want(armtest.Request{Method: "PUT", Path: identity, Body: `{"location":"westeurope"}`}, 201, "")
	w.Want(armtest.Request{Path: fic + "/one"}, 404, "ResourceNotFound")
	subject := "system:serviceaccount:widemo:wi-demo-sa"
	created := w.Want(armtest.Request{Method: "PUT", Path: fic + "/one", As: armtest.Contributor, Body: body(issuer, subject, audience)}, 201, "")
	want := fmt.Sprintf(`{"id":"%s/one","name":"one","type":"Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials","properties":{"issuer":"%s","subject":"%s","audiences":["%s"]}}`, fic, issuer, subject, audience)
	if created.Body != want {
		t.Errorf("created: got %s, want %s", created.Body, want)
	}
	tag := created.Header.Get("ETag")
	if got := w.Want(armtest.Request{Path: strings.ToUpper(fic) + "/ONE", As: armtest.Reader}, 200, ""); got.Body != want || got.Header.Get("ETag") != tag {
		t.Errorf("read in another case: got %s %s, want %s %s", got.Header.Get("ETag"), got.Body, tag, want)
	}
	w.Want(armtest.Request{Method: "PUT", Path: fic + "/one", Body: body(issuer, "other", audience), Headers: map[string]string{"If-Match": `"0"`}}, 412, "PreconditionFailed")
	updated := w.Want(armtest.Request{Method: "PUT", Path: fic + "/One", Body: body(strings.TrimSuffix(issuer, "/"), "other", audience), Headers: map[string]string{"If-Match": tag}}, 200, "")
	if updated.Get("properties.issuer") != strings.TrimSuffix(issuer, "/") || updated.Get("name") != "one" || updated.Header.Get("ETag") == tag {
		t.Errorf("updated: got %s %s", updated.Header.Get("ETag"), updated.Body)
	}
	w.Want(armtest.Request{Method: "PATCH", Path: fic + "/one", Body: "{}"}, 405, "MethodNotAllowed")
	if list := w.Want(armtest.Request{Path: fic, As: armtest.Reader}, 200, ""); list.Len() != 1 || list.Get("value.0.id") != fic+"/one" {
		t.Errorf("list: got %s", list.Body)
	}
	w.Want(armtest.Request{Method: "DELETE", Path: fic + "/one", As: armtest.Reader}, 403, "AuthorizationFailed")
	w.Want(armtest.Request{Method: "PUT", Path: fic + "/one", As: armtest.Reader, Body: body(issuer, "s", audience)}, 403, "AuthorizationFailed")
	w.Want(armtest.Request{Method: "DELETE", Path: fic + "/one"}, 200, "")
	w.Want(armtest.Request{Method: "DELETE", Path: fic + "/one"}, 204, "")
}

func TestFederatedCredentialRules(t *testing.T) {
	w := start(t)
	w.Want(armtest.Request{Method: "PUT", Path: identity, Body: `{"location":"westeurope"}`}, 201, "")
	w.Want(armtest.Request{Method: "PUT", Path: fic + "/first", Body: body(issuer, "s", audience)}, 201, "")
	cases := []struct {
		name    string
		path    string
		body    any
		status  int
		code    string
		message string
	}{
		{"no_properties", "new", `{}`, 400, "BadRequest", "empty properties"},
		{"null_properties", "new", `{"properties":null}`, 400, "BadRequest", "empty properties"},
		{"types", "new", `{"properties":{"issuer":1}}`, 400, "InvalidRequestContent", ""},
		{"flexible", "new", `{"properties":{"issuer":"https://x/","audiences":["a"],"claimsMatchingExpression":{"value":"claims['sub'] matches 'x*'","languageVersion":1}}}`, 400, "BadRequest", "claimsMatchingExpression"},
		{"no_issuer", "new", body("", "s", audience), 400, "BadRequest", "must specify 'issuer', 'subject' and 'audience'"},
		{"two_audiences", "new", body(issuer, "t", audience, "b"), 400, "BadRequest", "exactly 1 audience"},
		{"no_audience", "new", body(issuer, "t"), 400, "BadRequest", "must specify"},
		{"http_issuer", "new", body("http://x", "t", audience), 400, "BadRequest", "https"},
		{"short_name", "ab", body(issuer, "t", audience), 400, "BadRequest", "Federated Identity Credential name 'ab' is invalid."},
		{"not_unique", "new", body(issuer, "s", audience), 409, "Conflict", "Issuer and subject combination already exists for this Managed Identity."},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			response := w.Want(armtest.Request{Method: "PUT", Path: fic + "/" + c.path, Body: c.body}, c.status, c.code)
			if !strings.Contains(response.Message(), c.message) {
				t.Errorf("message: got %q, want %q in it", response.Message(), c.message)
			}
		})
	}
	for i := 2; i <= 20; i++ {
		w.Want(armtest.Request{Method: "PUT", Path: fmt.Sprintf("%s/n%02d", fic, i), Body: body(issuer, fmt.Sprint(i), audience)}, 201, "")
	}
	w.Want(armtest.Request{Method: "PUT", Path: fic + "/n21", Body: body(issuer, "21", audience)}, 409, "Conflict")
	w.Want(armtest.Request{Method: "PUT", Path: fic + "/n20", Body: body(issuer, "twenty", audience)}, 200, "")
	first := w.Want(armtest.Request{Path: fic + "?$top=15"}, 200, "")
	if first.Len() != 15 || first.Get("nextLink") == "" {
		t.Errorf("page: got %d entries, nextLink %q", first.Len(), first.Get("nextLink"))
	}
	_, query, _ := strings.Cut(first.Get("nextLink"), "?")
	rest := w.Want(armtest.Request{Path: fic + "?" + query}, 200, "")
	if rest.Len() != 5 || rest.Get("nextLink") != "" || rest.Get("value.4.name") != "n20" {
		t.Errorf("the rest: got %s", rest.Body)
	}
}

func TestConcurrentCredentialWrites(t *testing.T) {
	w := start(t)
	w.Want(armtest.Request{Method: "PUT", Path: identity, Body: `{"location":"westeurope"}`}, 201, "")
	var written, refused atomic.Int64
	armtest.Parallel(12, func(i int) {
		response := w.Do(armtest.Request{Method: "PUT", Path: fmt.Sprintf("%s/n%02d", fic, i), Body: body(issuer, fmt.Sprint(i), audience)})
		switch {
		case response.Status == http.StatusCreated:
			written.Add(1)
		case response.Status == http.StatusConflict && response.Code() == "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity" && strings.Contains(response.Message(), identity):
			refused.Add(1)
		default:
			t.Errorf("writer %d: got %d %s", i, response.Status, response.Body)
		}
	})
	if got := w.Want(armtest.Request{Path: fic}, 200, "").Len(); int64(got) != written.Load() || written.Load() == 0 {
		t.Errorf("credentials: got %d, want the %d written (%d refused)", got, written.Load(), refused.Load())
	}
}

func TestSystemAssignedIdentity(t *testing.T) {
	w := start(t)
	const vm = armtest.RG + "/providers/Microsoft.Compute/virtualMachines/vm"
	const path = vm + "/providers/Microsoft.ManagedIdentity/identities/default"
	w.Want(armtest.Request{Path: path}, 404, "ResourceIdentityNotFound")
	w.Want(armtest.Request{Path: armtest.RG + "/providers/Microsoft.ManagedIdentity/identities/default"}, 404, "ResourceIdentityNotFound")
	w.Want(armtest.Request{Method: "PUT", Path: identity, Body: `{"location":"westeurope"}`}, 201, "")
	w.Want(armtest.Request{Path: identity + "/providers/Microsoft.ManagedIdentity/identities/default"}, 404, "ResourceIdentityNotFound")
	principal, err := w.directory.CreateManagedIdentity(t.Context(), armtest.TenantID, vm, "vm")
	if err != nil {
		t.Fatal(err)
	}
	err = w.Resources.Save(t.Context(), &arm.Type{}, &arm.Resource{ID: vm, Name: "vm", Type: "Microsoft.Compute/virtualMachines", Location: "westeurope"}, store.Absent())
	if err != nil {
		t.Fatal(err)
	}
	got := w.Want(armtest.Request{Path: path, As: armtest.Reader}, 200, "")
	if got.Get("location") != "westeurope" || got.Get("properties.principalId") != principal.ObjectID || got.Get("properties.clientId") != principal.AppID || got.Get("id") != path {
		t.Errorf("system-assigned identity: got %s", got.Body)
	}
	w.Want(armtest.Request{Path: path, As: armtest.Nobody}, 403, "AuthorizationFailed")
}

// TestIdentityStatuses keeps the statuses that azurerm takes and no others.
func TestIdentityStatuses(t *testing.T) {
	w := start(t)
	put := armtest.Request{Method: "PUT", Path: identity, Body: `{"location":"West Europe","tags":{"a":"b"},"properties":{"isolationScope":"Regional"}}`}
	if got := w.Want(put, 201, ""); got.Get("properties.isolationScope") != "Regional" || got.Get("location") != "westeurope" {
		t.Errorf("created: got %s", got.Body)
	}
	first := w.Want(armtest.Request{Path: identity}, 200, "")
	if got := w.Want(armtest.Request{Method: "PUT", Path: identity, Body: `{"location":"westeurope"}`}, 200, ""); got.Get("properties") != first.Get("properties") || got.Get("tags") != "" {
		t.Errorf("put by az: got %s, want the properties of %s", got.Body, first.Body)
	}
	got := w.Want(armtest.Request{Method: "PATCH", Path: identity, Body: `{"tags":{"c":"d"},"properties":{"isolationScope":"None"}}`}, 200, "")
	if got.Get("properties.isolationScope") != "None" || got.Get("tags.c") != "d" || got.Get("properties.clientId") != first.Get("properties.clientId") {
		t.Errorf("patched: got %s", got.Body)
	}
	w.Want(armtest.Request{Method: "PATCH", Path: identity, Body: `{"properties":{"isolationScope":5}}`}, 400, "InvalidRequestContent")
	w.Want(armtest.Request{Method: "PATCH", Path: identity + "x", Body: `{"tags":{}}`}, 404, "ResourceNotFound")
	w.Want(armtest.Request{Method: "PUT", Path: identity + "x", Body: `{}`}, 400, "LocationRequired")
}

func TestAssociatedResources(t *testing.T) {
	w := start(t)
	w.Want(armtest.Request{Method: "PUT", Path: identity, Body: `{"location":"westeurope"}`}, 201, "")
	for i, ids := range []string{`{"` + strings.ToUpper(identity) + `":{}}`, `{"` + identity + `x":{}}`, `null`, `{"` + identity + `":{},"` + identity + `x":{}}`} {
		id := fmt.Sprintf("%s/providers/Microsoft.Compute/virtualMachines/vm%d", armtest.RG, i)
		made := &arm.Resource{ID: id, Name: fmt.Sprint("vm", i), Type: "Microsoft.Compute/virtualMachines", Identity: []byte(`{"type":"UserAssigned","userAssignedIdentities":` + ids + `}`)}
		if err := w.Resources.Save(t.Context(), &arm.Type{}, made, store.Absent()); err != nil {
			t.Fatal(err)
		}
	}
	list := armtest.Request{Method: "POST", Path: identity + "/listAssociatedResources", As: armtest.Contributor}
	got := w.Want(list, 200, "")
	want := `{"id":"` + armtest.RG + `/providers/Microsoft.Compute/virtualMachines/vm0","name":"vm0","resourceGroup":"rg","subscriptionDisplayName":"Test","subscriptionId":"` + armtest.SubscriptionID + `","type":"microsoft.compute/virtualmachines"}`
	if got.Get("totalCount") != "2" || got.Get("value.0") != want || got.Get("value.1.name") != "vm3" {
		t.Errorf("got %s, want first %s", got.Body, want)
	}
	list.Path += "?$top=1&$skip=1"
	if got := w.Want(list, 200, ""); got.Get("totalCount") != "2" || got.Len() != 1 || got.Get("value.0.name") != "vm3" {
		t.Errorf("a part: got %s", got.Body)
	}
	list.Path = identity + "/listAssociatedResources?$filter=x"
	w.Want(list, 400, "InvalidRequestContent")
	list.As = armtest.Reader
	w.Want(list, 403, "AuthorizationFailed")
}
