package azapi_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/azapi"
)

// maxPrefixed is the bound of the segments below which a leading {name...} is looked for.
const maxPrefixed = 1024

// TestCostOfHostilePaths: what an unauthenticated caller can make the router
// do stays within 1 MiB, at the longest path that a listener lets through.
func TestCostOfHostilePaths(t *testing.T) {
	server, err := azapi.New([]*azapi.Service{toy()}, config(new(events)))
	if err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"segments": strings.Repeat("/a", 30_000) + "/providers/Toy/x", "slashes": strings.Repeat("/", 60_000) + "x",
		"literals": strings.Repeat("/between", 7_000), "escapes": "/items/" + strings.Repeat("%41", 20_000), "query": "/items/x?" + strings.Repeat("a&", 30_000),
	} {
		t.Run(name, func(t *testing.T) {
			const times = 10
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range times {
				server.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "https://a.toy.example"+path, nil))
			}
			runtime.ReadMemStats(&after)
			if got := (after.TotalAlloc - before.TotalAlloc) / times; got > 1<<20 {
				t.Errorf("one request: got %d bytes allocated, want 1 MiB at most", got)
			}
		})
	}
}

func TestRoutes(t *testing.T) {
	w := start(t, toy())
	cases := []struct {
		path string
		want map[string]string // nil: no operation
	}{
		{"items/x", map[string]string{"operation": "Get", "name": "x"}},
		{"ITEMS//x/", map[string]string{"operation": "Get", "name": "x"}},
		{"items/SPECIAL", map[string]string{"operation": "GetLiteral"}},
		{"items/a%2Fb%20c", map[string]string{"operation": "Get", "name": "a/b c"}},
		{"items/x?COMP=Meta", map[string]string{"operation": "GetMeta", "name": "x"}},
		{"items/x?comp=other", nil},
		{"items/x?comp=", map[string]string{"operation": "Get", "name": "x"}},
		{"any?comp=whatever", map[string]string{"operation": "GetAny"}},
		{"any", nil},
		{"box/b/one", map[string]string{"operation": "GetBlob", "box": "b", "blob": "one"}},
		{"box/b/a//b/", map[string]string{"operation": "GetBlob", "box": "b", "blob": "a//b/"}},
		{"box/b//a", map[string]string{"operation": "GetBlob", "box": "b", "blob": "/a"}},
		{"box/b/a%2Fb%25", map[string]string{"operation": "GetBlob", "box": "b", "blob": "a/b%"}},
		{"box/b", nil},
		{"box/b/", nil},
		{"providers/toy/n", map[string]string{"operation": "GetAbove", "name": "n"}},
		{"a/b/providers/Toy/n", map[string]string{"operation": "GetAbove", "name": "n", "scope": "a/b"}},
		{"providers/Toy/providers/Toy/n", map[string]string{"operation": "GetAbove", "name": "n", "scope": "providers/Toy"}},
		{"a/between/b/c", map[string]string{"operation": "GetBetween", "scope": "a", "rest": "b/c"}},
		{strings.Repeat("a/", maxPrefixed-3) + "providers/toy/n", map[string]string{"operation": "GetAbove", "name": "n", "scope": strings.Repeat("a/", maxPrefixed-4) + "a"}},
		{strings.Repeat("a/", maxPrefixed-2) + "providers/toy/n", nil},
		{"box/b/" + strings.Repeat("a/", 2*maxPrefixed) + "z", map[string]string{"operation": "GetBlob", "box": "b", "blob": strings.Repeat("a/", 2*maxPrefixed) + "z"}},
		{"items", nil},
		{"items/x/y", nil},
	}
	for _, c := range cases {
		t.Run(strings.NewReplacer("/", "_", " ", "_").Replace(c.path[:min(len(c.path), 60)]), func(t *testing.T) {
			separator := "?"
			if strings.Contains(c.path, "?") {
				separator = "&"
			}
			response, body := w.do(t, "GET", "a.toy.example/"+c.path+separator+version, "good", "")
			if c.want == nil {
				if response.StatusCode == http.StatusOK {
					t.Errorf("got %s, want no operation", body)
				}
				return
			}
			var got map[string]string
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatalf("got %d %s", response.StatusCode, body)
			}
			delete(got, "by")
			delete(got, "oid")
			delete(got, "version")
			if jsonOf(t, got) != jsonOf(t, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
	if response, body := w.do(t, "GET", "a.toy.example/", "", ""); response.StatusCode != http.StatusOK || !strings.Contains(body, `"Root"`) {
		t.Errorf("the root: got %d %s", response.StatusCode, body)
	}
}

// FuzzRoutes sends any path and query through the pipeline: nothing panics,
// and what a handler is told is what the path says.
func FuzzRoutes(f *testing.F) {
	for _, seed := range []string{"/items/x?comp=meta", "/box/b//a%2f%2F/", "/a/between//x", "/%zz", "/items/%00", "/?;", "//", "/{scope...}/providers/Toy/{name}"} {
		f.Add(seed)
	}
	server, err := azapi.New([]*azapi.Service{toy()}, config(new(events)))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || u.Host != "" {
			return
		}
		request := &http.Request{Method: "GET", URL: u, Host: "a.toy.example", Header: http.Header{"Authorization": {"Bearer good"}}, Body: http.NoBody, RemoteAddr: "127.0.0.1:1"}
		recorder := httptest.NewRecorder()
		server.ServeHTTP(recorder, request)
		if recorder.Code == http.StatusInternalServerError && !strings.HasPrefix(strings.ToLower(strings.ReplaceAll(u.Path, "/", "")), "fail") {
			t.Fatalf("%q: got %d %s", target, recorder.Code, recorder.Body)
		}
		var got map[string]string
		if recorder.Code != http.StatusOK || json.Unmarshal(recorder.Body.Bytes(), &got) != nil {
			return
		}
		for _, name := range []string{"name", "box", "blob", "scope", "rest"} {
			if value := strings.ToValidUTF8(got[name], "\uFFFD"); value != "" && !strings.Contains(strings.ReplaceAll(strings.ToValidUTF8(u.Path, "\uFFFD"), "//", "/"), strings.ReplaceAll(value, "//", "/")) {
				t.Errorf("%q: parameter %s is %q, which is not in the path %q", target, name, value, u.Path)
			}
		}
	})
}
