package appconfig_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/app/apptest"
	"github.com/aksess/aksess/internal/store"
)

const (
	provider   = apptest.Subscription + "/providers/Microsoft.AppConfiguration"
	deletedOne = provider + "/locations/westeurope/deletedConfigurationStores/teststore"
)

func post(url string, body any) apptest.Request {
	return apptest.Request{Method: "POST", URL: url, Body: body}
}

func (w world) destroy() {
	w.T.Helper()
	w.Want(apptest.Request{Method: "DELETE", URL: storeID}, 200, "")
}

func (w world) checkName(name, want string) {
	w.T.Helper()
	got := w.Want(post(provider+"/checkNameAvailability", map[string]any{"name": name, "type": "Microsoft.AppConfiguration/configurationStores"}), 200, "")
	if reason := got.Get("nameAvailable") + got.Get("reason"); reason != want {
		w.T.Errorf("checkNameAvailability of %q: got %s, want %s", name, got.Body, want)
	}
}

func (w world) stored() int {
	w.T.Helper()
	count := 0
	for _, kind := range []string{"appconfig.setting", "appconfig.revision", "appconfig.snapshot", "appconfig.kept"} {
		page, err := w.Store.List(w.T.Context(), kind, store.Query{})
		if err != nil {
			w.T.Fatal(err)
		}
		count += len(page.Docs)
	}
	return count
}

// recovering is what azurerm sends when it finds a deleted store of the name.
const recovering = `{"location":"westeurope","sku":{"name":"standard"},"identity":{"type":"None"},"properties":{"createMode":"Recover","disableLocalAuth":false,
	"enablePurgeProtection":false,"encryption":{"keyVaultProperties":{}},"dataPlaneProxy":{"authenticationMode":"Local","privateLinkDelegation":"Disabled"}}}`

// TestStoreLife is what azurerm does over destroy, apply, destroy with a purge and apply.
func TestStoreLife(t *testing.T) {
	w := start(t)
	w.Want(apptest.Request{URL: deletedOne}, 404, "DeletedConfigurationStoreNotFound")
	for i := range 3 {
		w.set(fmt.Sprint("k", i), "l", "v")
		w.set(fmt.Sprint("k", i), "l", "w")
	}
	w.want(at("PUT", "/snapshots/s", `{"filters":[{"key":"*","label":"l"}]}`), 201)
	keysBefore := w.Want(post(storeID+"/listKeys", nil), 200, "")
	w.destroy()
	w.Want(apptest.Request{Method: "DELETE", URL: storeID}, 204, "")
	w.Want(apptest.Request{URL: storeID}, 404, "ResourceNotFound")
	w.want(at("GET", "/kv", nil), 404)
	w.checkName("TESTstore", "falseAlreadyExists")
	w.Want(apptest.Request{Method: "PUT", URL: storeID, Body: storeBody}, 409, "NameUnavailable")

	got := w.Put(storeID, recovering, 200)
	if got.Get("properties.createMode") != "" || got.Get("properties.encryption") != "{}" || got.Get("identity") != "" {
		t.Errorf("recovered: got %s", got.Body)
	}
	w.want(at("GET", "/kv", nil), 403) // the role assignments went with the store
	w.Assign(owner, "App Configuration Data Owner", storeID)
	if got := w.want(at("GET", "/kv", nil), 200); keys(t, got) != "k0/l k1/l k2/l" {
		t.Errorf("the settings of a recovered store: got %s", got.Body)
	}
	if got := w.Want(post(storeID+"/listKeys", nil), 200, ""); got.Body != keysBefore.Body {
		t.Error("a recovered store has other keys")
	}

	w.destroy()
	purged := w.Want(post(deletedOne+"/purge", nil), 202, "")
	for _, name := range []string{"Location", "Azure-AsyncOperation"} {
		w.Want(apptest.Request{URL: strings.TrimPrefix(purged.Header.Get(name), "https://")}, 200, "")
	}
	w.Want(post(deletedOne+"/purge", nil), 404, "DeletedConfigurationStoreNotFound")
	w.Want(apptest.Request{URL: deletedOne}, 404, "DeletedConfigurationStoreNotFound")
	if left := w.stored(); left != 0 {
		t.Errorf("%d documents outlive their store", left)
	}
	w.checkName("teststore", "true")
	w.Want(apptest.Request{Method: "PUT", URL: storeID, Body: recovering}, 404, "DeletedConfigurationStoreNotFound")
	w.Put(storeID, storeBody, 201)
	w.Assign(owner, "App Configuration Data Owner", storeID)
	if got := w.want(at("GET", "/kv", nil), 200); keys(t, got) != "" {
		t.Errorf("a store made anew: got %s", got.Body)
	}
}

