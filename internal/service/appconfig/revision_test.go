package appconfig_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/app/apptest"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/store"
)

// values are the values of a list.
func values(t testing.TB, r apptest.Response) string {
	t.Helper()
	var list struct {
		Items []struct{ Value string }
	}
	if err := json.Unmarshal([]byte(r.Body), &list); err != nil {
		t.Fatalf("%s: %v", r.Body, err)
	}
	var found []string
	for _, item := range list.Items {
		found = append(found, item.Value)
	}
	return strings.Join(found, " ")
}

func (w world) wantValues(path, want string, headers ...string) apptest.Response {
	w.T.Helper()
	got := w.want(at("GET", path, nil, headers...), 200)
	if values(w.T, got) != want {
		w.T.Errorf("%s %v: got %q, want %q", path, headers, values(w.T, got), want)
	}
	return got
}

func TestRevisions(t *testing.T) {
	w := start(t)
	first := w.set("one", "", "1")
	w.Advance(time.Minute)
	w.set("one", "l", "2")
	w.set("two", "", "3")
	w.Advance(time.Minute)
	w.set("one", "", "4")
	w.Advance(time.Minute)
	w.want(at("PUT", "/locks/two", nil), 200)
	w.Advance(time.Minute)
	w.want(at("DELETE", "/kv/one", nil), 200)

	got := w.wantValues("/revisions", "3 4 3 2 1")
	if got.Header.Get("Content-Type") != "application/vnd.microsoft.appconfig.kvset+json; charset=utf-8" || got.Get("items.0.locked") != "true" || got.Get("items.2.locked") != "false" {
		t.Errorf("got %v %s", got.Header, got.Body)
	}
	if got.Get("items.4.etag") != first.Get("etag") || got.Get("items.4.last_modified") != first.Get("last_modified") {
		t.Errorf("the oldest: got %s, want %s", got.Get("items.4"), first.Body)
	}
	w.wantValues("/revisions?key=one", "4 2 1")
	w.wantValues("/revisions?key=one&label=%00", "4 1")
	w.wantValues("/revisions?key=o*&label=l", "2")
	w.wantValues("/revisions", "3 2 1", "Accept-Datetime", azapi.HTTPTime(w.Now().Add(-3*time.Minute)))
	if got := w.want(at("GET", "/revisions?$select=key", nil), 200); got.Get("items.0") != `{"key":"two"}` {
		t.Errorf("$select: got %s", got.Body)
	}
	if got := w.want(at("HEAD", "/revisions", nil), 200); got.Body != "" || got.Header.Get("ETag") == "" {
		t.Errorf("HEAD: got %v %s", got.Header, got.Body)
	}
	denied := at("GET", "/revisions", nil)
	denied.As = nobody
	w.want(denied, 403)
}

func TestRevisionPages(t *testing.T) {
	w := start(t)
	const count = 520 // more than is held in memory while reading
	for i := range count {
		w.set("one", "", fmt.Sprint(i))
		w.Advance(time.Millisecond)
	}
	next, seen := "/revisions?key=one&api-version=1.0", count
	for next != "" {
		got := w.want(apptest.Request{URL: host + next, As: owner}, 200)
		for _, value := range strings.Fields(values(t, got)) {
			if seen--; value != fmt.Sprint(seen) {
				t.Fatalf("got %s, want %d", value, seen)
			}
		}
		next = got.Get("@nextLink")
	}
	if seen != 0 {
		t.Errorf("%d revisions are missing", seen)
	}
}

func TestThePast(t *testing.T) {
	w := start(t)
	start := w.Now()
	w.set("one", "", "1")
	w.set("two", "l", "2")
	w.Advance(time.Hour)
	w.set("one", "", "3")
	w.set("three", "", "4")
	w.Advance(time.Hour)
	w.want(at("DELETE", "/kv/one", nil), 200)
	past := func(d time.Duration) string { return azapi.HTTPTime(start.Add(d)) }
	w.wantValues("/kv", "", "Accept-Datetime", past(-time.Second))
	got := w.wantValues("/kv", "1 2", "Accept-Datetime", past(time.Minute))
	if got.Header.Get("Memento-Datetime") != past(time.Minute) || !strings.Contains(got.Header.Get("Link"), `rel="original"`) {
		t.Errorf("headers: got %v", got.Header)
	}
	w.wantValues("/kv", "3 4 2", "Accept-Datetime", past(time.Hour))
	w.wantValues("/kv?key=one,two", "3 2", "Accept-Datetime", past(time.Hour))
	w.wantValues("/kv", "1 2", "Accept-Datetime", start.Add(time.Minute).UTC().Format(time.RFC3339Nano))
	w.wantValues("/kv", "1 2", "Accept-Datetime", start.Add(time.Minute).In(time.FixedZone("", 3600)).Format(time.RFC3339))
	w.wantValues("/kv", "4 2", "Accept-Datetime", past(2*time.Hour))
	one := at("GET", "/kv/one", nil, "Accept-Datetime", past(time.Minute))
	if got := w.want(one, 200); got.Get("value") != "1" || got.Header.Get("Memento-Datetime") == "" {
		t.Errorf("one: got %s", got.Body)
	}
	w.want(at("GET", "/kv/one", nil, "Accept-Datetime", past(-time.Second)), 404)
	w.want(at("GET", "/kv/one", nil, "Accept-Datetime", past(2*time.Hour)), 404)
	if got := w.want(at("GET", "/kv/two?label=l", nil, "Accept-Datetime", past(time.Hour)), 200); got.Get("value") != "2" {
		t.Errorf("two: got %s", got.Body)
	}
}

func TestRevisionsEnd(t *testing.T) {
	w := start(t)
	for i := range 20 {
		w.set("one", "", fmt.Sprint(i))
	}
	w.Advance(30*24*time.Hour + time.Second)
	for range 3 {
		w.set("one", "", "new")
	}
	page, err := w.Store.List(t.Context(), "appconfig.revision", store.Query{})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Docs) > 3 {
		t.Errorf("%d revisions are kept, want those of the last thirty days", len(page.Docs))
	}
	w.wantValues("/kv", "new")
}
