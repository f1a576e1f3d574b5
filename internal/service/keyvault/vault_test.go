package keyvault_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/app/apptest"
	"github.com/aksess/aksess/internal/arm/armtest"
)

// requestable reports whether a path can stand in a request's first line.
func requestable(path string) bool {
	_, err := url.ParseRequestURI(path)
	return err == nil
}

func TestVaultDefaults(t *testing.T) {
	w := apptest.New(t, nil)
	got := w.Put(vaultID, `{"location":"West Europe","properties":{"tenantId":"`+apptest.TenantID+`","sku":{"family":"A","name":"standard"},"createMode":"default"}}`, 201)
	want := `{"accessPolicies":[],"enableRbacAuthorization":false,"enableSoftDelete":true,"provisioningState":"Succeeded","publicNetworkAccess":"Enabled","sku":{"family":"A","name":"standard"},"softDeleteRetentionInDays":90,"tenantId":"` + apptest.TenantID + `","vaultUri":"https://testvault.vault.azure.net/"}`
	if got.Get("properties") != want {
		t.Errorf("properties: got %s, want %s", got.Get("properties"), want)
	}
	newer := w.Want(apptest.Request{
		Method: "PUT", URL: "management.azure.com" + vaultID + "-2?api-version=2026-02-01",
		Body: `{"location":"westeurope","properties":{"tenantId":"` + apptest.TenantID + `","sku":{"family":"A","name":"standard"}}}`,
	}, 201, "")
	if newer.Get("properties.enableRbacAuthorization") != "true" {
		t.Errorf("created by the newer api-version: got %s", newer.Body)
	}
}

// TestVaultEcho: azurerm compares lists in their order and permissions in their
// case; what it sent must come back as it was.
func TestVaultEcho(t *testing.T) {
	w := apptest.New(t, nil)
	entry := func(caller string) string {
		return `{"tenantId":"` + apptest.TenantID + `","objectId":"` + apptest.ObjectID(caller) + `","permissions":{"keys":["Get","WrapKey"],"secrets":["Set","get","LIST"],"certificates":[],"storage":[]}}`
	}
	subnet := apptest.Subscription + "/resourceGroups/RG/providers/microsoft.network/virtualNetworks/VNet/subnets/Sub"
	policies := `[` + entry("z") + `,` + entry("a") + `]`
	acls := `{"bypass":"AzureServices","defaultAction":"Deny","ipRules":[{"value":"203.0.113.0/24"},{"value":"198.51.100.7/32"},{"value":"198.51.100.6"}],"virtualNetworkRules":[{"id":"` + subnet + `"}]}`
	body := `{"location":"westeurope","tags":{},"properties":{"tenantId":"` + apptest.TenantID + `","sku":{"family":"A","name":"premium"},"accessPolicies":` + policies + `,"networkAcls":` + acls +
		`,"enabledForDeployment":false,"enabledForDiskEncryption":true,"enabledForTemplateDeployment":false,"enableRbacAuthorization":false,"enableSoftDelete":true,"createMode":"default","publicNetworkAccess":"Enabled"}}`
	put := apptest.Request{Method: "PUT", URL: "management.azure.com" + vaultID + "?api-version=2026-02-01", Body: body}
	same := func(what, got, want string) {
		t.Helper()
		var a, b any
		if json.Unmarshal([]byte(got), &a) != nil || json.Unmarshal([]byte(want), &b) != nil || !reflect.DeepEqual(a, b) {
			t.Errorf("%s: got %s, want %s", what, got, want)
		}
	}
	for _, status := range []int{201, 200} {
		got := w.Want(put, status, "")
		same("accessPolicies", got.Get("properties.accessPolicies"), policies)
		same("networkAcls", got.Get("properties.networkAcls"), acls)
		if got.Get("properties.createMode") != "" || got.Get("properties.enabledForDiskEncryption") != "true" || got.Get("properties.enableRbacAuthorization") != "false" || got.Get("properties.enablePurgeProtection") != "" {
			t.Errorf("got %s", got.Body)
		}
	}
	patched := w.Want(apptest.Request{Method: "PATCH", URL: vaultID, Body: `{"properties":{"accessPolicies":[` + entry("a") + `],"networkAcls":{"defaultAction":"Allow","bypass":"None","ipRules":[],"virtualNetworkRules":[]}}}`}, 200, "")
	same("patched policies", patched.Get("properties.accessPolicies"), `[`+entry("a")+`]`)
	same("patched networkAcls", patched.Get("properties.networkAcls"), `{"defaultAction":"Allow","bypass":"None","ipRules":[],"virtualNetworkRules":[]}`)
}

