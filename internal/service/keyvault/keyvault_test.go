package keyvault_test

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/app/apptest"
)

const (
	vaultID = apptest.Group + "/providers/Microsoft.KeyVault/vaults/TestVault"
	host    = "testvault.vault.azure.net"
	app     = "app" // a caller whom policies or roles name
	nobody  = "nobody"
)

// permissions is an access policy's entry for a caller.
func policy(caller string, verbs ...string) map[string]any {
	return map[string]any{
		"tenantId": apptest.TenantID, "objectId": apptest.ObjectID(caller), "permissions": map[string]any{"secrets": verbs},
	}
}

// allOf is an access policy's entry with all permissions for a caller.
func allOf(caller string) map[string]any {
	entry := policy(caller, "all", "purge")
	entry["permissions"].(map[string]any)["certificates"] = []string{"all"}
	return entry
}

func vault(more map[string]any) map[string]any {
	properties := map[string]any{
		"tenantId": apptest.TenantID, "sku": map[string]any{"family": "A", "name": "standard"}, "enableRbacAuthorization": false,
		"accessPolicies": []any{policy(apptest.Owner, "all", "purge"), policy(app, "Get", "List")},
	}
	for name, value := range more {
		properties[name] = value
	}
	return map[string]any{"location": "westeurope", "properties": properties}
}

func start(t testing.TB, more map[string]any) *apptest.World {
	t.Helper()
	w := apptest.New(t, nil)
	w.Put(vaultID, vault(more), 201)
	return w
}

// at is a request to the vault's data plane.
func at(method, path string, body any) apptest.Request {
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	return apptest.Request{Method: method, URL: host + path + separator + "api-version=7.4", Body: body}
}

func set(t testing.TB, w *apptest.World, name, value string) apptest.Response {
	t.Helper()
	return w.Want(at("PUT", "/secrets/"+name, map[string]any{"value": value}), 200, "")
}

func TestChallengeComesFirst(t *testing.T) {
	w := start(t, map[string]any{"networkAcls": map[string]any{"defaultAction": "Deny"}})
	want := `Bearer authorization="https://login.microsoftonline.com/` + apptest.TenantID + `", resource="https://vault.azure.net"`
	for name, request := range map[string]apptest.Request{
		"empty_put":        at("PUT", "/secrets/one", nil),
		"get":              at("GET", "/secrets/one/", nil),
		"no_version":       {URL: host + "/secrets/one"},
		"bad_name":         at("GET", "/secrets/a_b", nil),
		"no_operation":     at("GET", "/nothing/at/all", nil),
		"beyond_the_limit": at("PUT", "/secrets/one", strings.Repeat("x", 1<<20)),
	} {
		t.Run(name, func(t *testing.T) {
			request.As = "-"
			got := w.Want(request, 401, "Unauthorized")
			if got.Header.Get("WWW-Authenticate") != want {
				t.Errorf("challenge: got %q, want %q", got.Header.Get("WWW-Authenticate"), want)
			}
			if got.Get("error.message") != "AKV10000: Request is missing a Bearer or PoP token." {
				t.Errorf("message: got %q", got.Get("error.message"))
			}
			for name, want := range map[string]string{
				"X-Ms-Keyvault-Region": "westeurope", "X-Ms-Keyvault-Network-Info": "conn_type=Ipv4;addr=203.0.113.10;act_addr_fam=InterNetwork;",
				"X-Ms-Keyvault-Service-Version": "1.9.0.0", "Strict-Transport-Security": "max-age=31536000;includeSubDomains", "X-Content-Type-Options": "nosniff",
			} {
				if got.Header.Get(name) != want {
					t.Errorf("%s: got %q, want %q", name, got.Header.Get(name), want)
				}
			}
			if got.Header.Get("X-Ms-Request-Id") == "" {
				t.Error("no x-ms-request-id")
			}
		})
	}
}

