package resources_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/arm/armtest"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/service/resources"
	"github.com/aksess/aksess/internal/store"
)

const (
	groups   = armtest.S + "/resourceGroups"
	vaultsIn = armtest.RG + "/providers/Microsoft.KeyVault/vaults"
)

func absent() store.Condition { return store.Absent() }

func start(t testing.TB) *armtest.Server { return startWith(t, false) }

func startWith(t testing.TB, acceptUnknown bool) *armtest.Server {
	t.Helper()
	return armtest.New(t, armtest.Setup{
		AcceptUnknown: acceptUnknown,
		Types: func(*armtest.Server) []*arm.Type {
			return []*arm.Type{
				{Name: "Microsoft.KeyVault/vaults", Global: true},
				{Name: "Microsoft.KeyVault/vaults/secrets", Proxy: true},
				{Name: "Microsoft.Storage/storageAccounts", Global: true},
			}
		},
		Operations: func(s *armtest.Server, types []*arm.Type) []azapi.Operation {
			return resources.Operations(resources.Options{
				Resources: s.Resources, Types: types, Grants: s.Grants,
				Tenant: resources.Tenant{ID: armtest.TenantID, Name: "Contoso", Domain: "contoso.onmicrosoft.com", Country: "CH"},
			})
		},
	})
}

func TestSubscriptions(t *testing.T) {
	s := start(t)
	got := s.Want(armtest.Request{Path: armtest.S, As: armtest.Reader}, 200, "")
	for path, want := range map[string]string{
		"id": armtest.S, "subscriptionId": armtest.SubscriptionID, "displayName": "Test", "tenantId": armtest.TenantID, "state": "Enabled",
		"subscriptionPolicies.locationPlacementId": "Public_2014-09-01", "subscriptionPolicies.quotaId": "PayAsYouGo_2014-09-01", "subscriptionPolicies.spendingLimit": "Off",
	} {
		if got.Get(path) != want {
			t.Errorf("%s: got %q, want %q", path, got.Get(path), want)
		}
	}
	s.Want(armtest.Request{Path: armtest.S, As: armtest.Nobody}, 403, "AuthorizationFailed")
	s.Want(armtest.Request{Path: armtest.S, As: armtest.InGroup}, 403, "AuthorizationFailed")
	s.Want(armtest.Request{Path: "/subscriptions/33333333-3333-3333-3333-333333333333"}, 404, "SubscriptionNotFound")
	s.Want(armtest.Request{Path: "/subscriptions/x"}, 400, "InvalidSubscriptionId")
	for caller, want := range map[string]int{armtest.Owner: 1, armtest.InGroup: 1, armtest.Nobody: 0} {
		if got := s.Want(armtest.Request{Path: "/subscriptions?api-version=2019-11-01", As: caller}, 200, "").Len(); got != want {
			t.Errorf("subscriptions of %s: got %d, want %d", caller, got, want)
		}
	}
	s.Want(armtest.Request{Path: "/subscriptions", As: "-"}, 401, "AuthenticationFailed")
	tenants := s.Want(armtest.Request{Path: "/tenants", As: armtest.Nobody}, 200, "")
	if tenants.Get("value.0.tenantId") != armtest.TenantID || tenants.Get("value.0.defaultDomain") != "contoso.onmicrosoft.com" {
		t.Errorf("tenants: got %s", tenants.Body)
	}
	locations := s.Want(armtest.Request{Path: armtest.S + "/locations"}, 200, "")
	if !strings.Contains(locations.Body, `"name":"westeurope"`) || !strings.Contains(locations.Body, `"displayName":"West Europe"`) {
		t.Errorf("locations: got %s", locations.Body)
	}
	s.Want(armtest.Request{Path: armtest.S + "/locations", As: armtest.Nobody}, 403, "AuthorizationFailed")
}

func TestBootstrapIsOnce(t *testing.T) {
	s := start(t)
	subscription := resources.Subscription{ID: "44444444-4444-4444-4444-44444444444A", Name: "One", TenantID: armtest.TenantID}
	for range 2 {
		if err := resources.Bootstrap(t.Context(), s.Resources, subscription, s.Now()); err != nil {
			t.Fatal(err)
		}
		subscription.Name = "Two"
	}
	found, err := s.Resources.Subscription(t.Context(), subscription.ID)
	if err != nil || !strings.Contains(string(found.Properties), "One") {
		t.Errorf("the subscription: got %v, %v, want the first one", found, err)
	}
}

