package keyvault_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/app/apptest"
	"github.com/aksess/aksess/internal/store"
)

const (
	keyVault    = apptest.Subscription + "/providers/Microsoft.KeyVault"
	deletedList = keyVault + "/deletedVaults"
	deletedOne  = keyVault + "/locations/westeurope/deletedVaults/testvault"
)

func post(url string, body any) apptest.Request {
	return apptest.Request{Method: "POST", URL: url, Body: body}
}

func destroy(w *apptest.World) {
	w.T.Helper()
	w.Want(apptest.Request{Method: "DELETE", URL: vaultID}, 200, "")
}

func checkName(t *testing.T, w *apptest.World, name, want string) {
	t.Helper()
	got := w.Want(post(keyVault+"/checkNameAvailability", map[string]any{"name": name, "type": "Microsoft.KeyVault/vaults"}), 200, "")
	if reason := got.Get("nameAvailable") + got.Get("reason"); reason != want {
		t.Errorf("checkNameAvailability of %q: got %s, want %s", name, got.Body, want)
	}
}

// stored counts the documents of the secrets of all vaults.
func stored(t *testing.T, w *apptest.World) int {
	t.Helper()
	count := 0
	for _, kind := range []string{"keyvault.secret", "keyvault.version", "keyvault.deleted", "keyvault.contacts"} {
		page, err := w.Store.List(t.Context(), kind, store.Query{})
		if err != nil {
			t.Fatal(err)
		}
		count += len(page.Docs)
	}
	return count
}

// TestVaultLife is what azurerm does over destroy, apply, destroy with a purge and apply.
func TestVaultLife(t *testing.T) {
	w := start(t, map[string]any{"accessPolicies": []any{allOf(apptest.Owner)}})
	w.Want(apptest.Request{URL: deletedOne}, 404, "DeletedVaultNotFound")
	for i := range 3 {
		set(t, w, numbered(i), "v")
	}
	w.Want(at("DELETE", "/secrets/"+numbered(0), nil), 200, "")
	w.Want(at("PUT", "/certificates/contacts", map[string]any{"contacts": []any{map[string]any{"email": "a@b"}}}), 200, "")
	checkName(t, w, "TestVault", "falseAlreadyExists")
	destroy(w)
	w.Want(apptest.Request{Method: "DELETE", URL: vaultID}, 204, "")
	w.Want(apptest.Request{URL: vaultID}, 404, "ResourceNotFound")
	w.Want(at("GET", "/secrets/"+numbered(1), nil), 404, "VaultNotFound")
	checkName(t, w, "testVAULT", "falseAlreadyExists")
	w.Want(apptest.Request{Method: "PUT", URL: vaultID, Body: vault(nil)}, 409, "ConflictError")
	elsewhere := strings.Replace(vaultID, "/rg/", "/rg2/", 1)
	w.Put(apptest.Subscription+"/resourceGroups/rg2", `{"location":"westeurope"}`, 201)
	w.Want(apptest.Request{Method: "PUT", URL: elsewhere, Body: vault(map[string]any{"createMode": "recover"})}, 409, "ConflictError")

	recovered := w.Put(vaultID, vault(map[string]any{"createMode": "recover", "accessPolicies": []any{allOf(apptest.Owner)}}), 200)
	if recovered.Get("properties.createMode") != "" {
		t.Errorf("recovered: got %s", recovered.Body)
	}
	w.Want(apptest.Request{URL: deletedOne}, 404, "DeletedVaultNotFound")
	if got := w.Want(at("GET", "/secrets/"+numbered(1), nil), 200, ""); got.Get("value") != "v" {
		t.Errorf("the secret of a recovered vault: got %s", got.Body)
	}
	w.Want(at("GET", "/deletedsecrets/"+numbered(0), nil), 200, "")
	w.Want(at("GET", "/certificates/contacts", nil), 200, "")

	destroy(w)
	purged := w.Want(post(deletedOne+"/purge", nil), 202, "")
	for _, name := range []string{"Location", "Azure-AsyncOperation"} {
		w.Want(apptest.Request{URL: strings.TrimPrefix(purged.Header.Get(name), "https://")}, 200, "")
	}
	w.Want(post(deletedOne+"/purge", nil), 404, "DeletedVaultNotFound")
	w.Want(apptest.Request{URL: deletedOne}, 404, "DeletedVaultNotFound")
	if left := stored(t, w); left != 0 {
		t.Errorf("%d documents outlive their vault", left)
	}
	checkName(t, w, "testvault", "true")
	w.Want(apptest.Request{Method: "PUT", URL: vaultID, Body: vault(map[string]any{"createMode": "recover"})}, 404, "DeletedVaultNotFound")
	w.Put(vaultID, vault(map[string]any{"createMode": "default"}), 201)
	if got := w.Want(at("GET", "/secrets", nil), 200, ""); got.Get("value.0") != "" {
		t.Errorf("secrets of a vault made anew: got %s", got.Body)
	}
	set(t, w, numbered(0), "new")
}