func TestVaultValidation(t *testing.T) {
	w := apptest.New(t, nil)
	rules := func(values ...string) map[string]any {
		var list []any
		for _, value := range values {
			list = append(list, map[string]any{"value": value})
		}
		return map[string]any{"networkAcls": map[string]any{"defaultAction": "Deny", "ipRules": list}}
	}
	for name, more := range map[string]map[string]any{
		"no_tenant":          {"tenantId": nil},
		"bad_tenant":         {"tenantId": "contoso"},
		"tenant_of_a_number": {"tenantId": 5},
		"no_sku":             {"sku": nil},
		"bad_sku":            {"sku": map[string]any{"family": "A", "name": "free"}},
		"bad_family":         {"sku": map[string]any{"family": "B", "name": "standard"}},
		"retention_short":    {"softDeleteRetentionInDays": 6},
		"retention_long":     {"softDeleteRetentionInDays": 91},
		"private_10":         rules("10.0.0.0/8"),
		"private_172":        rules("203.0.113.1", "172.16.5.4/32"),
		"private_192":        rules("192.168.1.1"),
		"loopback":           rules("127.0.0.1"),
		"link_local":         rules("169.254.169.254"),
		"ipv6":               rules("2001:db8::/32"),
		"no_address":         rules("example.com"),
		"default_action":     {"networkAcls": map[string]any{"defaultAction": "Denied"}},
		"bypass":             {"networkAcls": map[string]any{"bypass": "Everyone"}},
		"public_access":      {"publicNetworkAccess": "disable"},
		"policy_object":      {"accessPolicies": []any{map[string]any{"tenantId": apptest.TenantID, "objectId": "me"}}},
		"policy_tenant":      {"accessPolicies": []any{map[string]any{"tenantId": "us", "objectId": apptest.TenantID}}},
		"policy_application": {"accessPolicies": []any{map[string]any{"tenantId": apptest.TenantID, "objectId": apptest.TenantID, "applicationId": "x"}}},
		"policy_verbs":       {"accessPolicies": []any{map[string]any{"tenantId": apptest.TenantID, "objectId": apptest.TenantID, "permissions": map[string]any{"secrets": "get"}}}},
		"policies":           {"accessPolicies": "all"},
		"too_many_policies":  {"accessPolicies": make([]any, 1025)},
	} {
		t.Run(name, func(t *testing.T) {
			got := w.Want(apptest.Request{Method: "PUT", URL: vaultID, Body: vault(more)}, 400, "BadRequest")
			if strings.Contains(got.Body, "Go ") || strings.Contains(got.Body, "json:") {
				t.Errorf("the answer tells of the inside: %s", got.Body)
			}
		})
	}
	for _, name := range []string{"ab", "1vault", "vault-", "a--b", strings.Repeat("a", 25)} {
		w.Want(apptest.Request{Method: "PUT", URL: apptest.Group + "/providers/Microsoft.KeyVault/vaults/" + name, Body: vault(nil)}, 400, "VaultNameNotValid")
	}
	w.Want(apptest.Request{URL: vaultID}, 404, "ResourceNotFound")
}

