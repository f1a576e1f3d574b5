package storageapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/app/apptest"
	"github.com/aksess/aksess/internal/storage/signature"
)

const (
	accountID = apptest.Group + "/providers/Microsoft.Storage/storageAccounts/widemo"
	blobHost  = "widemo.blob.core.windows.net"
	queueHost = "widemo.queue.core.windows.net"
	fileHost  = "widemo.file.core.windows.net"
	tableHost = "widemo.table.core.windows.net"
)

// world has one account with a container and a queue.
func world(t testing.TB) *apptest.World {
	t.Helper()
	w := apptest.New(t, nil)
	setAccount(w, "")
	for _, id := range []string{accountID + "/blobServices/default/containers/con", accountID + "/queueServices/default/queues/jobs"} {
		if got := w.Do(apptest.Request{Method: http.MethodPut, URL: id, Body: `{}`}); got.Status > 201 {
			t.Fatalf("PUT %s: got %d %s", id, got.Status, got.Body)
		}
	}
	return w
}

func setAccount(w *apptest.World, properties string) {
	w.T.Helper()
	w.Want(apptest.Request{Method: http.MethodPut, URL: accountID, Body: `{"location":"` + apptest.Location +
		`","kind":"StorageV2","sku":{"name":"Standard_LRS"},"properties":{` + properties + `}}`}, http.StatusOK, "")
}

func key(w *apptest.World, n string) string {
	w.T.Helper()
	return w.Want(apptest.Request{Method: http.MethodPost, URL: accountID + "/listKeys"}, http.StatusOK, "").Get("keys." + n + ".value")
}

// signed adds a signature to a request, as an SDK does.
func signed(w *apptest.World, r apptest.Request, secret string, form signature.Form) apptest.Request {
	w.T.Helper()
	host, target, _ := strings.Cut(r.URL, "/")
	path, query, _ := strings.Cut("/"+target, "?")
	h := http.Header{}
	all := map[string]string{"x-ms-date": w.Now().UTC().Format(http.TimeFormat), "x-ms-version": "2023-11-03"}
	for name, value := range r.Header {
		all[name] = value
	}
	if r.Body != nil {
		h.Set("Content-Type", "application/json")
	}
	for name, value := range all {
		h.Set(name, value)
	}
	account, _, _ := strings.Cut(host, ".")
	text := signature.Request{Method: methodOf(r), Account: account, Path: path, RawQuery: query, Header: h}.Texts(form)[0]
	scheme := "SharedKey"
	if form == signature.SharedKeyLite || form == signature.TableLite {
		scheme = "SharedKeyLite"
	}
	all["Authorization"] = scheme + " " + account + ":" + signature.Encode(decoded(w, secret), text)
	r.As, r.Header = "-", all
	return r
}

func methodOf(r apptest.Request) string {
	if r.Method == "" {
		return http.MethodGet
	}
	return r.Method
}

