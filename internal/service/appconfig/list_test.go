package appconfig_test

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/app/apptest"
)

func TestFilters(t *testing.T) {
	w := start(t)
	for _, s := range [][2]string{{"app:a", ""}, {"app:a", "dev"}, {"app:b", "prod"}, {"app", "dev"}, {"x*y", ""}, {"x,y", ""}, {`x\y`, ""}, {"a/b", ""}, {"z", "dev,2"}} {
		path := "/kv/" + url.PathEscape(s[0])
		if s[1] == "dev,2" {
			continue
		}
		w.want(at("PUT", path+"?label="+url.QueryEscape(s[1]), map[string]any{"value": "v", "tags": map[string]string{"k": s[0], "l=": "=v"}}), 200)
	}
	const all = `a/b app/dev app:a app:a/dev app:b/prod x*y x,y x\y`
	for _, c := range []struct{ query, want string }{
		{"", all}, {"key=*", all}, {"key=%2A&label=%2A", all}, {"Key=*&Label=*", all},
		{"key=app:a", "app:a app:a/dev"}, {"key=app:*", "app:a app:a/dev app:b/prod"}, {"key=app*", "app/dev app:a app:a/dev app:b/prod"},
		{"key=app:a&label=dev", "app:a/dev"}, {"key=app:a,app", "app/dev app:a app:a/dev"}, {"key=app:b,a*", "a/b app/dev app:a app:a/dev app:b/prod"},
		{"label=%00", `a/b app:a x*y x,y x\y`}, {`label=%5C0`, `a/b app:a x*y x,y x\y`}, {"label=%00,prod", `a/b app:a app:b/prod x*y x,y x\y`},
		{"label=d*", "app/dev app:a/dev"}, {"label=dev,prod", "app/dev app:a/dev app:b/prod"}, {"label=none", ""}, {"label=DEV", ""},
		{`key=x%5C*y`, "x*y"}, {`key=x%5C,y`, "x,y"}, {`key=x%5C%5Cy`, `x\y`}, {`key=x%5C**`, "x*y"}, {"key=a%2Fb", "a/b"}, {"key=a/b", "a/b"}, {"key=a/*", "a/b"},
		{"key=a,b,c,d,app", "app/dev"}, {"key=none", ""}, {"key=app:a%00", ""},
		{"tags=k%3Dapp:a", "app:a app:a/dev"}, {"tags=k%3Dapp:a&tags=l%5C%3D%3D%3Dv", ""}, {"tags=k%3Dapp:a&tags=k%3Dapp", ""}, {"tags=none%3Dx", ""}, {`tags=k%3Dx%5C,y`, "x,y"},
		{`label=%5C0*`, ""},
	} {
		path := "/kv"
		if c.query != "" {
			path += "?" + c.query
		}
		if got := keys(t, w.want(at("GET", path, nil), 200)); got != c.want {
			t.Errorf("%s: got %q, want %q", c.query, got, c.want)
		}
	}
}

func TestNames(t *testing.T) {
	w := start(t)
	w.set("b", "dev", "1")
	w.set("a", "", "1")
	w.set("b", "", "1")
	w.set("c", "prod", "1")
	for path, want := range map[string]string{
		"/keys":            `{"items":[{"name":"a"},{"name":"b"},{"name":"c"}]}`,
		"/keys?name=b*":    `{"items":[{"name":"b"}]}`,
		"/keys?name=none":  `{"items":[]}`,
		"/labels":          `{"items":[{"name":null},{"name":"dev"},{"name":"prod"}]}`,
		"/labels?name=%00": `{"items":[{"name":null}]}`,
		"/labels?Name=d*":  `{"items":[{"name":"dev"}]}`,
	} {
		if got := w.want(at("GET", path, nil), 200); got.Body != want {
			t.Errorf("%s: got %s, want %s", path, got.Body, want)
		}
	}
	for path, want := range map[string]string{"/keys": "keyset", "/labels": "labelset", "/kv": "kvset"} {
		if got := w.want(at("GET", path, nil), 200).Header.Get("Content-Type"); got != "application/vnd.microsoft.appconfig."+want+"+json; charset=utf-8" {
			t.Errorf("%s: got %q", path, got)
		}
	}
}

func fill(w world, n int) {
	for i := range n {
		w.set(fmt.Sprintf("k%03d", i), "", "v")
	}
}

