package service_test

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/app/apptest"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/service"
	"github.com/aksess/aksess/internal/service/resources"
)

// unguarded are all operations that no role guards, each with why. One that is
// added to a service is added here too, with its reason, or the test fails.
var unguarded = map[string]string{
	"arm/GetMetadata":                 "the cloud's endpoints; asked for before anyone signed in",
	"arm/ListTenants":                 "the caller's own tenant",
	"arm/ListSubscriptions":           "holds what the caller may read",
	"arm/ListResources":               "holds what the caller may read",
	"arm/ListResourceGroups":          "holds what the caller may read",
	"arm/GetOperationStatus":          "the caller's own operation; others' are decided about in the handler",
	"arm/GetOperation":                "the caller's own operation; others' are decided about in the handler",
	"arm/GetOperationResult":          "the caller's own operation; others' are decided about in the handler",
	"arm/ListRoleDefinitionsOfTenant": "built-in roles",
	"arm/GetRoleDefinitionOfTenant":   "built-in roles; a custom one is decided about in the handler",
	"issuer/GetIssuerDiscovery":       "public, as whoever verifies a token needs it",
	"issuer/GetIssuerKeys":            "public keys",
	"apiserver/GetVersion":            "the handler asks for the cluster's own token",
	"apiserver/GetServiceAccount":     "the handler asks for the cluster's own token",
	"apiserver/CreateToken":           "the handler asks for the cluster's own token",
	"apiserver/OtherGET":              "the handler asks for the cluster's own token",
	"apiserver/OtherPOST":             "the handler asks for the cluster's own token",
	"apiserver/OtherPUT":              "the handler asks for the cluster's own token",
	"apiserver/OtherPATCH":            "the handler asks for the cluster's own token",
	"apiserver/OtherDELETE":           "the handler asks for the cluster's own token",
}

// Resources of the world, whose names a caller without roles must not learn.
const (
	vault     = apptest.Group + "/providers/Microsoft.KeyVault/vaults/deniedvault"
	roleVault = apptest.Group + "/providers/Microsoft.KeyVault/vaults/deniedroles"
	settings  = apptest.Group + "/providers/Microsoft.AppConfiguration/configurationStores/deniedstore"
	account   = apptest.Group + "/providers/Microsoft.Storage/storageAccounts/deniedaccount"
	cluster   = apptest.Group + "/providers/Microsoft.ContainerService/managedClusters/deniedcluster"
	identity  = apptest.Group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/deniedidentity"
	custom    = "aaaaaaaa-0000-4000-8000-00000000000c"
)

// denyWorld is a world with one resource of each type and the operations of all services.
func denyWorld(t *testing.T) (*apptest.World, []*azapi.Service) {
	w := denied(t)
	services, err := service.All(service.Deps{
		Store: w.Store, Directory: w.Directory, Book: w.Book, Issuers: w.Issuers, Resources: w.Resources,
		Tenant: resources.Tenant{ID: apptest.TenantID}, Now: w.Now, NewID: w.NewID,
	})
	if err != nil {
		t.Fatal(err)
	}
	return w, services.Hosts
}

// denied is a world with one resource of each type.
func denied(t testing.TB) *apptest.World {
	w := apptest.New(t, nil)
	location := `"location":"` + apptest.Location + `"`
	tenant := `"tenantId":"` + apptest.TenantID + `","sku":{"family":"A","name":"standard"}`
	put(w, vault, `{`+location+`,"properties":{`+tenant+`,"accessPolicies":[]}}`)
	put(w, roleVault, `{`+location+`,"properties":{`+tenant+`,"enableRbacAuthorization":true}}`)
	put(w, settings, `{`+location+`,"sku":{"name":"standard"}}`)
	put(w, account, `{`+location+`,"kind":"StorageV2","sku":{"name":"Standard_LRS"}}`)
	put(w, account+"/blobServices/default/containers/deniedcontainer", `{}`)
	put(w, account+"/queueServices/default/queues/deniedqueue", `{}`)
	put(w, cluster, `{`+location+`,"properties":{"dnsPrefix":"denied"}}`)
	put(w, identity, `{`+location+`}`)
	put(w, apptest.Group+"/providers/Microsoft.Network/virtualNetworks/deniednetwork",
		`{`+location+`,"properties":{"addressSpace":{"addressPrefixes":["10.0.0.0/16"]},"subnets":[{"name":"deniedsubnet","properties":{"addressPrefix":"10.0.0.0/24"}}]}}`)
	put(w, apptest.Group+"/providers/Microsoft.Network/publicIPAddresses/deniedaddress", `{`+location+`}`)
	put(w, apptest.Group+"/providers/Microsoft.OperationalInsights/workspaces/deniedworkspace", `{`+location+`}`)
	put(w, apptest.Group+"/providers/Microsoft.Authorization/roleDefinitions/"+custom,
		`{"properties":{"roleName":"denied role","assignableScopes":["`+apptest.Group+`"],"permissions":[{"actions":["*/read"]}]}}`)
	return w
}

