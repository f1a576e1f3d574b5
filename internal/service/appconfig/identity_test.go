package appconfig_test

import (
	"strings"
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

// TestIdentityOfOthers: an identity is assigned by those who may assign it.
func TestIdentityOfOthers(t *testing.T) {
	w := start(t)
	const other = apptest.Subscription + "/resourceGroups/other"
	w.Put(other, `{"location":"westeurope"}`, 201)
	uai := other + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/uai"
	w.Put(uai, `{"location":"westeurope"}`, 201)
	w.Assign("writer", "Contributor", apptest.Group)
	request := apptest.Request{Method: "PUT", URL: storeID, As: "writer", Body: `{"location":"westeurope","sku":{"name":"standard"},"identity":{"type":"UserAssigned","userAssignedIdentities":{"` + uai + `":{}}}}`}
	if got := w.Want(request, 403, "LinkedAuthorizationFailed"); !strings.Contains(got.Body, "userAssignedIdentities/assign/action") {
		t.Errorf("got %s, want the action in it", got.Body)
	}
	w.Put(storeID, request.Body, 200) // the Owner
	w.Want(request, 200, "")          // as it is
	w.Assign("writer", "Managed Identity Operator", uai)
	w.Put(storeID, `{"location":"westeurope","sku":{"name":"standard"},"identity":{"type":"None"}}`, 200)
	w.Want(request, 200, "")
}
