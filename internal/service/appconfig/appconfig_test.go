package appconfig_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/app/apptest"
)

const (
	storeID = apptest.Group + "/providers/Microsoft.AppConfiguration/configurationStores/TestStore"
	host    = "teststore.azconfig.io"
	reader  = "reader" // App Configuration Data Reader of the store
	owner   = "data-owner"
	nobody  = "nobody"
	token   = "jtqGc1I4=MDoyOA==;sn=28"
)

const storeBody = `{"location":"westeurope","sku":{"name":"standard"},"properties":{}}`

// world checks on every answer what clients rely on everywhere.
type world struct{ *apptest.World }

func start(t testing.TB) world {
	t.Helper()
	w := world{apptest.New(t, nil)}
	w.Put(storeID, storeBody, 201)
	w.Assign(reader, "App Configuration Data Reader", storeID)
	w.Assign(owner, "App Configuration Data Owner", storeID)
	return w
}

// at is a request to the store's data plane as its owner.
func at(method, path string, body any, headers ...string) apptest.Request {
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	r := apptest.Request{Method: method, URL: host + path + separator + "api-version=2023-11-01", As: owner, Body: body, Header: map[string]string{}}
	for i := 0; i < len(headers); i += 2 {
		r.Header[headers[i]] = headers[i+1]
	}
	return r
}

// want sends a request and expects a status; Sync-Token must be there whatever
// happens, the Go SDK dereferences it.
func (w world) want(r apptest.Request, status int) apptest.Response {
	w.T.Helper()
	got := w.Want(r, status, "")
	if got.Header.Get("Sync-Token") != token {
		w.T.Errorf("%s %s: Sync-Token: got %q, want %q", r.Method, r.URL, got.Header.Get("Sync-Token"), token)
	}
	if status == 304 && got.Body != "" {
		w.T.Errorf("%s %s: a body with 304: %s", r.Method, r.URL, got.Body)
	}
	return got
}

func (w world) set(key, label, value string) apptest.Response {
	w.T.Helper()
	path := "/kv/" + key
	if label != "" {
		path += "?label=" + label
	}
	return w.want(at("PUT", path, map[string]any{"value": value}), 200)
}

// keys are the keys, with their labels after a slash, of a list.
func keys(t testing.TB, r apptest.Response) string {
	t.Helper()
	var list struct {
		Items []struct {
			Key   string
			Label *string
		}
	}
	if err := json.Unmarshal([]byte(r.Body), &list); err != nil {
		t.Fatalf("%s: %v", r.Body, err)
	}
	var found []string
	for _, item := range list.Items {
		if item.Label != nil {
			item.Key += "/" + *item.Label
		}
		found = append(found, item.Key)
	}
	return strings.Join(found, " ")
}

func TestAccess(t *testing.T) {
	w := start(t)
	w.set("one", "", "1")
	reads := []apptest.Request{
		at("GET", "/kv", nil), at("HEAD", "/kv", nil), at("GET", "/kv/one", nil), at("HEAD", "/kv/one", nil),
		at("GET", "/keys", nil), at("HEAD", "/keys", nil), at("GET", "/labels", nil), at("HEAD", "/labels", nil),
	}
	writes := []apptest.Request{at("PUT", "/kv/two", `{"value":"2"}`), at("PUT", "/locks/two", nil), at("DELETE", "/locks/two", nil), at("DELETE", "/kv/two", nil)}
	for _, request := range reads {
		for _, c := range []struct {
			as, audience string
			status       int
		}{
			{reader, "", 200}, {owner, "", 200}, {nobody, "", 403}, {apptest.Owner, "", 403}, {"-", "", 401},
			{reader, "https://azconfig.io/", 200}, {reader, "https://appconfig.azure.com", 200}, {reader, "https://appconfig.azure.com/", 200},
			{reader, "https://" + host, 200}, {reader, "https://" + host + "/", 200}, {reader, "https://other.azconfig.io", 401}, {reader, "https://vault.azure.net", 401},
		} {
			request.As, request.Audience = c.as, c.audience
			got := w.want(request, c.status)
			if request.Method == "HEAD" && got.Body != "" {
				t.Errorf("a body with HEAD: %s", got.Body)
			}
		}
	}
	for _, request := range writes {
		request.As = reader
		w.want(request, 403)
		request.As = owner
		w.want(request, 200)
	}
}