// put creates a resource as the owner; some types answer 200 to that, some 201.
func put(w *apptest.World, id, body string) {
	w.T.Helper()
	got := w.Do(apptest.Request{Method: http.MethodPut, URL: id, Body: body})
	if got.Status != http.StatusOK && got.Status != http.StatusCreated {
		w.T.Fatalf("PUT %s: got %d %s", id, got.Status, got.Body)
	}
}

// hosts are where the world's resources of a service answer; a vault decides in two ways.
func hosts(s *azapi.Service) []string {
	switch s.Name {
	case "keyvault":
		return []string{"deniedvault.vault.azure.net", "deniedroles.vault.azure.net"}
	case "appconfig":
		return []string{"deniedstore.azconfig.io"}
	case "blob", "queue", "file", "table":
		return []string{"deniedaccount." + s.Name + ".core.windows.net"}
	default:
		return s.Hosts
	}
}

// names of the world's resources by the segment of a path that they follow.
var names = map[string]string{
	"vaults": "deniedvault", "configurationStores": "deniedstore", "storageAccounts": "deniedaccount", "managedClusters": "deniedcluster",
	"userAssignedIdentities": "deniedidentity", "containers": "deniedcontainer", "queues": "deniedqueue", "subscriptions": apptest.SubscriptionID,
	"resourceGroups": "rg", "blobServices": "default", "queueServices": "default", "fileServices": "default", "tableServices": "default", "federatedIdentityCredentials": "denied",
	"providers": "Microsoft.KeyVault", "locations": apptest.Location, "operationStatuses": "aaaaaaaa-0000-4000-8000-000000000002", "operations": "aaaaaaaa-0000-4000-8000-000000000002",
	"operationResults": "aaaaaaaa-0000-4000-8000-000000000002",
	"virtualNetworks":  "deniednetwork", "subnets": "deniedsubnet", "publicIPAddresses": "deniedaddress", "workspaces": "deniedworkspace",
	"roleAssignments": "aaaaaaaa-0000-4000-8000-000000000001", "roleDefinitions": custom, "accessPolicies": "add",
}

// request fills an operation's pattern with the world's resources.
func request(host string, operation *azapi.Operation) apptest.Request {
	var path strings.Builder
	before := ""
	for segment := range strings.SplitSeq(strings.TrimPrefix(operation.Pattern, "/"), "/") {
		switch {
		case segment == "{scope...}":
			segment = strings.TrimPrefix(vault, "/")
		case segment == "{container}":
			segment = "deniedcontainer"
		case segment == "{queue}":
			segment = "deniedqueue"
		case strings.HasPrefix(segment, "{"):
			segment = cmp.Or(names[before], "denied")
		}
		path.WriteString("/" + segment)
		before = segment
	}
	query := "?api-version=2025-01-01"
	for name, value := range operation.Query {
		if value == "*" {
			value = "denied"
		}
		if value != "" {
			query += "&" + name + "=" + value
		}
	}
	return apptest.Request{
		Method: operation.Method, URL: host + path.String() + query, Body: `{}`,
		Header: map[string]string{"x-ms-version": "2025-01-05", "x-ms-blob-type": "BlockBlob"},
	}
}

// TestEveryOperationIsDenied asks for every operation of every service as
// callers who must not have it.
func TestEveryOperationIsDenied(t *testing.T) {
	w, services := denyWorld(t)
	w.Assign("contributor", "Contributor", apptest.Subscription)
	w.Assign("reader", "Reader", apptest.Subscription)
	w.Assign("elsewhere", "Owner", apptest.Subscription+"/resourceGroups/rg2")
	owner, reader := builtin(t, "Owner"), builtin(t, "Reader")
	contributor := builtin(t, "Contributor")
	count := 0
	for _, s := range services {
		for i := range s.Operations {
			operation := &s.Operations[i]
			action := operation.Action.Access()
			if action.Name == "" {
				continue
			}
			count++
			for _, host := range hosts(s) {
				denied := []string{"nobody", "elsewhere", "foreigner"}
				for name, role := range map[string]access.RoleDefinition{apptest.Owner: owner, "contributor": contributor, "reader": reader} {
					if action.Data || !role.Grants(action) {
						denied = append(denied, name)
					}
				}
				slices.Sort(denied)
				for _, caller := range denied {
					t.Run(s.Name+"/"+operation.Name+"/"+host+"/"+caller, func(t *testing.T) { refused(t, w, host, operation, caller) })
				}
				t.Run(s.Name+"/"+operation.Name+"/"+host+"/nobody_at_all", func(t *testing.T) {
					r := request(host, operation)
					r.As = "-"
					if got := w.Do(r); got.Status != http.StatusUnauthorized {
						t.Errorf("%s %s without a token: got %d %s, want 401", r.Method, r.URL, got.Status, got.Body)
					}
				})
			}
		}
	}
	if count < 100 {
		t.Errorf("got %d guarded operations, want all of them, 100 at least", count)
	}
}