func TestTokens(t *testing.T) {
	w := start(t, nil)
	w.Put(apptest.Group+"/providers/Microsoft.KeyVault/vaults/upper-tenant", vault(map[string]any{"tenantId": strings.ToUpper(apptest.TenantID)}), 201)
	set(t, w, "one", "1")
	cases := []struct {
		name, as, audience, header string
		status                     int
		code, message              string
	}{
		{"audience_with_slash", "", "https://vault.azure.net/", "", 200, "", ""},
		{"wrong_audience", "", "https://management.azure.com", "", 401, "Unauthorized", "AKV10022: Invalid audience. Expected https://vault.azure.net, found: https://management.azure.com."},
		{"this_host_as_audience", "", "https://" + host, "", 401, "Unauthorized", "AKV10022: Invalid audience. Expected https://vault.azure.net, found: https://" + host + "."},
		{"another_tenant", "foreigner", "", "", 401, "Unauthorized", "AKV10032: Invalid issuer. Expected one of https://sts.windows.net/" + apptest.TenantID + "/, found https://sts.windows.net/" + apptest.ForeignID + "/."},
		{"bad_token", "-", "", "Bearer x", 401, "Unauthorized", ""},
		{"another_scheme", "-", "", "SharedKey a:b", 401, "Unauthorized", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			request := at("GET", "/secrets/one", nil)
			request.As, request.Audience = c.as, c.audience
			if c.header != "" {
				request.Header = map[string]string{"Authorization": c.header}
			}
			got := w.Want(request, c.status, c.code)
			if c.message != "" && got.Get("error.message") != c.message {
				t.Errorf("message: got %q, want %q", got.Get("error.message"), c.message)
			}
		})
	}
	w.Want(apptest.Request{Method: "PUT", URL: "upper-tenant.vault.azure.net/secrets/one?api-version=7.4", Body: `{"value":"1"}`}, 200, "")
}

func TestVersions(t *testing.T) {
	w := start(t, nil)
	set(t, w, "one", "1")
	for _, query := range []string{"?api-version=7.0", "?api%2Dversion=2025-07-01", "?api-version=9.9-preview.1", "?API-VERSION=2026-04-01"} {
		w.Want(apptest.Request{URL: host + "/secrets/one/" + query}, 200, "")
	}
	if got := w.Want(apptest.Request{URL: host + "/secrets/one/"}, 400, "BadParameter"); got.Get("error.message") != "api-version must be specified" {
		t.Errorf("message: got %q", got.Get("error.message"))
	}
	w.Want(apptest.Request{URL: host + "/secrets/one?api-version=new"}, 400, "BadParameter")
}

const (
	helpNotFound = " was not found in this key vault. If you recently deleted this secret you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182"
	helpPolicy   = "For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287"
)

func caller(name string) string {
	return "appid=" + apptest.AppID(name) + ";oid=" + apptest.ObjectID(name) + ";iss=https://sts.windows.net/" + apptest.TenantID + "/"
}