func TestRefusals(t *testing.T) {
	w := start(t)
	cases := []struct {
		name    string
		request apptest.Request
		as      string
		status  int
		kind    string // the end of the problem's type
		title   string
	}{
		{"no_token", at("GET", "/kv", nil), "-", 401, "unauthorized", "Unauthorized"},
		{"hmac", at("GET", "/kv", nil, "Authorization", "HMAC-SHA256 Credential=x&SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature=s"), "-", 401, "invalid-token", "Unauthorized"},
		{"bad_token", at("GET", "/kv", nil, "Authorization", "Bearer x"), "-", 401, "invalid-token", "Unauthorized"},
		{"no_role", at("GET", "/kv", nil), nobody, 403, "forbidden", "Forbidden"},
		{"no_version", apptest.Request{URL: host + "/kv"}, owner, 400, "invalid-argument", "Invalid request parameter 'api-version'"},
		{"bad_version", apptest.Request{URL: host + "/kv?api-version=new"}, owner, 400, "invalid-argument", "Invalid request parameter 'api-version'"},
		{"not_served", at("GET", "/nothing", nil), owner, 501, "not-supported", "Not Implemented"},
		{"no_past", at("GET", "/kv", nil, "Accept-Datetime", "yesterday"), owner, 400, "invalid-argument", "Invalid request parameter 'Accept-Datetime'"},
		{"no_past_of_one", at("GET", "/kv/one", nil, "Accept-Datetime", "yesterday"), owner, 400, "invalid-argument", "Invalid request parameter 'Accept-Datetime'"},
		{"no_past_of_revisions", at("GET", "/revisions", nil, "Accept-Datetime", "yesterday"), owner, 400, "invalid-argument", "Invalid request parameter 'Accept-Datetime'"},
		{"revisions_after", at("GET", "/revisions?after=***", nil), owner, 400, "invalid-argument", "Invalid request parameter 'after'"},
		{"the_past_of_keys", at("GET", "/keys", nil, "Accept-Datetime", "Sat, 12 May 2018 02:10:00 GMT"), owner, 501, "not-supported", "Not Implemented"},
		{"method", at("POST", "/kv", nil), owner, 405, "method-not-allowed", "Method Not Allowed"},
		{"filter", at("GET", "/kv?key=a*b", nil), owner, 400, "invalid-argument", "Invalid request parameter 'key'"},
		{"six_keys", at("GET", "/kv?key=a,b,c,d,e,f", nil), owner, 400, "invalid-argument", "Invalid request parameter 'key'"},
		{"six_labels", at("GET", "/kv?label=a,b,c,d,e,f", nil), owner, 400, "invalid-argument", "Invalid request parameter 'label'"},
		{"six_tags", at("GET", "/kv?tags=a%3D1&tags=a%3D1&tags=a%3D1&tags=a%3D1&tags=a%3D1&tags=a%3D1", nil), owner, 400, "invalid-argument", "Invalid request parameter 'tags'"},
		{"tag", at("GET", "/kv?tags=a", nil), owner, 400, "invalid-argument", "Invalid request parameter 'tags'"},
		{"after", at("GET", "/kv?after=***", nil), owner, 400, "invalid-argument", "Invalid request parameter 'after'"},
		{"select", at("GET", "/kv?$Select=key,colour", nil), owner, 400, "invalid-argument", "Invalid request parameter '$select'"},
		{"select_of_one", at("GET", "/kv/one?$select=colour", nil), owner, 400, "invalid-argument", "Invalid request parameter '$select'"},
		{"name", at("GET", "/labels?name=*x", nil), owner, 400, "invalid-argument", "Invalid request parameter 'name'"},
		{"label_with_asterisk", at("GET", "/kv/one?label=a*", nil), owner, 400, "invalid-argument", "Invalid request parameter 'label'"},
		{"label_with_comma", at("PUT", "/kv/one?label=a,b", `{}`), owner, 400, "invalid-argument", "Invalid request parameter 'label'"},
		{"key_with_nul", at("GET", "/kv/a%00b", nil), owner, 400, "invalid-argument", "Invalid request parameter 'key'"},
		{"key_of_a_dot", at("PUT", "/kv/%2E", `{}`), owner, 400, "invalid-argument", "Invalid request parameter 'key'"},
		{"no_json", at("PUT", "/kv/one", `{`), owner, 400, "invalid-argument", "Invalid request parameter 'body'"},
		{"value_of_a_number", at("PUT", "/kv/one", `{"value":5}`), owner, 400, "invalid-argument", "Invalid request parameter 'body'"},
		{"large", at("PUT", "/kv/one", map[string]any{"value": strings.Repeat("x", 10*1024-2)}), owner, 413, "too-large", ""},
		{"large_tags", at("PUT", "/kv/one", map[string]any{"tags": map[string]string{"t": strings.Repeat("x", 10*1024)}}), owner, 413, "too-large", ""},
		{"huge", at("PUT", "/kv/one", map[string]any{"value": strings.Repeat("x", 100<<10)}), owner, 413, "too-large", ""},
		{"long_key", at("PUT", "/kv/"+strings.Repeat("k", 5000), `{}`), owner, 413, "too-large", ""},
		{"no_store", apptest.Request{URL: "other.azconfig.io/kv?api-version=1.0"}, "-", 404, "store-not-found", "Not Found"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.request.As = c.as
			got := w.want(c.request, c.status)
			if got.Get("type") != "https://azconfig.io/errors/"+c.kind || c.title != "" && got.Get("title") != c.title || got.Get("status") != fmt.Sprint(c.status) {
				t.Errorf("got %s, want type %s and title %q", got.Body, c.kind, c.title)
			}
			if got.Header.Get("Content-Type") != "application/problem+json; charset=utf-8" || got.Header.Get("ETag") != "" {
				t.Errorf("headers: got %v", got.Header)
			}
			challenge := got.Header.Get("WWW-Authenticate")
			if c.status == 401 && (!strings.HasPrefix(challenge, "HMAC-SHA256") || !strings.Contains(challenge, ", Bearer")) || c.status == 401 && c.kind != "unauthorized" && !(strings.Contains(challenge, `error="invalid_token"`) && strings.Contains(challenge, ` error_description="`)) {
				t.Errorf("challenge: got %q", challenge)
			}
		})
	}
	if got := w.want(at("GET", "/kv/none", nil), 404); got.Body != "" {
		t.Errorf("a missing setting: got %s, want no body", got.Body)
	}
	w.want(at("PUT", "/kv/exact", map[string]any{"value": strings.Repeat("x", 10*1024-5)}), 200)
	w.Want(apptest.Request{Method: "PATCH", URL: storeID, Body: `{"properties":{"publicNetworkAccess":"Disabled"}}`}, 200, "")
	if got := w.want(at("GET", "/kv", nil), 403); got.Get("type") != "https://azconfig.io/errors/forbidden-by-network" {
		t.Errorf("without public access: got %s", got.Body)
	}
}