// TestTraps are the habits that clients depend on, in the order of their list.
func TestTraps(t *testing.T) {
	w := start(t)
	fill(w, 101)
	first := w.want(at("GET", "/kv", nil), 200)
	etag := first.Header.Get("ETag")
	t.Run("page_etag_in_header_and_body", func(t *testing.T) {
		if len(etag) < 10 || etag != `"`+first.Get("etag")+`"` {
			t.Errorf("got header %s and body %q", etag, first.Get("etag"))
		}
	})
	t.Run("304_without_etag_with_link", func(t *testing.T) {
		for _, method := range []string{"GET", "HEAD"} {
			got := w.want(at(method, "/kv", nil, "If-None-Match", etag), 304)
			if _, has := got.Header["Etag"]; has || got.Header.Get("Link") != first.Header.Get("Link") || got.Header.Get("Link") == "" {
				t.Errorf("%s: got headers %v, want no ETag and Link %q", method, got.Header, first.Header.Get("Link"))
			}
		}
	})
	t.Run("after_is_never_first", func(t *testing.T) {
		for _, target := range []string{
			"/kv?api-version=1.0", "/kv?API-VERSION=1.0&key=*", "/KV/?after=AA&api-version=1.0", "//kv?After=AA&Api-Version=1.0&label=%00", "/kv?%61fter=AA&api-version=1.0&key=%2A&&",
		} {
			got := w.want(apptest.Request{URL: host + target, As: reader}, 200)
			next := got.Get("@nextLink")
			if !strings.HasPrefix(next, "/kv?") || strings.HasPrefix(next, "/kv?after=") || strings.Count(strings.ToLower(next), "after=") != 1 || !strings.Contains(next, "&after=") {
				t.Errorf("%s: got @nextLink %q", target, next)
			}
			if strings.Contains(target, "key=%2A") && !strings.Contains(next, "key=%2A") {
				t.Errorf("%s: got @nextLink %q, want the filter as it was sent", target, next)
			}
		}
	})
	t.Run("relative_link", func(t *testing.T) {
		if got := first.Header.Get("Link"); got != "<"+first.Get("@nextLink")+`>; rel="next"` || !strings.HasPrefix(got, "</kv?api-version=2023-11-01&after=") {
			t.Errorf("got %q", got)
		}
	})
	t.Run("second_page", func(t *testing.T) {
		second := w.want(apptest.Request{URL: host + first.Get("@nextLink"), As: reader}, 200)
		if keys(t, second) != "k100" || second.Header.Get("Link") != "" || strings.Contains(second.Body, "nextLink") {
			t.Errorf("got %v %s", second.Header, second.Body)
		}
		request := apptest.Request{URL: host + first.Get("@nextLink"), As: reader, Header: map[string]string{"If-None-Match": second.Header.Get("ETag")}}
		if got := w.want(request, 304); got.Header.Get("Link") != "" {
			t.Errorf("the last page unchanged: got Link %q", got.Header.Get("Link"))
		}
	})
	t.Run("etag_changes_only_with_the_page", func(t *testing.T) {
		page := func() string { return w.want(at("GET", "/kv?key=k0*", nil), 200).Header.Get("ETag") }
		before := page()
		for _, c := range []struct {
			name    string
			request apptest.Request
			changes bool
		}{
			{"elsewhere", at("PUT", "/kv/z", `{"value":"v"}`), false},
			{"the_next_page", at("PUT", "/kv/k100", `{"value":"w"}`), false},
			{"deleted_elsewhere", at("DELETE", "/kv/z", nil), false},
			{"value", at("PUT", "/kv/k000", `{"value":"w"}`), true},
			{"tag", at("PUT", "/kv/k000", `{"value":"w","tags":{"a":"b"}}`), true},
			{"lock", at("PUT", "/locks/k000", nil), true},
			{"lock_again", at("PUT", "/locks/k000", nil), false},
			{"unlock", at("DELETE", "/locks/k000", nil), true},
			{"unlock_again", at("DELETE", "/locks/k000", nil), false},
			{"add", at("PUT", "/kv/k000?label=new", `{}`), true},
			{"delete", at("DELETE", "/kv/k000?label=new", nil), true},
			{"delete_nothing", at("DELETE", "/kv/k000?label=new", nil), false},
		} {
			got := w.Do(c.request)
			if got.Status >= 300 {
				t.Fatalf("%s: got %d %s", c.name, got.Status, got.Body)
			}
			after := page()
			if (after != before) != c.changes {
				t.Errorf("%s: the ETag went from %s to %s", c.name, before, after)
			}
			before = after
		}
		if got := w.want(at("GET", "/kv?key=none", nil), 200).Header.Get("ETag"); got == "" || got == before {
			t.Errorf("the ETag of an empty page: got %q", got)
		}
	})
}

// requestable reports whether a target can stand in a request's first line.
func requestable(target string) bool {
	_, err := url.ParseRequestURI(target)
	return err == nil
}

func FuzzList(f *testing.F) {
	for _, seed := range [][2]string{
		{"key=a*&label=%00", "AA"}, {`key=a\*,b`, ""}, {"tags=a=b&$Select=key", "/w"}, {"label=%5c0,%5c%5c", "azE"}, {"after=x;y", "==="}, {"%6bey=a%2a%00*", strings.Repeat("A", 7000)},
	} {
		f.Add(seed[0], seed[1])
	}
	w := start(f)
	w.Put(storeID+"2", storeBody, 201)
	w.Assign(owner, "App Configuration Data Owner", storeID+"2")
	w.Want(apptest.Request{Method: "PUT", URL: "teststore2.azconfig.io/kv/canary?api-version=1.0", As: owner, Body: `{"value":"canary"}`}, 200, "")
	fill(w, 3)
	f.Fuzz(func(t *testing.T, query, after string) {
		w.T = t
		token := base64.RawURLEncoding.EncodeToString([]byte(after))
		for _, path := range []string{"/kv?" + query, "/kv?" + query + "&after=" + token, "/kv?after=" + after, "/keys?name=" + query, "/labels?" + query, "/kv/" + query, "/kv/k000?label=" + query} {
			if !requestable(path) || strings.Contains(path, "#") {
				continue
			}
			got := w.Do(at("GET", path, nil))
			if got.Status >= 500 && got.Status != 501 {
				t.Errorf("%q: got %d %s", path, got.Status, got.Body)
			}
			if strings.Contains(got.Body, `"canary"`) && got.Status == 200 {
				t.Errorf("%q shows another store's setting: %s", path, got.Body)
			}
			if got.Header.Get("Sync-Token") == "" {
				t.Errorf("%q: no Sync-Token", path)
			}
		}
	})
}
