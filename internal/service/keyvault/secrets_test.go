package keyvault_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/app/apptest"
	"github.com/aksess/aksess/internal/arm/armtest"
	"github.com/aksess/aksess/internal/store"
)

func TestSetAndGet(t *testing.T) {
	w := start(t, nil)
	created := w.Want(at("PUT", "/secrets/My-Secret", `{"value":"v1","contentType":"text/plain","attributes":{},"tags":{"a":"b"}}`), 200, "")
	id := created.Get("id")
	if !regexp.MustCompile(`^https://testvault\.vault\.azure\.net/secrets/My-Secret/[0-9a-f]{32}$`).MatchString(id) {
		t.Errorf("id: got %q", id)
	}
	want := fmt.Sprintf(`{"value":"v1","contentType":"text/plain","id":"%s","attributes":{"enabled":true,"created":%d,"updated":%[2]d,"recoveryLevel":"Recoverable+Purgeable","recoverableDays":90},"tags":{"a":"b"}}`, id, w.Now().Unix())
	if created.Body != want {
		t.Errorf("created: got %s, want %s", created.Body, want)
	}
	first := id[strings.LastIndexByte(id, '/')+1:]
	for _, path := range []string{"/secrets/my-secret", "/secrets/MY-SECRET/", "/secrets/my-secret/" + first, "/Secrets/my-secret/" + strings.ToUpper(first)} {
		for range 2 { // the second time from the kept answer
			if got := w.Want(at("GET", path, nil), 200, ""); got.Body != want {
				t.Errorf("%s: got %s, want %s", path, got.Body, want)
			}
		}
	}
	w.Advance(time.Minute)
	second := set(t, w, "my-secret", "v2")
	if got := second.Get("id"); !strings.HasPrefix(got, "https://testvault.vault.azure.net/secrets/My-Secret/") || got == id {
		t.Errorf("id of the second version: got %q, first %q", got, id)
	}
	if got := w.Want(at("GET", "/secrets/my-secret", nil), 200, ""); got.Get("value") != "v2" || got.Get("contentType") != "" || got.Get("tags") != "" {
		t.Errorf("newest: got %s", got.Body)
	}
	if got := w.Want(at("GET", "/secrets/my-secret/"+first, nil), 200, ""); got.Get("value") != "v1" {
		t.Errorf("first: got %s", got.Body)
	}
}

func TestUpdate(t *testing.T) {
	w := start(t, nil)
	first := set(t, w, "one", "1").Get("id")
	firstPath := strings.TrimPrefix(first, "https://"+host)
	w.Advance(time.Minute)
	second := strings.TrimPrefix(set(t, w, "one", "2").Get("id"), "https://"+host)
	w.Advance(time.Minute)
	updated := w.Want(at("PATCH", "/secrets/one", `{"contentType":"text/x","attributes":{"exp":2000000000,"nbf":1},"tags":{"k":"v"}}`), 200, "")
	if updated.Get("value") != "" || updated.Get("id") != "https://"+host+second || updated.Get("attributes.exp") != "2000000000" || updated.Get("tags.k") != "v" {
		t.Errorf("updated: got %s", updated.Body)
	}
	if got := w.Want(at("GET", second, nil), 200, ""); got.Get("value") != "2" || got.Get("contentType") != "text/x" || got.Get("attributes.updated") != fmt.Sprint(w.Now().Unix()) {
		t.Errorf("the version after the update: got %s", got.Body)
	}
	w.Want(at("PATCH", firstPath, `{"attributes":{"enabled":false}}`), 200, "")
	disabled := w.Want(at("GET", firstPath, nil), 403, "Forbidden/SecretDisabled")
	if disabled.Get("error.message") != "Operation get is not allowed on a disabled secret." {
		t.Errorf("message: got %q", disabled.Get("error.message"))
	}
	w.Want(at("GET", "/secrets/one", nil), 200, "")
	w.Want(at("PATCH", "/secrets/one", `{"attributes":{"enabled":false}}`), 200, "")
	w.Want(at("GET", "/secrets/one", nil), 403, "Forbidden/SecretDisabled")
	w.Want(at("GET", second, nil), 403, "Forbidden/SecretDisabled")
	if got := w.Want(at("GET", "/secrets", nil), 200, ""); got.Get("value.0.attributes.enabled") != "false" {
		t.Errorf("list: got %s", got.Body)
	}
	w.Want(at("PATCH", "/secrets/one", `{"attributes":{"enabled":true}}`), 200, "")
	if got := w.Want(at("GET", "/secrets/one", nil), 200, ""); got.Get("value") != "2" || got.Get("tags.k") != "v" {
		t.Errorf("enabled again: got %s", got.Body)
	}
}