// TestSharedKey: a key admits to everything of its account's data planes, and
// to nothing with anything else than the right signature.
func TestSharedKey(t *testing.T) {
	w := world(t)
	first, second := key(w, "0"), key(w, "1")
	for _, test := range []struct {
		name   string
		r      apptest.Request
		form   signature.Form
		status int
	}{
		{"list-containers", apptest.Request{URL: blobHost + "/?comp=list&prefix=c%20d"}, signature.SharedKey, 200},
		{"lite", apptest.Request{URL: blobHost + "/?comp=list"}, signature.SharedKeyLite, 200},
		{"put-blob", apptest.Request{Method: "PUT", URL: blobHost + "/con/dir/a%20b%2Bc", Header: map[string]string{"x-ms-blob-type": "BlockBlob"}}, signature.SharedKey, 201},
		{"get-blob", apptest.Request{URL: blobHost + "/con/dir/a%20b%2Bc"}, signature.SharedKey, 200},
		{"no-blob", apptest.Request{Method: "HEAD", URL: blobHost + "/con/none"}, signature.SharedKey, 404},
		{"list-queues", apptest.Request{URL: queueHost + "/?comp=list"}, signature.SharedKey, 200},
		{"peek", apptest.Request{URL: queueHost + "/jobs/messages?peekonly=true"}, signature.SharedKey, 200},
		{"files", apptest.Request{URL: fileHost + "/?restype=service&comp=properties"}, signature.SharedKey, 200},
		{"shares", apptest.Request{URL: fileHost + "/?comp=list"}, signature.SharedKey, 200},
		{"tables", apptest.Request{URL: tableHost + "/?restype=service&comp=properties"}, signature.Table, 200},
		{"tables-lite", apptest.Request{URL: tableHost + "/?restype=service&comp=properties"}, signature.TableLite, 200},
		{"query-tables", apptest.Request{URL: tableHost + "/Tables"}, signature.TableLite, 200},
		{"old-version", apptest.Request{URL: blobHost + "/?comp=list", Header: map[string]string{"x-ms-version": "2018-03-28"}}, signature.SharedKey, 200},
		{"future-version", apptest.Request{URL: blobHost + "/?comp=list", Header: map[string]string{"x-ms-version": "2031-01-01"}}, signature.SharedKey, 200},
		{"unserved", apptest.Request{Method: "PUT", URL: fileHost + "/share?restype=share"}, signature.SharedKey, 501},
	} {
		for n, secret := range []string{first, second} {
			t.Run(test.name+"/key"+string(rune('1'+n)), func(t *testing.T) {
				w.T = t
				w.Want(signed(w, test.r, secret, test.form), test.status, "")
				if last := w.Last(); test.status < 300 && !strings.Contains(last.Verdict.By, "key"+string(rune('1'+n))) {
					t.Errorf("got admitted by %q, want the key", last.Verdict.By)
				}
			})
		}
	}
}

func TestSharedKeyRefused(t *testing.T) {
	w := world(t)
	first, second := key(w, "0"), key(w, "1")
	list := apptest.Request{URL: blobHost + "/?comp=list"}
	at := func(age time.Duration) apptest.Request {
		r := list
		r.Header = map[string]string{"x-ms-date": w.Now().Add(-age).UTC().Format(http.TimeFormat)}
		return signed(w, r, first, signature.SharedKey)
	}
	altered := func(change func(r *apptest.Request)) apptest.Request {
		r := signed(w, list, first, signature.SharedKey)
		change(&r)
		return r
	}
	for _, test := range []struct {
		name   string
		r      apptest.Request
		status int
		code   string
	}{
		{"in-time", at(14 * time.Minute), 200, ""},
		{"fast-clock", at(-14 * time.Minute), 200, ""},
		{"too-old", at(16 * time.Minute), 403, "AuthenticationFailed"},
		{"future", at(-16 * time.Minute), 403, "AuthenticationFailed"},
		{"no-date", altered(func(r *apptest.Request) { delete(r.Header, "x-ms-date") }), 403, "AuthenticationFailed"},
		{"other-query", altered(func(r *apptest.Request) { r.URL += "&prefix=x" }), 403, "AuthenticationFailed"},
		{"other-method", altered(func(r *apptest.Request) { r.Method, r.URL = "PUT", blobHost+"/con2?restype=container" }), 403, "AuthenticationFailed"},
		{"added-header", altered(func(r *apptest.Request) { r.Header["x-ms-meta-a"] = "b" }), 403, "AuthenticationFailed"},
		{"other-account", altered(func(r *apptest.Request) {
			r.Header["Authorization"] = strings.Replace(r.Header["Authorization"], "widemo", "other", 1)
		}), 403, "AuthenticationFailed"},
		{"other-scheme", altered(func(r *apptest.Request) {
			r.Header["Authorization"] = strings.Replace(r.Header["Authorization"], "SharedKey", "SharedKeyLite", 1)
		}), 403, "AuthenticationFailed"},
		{"no-account", altered(func(r *apptest.Request) { r.Header["Authorization"] = "SharedKey abc" }), 400, "InvalidAuthenticationInfo"},
		{"no-signature", altered(func(r *apptest.Request) { r.Header["Authorization"] = "SharedKey widemo:" }), 400, "InvalidAuthenticationInfo"},
		{"table-form", signed(w, list, first, signature.Table), 403, "AuthenticationFailed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w.T = t
			got := w.Do(test.r)
			if got.Status != test.status || got.Header.Get("x-ms-error-code") != test.code {
				t.Fatalf("got %d %s, want %d %s\n%s", got.Status, got.Header.Get("x-ms-error-code"), test.status, test.code, got.Body)
			}
			if got.Status == 403 && !strings.Contains(got.Body, "<AuthenticationErrorDetail>") {
				t.Errorf("got %s, want the reason", got.Body)
			}
			right := signature.Encode(decoded(w, first), "GET")
			if strings.Contains(got.Body, first) || strings.Contains(got.Body, second) || strings.Contains(got.Body, right) {
				t.Errorf("the answer shows a secret: %s", got.Body)
			}
		})
	}
}