// TestRefusals holds each refusal to Azure's words.
func TestRefusals(t *testing.T) {
	byPolicy := start(t, nil)
	byRole := start(t, map[string]any{"enableRbacAuthorization": true})
	byRole.Assign(app, "Key Vault Secrets User", vaultID)
	byRole.Assign(apptest.Owner, "Key Vault Secrets Officer", vaultID)
	walled := start(t, map[string]any{"networkAcls": map[string]any{"defaultAction": "Deny", "ipRules": []any{map[string]any{"value": "203.0.113.64/26"}}}})
	set(t, byPolicy, "One", "1")
	set(t, byRole, "One", "1")
	denied := func(who, verb string) string {
		return "The user, group or application '" + caller(who) + "' does not have secrets " + verb + " permission on key vault 'TestVault;location=westeurope'. " + helpPolicy
	}
	role := func(who, action, resource string) string {
		return "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\n" +
			"Caller: " + caller(who) + "\r\nAction: '" + action + "'\r\nResource: '" + strings.ToLower(vaultID) + resource + "'\r\nAssignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: null \r\nVault: TestVault;location=westeurope\r\n"
	}
	wall := func(who, address string) string {
		return "Client address is not authorized and caller is not a trusted service.\r\nClient address: " + address + "\r\nCaller: " + caller(who) + "\r\nVault: TestVault;location=westeurope"
	}
	body := map[string]any{"value": "x"}
	cases := []struct {
		name          string
		w             *apptest.World
		request       apptest.Request
		as            string
		status        int
		code, message string
	}{
		{"no_policy", byPolicy, at("GET", "/secrets/one", nil), nobody, 403, "Forbidden/AccessDenied", denied(nobody, "get")},
		{"policy_lacks_set", byPolicy, at("PUT", "/secrets/one", body), app, 403, "Forbidden/ForbiddenByPolicy", denied(app, "set")},
		{"policy_lacks_update", byPolicy, at("PATCH", "/secrets/one", body), app, 403, "Forbidden/ForbiddenByPolicy", denied(app, "set")},
		{"policy_lacks_delete", byPolicy, at("DELETE", "/secrets/one", nil), app, 403, "Forbidden/ForbiddenByPolicy", denied(app, "delete")},
		{"policy_lacks_recover", byPolicy, at("POST", "/deletedsecrets/one/recover", nil), app, 403, "Forbidden/ForbiddenByPolicy", denied(app, "recover")},
		{"policy_lacks_purge", byPolicy, at("DELETE", "/deletedsecrets/one", nil), app, 403, "Forbidden/ForbiddenByPolicy", denied(app, "purge")},
		{"policy_lacks_backup", byPolicy, at("POST", "/secrets/one/backup", nil), app, 403, "Forbidden/ForbiddenByPolicy", denied(app, "backup")},
		{"denied_before_not_found", byPolicy, at("GET", "/secrets/none", nil), nobody, 403, "Forbidden/AccessDenied", denied(nobody, "get")},
		{"no_role", byRole, at("GET", "/secrets/One", nil), nobody, 403, "Forbidden/ForbiddenByRbac", role(nobody, "Microsoft.KeyVault/vaults/secrets/getSecret/action", "/secrets/one")},
		{"role_lacks_set", byRole, at("PUT", "/secrets/one", body), app, 403, "Forbidden/ForbiddenByRbac", role(app, "Microsoft.KeyVault/vaults/secrets/setSecret/action", "/secrets/one")},
		{"role_lacks_delete", byRole, at("DELETE", "/secrets/one", nil), app, 403, "Forbidden/ForbiddenByRbac", role(app, "Microsoft.KeyVault/vaults/secrets/delete", "/secrets/one")},
		{"no_role_to_list", byRole, at("GET", "/secrets", nil), nobody, 403, "Forbidden/ForbiddenByRbac", role(nobody, "Microsoft.KeyVault/vaults/secrets/readMetadata/action", "")},
		{"firewall_before_policy", walled, at("GET", "/secrets/one", nil), nobody, 403, "Forbidden/ForbiddenByFirewall", wall(nobody, apptest.Address)},
		{"firewall_before_not_found", walled, at("GET", "/secrets/one", nil), app, 403, "Forbidden/ForbiddenByFirewall", wall(app, apptest.Address)},
		{"not_found", byPolicy, at("GET", "/secrets/none/", nil), app, 404, "SecretNotFound", "A secret with (name/id) none" + helpNotFound},
		{"version_not_found", byPolicy, at("GET", "/secrets/one/"+strings.Repeat("a", 32), nil), app, 404, "SecretNotFound", "A secret with (name/id) one/" + strings.Repeat("a", 32) + helpNotFound},
		{"versions_not_found", byPolicy, at("GET", "/secrets/none/versions", nil), app, 404, "SecretNotFound", "A secret with (name/id) none" + helpNotFound},
		{"bad_version", byPolicy, at("GET", "/secrets/one/latest", nil), app, 400, "BadParameter", "The request URI contains an invalid version: latest"},
		{"bad_name", byPolicy, at("GET", "/secrets/a_b", nil), app, 400, "BadParameter", "The request URI contains an invalid name: a_b"},
		{"long_name", byPolicy, at("GET", "/secrets/"+strings.Repeat("a", 128), nil), app, 400, "BadParameter", ""},
		{"not_deleted", byPolicy, at("GET", "/deletedsecrets/one", nil), app, 404, "SecretNotFound", "Deleted Secret not found: one"},
		{"nothing_to_update", byPolicy, at("PATCH", "/secrets/none", `{}`), "", 404, "SecretNotFound", ""},
		{"nothing_to_delete", byPolicy, at("DELETE", "/secrets/none", nil), "", 404, "SecretNotFound", ""},
		{"nothing_to_recover", byPolicy, at("POST", "/deletedsecrets/none/recover", nil), "", 404, "SecretNotFound", ""},
		{"nothing_to_purge", byPolicy, at("DELETE", "/deletedsecrets/none", nil), "", 404, "SecretNotFound", ""},
		{"keys", byPolicy, at("GET", "/keys", nil), "", 501, "OperationNotSupported", ""},
		{"restore", byPolicy, at("POST", "/secrets/restore", `{"value":"x"}`), "", 400, "BadParameter", ""},
		{"policy_lacks_contacts", byPolicy, at("GET", "/certificates/contacts", nil), app, 403, "Forbidden/ForbiddenByPolicy", strings.Replace(denied(app, "managecontacts"), "secrets", "certificates", 1)},
		{"keys", byPolicy, at("GET", "/keys/one", nil), "", 501, "OperationNotSupported", ""},
		{"method", byPolicy, at("POST", "/secrets/one", nil), "", 405, "MethodNotAllowed", ""},
		{"no_vault", byPolicy, apptest.Request{URL: "other.vault.azure.net/secrets/one?api-version=7.4"}, "-", 404, "VaultNotFound", ""},
		{"deeper_host", byPolicy, apptest.Request{URL: "x." + host + "/secrets/one?api-version=7.4"}, "", 404, "VaultNotFound", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.request.As = c.as
			got := c.w.Want(c.request, c.status, c.code)
			if c.message != "" && got.Get("error.message") != c.message {
				t.Errorf("message: got %q, want %q", got.Get("error.message"), c.message)
			}
		})
	}
	t.Run("allowed", func(t *testing.T) {
		for _, request := range []apptest.Request{at("GET", "/secrets/one", nil), at("GET", "/secrets", nil), at("GET", "/secrets/one/versions", nil)} {
			request.As = app
			byPolicy.Want(request, 200, "")
			byRole.Want(request, 200, "")
		}
		inside := at("GET", "/secrets/none", nil)
		inside.As, inside.From = app, "203.0.113.65"
		walled.Want(inside, 404, "SecretNotFound")
	})
	t.Run("role_on_one_secret", func(t *testing.T) {
		byRole.Assign("narrow", "Key Vault Secrets User", vaultID+"/secrets/one")
		request := at("GET", "/secrets/ONE", nil)
		request.As = "narrow"
		byRole.Want(request, 200, "")
		other := at("GET", "/secrets/two", nil)
		other.As = "narrow"
		byRole.Want(other, 403, "Forbidden/ForbiddenByRbac")
	})
}

func TestFirewallIgnoresHeaders(t *testing.T) {
	w := start(t, map[string]any{"networkAcls": map[string]any{"defaultAction": "Deny", "ipRules": []any{map[string]any{"value": "198.51.100.7"}}}})
	request := at("GET", "/secrets", nil)
	request.Header = map[string]string{"X-Forwarded-For": "198.51.100.7", "X-Real-Ip": "198.51.100.7", "Forwarded": "for=198.51.100.7"}
	w.Want(request, 403, "Forbidden/ForbiddenByFirewall")
	request.From = "198.51.100.7"
	w.Want(request, 200, "")
	w.Want(apptest.Request{Method: http.MethodPatch, URL: vaultID, Body: `{"properties":{"publicNetworkAccess":"Disabled"}}`}, 200, "")
	w.Want(request, 403, "Forbidden/ForbiddenByFirewall")
}

// numbered is a name with an index that sorts.
func numbered(i int) string { return fmt.Sprintf("n-%03d", i) }

// follow is a request for a nextLink.
func follow(link string) apptest.Request {
	return apptest.Request{URL: strings.TrimPrefix(link, "https://")}
}

func errorOf(r apptest.Response) string { return cmp.Or(r.Code(), http.StatusText(r.Status)) }