func TestDeletedVaultOnTheWire(t *testing.T) {
	w := apptest.New(t, nil)
	body := vault(map[string]any{"softDeleteRetentionInDays": 7})
	body["tags"] = map[string]string{"a": "b"}
	w.Put(vaultID, body, 201)
	for _, name := range []string{"other-1", "other-2"} {
		id := strings.Replace(vaultID, "TestVault", name, 1)
		w.Put(id, vault(nil), 201)
		w.Want(apptest.Request{Method: "DELETE", URL: id}, 200, "")
	}
	destroy(w)
	got := w.Want(apptest.Request{URL: keyVault + "/locations/West%20Europe/deletedVaults/TESTVAULT"}, 200, "")
	want := `{"deletionDate":"2026-09-01T12:00:00Z","location":"westeurope","scheduledPurgeDate":"2026-09-08T12:00:00Z","tags":{"a":"b"},"vaultId":"` + vaultID + `"}`
	if got.Get("properties") != want || got.Get("type") != "Microsoft.KeyVault/deletedVaults" || got.Get("name") != "TestVault" {
		t.Errorf("got %s, want properties %s", got.Body, want)
	}
	if got.Get("id") != keyVault+"/locations/westeurope/deletedVaults/TestVault" {
		t.Errorf("id: got %s", got.Get("id"))
	}
	w.Want(apptest.Request{URL: keyVault + "/locations/northeurope/deletedVaults/testvault"}, 404, "DeletedVaultNotFound")
	page := w.Want(apptest.Request{URL: deletedList + "?$top=2"}, 200, "")
	if page.Get("value.0.name") != "other-1" || page.Get("value.1.name") != "other-2" || page.Get("value.2") != "" {
		t.Errorf("first page: got %s", page.Body)
	}
	page = w.Want(apptest.Request{URL: strings.TrimPrefix(page.Get("nextLink"), "https://")}, 200, "")
	if page.Get("value.0.name") != "TestVault" || page.Get("nextLink") != "" {
		t.Errorf("second page: got %s", page.Body)
	}
	w.Assign("contributor", "Key Vault Contributor", apptest.Subscription)
	w.Want(apptest.Request{URL: deletedOne, As: "contributor"}, 200, "")
	w.Want(apptest.Request{Method: "POST", URL: deletedOne + "/purge", As: "contributor"}, 403, "AuthorizationFailed")
	w.Assign("cleaner", "Key Vault Purge Operator", apptest.Subscription)
	w.Want(apptest.Request{Method: "POST", URL: deletedOne + "/purge", As: "cleaner"}, 202, "")
	w.Assign("group-owner", "Owner", apptest.Group)
	w.Want(apptest.Request{URL: deletedList, As: "group-owner"}, 403, "AuthorizationFailed")
}

