package appconfig_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/app/apptest"
	"github.com/aksess/aksess/internal/store"
)

func TestPutAndGet(t *testing.T) {
	w := start(t)
	body := `{"value":"v","content_type":"text/plain","tags":{"a":"b"},"locked":true,"etag":"x"}`
	created := w.want(at("PUT", "/kv/App%3AName?label=dev", body), 200)
	etag := strings.Trim(created.Header.Get("ETag"), `"`)
	want := `{"etag":"` + etag + `","key":"App:Name","label":"dev","content_type":"text/plain","value":"v","tags":{"a":"b"},"locked":false,"last_modified":"2026-09-01T12:00:00+00:00"}`
	if created.Body != want || etag == "" {
		t.Errorf("created: got %s, want %s", created.Body, want)
	}
	if got := created.Header.Get("Content-Type"); got != "application/vnd.microsoft.appconfig.kv+json; charset=utf-8" {
		t.Errorf("content type: got %q", got)
	}
	got := w.want(at("GET", "/kv/App%3AName?LABEL=dev", nil), 200)
	if got.Body != want || got.Header.Get("ETag") != `"`+etag+`"` || got.Header.Get("Last-Modified") != "Tue, 01 Sep 2026 12:00:00 GMT" {
		t.Errorf("got %v %s, want %s", got.Header, got.Body, want)
	}
	for _, missing := range []string{"/kv/App%3AName", "/kv/App%3AName?label=%00", "/kv/App%3AName?label=Dev", "/kv/app%3Aname?label=dev", "/kv/App%3AName?label=dev%2F"} {
		w.want(at("GET", missing, nil), 404)
	}
	bare := w.want(at("PUT", "/kv/bare", `{}`), 200)
	for _, member := range []string{`"label":null`, `"content_type":null`, `"value":null`, `"tags":{}`, `"locked":false`} {
		if !strings.Contains(bare.Body, member) {
			t.Errorf("a bare setting: got %s, want %s in it", bare.Body, member)
		}
	}
	for _, path := range []string{"/kv/bare?label=%00", "/kv/bare?label="} {
		w.want(at("GET", path, nil), 200)
	}
}

func TestKeysInThePath(t *testing.T) {
	w := start(t)
	for _, c := range []struct{ path, key string }{
		{"a%2Fb", "a/b"}, {"a/b", "a/b"}, {"a//b", "a//b"}, {"a/b/", "a/b/"}, {"%C3%BC", "ü"}, {"a%25b", "a%b"}, {"a+b", "a+b"}, {"a%20b", "a b"},
		{".appconfig.featureflag%2Fbeta", ".appconfig.featureflag/beta"}, {"*", "*"}, {"a,b", "a,b"}, {"KV", "KV"},
	} {
		if got := w.set(c.path, "", "v").Get("key"); got != c.key {
			t.Errorf("%s: got key %q, want %q", c.path, got, c.key)
		}
		if got := w.want(at("GET", "/kv/"+c.path, nil), 200).Get("key"); got != c.key {
			t.Errorf("%s: read key %q, want %q", c.path, got, c.key)
		}
	}
	w.want(at("PUT", "/locks/a/b", nil), 200)
	w.want(at("PUT", "/kv/a%2Fb", `{}`), 409)
}

func TestSelect(t *testing.T) {
	w := start(t)
	w.set("one", "", "1")
	for query, want := range map[string]string{
		"$select=key,value":    `{"key":"one","value":"1"}`,
		"%24Select=Key%2C":     "",
		"$select=label,tags":   `{"label":null,"tags":{}}`,
		"$select=key,%20value": `{"key":"one","value":"1"}`,
	} {
		got := w.Do(at("GET", "/kv/one?"+query, nil))
		if want == "" && got.Status != 400 || want != "" && got.Body != want {
			t.Errorf("%s: got %d %s, want %s", query, got.Status, got.Body, want)
		}
		if want != "" {
			if list := w.want(at("GET", "/kv?"+query, nil), 200).Get("items.0"); len(list) != len(want) {
				t.Errorf("%s of a list: got %s, want %s", query, list, want)
			}
		}
	}
	w.want(at("PUT", "/kv/two?$select=colour", `{}`), 400)
	w.want(at("DELETE", "/kv/one?$select=colour", nil), 400)
	w.want(at("PUT", "/locks/one?$select=colour", nil), 400)
	if got := w.want(at("GET", "/kv", nil), 200); keys(t, got) != "one" || got.Get("items.0.locked") != "false" {
		t.Errorf("a refused request changed something: %s", got.Body)
	}
}

