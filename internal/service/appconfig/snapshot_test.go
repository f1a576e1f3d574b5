package appconfig_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/app/apptest"
	"github.com/aksess/aksess/internal/store"
)

func TestSnapshots(t *testing.T) {
	w := start(t)
	w.set("a", "", "1")
	w.set("a", "l", "2")
	w.set("b", "", "3")
	w.set("c", "m", "4")
	w.want(at("GET", "/snapshots/s", nil), 404)
	made := w.want(at("PUT", "/snapshots/s%20one", `{"filters":[{"key":"*"},{"key":"a","label":"l"}],"tags":{"x":"y"},"retention_period":3600}`), 201)
	want := `{"etag":"` + made.Get("etag") + `","name":"s one","status":"ready","filters":[{"key":"*","label":null},{"key":"a","label":"l"}],"composition_type":"key","created":"2026-09-01T12:00:00+00:00","expires":null,"size":5,"items_count":2,"tags":{"x":"y"},"retention_period":3600}`
	if made.Body != want || made.Header.Get("Content-Type") != "application/vnd.microsoft.appconfig.snapshot+json; charset=utf-8" {
		t.Errorf("got %v %s, want %s", made.Header, made.Body, want)
	}
	done := w.want(apptest.Request{URL: strings.TrimPrefix(made.Header.Get("Operation-Location"), "https://"), As: owner}, 200)
	if done.Get("status") != "Succeeded" || done.Get("id") == "" {
		t.Errorf("operation: got %s", done.Body)
	}
	w.set("b", "", "new")
	w.want(at("DELETE", "/kv/a?label=l", nil), 200)
	got := w.wantValues("/kv?snapshot=s%20one", "2 3")
	if got.Get("items.0.label") != "l" || got.Get("items.1.etag") == "" {
		t.Errorf("its settings: got %s", got.Body)
	}
	w.want(at("PUT", "/snapshots/all", `{"filters":[{"key":"*","label":"*"}],"composition_type":"key_label"}`), 201)
	w.wantValues("/kv?snapshot=all", "1 new 4")
	if got := w.want(at("PUT", "/snapshots/all", `{"filters":[{"key":"*"}]}`), 409); got.Get("type") != "https://azconfig.io/errors/already-exists" {
		t.Errorf("twice: got %s", got.Body)
	}
	for path, want := range map[string]string{"/snapshots": "all s one", "/snapshots?name=s*": "s one", "/snapshots?status=archived": "", "/snapshots?status=ready,archived": "all s one"} {
		list := w.want(at("GET", path, nil), 200)
		if names := strings.TrimSpace(list.Get("items.0.name") + " " + list.Get("items.1.name")); names != want {
			t.Errorf("%s: got %q, want %q", path, names, want)
		}
	}
}

func TestSnapshotsAreArchived(t *testing.T) {
	w := start(t)
	w.set("a", "", "1")
	made := w.want(at("PUT", "/snapshots/s", `{"filters":[{"key":"a"}],"retention_period":3600}`), 201)
	archive := at("PATCH", "/snapshots/s", `{"status":"archived"}`)
	stale := at("PATCH", "/snapshots/s", `{"status":"archived"}`, "If-Match", `"x"`)
	w.want(stale, 412)
	got := w.want(archive, 200)
	if got.Get("status") != "archived" || got.Get("expires") != "2026-09-01T13:00:00+00:00" || got.Get("etag") == made.Get("etag") {
		t.Errorf("archived: got %s", got.Body)
	}
	w.wantValues("/kv?snapshot=s", "1")
	w.want(at("GET", "/snapshots/s", nil, "If-None-Match", got.Header.Get("ETag")), 304)
	if got := w.want(at("PATCH", "/snapshots/s", `{"status":"ready"}`), 200); got.Get("status") != "ready" || got.Get("expires") != "" {
		t.Errorf("taken back: got %s", got.Body)
	}
	w.want(archive, 200)
	w.Advance(time.Hour)
	if got := w.want(at("GET", "/snapshots", nil), 200); got.Get("items.0") != "" {
		t.Errorf("after its time: got %s", got.Body)
	}
	w.want(at("GET", "/snapshots/s", nil), 404)
	w.want(archive, 404)
	left, err := w.Store.List(t.Context(), "appconfig.kept", store.Query{})
	if err != nil || len(left.Docs) != 0 {
		t.Errorf("%d settings outlive their snapshot, %v", len(left.Docs), err)
	}
	w.want(at("PUT", "/snapshots/s", `{"filters":[{"key":"a"}]}`), 201)
}

