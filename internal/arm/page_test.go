package arm_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/arm/armtest"
)

// FuzzPages asks for pages of any size from any place: a page holds no more than
// was asked for, each that follows begins behind the one before, and they end.
func FuzzPages(f *testing.F) {
	for _, seed := range []struct{ top, size, token string }{{"2", "", ""}, {"", "1", ""}, {"3", "2", "a0IyCg"}, {"0", "x", "a"}, {"-1", "99999999999999999999", "a/+_"}} {
		f.Add(seed.top, seed.size, seed.token)
	}
	const boxesMade = 5
	s, _ := start(f)
	for i := range boxesMade {
		s.Want(armtest.Request{Method: http.MethodPut, Path: armtest.RG + boxes + "/B" + strconv.Itoa(i), Body: `{"location":"westeurope"}`}, 201, "")
	}
	f.Fuzz(func(t *testing.T, top, size, token string) {
		query := url.Values{"api-version": {"2025-01-01"}, "$top": {top}, "$maxpagesize": {size}, "$skiptoken": {token}}
		next := armtest.RG + boxes + "?" + query.Encode()
		last := ""
		for pages := 0; next != ""; pages++ {
			u, err := url.ParseRequestURI(next)
			if err != nil || pages > boxesMade {
				t.Fatalf("page %d of %q %q %q: %s, %v", pages, top, size, token, next, err)
			}
			got := send(s, http.MethodGet, u, armtest.Reader, "")
			if pages == 0 && got.Code == http.StatusBadRequest {
				return
			}
			var page struct {
				Value    []struct{ Name string }
				NextLink string
			}
			if err := json.Unmarshal(got.Body.Bytes(), &page); err != nil || got.Code != http.StatusOK {
				t.Fatalf("%s: got %d %s, %v", next, got.Code, got.Body, err)
			}
			for _, asked := range []string{top, size} {
				if n, err := strconv.Atoi(asked); err == nil && len(page.Value) > n {
					t.Fatalf("%s: got %d entries", next, len(page.Value))
				}
			}
			for _, one := range page.Value {
				if one.Name <= last {
					t.Fatalf("%s: got %s after %s", next, one.Name, last)
				}
				last = one.Name
			}
			next = strings.TrimPrefix(page.NextLink, "https://management.azure.com")
		}
	})
}