func TestConditions(t *testing.T) {
	w := start(t)
	first := w.set("one", "", "1").Header.Get("ETag")
	unquoted := strings.Trim(first, `"`)
	for _, c := range []struct {
		method, path string
		header       []string
		status       int
	}{
		{"GET", "/kv/one", []string{"If-None-Match", first}, 304},
		{"HEAD", "/kv/one", []string{"If-None-Match", first}, 304},
		{"GET", "/kv/one", []string{"If-None-Match", unquoted}, 304},
		{"GET", "/kv/one", []string{"If-None-Match", `"x", W/` + first}, 304},
		{"GET", "/kv/one", []string{"If-None-Match", `"x"`}, 200},
		{"GET", "/kv/one", []string{"If-Match", first}, 200},
		{"GET", "/kv/one", []string{"If-Match", `"x"`}, 412},
		{"GET", "/kv/none", []string{"If-None-Match", "*"}, 404},
		{"PUT", "/kv/one", []string{"If-None-Match", "*"}, 412},
		{"PUT", "/kv/one", []string{"If-Match", `"x"`}, 412},
		{"PUT", "/kv/two", []string{"If-Match", first}, 412},
		{"PUT", "/kv/two", []string{"If-Match", "*"}, 412},
		{"PUT", "/kv/two", []string{"If-None-Match", "*"}, 200},
		{"PUT", "/locks/one", []string{"If-Match", `"x"`}, 412},
		{"PUT", "/locks/none", nil, 404},
		{"DELETE", "/locks/none", nil, 404},
		{"DELETE", "/kv/one", []string{"If-Match", `"x"`}, 412},
		{"DELETE", "/kv/none", []string{"If-Match", "*"}, 412},
		{"DELETE", "/kv/none", nil, 204},
		{"PUT", "/kv/one", []string{"If-Match", first}, 200},
		{"PUT", "/kv/one", []string{"If-Match", first}, 412},
	} {
		var body any
		if c.method == "PUT" && strings.HasPrefix(c.path, "/kv") {
			body = `{"value":"2"}`
		}
		got := w.Do(at(c.method, c.path, body, c.header...))
		if got.Status != c.status || got.Header.Get("Sync-Token") != token {
			t.Errorf("%s %s %v: got %d %s, want %d", c.method, c.path, c.header, got.Status, got.Body, c.status)
		}
		if got.Status == 412 && (got.Body != "" || got.Header.Get("ETag") != "") {
			t.Errorf("412: got %v %s", got.Header, got.Body)
		}
	}
	deleted := w.want(at("DELETE", "/kv/one", nil), 200)
	if deleted.Get("value") != "2" {
		t.Errorf("deleted: got %s", deleted.Body)
	}
	w.want(at("GET", "/kv/one", nil), 404)
	if again := w.set("one", "", "1").Header.Get("ETag"); again == first {
		t.Error("a setting made anew has its old ETag")
	}
}

func TestLocks(t *testing.T) {
	w := start(t)
	w.set("a:b", "dev", "1")
	w.Advance(time.Minute)
	locked := w.want(at("PUT", "/locks/a%3Ab?label=dev", nil), 200)
	if locked.Get("locked") != "true" || locked.Get("last_modified") != "2026-09-01T12:01:00+00:00" {
		t.Errorf("locked: got %s", locked.Body)
	}
	for _, request := range []apptest.Request{at("PUT", "/kv/a%3Ab?label=dev", `{"value":"2"}`), at("DELETE", "/kv/a%3Ab?label=dev", nil)} {
		got := w.want(request, 409)
		want := `{"type":"https://azconfig.io/errors/key-locked","title":"Modifing key 'a:b' is not allowed","name":"a:b","detail":"The key is read-only. To allow modification unlock it first.","status":409}`
		if got.Body != want {
			t.Errorf("%s: got %s, want %s", request.Method, got.Body, want)
		}
	}
	if again := w.want(at("PUT", "/locks/a%3Ab?label=dev", nil), 200); again.Body != locked.Body {
		t.Errorf("locked twice: got %s, want %s", again.Body, locked.Body)
	}
	w.set("a:b", "", "the one without label is free")
	if got := w.want(at("DELETE", "/locks/a%3Ab?label=dev", nil), 200); got.Get("locked") != "false" || got.Get("value") != "1" {
		t.Errorf("unlocked: got %s", got.Body)
	}
	w.set("a:b", "dev", "2")
}

