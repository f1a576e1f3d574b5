package azapi_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/azapi"
)

// TestOtherCredentials: a service's own schemes and its credential of the query
// say who calls; who holds a key is admitted to everything but by the firewall.
func TestOtherCredentials(t *testing.T) {
	s := toy()
	s.Schemes = map[string]azapi.Scheme{"ToyKey": func(_ *azapi.Request, credential string) (azapi.Caller, error) {
		if credential != "right" {
			return azapi.Caller{}, toyNotFound.New("key")
		}
		return azapi.Caller{Key: "key1"}, nil
	}}
	s.Query = func(r *azapi.Request) (azapi.Caller, bool, error) {
		switch r.Query("sig") {
		case "":
			return azapi.Caller{}, false, nil
		case "right":
			return azapi.Caller{Key: "key2"}, true, nil
		case "somebody":
			return azapi.Caller{}, true, nil // holds no key, has no roles
		case "broken":
			return azapi.Caller{}, true, errors.New("the disk /dev/sda1 is full")
		}
		return azapi.Caller{}, true, toyNotFound.New("key")
	}
	server, err := azapi.New([]*azapi.Service{s}, azapi.Config{
		Authenticator: gate{}, Grants: gate{}, Roles: access.BuiltinRoles, Now: time.Now, NewID: func() string { return "id" }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, url, authorization string
		status                   int
		stage                    string
	}{
		{"scheme", "https://a.toy.example/items/x?api-version=2025-01-01", "ToyKey right", 200, ""},
		{"scheme-any-case", "https://a.toy.example/items/x?api-version=2025-01-01", "toykey right", 200, ""},
		{"scheme-wrong", "https://a.toy.example/items/x?api-version=2025-01-01", "ToyKey other", 403, "1"},
		{"scheme-unknown", "https://a.toy.example/items/x?api-version=2025-01-01", "OtherKey right", 403, "1"},
		{"scheme-firewall", "https://walled.toy.example/items/x?api-version=2025-01-01", "ToyKey right", 403, "3"},
		{"query", "https://a.toy.example/items/x?api-version=2025-01-01&sig=right", "", 200, ""},
		{"query-none", "https://a.toy.example/items/x?api-version=2025-01-01", "", 403, "0"},
		{"query-wrong", "https://a.toy.example/items/x?api-version=2025-01-01&sig=other", "", 403, "1"},
		{"query-broken", "https://a.toy.example/items/x?api-version=2025-01-01&sig=broken", "", 500, ""},
		{"query-firewall", "https://walled.toy.example/items/x?api-version=2025-01-01&sig=right", "", 403, "3"},
		{"query-without-role", "https://a.toy.example/items/x?api-version=2025-01-01&sig=somebody", "", 403, "4"},
		{"query-beside-a-header", "https://a.toy.example/items/x?api-version=2025-01-01&sig=right", "ToyKey other", 403, "1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, test.url, nil)
			if test.authorization != "" {
				r.Header.Set("Authorization", test.authorization)
			}
			w := httptest.NewRecorder()
			server.ServeHTTP(w, r)
			if w.Code != test.status || w.Header().Get("X-Stage") != test.stage {
				t.Errorf("got %d at stage %q, want %d at %q", w.Code, w.Header().Get("X-Stage"), test.status, test.stage)
			}
			if strings.Contains(w.Body.String(), "sda1") {
				t.Errorf("the answer tells of the inside: %s", w.Body)
			}
		})
	}
}
