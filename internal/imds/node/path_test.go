package node

import (
	"net/url"
	"path"
	"strings"
	"testing"
)

func TestIsPlain(t *testing.T) {
	for p, want := range map[string]bool{
		"/metadata/instance": true, "/metadata/instance/": true, "/a.b/c-d_e~f": true, "/": true,
		"": false, "metadata": false, "//metadata": false, "/metadata//instance": false, "/metadata/./instance": false,
		"/metadata/../instance": false, "/metadata/.../instance": false, "/metadata/%69nstance": false, `/metadata\instance`: false,
		"/metadata;/instance": false, "/metadata/instance?": false, "/metadata/in stance": false, "/metadata/\x00": false, "/metadata/\u212a": false, "/metadata/..": false,
	} {
		if got := isPlain(p); got != want {
			t.Errorf("%q: got %v, want %v", p, got, want)
		}
	}
}

func TestIsIdentity(t *testing.T) {
	for p, want := range map[string]bool{
		"/metadata/identity": true, "/metadata/identity/oauth2/token": true, "/METADATA/Identity/": true, "/metadata//identity": true,
		`\metadata\identity\oauth2`: true, "/metadata/instance/../identity": true, "/metadata/./identity": true, "/x/../metadata/identity": true,
		"/metadata/%69dentity": true, "/metadata%2fidentity": true, "/metadata%5Cidentity": true, "/metadata%252fidentity": true,
		"/metadata/%2569dentity": true, "/metadata/%u0069dentity": true, "/metadata/%U0069dentity": true, "/metadata;a=b/identity;c": true,
		"/metadata/identity%00.html": true, "/metadata/identity?x": true, "/metadata/identity%3fx": true, "/metadata/identity#x": true,
		"/metadata/ identity": true, "/metadata/\tidentity": true, "/metadata/\u0131dentity": true, "/metadata/\u0130dentity": true,
		"http://169.254.169.254/metadata/identity": true, "/metadata/instance/..;/identity": true, "/metadata/%2e%2e/metadata/identity": true,
		"/metadata/identity:x": true, "/%" + strings.Repeat("25", 20) + "41": true,
		"/metadata/instance": false, "/metadata/identityx": false, "/metadata": false, "/": false, "": false, "/identity": false, "/metadata/instance/identity": false,
		"/metadata/%zz": false, "/metadata/%": false, "/metadata/%4": false, "/metadata/%u00": false, "/a%20b": false,
	} {
		if got := IsIdentity(p); got != want {
			t.Errorf("%q: got %v, want %v", p, got, want)
		}
	}
}

func TestParseRules(t *testing.T) {
	got, err := ParseRules("/metadata/instance, POST /metadata/scheduledevents")
	if err != nil || len(got) != 2 || got[0] != (Rule{"GET", "/metadata/instance"}) || got[1] != (Rule{"POST", "/metadata/scheduledevents"}) {
		t.Errorf("got %v %v", got, err)
	}
	if got, err := ParseRules("none"); err != nil || len(got) != 0 {
		t.Errorf("got %v %v", got, err)
	}
	for _, text := range []string{
		"", "/", "metadata", "/metadata", "/Metadata", "/metadata/", "/metadata/instance/", "/metadata/identity", "/metadata/Identity", "/metadata/identity/info",
		"/metadata/%69dentity", "/metadata/instance,", "PUT /metadata/instance", "/metadata/*", "/a/../metadata", "/metadata/identity/oauth2/token",
	} {
		if got, err := ParseRules(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
	for _, rule := range DefaultRules() {
		if err := rule.validate(); err != nil {
			t.Error(err)
		}
	}
}

func TestRule(t *testing.T) {
	rule := Rule{"GET", "/metadata/instance"}
	for request, want := range map[string]bool{
		"GET /metadata/instance": true, "HEAD /metadata/instance": true, "GET /metadata/instance/compute": true, "GET /metadata/instance/": true,
		"POST /metadata/instance": false, "get /metadata/instance": false, "GET /metadata/instancex": false, "GET /metadata": false, "GET /x/metadata/instance": false,
	} {
		method, p, _ := strings.Cut(request, " ")
		if got := rule.matches(method, p); got != want {
			t.Errorf("%s: got %v, want %v", request, got, want)
		}
	}
}

// FuzzPath: what passes is on the list and cannot be read as anything else, and
// the second lock holds by itself: it knows every spelling that one, two or
// three rounds of decoding and cleaning lead to the identities with.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{
		"/metadata/instance", "/metadata/instance/../identity", "/metadata/%2569dentity", `/metadata\identity`, "/metadata;/identity", "/metadata/instance%2f..%2fidentity",
		"//metadata//identity", "/metadata/\u0130dentity", "/metadata/identity%00", "/metadata/instance/compute/name", "%", "/%u0069",
	} {
		f.Add(seed)
	}
	rules := DefaultRules()
	f.Fuzz(func(t *testing.T, p string) {
		passes := false
		for _, rule := range rules {
			passes = passes || rule.matches("GET", p)
		}
		passes = passes && isPlain(p) && !IsIdentity(p)
		if passes {
			if u, err := url.ParseRequestURI(p); err != nil || u.Path != p || u.RawPath != "" || path.Clean(p) != strings.TrimSuffix(p, "/") {
				t.Errorf("%q passes, and is read as %v %v", p, u, err)
			}
		}
		reading := p
		for range 3 {
			for _, spelled := range []string{reading, strings.ReplaceAll(reading, `\`, "/")} {
				if clean := strings.ToLower(path.Clean("/" + spelled)); strings.HasPrefix(clean, "/metadata/identity/") && !IsIdentity(p) {
					t.Errorf("%q is read as %q and not known for it", p, clean)
				}
			}
			decoded, err := url.PathUnescape(reading)
			if err != nil {
				return
			}
			reading = decoded
		}
	})
}