func TestSnapshotPages(t *testing.T) {
	w := start(t)
	const count = 230
	for i := range count {
		w.set(fmt.Sprintf("k%03d", i), "", fmt.Sprint(i))
	}
	w.want(at("PUT", "/snapshots/s", `{"filters":[{"key":"k*"}]}`), 201)
	next, seen := "/kv?snapshot=s&api-version=1.0", 0
	for next != "" {
		got := w.want(apptest.Request{URL: host + next, As: owner}, 200)
		for _, value := range strings.Fields(values(t, got)) {
			if value != fmt.Sprint(seen) {
				t.Fatalf("got %s, want %d", value, seen)
			}
			seen++
		}
		next = got.Get("@nextLink")
	}
	if seen != count {
		t.Errorf("got %d settings, want %d", seen, count)
	}
	for i := range 101 {
		w.want(at("PUT", fmt.Sprintf("/snapshots/n%03d", i), `{"filters":[{"key":"none"}]}`), 201)
	}
	first := w.want(at("GET", "/snapshots?name=n*", nil), 200)
	rest := w.want(apptest.Request{URL: host + first.Get("@nextLink"), As: owner}, 200)
	if first.Get("items.99.name") != "n099" || rest.Get("items.0.name") != "n100" || rest.Get("@nextLink") != "" {
		t.Errorf("pages of snapshots: got %s then %s", first.Get("@nextLink"), rest.Body)
	}
}

func TestSnapshotRefusals(t *testing.T) {
	w := start(t)
	w.want(at("PUT", "/snapshots/s", `{"filters":[{"key":"a"}]}`), 201)
	for name, request := range map[string]apptest.Request{
		"no_json":      at("PUT", "/snapshots/t", `[`),
		"no_filters":   at("PUT", "/snapshots/t", `{}`),
		"four_filters": at("PUT", "/snapshots/t", `{"filters":[{"key":"a"},{"key":"a"},{"key":"a"},{"key":"a"}]}`),
		"no_key":       at("PUT", "/snapshots/t", `{"filters":[{"label":"a"}]}`),
		"bad_key":      at("PUT", "/snapshots/t", `{"filters":[{"key":"a*b"}]}`),
		"any_label":    at("PUT", "/snapshots/t", `{"filters":[{"key":"a","label":"*"}]}`),
		"two_labels":   at("PUT", "/snapshots/t", `{"filters":[{"key":"a","label":"l,m"}]}`),
		"tag":          at("PUT", "/snapshots/t", `{"filters":[{"key":"a","tags":["x"]}]}`),
		"composition":  at("PUT", "/snapshots/t", `{"filters":[{"key":"a"}],"composition_type":"label"}`),
		"retention":    at("PUT", "/snapshots/t", `{"filters":[{"key":"a"}],"retention_period":1}`),
		"long_name":    at("PUT", "/snapshots/"+strings.Repeat("a", 257), `{"filters":[{"key":"a"}]}`),
		"status":       at("PATCH", "/snapshots/s", `{"status":"failed"}`),
		"filter":       at("GET", "/kv?snapshot=s&key=a", nil),
		"no_snapshot":  at("GET", "/kv?snapshot=", nil),
		"after":        at("GET", "/snapshots?after=***", nil),
		"operation":    at("GET", "/operations", nil),
	} {
		t.Run(name, func(t *testing.T) { w.want(request, 400) })
	}
	w.want(at("GET", "/kv?snapshot=t", nil), 404)
	w.want(at("GET", "/operations?snapshot=t", nil), 404)
	read, write, archive := at("GET", "/snapshots/s", nil), at("PUT", "/snapshots/t", `{"filters":[{"key":"a"}]}`), at("PATCH", "/snapshots/s", `{"status":"archived"}`)
	read.As, write.As, archive.As = reader, reader, reader
	w.want(read, 200)
	w.want(write, 403)
	w.want(archive, 403)
	key := signerOf(w, "2")
	w.want(key.sign(t, at("GET", "/snapshots", nil), w.date(0)), 200)
	w.want(key.sign(t, at("PUT", "/snapshots/t", `{"filters":[{"key":"a"}]}`), w.date(0)), 403)
	for i := range 110 {
		w.want(at("PUT", fmt.Sprint("/kv/big", i), map[string]any{"value": strings.Repeat("x", 10000)}), 200)
	}
	w.want(at("PUT", "/snapshots/t", `{"filters":[{"key":"*"}]}`), 413)
}