func TestVaultUpdate(t *testing.T) {
	w := start(t, map[string]any{"networkAcls": map[string]any{"defaultAction": "Allow", "bypass": "None"}, "enabledForDeployment": true})
	set(t, w, "one", "1")
	got := w.Want(apptest.Request{Method: "PATCH", URL: vaultID, Body: `{"tags":{"a":"b"},"properties":{"enablePurgeProtection":true}}`}, 200, "")
	if got.Get("properties.enabledForDeployment") != "true" || got.Get("properties.networkAcls.bypass") != "None" || got.Get("properties.accessPolicies.1.objectId") == "" || got.Get("tags.a") != "b" {
		t.Errorf("after PATCH: got %s", got.Body)
	}
	if got := w.Want(at("GET", "/secrets/one", nil), 200, ""); got.Get("attributes.recoveryLevel") != "Recoverable" {
		t.Errorf("the kept answer of an old vault: %s", got.Body)
	}
	w.Put(vaultID, vault(nil), 200)
	w.Want(at("GET", "/secrets/one", nil), 200, "")
	w.Want(apptest.Request{Method: "PATCH", URL: vaultID, Body: `{"properties":{"enablePurgeProtection":false}}`}, 400, "BadRequest")
	w.Want(apptest.Request{Method: "PATCH", URL: vaultID, Body: `{"properties":{"sku":{"name":"free"}}}`}, 400, "BadRequest")
	w.Want(apptest.Request{URL: vaultID, As: nobody}, 403, "AuthorizationFailed")
	w.Want(apptest.Request{URL: vaultID, Audience: "https://vault.azure.net"}, 401, "")
}

func TestAccessPolicies(t *testing.T) {
	w := start(t, nil)
	change := func(kind string, entries ...map[string]any) apptest.Request {
		list := []any{}
		for _, entry := range entries {
			list = append(list, entry)
		}
		return apptest.Request{Method: "PUT", URL: vaultID + "/accessPolicies/" + kind, Body: map[string]any{"properties": map[string]any{"accessPolicies": list}}}
	}
	read := at("GET", "/secrets/none", nil)
	read.As = "late"
	w.Want(read, 403, "Forbidden/AccessDenied")
	got := w.Want(change("add", policy("late", "List")), 200, "")
	if got.Get("id") != vaultID+"/accessPolicies/" || got.Get("properties.accessPolicies.2.permissions.secrets.0") != "List" {
		t.Errorf("added: got %s", got.Body)
	}
	w.Want(read, 403, "Forbidden/ForbiddenByPolicy")
	upper := change("ADD", policy("late", "get", "LIST"))
	upper.URL = strings.Replace(upper.URL, "accessPolicies", "accesspolicies", 1)
	if got := w.Want(upper, 200, ""); got.Get("properties.accessPolicies.2.permissions.secrets") != `["List","get"]` || got.Get("properties.accessPolicies.3") != "" {
		t.Errorf("united: got %s", got.Body)
	}
	w.Want(read, 404, "SecretNotFound")
	w.Want(change("remove", policy("late")), 200, "")
	w.Want(read, 403, "Forbidden/AccessDenied")
	if got := w.Want(change("remove", policy("late")), 200, ""); got.Get("properties.accessPolicies.1.objectId") != apptest.ObjectID(app) {
		t.Errorf("removed twice: got %s", got.Body)
	}
	w.Want(change("add", policy("late", "List", "set")), 200, "")
	got = w.Want(change("replace", policy("late", "Get")), 200, "")
	if got.Get("properties.accessPolicies.2.permissions.secrets") != `["Get"]` || got.Get("properties.accessPolicies.1.objectId") != apptest.ObjectID(app) {
		t.Errorf("replaced: got %s, want the others as they were", got.Body)
	}
	w.Want(read, 404, "SecretNotFound")
	if got := w.Want(change("replace"), 200, ""); got.Get("properties.accessPolicies.2.objectId") != apptest.ObjectID("late") {
		t.Errorf("replaced by none: got %s", got.Body)
	}
	w.Want(change("add", policy("late", "list", "set")), 200, "")
	if got := w.Want(change("remove", policy("late", "SET", "list")), 200, ""); got.Get("properties.accessPolicies.2.permissions.secrets") != `["Get"]` {
		t.Errorf("removed some: got %s", got.Body)
	}
	if got := w.Want(change("remove", policy("late", "get")), 200, ""); got.Get("properties.accessPolicies.2") != "" {
		t.Errorf("removed all: got %s", got.Body)
	}
	w.Want(change("swap", policy("late")), 400, "BadRequest")
	w.Want(change("add", map[string]any{"objectId": "x"}), 400, "BadRequest")
	w.Want(apptest.Request{Method: "PUT", URL: vaultID + "/accessPolicies/add", Body: `[`}, 400, "InvalidRequestContent")
	missing := change("add", policy("late", "get"))
	missing.URL = strings.Replace(missing.URL, "TestVault", "other", 1)
	w.Want(missing, 404, "ResourceNotFound")
	denied := change("add", policy(nobody, "all"))
	denied.As = nobody
	w.Want(denied, 403, "AuthorizationFailed")
	many := make([]map[string]any, 1022) // beside the vault's own two
	for i := range many {
		many[i] = policy(fmt.Sprint("p", i), "get")
	}
	w.Want(change("add", many...), 200, "")
	w.Want(change("add", policy("one-too-many", "get")), 400, "BadRequest")
}