// TestRegeneratedKey: the old key ends with the answer, the other one goes on.
func TestRegeneratedKey(t *testing.T) {
	w := world(t)
	old, other := key(w, "0"), key(w, "1")
	list := apptest.Request{URL: blobHost + "/?comp=list"}
	w.Want(signed(w, list, old, signature.SharedKey), 200, "")
	w.Want(apptest.Request{Method: http.MethodPost, URL: accountID + "/regenerateKey", Body: `{"keyName":"key1"}`}, 200, "")
	if got := w.Do(signed(w, list, old, signature.SharedKey)); got.Status != 403 {
		t.Errorf("the old key: got %d, want 403", got.Status)
	}
	w.Want(signed(w, list, other, signature.SharedKey), 200, "")
	w.Want(signed(w, list, key(w, "0"), signature.SharedKey), 200, "")
}

// TestKeysNotPermitted: the account's word and its firewall count for keys too.
func TestKeysNotPermitted(t *testing.T) {
	w := world(t)
	list := apptest.Request{URL: blobHost + "/?comp=list"}
	first := key(w, "0")
	setAccount(w, `"networkAcls":{"defaultAction":"Deny"}`)
	if got := w.Do(signed(w, list, first, signature.SharedKey)); got.Status != 403 || got.Header.Get("x-ms-error-code") != "AuthorizationFailure" {
		t.Errorf("behind the firewall: got %d %s", got.Status, got.Body)
	}
	setAccount(w, `"networkAcls":{"defaultAction":"Allow"},"allowSharedKeyAccess":false`)
	if got := w.Do(signed(w, list, first, signature.SharedKey)); got.Status != 403 || got.Header.Get("x-ms-error-code") != "KeyBasedAuthenticationNotPermitted" {
		t.Errorf("not permitted: got %d %s", got.Status, got.Body)
	}
}

// BenchmarkList compares the credentials of one and the same request.
func BenchmarkList(b *testing.B) {
	w := world(b)
	w.Assign(apptest.Owner, "Storage Blob Data Owner", accountID)
	list := apptest.Request{URL: blobHost + "/con?restype=container&comp=list", Header: map[string]string{"x-ms-version": "2023-11-03"}}
	secret := decoded(w, key(w, "0"))
	for name, r := range map[string]apptest.Request{
		"token": list, "key": signed(w, list, key(w, "0"), signature.SharedKey),
		"sas": with(sas(w, secret, ofBlob("con"), "sr", "c", "sp", "l"), "GET", list.URL),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			w.T = b
			for b.Loop() {
				if got := w.Do(r); got.Status != 200 {
					b.Fatalf("got %d %s", got.Status, got.Body)
				}
			}
		})
	}
}
