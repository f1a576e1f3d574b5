package graph

import (
	"strings"
	"testing"
)

// FuzzAddress: what is read as an address is one, and writing it as an address
// again gives the same.
func FuzzAddress(f *testing.F) {
	for _, seed := range []string{"users('ada@contoso.com')", "applications(appId='x')", "users('o''neil')", "users(''')", "(", "servicePrincipals( appId = 'x' )", "a('b')('c')", "users('a')b')"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, segment string) {
		a := parseAddress(segment)
		if a == (address{}) {
			return
		}
		if a.key == "" || strings.Contains(a.set, "(") || a.appID && !hasAppID(a.set) {
			t.Fatalf("%q: got %+v", segment, a)
		}
		by := ""
		if a.appID {
			by = "appId="
		}
		again := a.set + "(" + by + "'" + strings.ReplaceAll(a.key, "'", "''") + "')"
		if read := parseAddress(again); read != a {
			t.Fatalf("%q: got %+v, and %+v of %q", segment, a, read, again)
		}
	})
}