func TestProviders(t *testing.T) {
	s := start(t)
	all := s.Want(armtest.Request{Path: armtest.S + "/providers?$top=100", As: armtest.Reader}, 200, "")
	if all.Len() != 4 || strings.Count(all.Body, `"registrationState":"Registered"`) != 4 {
		t.Errorf("providers: got %s", all.Body)
	}
	one := s.Want(armtest.Request{Path: armtest.S + "/providers/microsoft.keyvault"}, 200, "")
	if one.Get("namespace") != "Microsoft.KeyVault" || one.Get("resourceTypes.1.resourceType") != "vaults/secrets" {
		t.Errorf("provider: got %s", one.Body)
	}
	s.Want(armtest.Request{Path: armtest.S + "/providers/Microsoft.Sql"}, 404, "InvalidResourceNamespace")
	s.Want(armtest.Request{Path: armtest.S + "/providers", As: armtest.Nobody}, 403, "AuthorizationFailed")
	s.Want(armtest.Request{Method: "POST", Path: armtest.S + "/providers/Microsoft.KeyVault/register", As: armtest.Contributor}, 200, "")
	s.Want(armtest.Request{Method: "POST", Path: armtest.S + "/providers/Microsoft.KeyVault/register", As: armtest.Reader}, 403, "AuthorizationFailed")
	s.Want(armtest.Request{Method: "POST", Path: armtest.S + "/providers/Microsoft.KeyVault/unregister", As: armtest.Contributor}, 200, "")
	s.Want(armtest.Request{Method: "POST", Path: armtest.S + "/providers/Microsoft.Sql/register"}, 404, "InvalidResourceNamespace")
}

func TestResourceGroups(t *testing.T) {
	s := start(t)
	path := groups + "/My.Group_(1)"
	s.Want(armtest.Request{Path: path}, 404, "ResourceGroupNotFound")
	s.Want(armtest.Request{Method: "HEAD", Path: path}, 404, "")
	created := s.Want(armtest.Request{Method: "PUT", Path: path, As: armtest.Contributor, Body: `{"location":"West Europe","tags":{"a":"1"},"managedBy":"me"}`}, 201, "")
	want := `{"id":"` + path + `","name":"My.Group_(1)","type":"Microsoft.Resources/resourceGroups","location":"westeurope","tags":{"a":"1"},"properties":{"provisioningState":"Succeeded"},"managedBy":"me"}`
	if created.Body != want {
		t.Errorf("created group: got %s, want %s", created.Body, want)
	}
	if got := s.Want(armtest.Request{Path: armtest.S + "/resourcegroups/my.group_(1)", As: armtest.Reader}, 200, "").Body; got != want {
		t.Errorf("read group: got %s, want %s", got, want)
	}
	s.Want(armtest.Request{Method: "HEAD", Path: path}, 204, "")
	s.Want(armtest.Request{Method: "PUT", Path: path, Body: `{"location":"westeurope"}`}, 200, "")
	s.Want(armtest.Request{Method: "PUT", Path: path, Body: `{"location":"northeurope"}`}, 409, "InvalidResourceGroupLocation")
	if got := s.Want(armtest.Request{Method: "PATCH", Path: path, Body: `{"tags":{"b":"2"}}`}, 200, "").Get("tags"); got != `{"b":"2"}` {
		t.Errorf("patched tags: got %s", got)
	}
	if got := s.Want(armtest.Request{Method: "PATCH", Path: path, Body: `{}`}, 200, "").Get("tags"); got != `{"b":"2"}` {
		t.Errorf("tags after an empty patch: got %s", got)
	}
	s.Want(armtest.Request{Method: "DELETE", Path: path, As: armtest.Reader}, 403, "AuthorizationFailed")
	s.Want(armtest.Request{Method: "DELETE", Path: path, As: armtest.Contributor}, 200, "")
	s.Want(armtest.Request{Path: path}, 404, "ResourceGroupNotFound")
	s.Want(armtest.Request{Method: "DELETE", Path: path}, 404, "ResourceGroupNotFound")
}