func TestDeletedStoreOnTheWire(t *testing.T) {
	w := world{apptest.New(t, nil)}
	w.Put(storeID, `{"location":"westeurope","tags":{"a":"b"},"sku":{"name":"premium"},"properties":{"softDeleteRetentionInDays":2,"enablePurgeProtection":true}}`, 201)
	w.destroy()
	got := w.Want(apptest.Request{URL: deletedOne}, 200, "")
	want := `{"configurationStoreId":"` + storeID + `","deletionDate":"2026-09-01T12:00:00Z","location":"westeurope","purgeProtectionEnabled":true,"scheduledPurgeDate":"2026-09-03T12:00:00Z","tags":{"a":"b"}}`
	if got.Get("properties") != want || got.Get("name") != "TestStore" {
		t.Errorf("got %s, want properties %s", got.Body, want)
	}
	if list := w.Want(apptest.Request{URL: provider + "/deletedConfigurationStores"}, 200, ""); list.Get("value.0") != got.Body && list.Get("value.0.id") != got.Get("id") {
		t.Errorf("list: got %s", list.Body)
	}
	w.Want(apptest.Request{URL: strings.Replace(deletedOne, "westeurope", "eastus", 1)}, 404, "DeletedConfigurationStoreNotFound")
	w.Want(post(deletedOne+"/purge", nil), 409, "Conflict")
	w.Assign("manager", "App Configuration Contributor", apptest.Subscription)
	denied := post(deletedOne+"/purge", nil)
	denied.As = "manager"
	w.Want(denied, 403, "AuthorizationFailed")
	w.Advance(47 * time.Hour)
	recovered := w.Put(storeID, `{"location":"westeurope","sku":{"name":"premium"},"properties":{"createMode":"Recover"}}`, 200)
	if recovered.Get("tags.a") != "b" || recovered.Get("properties.softDeleteRetentionInDays") != "2" || recovered.Get("properties.enablePurgeProtection") != "true" {
		t.Errorf("recovered by az: got %s", recovered.Body)
	}
	w.destroy()
	w.Advance(48 * time.Hour)
	w.Want(apptest.Request{URL: deletedOne}, 404, "DeletedConfigurationStoreNotFound")
	w.Put(storeID, storeBody, 201)
}

func TestStoreTiers(t *testing.T) {
	w := world{apptest.New(t, nil)}
	body := func(tier, more string) string {
		return `{"location":"westeurope","sku":{"name":"` + tier + `"},"properties":{` + more + `}}`
	}
	if got := w.Put(storeID, body("Free", ""), 201); got.Get("properties.softDeleteRetentionInDays") != "0" {
		t.Errorf("free: got %s", got.Body)
	}
	w.destroy()
	w.Want(apptest.Request{URL: deletedOne}, 404, "DeletedConfigurationStoreNotFound")
	w.checkName("teststore", "true")
	w.Put(storeID, body("developer", ""), 201)
	if got := w.Put(storeID, body("standard", ""), 200); got.Get("properties.softDeleteRetentionInDays") != "7" {
		t.Errorf("raised to standard: got %s", got.Body)
	}
	for _, more := range []string{body("free", ""), body("standard", `"softDeleteRetentionInDays":3`), body("standard", `"softDeleteRetentionInDays":-1`)} {
		w.Want(apptest.Request{Method: "PUT", URL: storeID, Body: more}, 400, "InvalidRequestContent")
	}
	w.Want(apptest.Request{Method: "PATCH", URL: storeID, Body: `{"sku":{"name":"premium"},"properties":{"enablePurgeProtection":true}}`}, 200, "")
	w.Want(apptest.Request{Method: "PATCH", URL: storeID, Body: `{"properties":{"enablePurgeProtection":false}}`}, 400, "InvalidRequestContent")
	for _, bad := range []string{`{}`, `{"name":"teststore"}`, `{"name":"x","type":"Microsoft.KeyVault/vaults"}`, `[`} {
		w.Want(post(provider+"/checkNameAvailability", bad), 400, "InvalidRequestContent")
	}
	w.checkName("a", "falseInvalid")
	w.Put(apptest.Subscription+"/resourceGroups/rg2", `{"location":"westeurope"}`, 201)
	w.Want(apptest.Request{Method: "PUT", URL: strings.Replace(storeID, "/rg/", "/rg2/", 1), Body: storeBody}, 409, "NameUnavailable")
}
