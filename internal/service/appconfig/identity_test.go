package appconfig_test

import (
	"testing"

	"github.com/aksess/aksess/internal/app/apptest"
)

func TestStoreIdentity(t *testing.T) {
	w := start(t)
	uai := apptest.Group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/uai"
	made := w.Put(uai, `{"location":"westeurope"}`, 201)
	put := func(identity string) apptest.Response {
		return w.Put(storeID, `{"location":"westeurope","sku":{"name":"standard"},"identity":`+identity+`}`, 200)
	}
	own := put(`{"type":"SystemAssigned"}`).Get("identity.principalId")
	if _, err := w.Directory.ByObjectID(t.Context(), own); err != nil {
		t.Fatalf("the principal: %v", err)
	}
	both := put(`{"type":"SystemAssigned, UserAssigned","userAssignedIdentities":{"` + uai + `":{}}}`)
	want := `{"principalId":"` + own + `","tenantId":"` + apptest.TenantID + `","type":"SystemAssigned, UserAssigned","userAssignedIdentities":{"` + uai +
		`":{"clientId":"` + made.Get("properties.clientId") + `","principalId":"` + made.Get("properties.principalId") + `"}}}`
	if both.Get("identity") != want {
		t.Errorf("got %s, want %s", both.Get("identity"), want)
	}
	if got := put(`{"type":"None"}`); got.Get("identity") != "" {
		t.Errorf("none: got %s", got.Body)
	}
	if _, err := w.Directory.ByObjectID(t.Context(), own); err == nil {
		t.Error("the principal outlives the store's identity")
	}
	again := put(`{"type":"systemassigned"}`).Get("identity.principalId")
	w.destroy()
	if _, err := w.Directory.ByObjectID(t.Context(), again); err == nil || again == own {
		t.Errorf("the principal %s outlives the store", again)
	}
	recovered := w.Put(storeID, `{"location":"westeurope","sku":{"name":"standard"},"properties":{"createMode":"Recover"}}`, 200)
	if _, err := w.Directory.ByObjectID(t.Context(), recovered.Get("identity.principalId")); err != nil {
		t.Errorf("the principal of a recovered store: %s, %v", recovered.Get("identity"), err)
	}
	for _, bad := range []string{`{"type":"Own"}`, `{"type":"UserAssigned"}`, `{"type":5}`, `{"type":"UserAssigned","userAssignedIdentities":{"` + uai + `x":{}}}`, `{"type":"UserAssigned","userAssignedIdentities":{"x":{}}}`} {
		w.Want(apptest.Request{Method: "PUT", URL: storeID, Body: `{"location":"westeurope","sku":{"name":"standard"},"identity":` + bad + `}`}, 400, "InvalidRequestContent")
	}
}