func TestVaultRetention(t *testing.T) {
	w := start(t, map[string]any{"softDeleteRetentionInDays": 7, "enablePurgeProtection": true})
	set(t, w, "one", "1")
	w.Want(apptest.Request{Method: "PATCH", URL: vaultID, Body: `{"properties":{"softDeleteRetentionInDays":8}}`}, 400, "BadRequest")
	w.Want(apptest.Request{Method: "PATCH", URL: vaultID, Body: `{"properties":{"enableSoftDelete":false}}`}, 400, "BadRequest")
	w.Want(apptest.Request{Method: "PUT", URL: vaultID, Body: vault(map[string]any{"createMode": "undelete"})}, 400, "BadRequest")
	destroy(w)
	w.Want(post(deletedOne+"/purge", nil), 405, "MethodNotAllowed")
	if got := w.Want(apptest.Request{URL: deletedOne}, 200, ""); got.Get("properties.purgeProtectionEnabled") != "true" {
		t.Errorf("got %s", got.Body)
	}
	w.Advance(7*24*time.Hour - time.Second)
	recovered := w.Put(vaultID, vault(map[string]any{"createMode": "recover"}), 200) // says 90 days
	if recovered.Get("properties.softDeleteRetentionInDays") != "7" || recovered.Get("properties.enablePurgeProtection") != "true" {
		t.Errorf("recovered: got %s", recovered.Body)
	}
	destroy(w)
	w.Advance(7 * 24 * time.Hour)
	w.Want(apptest.Request{URL: deletedOne}, 404, "DeletedVaultNotFound")
	checkName(t, w, "TestVault", "true")
	w.Put(vaultID, vault(nil), 201)
	w.Want(at("GET", "/secrets/one", nil), 404, "SecretNotFound")
}

// TestAzRecovers: az names nothing but tenant and sku; the rest is as it was.
func TestAzRecovers(t *testing.T) {
	w := apptest.New(t, nil)
	body := vault(map[string]any{"networkAcls": map[string]any{"defaultAction": "Allow", "bypass": "None"}})
	body["tags"] = map[string]string{"a": "b"}
	before := w.Put(vaultID, body, 201)
	destroy(w)
	got := w.Put(vaultID, map[string]any{"location": "westeurope", "properties": map[string]any{
		"tenantId": apptest.TenantID, "sku": map[string]any{"family": "A", "name": "standard"}, "createMode": "recover",
	}}, 200)
	if got.Get("properties") != before.Get("properties") || got.Get("tags.a") != "b" {
		t.Errorf("got %s, want %s", got.Body, before.Body)
	}
}

func TestVaultNames(t *testing.T) {
	w := start(t, nil)
	w.Put(apptest.Subscription+"/resourceGroups/rg2", `{"location":"westeurope"}`, 201)
	w.Want(apptest.Request{Method: "PUT", URL: strings.Replace(vaultID, "/rg/", "/rg2/", 1), Body: vault(nil)}, 409, "VaultAlreadyExists")
	checkName(t, w, "free-name", "true")
	checkName(t, w, "a_b", "falseAccountNameInvalid")
	for _, body := range []string{`{}`, `{"name":"x"}`, `{"name":"free","type":"Microsoft.KeyVault/managedHSMs"}`} {
		w.Want(post(keyVault+"/checkNameAvailability", body), 400, "BadRequest")
	}
	w.Want(post(keyVault+"/checkNameAvailability", `[`), 400, "InvalidRequestContent")
}

// TestNoManagedHSMs is what az asks for beside the vaults.
func TestNoManagedHSMs(t *testing.T) {
	w := apptest.New(t, nil)
	for _, path := range []string{"/managedHSMs", "/deletedManagedHSMs"} {
		if got := w.Want(apptest.Request{URL: keyVault + path}, 200, ""); got.Body != `{"value":[]}` {
			t.Errorf("%s: got %s", path, got.Body)
		}
	}
	for name, want := range map[string]string{"free-name": "true", "a_b": "false"} {
		if got := w.Want(post(keyVault+"/checkMhsmNameAvailability", map[string]any{"name": name}), 200, ""); got.Get("nameAvailable") != want {
			t.Errorf("%q: got %s, want %s", name, got.Body, want)
		}
	}
	w.Want(apptest.Request{URL: keyVault + "/managedHSMs", As: nobody}, 403, "AuthorizationFailed")
}