// racing lets another writer in just before a write, once.
type racing struct {
	store.Store
	before func()
}

func (r *racing) Apply(ctx context.Context, ops ...store.Op) ([]int64, error) {
	if strings.HasPrefix(ops[0].Kind, "issuer.") {
		return r.Store.Apply(ctx, ops...) // signing keys are made in the background
	}
	if before := r.before; before != nil {
		r.before = nil
		before()
	}
	return r.Store.Apply(ctx, ops...)
}

func TestTheOtherWriterIsFaster(t *testing.T) {
	put, remove, lock := at("PUT", "/kv/one", `{"value":"first"}`), at("DELETE", "/kv/one", nil), at("PUT", "/locks/one", nil)
	second := at("PUT", "/kv/one", `{"value":"second"}`)
	for _, c := range []struct {
		name          string
		there         bool
		first, second apptest.Request
		status        int
		value         string
	}{
		{"put_put", true, put, second, 200, "second"},
		{"add_add", false, put, at("PUT", "/kv/one", `{"value":"second"}`, "If-None-Match", "*"), 412, "first"},
		{"lock_put", true, lock, second, 409, "0"},
		{"lock_delete", true, lock, remove, 409, "0"},
		{"put_lock", true, put, lock, 200, "first"},
		{"delete_lock", true, remove, lock, 404, ""},
		{"delete_delete", true, remove, remove, 204, ""},
		{"delete_put", true, remove, second, 200, "second"},
		{"put_delete", true, put, remove, 200, ""},
		{"put_delete_if_match", true, put, at("DELETE", "/kv/one", nil, "If-Match", "ETAG"), 412, "first"},
	} {
		t.Run(c.name, func(t *testing.T) {
			medium := &racing{}
			w := world{apptest.New(t, func(s store.Store) store.Store { medium.Store = s; return medium })}
			w.Put(storeID, storeBody, 201)
			w.Assign(owner, "App Configuration Data Owner", storeID)
			if c.there {
				etag := w.set("one", "", "0").Header.Get("ETag")
				if c.second.Header["If-Match"] == "ETAG" {
					c.second.Header["If-Match"] = etag
				}
			}
			medium.before = func() { w.want(c.first, 200) }
			w.want(c.second, c.status)
			got := w.Do(at("GET", "/kv/one", nil))
			if got.Get("value") != c.value || (c.value == "") != (got.Status == 404) {
				t.Errorf("afterwards: got %d %s, want %q", got.Status, got.Body, c.value)
			}
		})
	}
}

func TestManySettings(t *testing.T) {
	w := start(t)
	for i := range 250 {
		w.set(fmt.Sprintf("k%03d", i), "", "v")
	}
	var found []string
	for next, pages := "/kv?api-version=1.0", 0; next != ""; pages++ {
		got := w.want(apptest.Request{URL: host + next, As: reader}, 200)
		found = append(found, strings.Fields(keys(t, got))...)
		next = got.Get("@nextLink")
		if want := map[bool]string{true: "<" + next + `>; rel="next"`}[next != ""]; got.Header.Get("Link") != want {
			t.Fatalf("Link: got %q, want %q", got.Header.Get("Link"), want)
		}
		if pages > 3 {
			t.Fatal("the pages do not end")
		}
	}
	if len(found) != 250 || found[0] != "k000" || found[249] != "k249" {
		t.Errorf("got %d settings from %s to %s", len(found), found[0], found[len(found)-1])
	}
}
