package keyvault_test

import (
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/app/apptest"
)

func TestBackupAndRestore(t *testing.T) {
	w := start(t, nil)
	first := set(t, w, "One", "1").Get("id")
	w.Want(at("PUT", "/secrets/one", map[string]any{"value": "2", "contentType": "text", "tags": map[string]string{"a": "b"}}), 200, "")
	blob := map[string]any{"value": w.Want(at("POST", "/secrets/one/backup", nil), 200, "").Get("value")}
	before := w.Want(at("GET", "/secrets/one", nil), 200, "")

	w.Want(at("POST", "/secrets/restore", blob), 409, "Conflict")
	w.Want(at("DELETE", "/secrets/one", nil), 200, "")
	w.Want(at("POST", "/secrets/restore", blob), 409, "Conflict/ObjectIsDeletedButRecoverable")
	w.Want(at("DELETE", "/deletedsecrets/one", nil), 204, "")
	if got := w.Want(at("POST", "/secrets/restore", blob), 200, ""); got.Get("id") != before.Get("id") || got.Get("value") != "" {
		t.Errorf("restored: got %s, want %s without its value", got.Body, before.Body)
	}
	if got := w.Want(at("GET", "/secrets/one", nil), 200, ""); got.Body != before.Body {
		t.Errorf("got %s, want %s", got.Body, before.Body)
	}
	if got := w.Want(at("GET", first[strings.Index(first, "/secrets/"):], nil), 200, ""); got.Get("value") != "1" {
		t.Errorf("the older version: got %s", got.Body)
	}
	w.Want(at("POST", "/secrets/none/backup", nil), 404, "SecretNotFound")
	w.Want(at("POST", "/secrets/restore", `{}`), 400, "BadParameter")

	other := strings.Replace(vaultID, "TestVault", "othervault", 1)
	w.Put(other, vault(nil), 201)
	elsewhere := at("POST", "/secrets/restore", blob)
	elsewhere.URL = strings.Replace(elsewhere.URL, "testvault", "othervault", 1)
	if got := w.Want(elsewhere, 200, ""); !strings.HasPrefix(got.Get("id"), "https://othervault.vault.azure.net/secrets/One/") {
		t.Errorf("in another vault: got %s", got.Body)
	}
	elsewhere.As = app
	w.Want(elsewhere, 403, "Forbidden/ForbiddenByPolicy")
	far := vault(nil)
	far["location"] = "eastus"
	w.Put(strings.Replace(vaultID, "TestVault", "farvault", 1), far, 201)
	elsewhere.As, elsewhere.URL = "", strings.Replace(elsewhere.URL, "othervault", "farvault", 1)
	w.Want(elsewhere, 400, "BadParameter")
}

// TestContacts is what azurerm reads with every vault that is public.
func TestContacts(t *testing.T) {
	w := start(t, map[string]any{"accessPolicies": []any{allOf(apptest.Owner), policy(app, "get")}})
	get := at("GET", "/certificates/contacts", nil)
	w.Want(get, 404, "ContactsNotFound")
	denied := get
	denied.As = app
	w.Want(denied, 403, "Forbidden/ForbiddenByPolicy")
	w.Want(at("DELETE", "/certificates/contacts", nil), 404, "ContactsNotFound")
	for _, body := range []string{`[`, `{}`, `{"contacts":[]}`, `{"contacts":[{"email":"nobody"}]}`} {
		w.Want(at("PUT", "/certificates/contacts", body), 400, "BadParameter")
	}
	want := `{"id":"https://testvault.vault.azure.net/certificates/contacts","contacts":[{"email":"a@b.c","name":"A","phone":"1"},{"email":"d@e.f"}]}`
	put := at("PUT", "/certificates/contacts", `{"id":"sent","contacts":[{"email":"a@b.c","name":"A","phone":"1"},{"email":"d@e.f"}]}`)
	for _, request := range []apptest.Request{put, get, at("DELETE", "/certificates/contacts", nil)} {
		if got := w.Want(request, 200, ""); got.Body != want {
			t.Errorf("%s: got %s, want %s", request.Method, got.Body, want)
		}
	}
	w.Want(get, 404, "ContactsNotFound")
	w.Put(vaultID, vault(map[string]any{"enableRbacAuthorization": true}), 200)
	w.Want(get, 403, "Forbidden/ForbiddenByRbac")
	w.Assign(app, "Key Vault Certificates Officer", vaultID)
	w.Want(denied, 404, "ContactsNotFound")
}
