package service_test

import (
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/app/apptest"
	"github.com/aksess/aksess/internal/directory"
)

// directoryGroup is one that all callers change the members of.
const directoryGroup = "cccccccc-0000-4000-8000-000000000001"

// TestMixedLoad has callers create, use, reassign and delete the same few
// resources of all services at once: whoever is late gets Azure's 4xx, nobody a
// 5xx, and no goroutine stays behind. It is worth most with -race.
func TestMixedLoad(t *testing.T) {
	const workers, rounds = 8, 25
	w, _ := denyWorld(t)
	for role, scope := range map[string]string{
		"Key Vault Secrets Officer": roleVault, "App Configuration Data Owner": settings,
		"Storage Blob Data Owner": account, "Storage Queue Data Contributor": account,
	} {
		w.Assign(apptest.Owner, role, scope)
	}
	if _, err := w.Directory.CreateGroup(t.Context(), directory.Group{TenantID: apptest.TenantID, ObjectID: directoryGroup, DisplayName: "load", SecurityEnabled: true}); err != nil {
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			for round := range rounds {
				for _, r := range load(worker, round) {
					if got := w.Do(r); got.Status >= 500 || got.Status == http.StatusUnauthorized {
						t.Errorf("%s %s: got %d %s, want no failure", r.Method, r.URL, got.Status, got.Body)
					}
				}
			}
		})
	}
	group.Wait()
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("goroutines: got %d after the load, want %d", runtime.NumGoroutine(), before)
		}
	}
}

// load is one caller's round. Its names are those of the next callers' too.
func load(worker, round int) []apptest.Request {
	n := (worker + round) % 4
	secret := fmt.Sprintf("deniedroles.vault.azure.net/secrets/s%d?api-version=7.4", n)
	setting := fmt.Sprintf("deniedstore.azconfig.io/kv/k%d?api-version=1.0", n)
	blob := fmt.Sprintf("deniedaccount.blob.core.windows.net/deniedcontainer/b%d", n)
	messages := "deniedaccount.queue.core.windows.net/deniedqueue/messages"
	other := fmt.Sprintf("%s/providers/Microsoft.KeyVault/vaults/loadvault%d", apptest.Group, n)
	credential := fmt.Sprintf("%s/federatedIdentityCredentials/load%d", identity, n)
	assignment := fmt.Sprintf("%s/providers/Microsoft.Authorization/roleAssignments/aaaaaaaa-0000-4000-8000-00000000000%d", settings, n)
	storage := map[string]string{"x-ms-version": "2025-01-05", "x-ms-blob-type": "BlockBlob"}
	member := `{"@odata.id":"https://graph.microsoft.com/v1.0/directoryObjects/` + apptest.ObjectID(apptest.Owner) + `"}`
	reader, _ := access.BuiltinRole("App Configuration Data Reader")
	return []apptest.Request{
		{Method: "PUT", URL: secret, Body: `{"value":"v"}`},
		{URL: secret}, {URL: "deniedroles.vault.azure.net/secrets?api-version=7.4"},
		{Method: "PUT", URL: setting, Body: `{"value":"v"}`},
		{URL: setting, As: "nobody"}, {URL: "deniedstore.azconfig.io/kv?api-version=1.0&key=k*"},
		{Method: "PUT", URL: blob, Body: "content", Header: storage}, {URL: blob, Header: storage},
		{URL: "deniedaccount.blob.core.windows.net/deniedcontainer?restype=container&comp=list", Header: storage},
		{Method: "POST", URL: messages, Body: "<QueueMessage><MessageText>m</MessageText></QueueMessage>", Header: storage},
		{URL: messages, Header: storage},
		{Method: "PUT", URL: assignment, Body: `{"properties":{"roleDefinitionId":"/providers/Microsoft.Authorization/roleDefinitions/` + reader.ID +
			`","principalId":"` + apptest.ObjectID(fmt.Sprint("load", n)) + `","principalType":"ServicePrincipal"}}`},
		{URL: setting, As: fmt.Sprint("load", n)},
		{Method: "DELETE", URL: assignment},
		{Method: "PUT", URL: credential, Body: `{"properties":{"issuer":"https://issuer.example/","subject":"s` + fmt.Sprint(n) + `","audiences":["api://AzureADTokenExchange"]}}`},
		{URL: identity + "/federatedIdentityCredentials"}, {Method: "DELETE", URL: credential},
		{Method: "PUT", URL: other, Body: `{"location":"` + apptest.Location + `","properties":{"tenantId":"` + apptest.TenantID + `","sku":{"family":"A","name":"standard"}}}`},
		{URL: apptest.Subscription + "/resources"}, {Method: "DELETE", URL: other},
		{Method: "POST", URL: "graph.microsoft.com/v1.0/groups/" + directoryGroup + "/members/$ref", Body: member},
		{URL: "graph.microsoft.com/v1.0/servicePrincipals?$top=5"}, {Method: "DELETE", URL: "graph.microsoft.com/v1.0/groups/" + directoryGroup + "/members/" + apptest.ObjectID(apptest.Owner) + "/$ref"},
		{Method: "DELETE", URL: blob, Header: storage}, {Method: "DELETE", URL: setting}, {Method: "DELETE", URL: secret},
	}
}