func TestVersions(t *testing.T) {
	w := start(t)
	for _, version := range []string{"1.0", "2023-10-01", "2024-09-01", "2026-04-01", "2022-11-01-preview"} {
		w.want(apptest.Request{URL: host + "/kv?API-Version=" + version, As: owner}, 200)
	}
}

func TestStore(t *testing.T) {
	w := apptest.New(t, nil)
	got := w.Put(storeID, storeBody, 201)
	want := `{"creationDate":"2026-09-01T12:00:00Z","dataPlaneProxy":{"authenticationMode":"Local","privateLinkDelegation":"Disabled"},"disableLocalAuth":false,"enablePurgeProtection":false,"encryption":{},"endpoint":"https://teststore.azconfig.io","provisioningState":"Succeeded","softDeleteRetentionInDays":7}`
	if got.Get("properties") != want {
		t.Errorf("properties: got %s, want %s", got.Get("properties"), want)
	}
	if strings.Contains(got.Body, "Secret=") {
		t.Errorf("a store shows its keys: %s", got.Body)
	}
	keys := w.Want(apptest.Request{Method: "POST", URL: storeID + "/listKeys"}, 200, "")
	if !strings.HasPrefix(keys.Get("value.0.connectionString"), "Endpoint=https://teststore.azconfig.io;Id=") || keys.Get("value.3.readOnly") != "true" || keys.Get("value.4") != "" {
		t.Errorf("keys: got %s", keys.Body)
	}
	w.Put(storeID, storeBody, 200)
	if again := w.Want(apptest.Request{Method: "POST", URL: storeID + "/listKeys"}, 200, ""); again.Body != keys.Body {
		t.Errorf("keys after PUT: got %s, want %s", again.Body, keys.Body)
	}
	w.Want(apptest.Request{Method: "POST", URL: storeID + "/listKeys", As: nobody}, 403, "AuthorizationFailed")
	w.Want(apptest.Request{URL: storeID + "x/replicas"}, 404, "ResourceNotFound")
	if got := w.Want(apptest.Request{URL: storeID + "/replicas"}, 200, ""); got.Body != `{"value":[]}` {
		t.Errorf("replicas: got %s", got.Body)
	}
	for name, body := range map[string]string{
		"no_sku":        `{"location":"westeurope","properties":{}}`,
		"bad_sku":       `{"location":"westeurope","sku":{"name":"huge"}}`,
		"public_access": `{"location":"westeurope","sku":{"name":"free"},"properties":{"publicNetworkAccess":"disable"}}`,
		"a_number":      `{"location":"westeurope","sku":{"name":"free"},"properties":{"PublicNetworkAccess":5}}`,
		"proxy":         `{"location":"westeurope","sku":{"name":"free"},"properties":{"dataPlaneProxy":{"authenticationMode":"None"}}}`,
		"mode":          `{"location":"westeurope","sku":{"name":"free"},"properties":{"createMode":"undelete"}}`,
		"retention":     `{"location":"westeurope","sku":{"name":"standard"},"properties":{"softDeleteRetentionInDays":8}}`,
		"free_kept":     `{"location":"westeurope","sku":{"name":"free"},"properties":{"softDeleteRetentionInDays":7}}`,
		"free_guarded":  `{"location":"westeurope","sku":{"name":"free"},"properties":{"enablePurgeProtection":true}}`,
	} {
		t.Run(name, func(t *testing.T) {
			w.Want(apptest.Request{Method: "PUT", URL: storeID + "2", Body: body}, 400, "InvalidRequestContent")
		})
	}
	stores := strings.TrimSuffix(storeID, "TestStore")
	for _, name := range []string{"abcd", "-abcd", "abcd-", "ab---cd", "ab_cd", strings.Repeat("a", 51)} {
		w.Want(apptest.Request{Method: "PUT", URL: stores + name, Body: storeBody}, 400, "InvalidResourceName")
	}
	for _, name := range []string{"a-b-c", "a--b0", strings.Repeat("a", 50)} {
		w.Put(stores+name, storeBody, 201)
	}
}