func TestMalformedBodies(t *testing.T) {
	w := start(t, nil)
	tags := map[string]string{}
	for i := range 16 {
		tags[numbered(i)] = ""
	}
	for name, body := range map[string]any{
		"empty": "", "no_json": "{", "list": "[]", "no_value": "{}", "null_value": `{"value":null}`, "number": `{"value":5}`,
		"value_too_long": map[string]any{"value": strings.Repeat("x", 25*1024+1)},
		"body_too_long":  map[string]any{"value": strings.Repeat("x", 300<<10)},
		"content_type":   map[string]any{"value": "x", "contentType": strings.Repeat("x", 256)},
		"sixteen_tags":   map[string]any{"value": "x", "tags": tags},
		"long_tag":       map[string]any{"value": "x", "tags": map[string]string{strings.Repeat("x", 257): ""}},
		"long_tag_value": map[string]any{"value": "x", "tags": map[string]string{"x": strings.Repeat("x", 257)}},
		"exp_before_nbf": `{"value":"x","attributes":{"nbf":2,"exp":1}}`,
		"enabled":        `{"value":"x","attributes":{"enabled":"yes"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			got := w.Want(at("PUT", "/secrets/one", body), 400, "BadParameter")
			if strings.Contains(got.Body, "Go ") || strings.Contains(got.Body, "keyvault.") {
				t.Errorf("the answer tells of the inside: %s", got.Body)
			}
		})
	}
	w.Want(at("GET", "/secrets/one", nil), 404, "SecretNotFound")
	w.Want(at("PUT", "/secrets/one", map[string]any{
		"value": strings.Repeat("x", 25*1024), "contentType": strings.Repeat("ü", 255), "tags": map[string]string{strings.Repeat("ü", 256): strings.Repeat("ü", 256)},
	}), 200, "")
	w.Want(at("PUT", "/secrets/empty", `{"value":""}`), 200, "")
	if got := w.Want(at("GET", "/secrets/empty", nil), 200, ""); !strings.HasPrefix(got.Body, `{"value":"",`) {
		t.Errorf("an empty value: got %s", got.Body)
	}
}

func TestPaging(t *testing.T) {
	w := start(t, nil)
	w.Put(apptest.Group+"/providers/Microsoft.KeyVault/vaults/testvault0", vault(nil), 201)
	w.Want(apptest.Request{Method: "PUT", URL: "testvault0.vault.azure.net/secrets/zz?api-version=7.4", Body: `{"value":"other"}`}, 200, "")
	for i := range 53 {
		set(t, w, numbered(i), "v")
	}
	var names []string
	pages := 0
	for next := at("GET", "/secrets", nil); ; pages++ {
		got := w.Want(next, 200, "")
		var page struct {
			Value    []struct{ ID, Value string }
			NextLink *string
		}
		if err := json.Unmarshal([]byte(got.Body), &page); err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Value {
			if item.Value != "" {
				t.Fatalf("a list shows a value: %s", got.Body)
			}
			names = append(names, strings.TrimPrefix(item.ID, "https://"+host+"/secrets/"))
		}
		if page.NextLink == nil {
			if !strings.Contains(got.Body, `"nextLink":null`) {
				t.Errorf("the last page: got %s", got.Body)
			}
			break
		}
		if !strings.HasPrefix(*page.NextLink, "https://"+host+"/secrets?api-version=7.4&$skiptoken=") || !strings.HasSuffix(*page.NextLink, "&maxresults=25") {
			t.Errorf("nextLink: got %q", *page.NextLink)
		}
		next = follow(strings.Replace(*page.NextLink, "$", "%24", pages)) // the Go SDK re-encodes
	}
	if pages != 2 || len(names) != 53 || names[0] != numbered(0) || names[52] != numbered(52) {
		t.Errorf("got %d more pages with %v", pages, names)
	}
	small := w.Want(at("GET", "/secrets?maxresults=2", nil), 200, "")
	if got := small.Get("nextLink"); !strings.HasSuffix(got, "&maxresults=2") || small.Get("value.1.id") == "" || small.Get("value.2.id") != "" {
		t.Errorf("a page of two: got %s", small.Body)
	}
	withPort := at("GET", "/secrets?maxresults=1", nil)
	withPort.URL = strings.Replace(withPort.URL, host, host+":8443", 1)
	if got := w.Want(withPort, 200, "").Get("nextLink"); !strings.HasPrefix(got, "https://"+host+":8443/") {
		t.Errorf("nextLink through a port: got %q", got)
	}
	for _, bad := range []string{"0", "26", "-1", "x", "1.5"} {
		w.Want(at("GET", "/secrets?maxresults="+bad, nil), 400, "BadParameter")
	}
	w.Want(at("GET", "/secrets?$skiptoken=***", nil), 400, "BadParameter")
	for _, forged := range []string{"../", "\xff\xff", "zz", "\x00", strings.Repeat("z", 6000)} {
		token := base64.RawURLEncoding.EncodeToString([]byte(forged))
		got := w.Want(at("GET", "/secrets?$skiptoken="+token, nil), 200, "")
		if strings.Contains(got.Body, "/zz") {
			t.Errorf("the token %q leaves the vault: %s", forged, got.Body)
		}
	}
}

func TestVersionList(t *testing.T) {
	w := start(t, nil)
	ids := map[string]bool{}
	for i := range 3 {
		ids[set(t, w, "one", fmt.Sprint(i)).Get("id")] = true
	}
	set(t, w, "one-more", "x")
	got := w.Want(at("GET", "/secrets/ONE/versions?maxresults=2", nil), 200, "")
	rest := w.Want(follow(got.Get("nextLink")), 200, "")
	for _, id := range []string{got.Get("value.0.id"), got.Get("value.1.id"), rest.Get("value.0.id")} {
		if !ids[id] {
			t.Errorf("versions: got %q twice or never set; %s %s", id, got.Body, rest.Body)
		}
		delete(ids, id)
	}
	if rest.Get("nextLink") != "" || rest.Get("value.1") != "" {
		t.Errorf("the last page: got %s", rest.Body)
	}
}

func TestSoftDelete(t *testing.T) {
	w := start(t, map[string]any{"softDeleteRetentionInDays": 7})
	first := set(t, w, "One", "1").Get("id")
	set(t, w, "one", "2")
	deleted := w.Want(at("DELETE", "/secrets/one", nil), 200, "")
	now := w.Now().Unix()
	if deleted.Get("recoveryId") != "https://"+host+"/deletedsecrets/One" || deleted.Get("deletedDate") != fmt.Sprint(now) ||
		deleted.Get("scheduledPurgeDate") != fmt.Sprint(now+7*24*3600) || deleted.Get("value") != "" || deleted.Get("attributes.recoverableDays") != "7" {
		t.Errorf("deleted: got %s", deleted.Body)
	}
	w.Want(at("GET", "/secrets/one", nil), 404, "SecretNotFound")
	w.Want(at("PATCH", "/secrets/one", `{}`), 404, "SecretNotFound")
	w.Want(at("GET", strings.TrimPrefix(first, "https://"+host), nil), 404, "SecretNotFound")
	w.Want(at("GET", "/secrets/one/versions", nil), 404, "SecretNotFound")
	if got := w.Want(at("GET", "/deletedsecrets/ONE", nil), 200, ""); got.Body != deleted.Body {
		t.Errorf("the deleted secret: got %s, want %s", got.Body, deleted.Body)
	}
	if got := w.Want(at("GET", "/deletedsecrets", nil), 200, ""); got.Get("value.0.id") != "https://"+host+"/secrets/One" || got.Get("value.1") != "" {
		t.Errorf("deleted secrets: got %s", got.Body)
	}
	taken := w.Want(at("PUT", "/secrets/one", `{"value":"3"}`), 409, "Conflict/ObjectIsDeletedButRecoverable")
	if want := "Secret one is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the secret can only be recovered or purged."; taken.Get("error.message") != want {
		t.Errorf("message: got %q, want %q", taken.Get("error.message"), want)
	}
	w.Want(at("POST", "/deletedsecrets/one/recover", nil), 200, "")
	if got := w.Want(at("GET", "/secrets/one", nil), 200, ""); got.Get("value") != "2" {
		t.Errorf("recovered: got %s", got.Body)
	}
	if got := w.Want(at("GET", strings.TrimPrefix(first, "https://"+host), nil), 200, ""); got.Get("value") != "1" {
		t.Errorf("an older version recovered: got %s", got.Body)
	}
	w.Want(at("POST", "/deletedsecrets/one/recover", nil), 404, "SecretNotFound")
	w.Want(at("DELETE", "/secrets/one", nil), 200, "")
	if got := w.Want(at("DELETE", "/deletedsecrets/one", nil), 204, ""); got.Body != "" {
		t.Errorf("purged: got %s", got.Body)
	}
	w.Want(at("GET", "/deletedsecrets/one", nil), 404, "SecretNotFound")
	set(t, w, "one", "4")
	if got := w.Want(at("GET", "/secrets/one/versions", nil), 200, ""); got.Get("value.1") != "" {
		t.Errorf("versions outlive the purge: %s", got.Body)
	}
}

func TestRetention(t *testing.T) {
	for name, meet := range map[string]func(t *testing.T, w *apptest.World){
		"get": func(_ *testing.T, w *apptest.World) {
			w.Want(at("GET", "/deletedsecrets/one", nil), 404, "SecretNotFound")
		},
		"recover": func(_ *testing.T, w *apptest.World) {
			w.Want(at("POST", "/deletedsecrets/one/recover", nil), 404, "SecretNotFound")
		},
		"list": func(t *testing.T, w *apptest.World) {
			if got := w.Want(at("GET", "/deletedsecrets", nil), 200, ""); got.Get("value.0") != "" {
				t.Errorf("a secret past its retention is listed: %s", got.Body)
			}
		},
		"set": func(*testing.T, *apptest.World) {},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, map[string]any{"softDeleteRetentionInDays": 7, "enablePurgeProtection": true})
			set(t, w, "one", "1")
			if got := w.Want(at("DELETE", "/secrets/one", nil), 200, ""); got.Get("attributes.recoveryLevel") != "Recoverable" {
				t.Errorf("deleted: got %s", got.Body)
			}
			w.Want(at("DELETE", "/deletedsecrets/one", nil), 403, "Forbidden/PurgeProtected")
			w.Advance(7*24*time.Hour - time.Second)
			w.Want(at("GET", "/deletedsecrets/one", nil), 200, "")
			w.Advance(time.Second)
			meet(t, w)
			set(t, w, "one", "2")
			if got := w.Want(at("GET", "/secrets/one/versions", nil), 200, ""); got.Get("value.1") != "" {
				t.Errorf("versions outlive the retention: %s", got.Body)
			}
		})
	}
}

func TestWritersAtTheSameTime(t *testing.T) {
	const writers = 12
	w := start(t, nil)
	set(t, w, "one", "0")
	armtest.Parallel(writers, func(i int) {
		if got := w.Do(at("PUT", "/secrets/one", map[string]any{"value": fmt.Sprint(i)})); got.Status != 200 {
			t.Errorf("set: got %d %s", got.Status, errorOf(got))
		}
	})
	if got := w.Want(at("GET", "/secrets/one/versions", nil), 200, ""); got.Get(fmt.Sprint("value.", writers)) == "" || got.Get(fmt.Sprint("value.", writers+1)) != "" {
		t.Errorf("versions: got %s, want %d", got.Body, writers+1)
	}
	// One writer changes each member: no change may undo another.
	bodies := []string{`{"contentType":"t"}`, `{"tags":{"a":"b"}}`, `{"attributes":{"nbf":1}}`, `{"attributes":{"exp":2000000000}}`}
	for range 20 {
		w.Want(at("PUT", "/secrets/one", `{"value":"x"}`), 200, "")
		armtest.Parallel(len(bodies), func(i int) { w.Do(at("PATCH", "/secrets/one", bodies[i])) })
		got := w.Want(at("GET", "/secrets/one", nil), 200, "")
		if got.Get("contentType") != "t" || got.Get("tags.a") != "b" || got.Get("attributes.nbf") != "1" || got.Get("attributes.exp") != "2000000000" {
			t.Fatalf("an update was lost: %s", got.Body)
		}
		if version := w.Want(at("GET", strings.TrimPrefix(got.Get("id"), "https://"+host), nil), 200, ""); version.Body != got.Body {
			t.Fatalf("the version %s differs from the newest %s", version.Body, got.Body)
		}
	}
}

func TestDeleteAndSetAtTheSameTime(t *testing.T) {
	w := start(t, nil)
	for range 20 {
		set(t, w, "one", "0")
		armtest.Parallel(4, func(i int) {
			request := []apptest.Request{
				at("DELETE", "/secrets/one", nil), at("PUT", "/secrets/one", `{"value":"1"}`),
				at("PATCH", "/secrets/one", `{"contentType":"x"}`), at("POST", "/deletedsecrets/one/recover", nil),
			}[i]
			if got := w.Do(request); got.Status >= 500 {
				t.Errorf("%s: got %d %s", request.Method, got.Status, got.Body)
			}
		})
		live := w.Do(at("GET", "/secrets/one", nil)).Status
		gone := w.Do(at("GET", "/deletedsecrets/one", nil)).Status
		if live == gone {
			t.Fatalf("the secret is live (%d) and deleted (%d)", live, gone)
		}
		if gone == 200 {
			w.Want(at("POST", "/deletedsecrets/one/recover", nil), 200, "")
		}
	}
}

// broken fails every use of a vault's documents while it is on.
type broken struct {
	store.Store
	on atomic.Bool
}

func (b *broken) fails(kind string) error {
	if b.on.Load() && strings.HasPrefix(kind, "keyvault.") {
		return errors.New("the disk /dev/sda1 is gone")
	}
	return nil
}

func (b *broken) Get(ctx context.Context, kind, key string) (store.Doc, error) {
	if err := b.fails(kind); err != nil {
		return store.Doc{}, err
	}
	return b.Store.Get(ctx, kind, key)
}

func (b *broken) List(ctx context.Context, kind string, q store.Query) (store.Page, error) {
	if err := b.fails(kind); err != nil {
		return store.Page{}, err
	}
	return b.Store.List(ctx, kind, q)
}

func TestFailuresTellNothing(t *testing.T) {
	medium := &broken{}
	w := apptest.New(t, func(s store.Store) store.Store { medium.Store = s; return medium })
	w.Put(vaultID, vault(nil), 201)
	set(t, w, "one", "1")
	medium.on.Store(true)
	for _, request := range []apptest.Request{
		at("GET", "/secrets/one", nil), at("PUT", "/secrets/one", `{"value":"2"}`), at("PATCH", "/secrets/one", `{}`), at("GET", "/secrets", nil),
		at("GET", "/secrets/one/versions", nil), at("DELETE", "/secrets/one", nil), at("GET", "/deletedsecrets", nil), at("DELETE", "/deletedsecrets/one", nil),
	} {
		got := w.Want(request, 500, "InternalServerError")
		if strings.Contains(got.Body, "sda1") {
			t.Errorf("%s %s tells of the inside: %s", request.Method, request.URL, got.Body)
		}
	}
	medium.on.Store(false)
	if got := w.Want(at("GET", "/secrets/one", nil), 200, ""); got.Get("value") != "1" {
		t.Errorf("afterwards: got %s", got.Body)
	}
}

func FuzzSecretNamesAndTokens(f *testing.F) {
	for _, seed := range [][2]string{{"one", ""}, {"One/../two", "b25l"}, {"%2e%2e%2fother", "AA"}, {"a%00", "/w"}, {"versions", "%%%"}, {strings.Repeat("a", 128), strings.Repeat("A", 9000)}} {
		f.Add(seed[0], seed[1])
	}
	w := start(f, nil)
	w.Put(apptest.Group+"/providers/Microsoft.KeyVault/vaults/testvault0", vault(nil), 201)
	w.Want(apptest.Request{Method: "PUT", URL: "testvault0.vault.azure.net/secrets/canary?api-version=7.4", Body: `{"value":"canary"}`}, 200, "")
	set(f, w, "one", "1")
	f.Fuzz(func(t *testing.T, name, token string) {
		w.T = t
		for _, path := range []string{"/secrets/" + name, "/secrets/one/" + name, "/secrets/" + name + "/versions", "/deletedsecrets/" + name, "/secrets?$skiptoken=" + token, "/secrets/one/versions?$skiptoken=" + token} {
			if !requestable(path) {
				continue
			}
			got := w.Do(at("GET", path, nil))
			if got.Status >= 500 && got.Status != 501 {
				t.Errorf("%q: got %d %s", path, got.Status, got.Body)
			}
			if strings.Contains(got.Body, `"canary`) || strings.Contains(got.Body, "/canary") && !strings.Contains(path, "canary") {
				t.Errorf("%q shows another vault's secret: %s", path, got.Body)
			}
		}
	})
}