// refused wants 403, or the 401 that Storage and Key Vault give for another tenant's token.
func refused(t *testing.T, w *apptest.World, host string, operation *azapi.Operation, caller string) {
	t.Helper()
	r := request(host, operation)
	r.As = caller
	got := w.Do(r)
	if got.Status == http.StatusForbidden || caller == "foreigner" && got.Status == http.StatusUnauthorized {
		if last := w.Last(); last.Verdict.Allowed || last.Operation != operation.Name {
			t.Errorf("%s %s as %s: got %s with verdict %+v, want %s refused by a verdict", r.Method, r.URL, caller, last.Operation, last.Verdict, operation.Name)
		}
		return
	}
	t.Errorf("%s %s as %s: got %d %s, want 403", r.Method, r.URL, caller, got.Status, got.Body)
}

func builtin(t *testing.T, name string) access.RoleDefinition {
	t.Helper()
	role, found := access.BuiltinRole(name)
	if !found {
		t.Fatalf("no built-in role %q", name)
	}
	return role
}

// TestUnguardedOperations keeps the list of operations that no role guards, and
// what they tell a caller without roles.
func TestUnguardedOperations(t *testing.T) {
	w, services := denyWorld(t)
	seen := map[string]bool{}
	for _, s := range services {
		for i := range s.Operations {
			operation := &s.Operations[i]
			if operation.Action.Access().Name != "" {
				continue
			}
			name := s.Name + "/" + operation.Name
			seen[name] = true
			if unguarded[name] == "" {
				t.Errorf("%s %s is guarded by no role and not among those that may be", s.Name, operation.Name)
			}
			if s.Name != "arm" {
				continue
			}
			for _, caller := range []string{"nobody", "foreigner"} {
				for _, filter := range []string{"", "&$filter=atScopeAndBelow()", "&$filter=atScope()"} {
					r := request(s.Hosts[0], operation)
					r.As, r.URL = caller, r.URL+filter
					tells(t, name, r, w.Do(r))
				}
			}
		}
	}
	for name := range unguarded {
		if !seen[name] {
			t.Errorf("%s is among the operations that may be unguarded but is not served", name)
		}
	}
}

// tells fails when an answer names anything of the world's subscription.
func tells(t *testing.T, name string, r apptest.Request, got apptest.Response) {
	t.Helper()
	asked := strings.Contains(r.URL, apptest.SubscriptionID) // whose id a refusal repeats
	if strings.Contains(got.Body, "denied") || !asked && strings.Contains(got.Body, apptest.SubscriptionID) {
		t.Errorf("%s %s as %s: got %d %s, want nothing of others' scopes", name, r.URL, r.As, got.Status, got.Body)
	}
	if got.Status >= 500 {
		t.Errorf("%s %s as %s: got %d", name, r.URL, r.As, got.Status)
	}
}

// TestAPIServerWantsItsOwnToken: the pipeline admits everyone to a cluster's
// API server, so its handlers are asked one by one, also with Entra's tokens.
func TestAPIServerWantsItsOwnToken(t *testing.T) {
	w, services := denyWorld(t)
	at := slices.IndexFunc(services, func(s *azapi.Service) bool { return s.Name == "apiserver" })
	host := w.Want(apptest.Request{URL: cluster}, http.StatusOK, "").Get("properties.fqdn")
	for i := range services[at].Operations {
		operation := &services[at].Operations[i]
		for _, as := range []string{"-", apptest.Owner} {
			r := request(host, operation)
			r.As = as
			if got := w.Do(r); got.Status != http.StatusUnauthorized {
				t.Errorf("%s as %s: got %d %s, want 401", operation.Name, as, got.Status, got.Body)
			}
		}
		r := request("denied-00000000.hcp."+apptest.Location+".azmk8s.io", operation)
		if got := w.Do(r); got.Status < 400 || got.Status >= 500 {
			t.Errorf("%s of no cluster: got %d, want 4xx", operation.Name, got.Status)
		}
	}
}