func TestAccessPoliciesAtTheSameTime(t *testing.T) {
	w := start(t, nil)
	armtest.Parallel(8, func(i int) {
		body := map[string]any{"properties": map[string]any{"accessPolicies": []any{policy(numbered(i), "get")}}}
		if got := w.Do(apptest.Request{Method: "PUT", URL: vaultID + "/accessPolicies/add", Body: body}); got.Status != 200 {
			t.Errorf("add %d: got %d %s", i, got.Status, got.Body)
		}
	})
	for i := range 8 {
		request := at("GET", "/secrets/none", nil)
		request.As = numbered(i)
		w.Want(request, 404, "SecretNotFound")
	}
}

// TestPermissionModel: who may write a vault but assign no roles cannot take it
// out of role mode, and so give itself the secrets.
func TestPermissionModel(t *testing.T) {
	w := apptest.New(t, nil)
	w.Assign("writer", "Contributor", apptest.Group)
	w.Assign("steward", "Contributor", apptest.Group)
	w.Assign("steward", "User Access Administrator", apptest.Group)
	w.Put(vaultID, vault(map[string]any{"enableRbacAuthorization": true}), 201)
	for name, r := range map[string]apptest.Request{
		"put":       {Method: "PUT", Body: vault(map[string]any{"enableRbacAuthorization": false})},
		"patch":     {Method: "PATCH", Body: `{"properties":{"enableRbacAuthorization":false}}`},
		"say_other": {Method: "PATCH", Body: `{"properties":{"enableRbacauthorization":false}}`},
		"take_away": {Method: "PATCH", Body: `{"properties":{"enableRbacAuthorization":null}}`},
	} {
		t.Run(name, func(t *testing.T) {
			r.URL, r.As = vaultID, "writer"
			w.Want(r, 400, "InsufficientPermissions")
		})
	}
	w.Want(apptest.Request{Method: "DELETE", URL: vaultID, As: "writer"}, 200, "")
	recovers := vault(map[string]any{"enableRbacAuthorization": false, "createMode": "recover"})
	w.Want(apptest.Request{Method: "PUT", URL: vaultID, Body: recovers, As: "writer"}, 400, "InsufficientPermissions")
	w.Want(apptest.Request{Method: "PUT", URL: vaultID, Body: vault(map[string]any{"enableRbacAuthorization": true, "createMode": "recover"}), As: "writer"}, 200, "")
	w.Want(apptest.Request{Method: "PATCH", URL: vaultID, Body: `{"properties":{"enableRbacAuthorization":false}}`, As: "steward"}, 200, "")
	w.Want(apptest.Request{Method: "PATCH", URL: vaultID, Body: `{"properties":{"enableRbacAuthorization":true}}`, As: "writer"}, 400, "InsufficientPermissions")
	w.Want(apptest.Request{Method: "PATCH", URL: vaultID, Body: `{"tags":{"a":"b"}}`, As: "writer"}, 200, "")
}