func TestResourceGroupRefusals(t *testing.T) {
	s := start(t)
	cases := []struct {
		name, method, path, as, body string
		status                       int
		code                         string
	}{
		{"reader", "PUT", groups + "/g", armtest.Reader, `{"location":"westeurope"}`, 403, "AuthorizationFailed"},
		{"nobody_reads", "GET", armtest.RG, armtest.Nobody, "", 403, "AuthorizationFailed"},
		{"nobody_patches", "PATCH", armtest.RG, armtest.Nobody, "{}", 403, "AuthorizationFailed"},
		{"other_group", "PUT", groups + "/g", armtest.InGroup, `{"location":"westeurope"}`, 403, "AuthorizationFailed"},
		{"empty", "PUT", groups + "/g", "", "", 400, "InvalidRequestContent"},
		{"list", "PUT", groups + "/g", "", "[]", 400, "InvalidRequestContent"},
		{"location_type", "PUT", groups + "/g", "", `{"location":{}}`, 400, "InvalidRequestContent"},
		{"no_location", "PUT", groups + "/g", "", "{}", 400, "LocationRequired"},
		{"bad_location", "PUT", groups + "/g", "", `{"location":"atlantis"}`, 400, "LocationNotAvailableForResourceGroup"},
		{"name_period", "PUT", groups + "/g.", "", `{"location":"westeurope"}`, 400, "InvalidResourceGroup"},
		{"name_chars", "PUT", groups + "/g%23", "", `{"location":"westeurope"}`, 400, "InvalidResourceGroup"},
		{"name_slash", "PUT", groups + "/g%2Fh", "", `{"location":"westeurope"}`, 400, "InvalidRequestUri"},
		{"name_long", "PUT", groups + "/" + strings.Repeat("g", 91), "", `{"location":"westeurope"}`, 400, "InvalidResourceGroup"},
		{"tags", "PUT", groups + "/g", "", `{"location":"westeurope","tags":{"a/b":"c"}}`, 400, "InvalidTagNameCharacters"},
		{"patch_missing", "PATCH", groups + "/g", "", "{}", 404, "ResourceGroupNotFound"},
		{"patch_moved", "PATCH", armtest.RG, "", `{"location":"northeurope"}`, 409, "InvalidResourceGroupLocation"},
		{"post", "POST", armtest.RG, "", "{}", 405, "MethodNotAllowed"},
		{"other_subscription", "PUT", "/subscriptions/33333333-3333-3333-3333-333333333333/resourceGroups/g", "", `{"location":"westeurope"}`, 404, "SubscriptionNotFound"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			request := armtest.Request{Method: c.method, Path: c.path, As: c.as, Body: c.body}
			s.Want(request, c.status, c.code)
		})
	}
}

func TestGroupsAreListedToThoseWhoMayRead(t *testing.T) {
	s := start(t)
	s.Want(armtest.Request{Method: "PUT", Path: groups + "/other", Body: `{"location":"westeurope","tags":{"env":"test","x":"y"}}`}, 201, "")
	for caller, want := range map[string]int{armtest.Reader: 2, armtest.InGroup: 1, armtest.Nobody: 0} {
		if got := s.Want(armtest.Request{Path: groups, As: caller}, 200, "").Len(); got != want {
			t.Errorf("groups of %s: got %d, want %d", caller, got, want)
		}
	}
	for filter, want := range map[string]int{
		"tagName+eq+'env'+and+tagValue+eq+'test'": 1, "tagName%20eq%20'env'%20and%20tagValue%20eq%20'y'": 0, "name+eq+'RG'": 1,
	} {
		if got := s.Want(armtest.Request{Path: groups + "?$filter=" + filter}, 200, "").Len(); got != want {
			t.Errorf("groups with %s: got %d, want %d", filter, got, want)
		}
	}
	s.Want(armtest.Request{Path: groups + "?$filter=color+eq+'red'"}, 400, "InvalidFilterInQueryString")
}

func TestGenericList(t *testing.T) {
	s := start(t)
	s.Want(armtest.Request{Method: "PUT", Path: vaultsIn + "/v1", Body: `{"location":"westeurope","tags":{"env":"test"},"properties":{}}`}, 201, "")
	s.Want(armtest.Request{Method: "PUT", Path: vaultsIn + "/v1/secrets/s", Body: `{"properties":{}}`}, 201, "")
	s.Want(armtest.Request{Method: "PUT", Path: armtest.RG + "/providers/Microsoft.Storage/storageAccounts/a1", Body: `{"location":"northeurope","kind":"StorageV2","sku":{"name":"Standard_LRS"}}`}, 201, "")
	s.Want(armtest.Request{Method: "PUT", Path: groups + "/other", Body: `{"location":"westeurope"}`}, 201, "")
	s.Want(armtest.Request{Method: "PUT", Path: groups + "/other/providers/Microsoft.KeyVault/vaults/v2", Body: `{"location":"westeurope"}`}, 201, "")
	cases := []struct {
		name, path, as string
		want           int
	}{
		{"all", armtest.S + "/resources", "", 3},
		{"type_as_the_provider_asks", armtest.S + "/resources?$filter=resourceType%20eq%20%27Microsoft.KeyVault%2Fvaults%27&api-version=2015-11-01", "", 2},
		{"type_ne", armtest.S + "/resources?$filter=resourceType+ne+'microsoft.keyvault/VAULTS'", "", 1},
		{"name", armtest.S + "/resources?$filter=name+eq+'V2'+and+resourceGroup+eq+'other'", "", 1},
		{"either", armtest.S + "/resources?$filter=(name+eq+'v1'+or+name+eq+'a1')+and+not+location+eq+'northeurope'", "", 1},
		{"tag", armtest.S + "/resources?$filter=tagName+eq+'env'+and+tagValue+eq+'test'", "", 1},
		{"substring", armtest.S + "/resources?$filter=substringof('V',name)", "", 2},
		{"startswith", armtest.S + "/resources?$filter=startswith(name,'a')", "", 1},
		{"group", armtest.RG + "/resources?$expand=provisioningState&$top=10", "", 2},
		{"only_what_may_be_read", armtest.S + "/resources", armtest.InGroup, 2},
		{"nothing_may_be_read", armtest.S + "/resources", armtest.Nobody, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			list := s.Want(armtest.Request{Path: c.path, As: c.as}, 200, "")
			if list.Len() != c.want {
				t.Errorf("%s: got %s, want %d entries", c.path, list.Body, c.want)
			}
		})
	}
	s.Want(armtest.Request{Path: armtest.RG + "/resources", As: armtest.Nobody}, 403, "AuthorizationFailed")
	s.Want(armtest.Request{Path: groups + "/none/resources"}, 404, "ResourceGroupNotFound")
	s.Want(armtest.Request{Path: armtest.S + "/resources?$filter=name+eq"}, 400, "InvalidFilterInQueryString")
	expanded := s.Want(armtest.Request{Path: armtest.RG + "/resources?$expand=createdTime,changedTime,provisioningState"}, 200, "")
	if expanded.Get("value.0.createdTime") != "2026-09-01T12:00:00Z" || expanded.Get("value.0.provisioningState") != "Succeeded" {
		t.Errorf("expanded: got %s", expanded.Body)
	}
	s.Want(armtest.Request{Method: "DELETE", Path: armtest.RG}, 200, "")
	s.Want(armtest.Request{Path: armtest.RG + "/resources"}, 404, "ResourceGroupNotFound")
	if got := s.Want(armtest.Request{Path: armtest.S + "/resources"}, 200, "").Len(); got != 1 {
		t.Errorf("resources after the group: got %d, want 1", got)
	}
	s.Want(armtest.Request{Method: "PUT", Path: groups + "/other/providers/Microsoft.KeyVault/vaults/v1", Body: `{"location":"westeurope"}`}, 201, "")
}

func TestMetadata(t *testing.T) {
	s := start(t)
	got := s.Want(armtest.Request{Path: "/metadata/endpoints?api-version=2022-09-01", As: "-"}, 200, "")
	for path, want := range map[string]string{
		"name": "AzureCloud", "resourceManager": "https://management.azure.com", "microsoftGraphResourceId": "https://graph.microsoft.com",
		"authentication.identityProvider": "AAD", "authentication.tenant": "common", "authentication.loginEndpoint": "https://login.microsoftonline.com",
		"suffixes.storage": "core.windows.net", "suffixes.keyVaultDns": "vault.azure.net",
	} {
		if got.Get(path) != want {
			t.Errorf("%s: got %q, want %q", path, got.Get(path), want)
		}
	}
	old := s.Want(armtest.Request{Path: "/metadata/endpoints?api-version=2019-05-01", As: "-"}, 200, "")
	var clouds []json.RawMessage
	if err := json.Unmarshal([]byte(old.Body), &clouds); err != nil || len(clouds) != 1 {
		t.Errorf("metadata of 2019: got %s, want a list of one", old.Body)
	}
	older := s.Want(armtest.Request{Path: "//metadata/endpoints?api-version=2018-01-01", As: "-"}, 200, "") // with two slashes, as azurerm 4 writes it
	for path, want := range map[string]string{
		"cloudEndpoint.public.endpoint": "management.azure.com", "cloudEndpoint.public.locations.0": arm.Locations()[0].Name, "authentication.identityProvider": "AAD",
	} {
		if older.Get(path) != want {
			t.Errorf("%s of 2018: got %q, want %q", path, older.Get(path), want)
		}
	}
}
