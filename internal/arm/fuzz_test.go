package arm_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/arm/armtest"
)

// send serves a request without a connection: any target, any body.
func send(s *armtest.Server, method string, u *url.URL, caller, body string) *httptest.ResponseRecorder {
	request := &http.Request{
		Method: method, URL: u, Host: arm.Host, RemoteAddr: "127.0.0.1:1", ContentLength: int64(len(body)),
		Header: http.Header{"Authorization": {"Bearer " + caller}, "Content-Type": {"application/json"}},
		Body:   http.NoBody,
	}
	if body != "" {
		request.Body = httptest.NewRequest("PUT", "/", strings.NewReader(body)).Body
	}
	recorder := httptest.NewRecorder()
	s.Handler.ServeHTTP(recorder, request)
	return recorder
}

func FuzzPaths(f *testing.F) {
	for _, path := range []string{box, box + "/lids/l", "/subscriptions//x", armtest.RG + "/providers", armtest.S + "/resourceGroups/rg%2F..", "/%2e%2e/", box + "/services/default/items/%00", "//", armtest.RG + boxes + "?$skiptoken=a0&$top=1"} {
		f.Add(uint8(0), path)
		f.Add(uint8(2), path)
	}
	s, _ := start(f)
	methods := []string{"GET", "HEAD", "PUT", "PATCH", "DELETE", "POST"}
	f.Fuzz(func(t *testing.T, method uint8, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || u.Host != "" {
			return
		}
		if !strings.Contains(u.RawQuery, "api-version") {
			u.RawQuery = strings.TrimPrefix(u.RawQuery+"&api-version=2025-01-01", "&")
		}
		verb := methods[int(method)%len(methods)]
		got := send(s, verb, u, armtest.Owner, `{"location":"westeurope"}`)
		if got.Code >= 500 {
			t.Fatalf("%s %q: got %d %s", verb, target, got.Code, got.Body)
		}
		// What one without a role may see is never more than a refusal.
		if refused := send(s, verb, u, armtest.Nobody, `{"location":"westeurope"}`); refused.Code < 400 {
			t.Fatalf("%s %q without a role: got %d %s", verb, target, refused.Code, refused.Body)
		}
	})
}

// FuzzGroupRole holds a caller with a role in one group to that group, however
// the path is written.
func FuzzGroupRole(f *testing.F) {
	for _, path := range []string{armtest.RG + "/../other" + boxes + "/b", armtest.S + "/resourceGroups/rg%2F..%2Fother" + boxes + "/b", armtest.S + "/resourceGroups/other" + boxes + "/b", "//subscriptions/" + armtest.SubscriptionID + "/resourceGroups/rg/providers/Microsoft.Storage/boxes/b"} {
		f.Add(path)
	}
	s, _ := start(f)
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || u.Host != "" {
			return
		}
		u.RawQuery = "api-version=2025-01-01"
		got := send(s, "PUT", u, armtest.InGroup, `{"location":"westeurope"}`)
		var made arm.Resource
		if got.Code >= 300 {
			return
		}
		if err := json.Unmarshal(got.Body.Bytes(), &made); err != nil || !strings.HasPrefix(strings.ToLower(made.ID), strings.ToLower(armtest.RG)+"/") {
			t.Fatalf("PUT %q with a role in %s: made %s", target, armtest.RG, got.Body)
		}
	})
}

// FuzzOpaque sends any path and body where every type is accepted: what is made
// is in the caller's group, reads back as it was answered, and nothing fails.
func FuzzOpaque(f *testing.F) {
	for _, path := range []string{server, database, box + "/opaques/o", server + "/providers/Microsoft.Insights/diagnosticSettings/x", armtest.S + "/providers/A.B/c/d", server + "/a%2Fb", server + "/%E2%80%A8", armtest.RG + "/providers/A.B/providers/providers/C.D/e/f"} {
		f.Add(uint8(2), path, `{"location":"westeurope","properties":{"a":1}}`)
		f.Add(uint8(5), path+"/act", `{`)
	}
	s := startOpaque(f)
	methods := []string{"GET", "HEAD", "PUT", "PATCH", "DELETE", "POST"}
	f.Fuzz(func(t *testing.T, method uint8, target, body string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || u.Host != "" {
			return
		}
		u.RawQuery = "api-version=2025-01-01"
		verb := methods[int(method)%len(methods)]
		if refused := send(s, verb, u, armtest.Nobody, body); refused.Code < 400 {
			t.Fatalf("%s %q without a role: got %d %s", verb, target, refused.Code, refused.Body)
		}
		got := send(s, verb, u, armtest.InGroup, body)
		if got.Code >= 500 && got.Code != http.StatusNotImplemented {
			t.Fatalf("%s %q %q: got %d %s", verb, target, body, got.Code, got.Body)
		}
		if verb != "PUT" || got.Code >= 300 {
			return
		}
		var made arm.Resource
		if err := json.Unmarshal(got.Body.Bytes(), &made); err != nil || !strings.HasPrefix(strings.ToLower(made.ID), strings.ToLower(armtest.RG)+"/") {
			t.Fatalf("PUT %q with a role in %s: made %s", target, armtest.RG, got.Body)
		}
		if read := send(s, "GET", u, armtest.InGroup, ""); read.Body.String() != got.Body.String() {
			t.Fatalf("GET after PUT of %q: got %s, want %s", target, read.Body, got.Body)
		}
	})
}

func FuzzBodies(f *testing.F) {
	for _, body := range []string{
		`{"location":"westeurope","tags":{"a":null},"properties":{"a":{"b":[1]}}}`, `{"Location":"WESTEUROPE","LOCATION":"x"}`, `{"location":"westeurope","sku":null,"zones":{},"properties":null}`,
		`{"location":"westeurope","id":1,"name":[],"type":{},"plan":"x","":1,"\u0000":2}`, `{"location":"westeurope","properties":{"":1e999}}`, "\xef\xbb\xbf{}", `[`,
	} {
		f.Add(body)
	}
	s, _ := start(f)
	u, err := url.Parse(armtest.RG + boxes + "/b1/lids/l?api-version=2025-01-01")
	if err != nil {
		f.Fatal(err)
	}
	parent, err := url.Parse(box + "?api-version=2025-01-01")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string) {
		send(s, "PUT", parent, armtest.Owner, `{"location":"westeurope"}`)
		for _, target := range []*url.URL{parent, u} {
			for _, method := range []string{"PUT", "PATCH"} {
				got := send(s, method, target, armtest.Owner, body)
				if got.Code >= 500 || !json.Valid(got.Body.Bytes()) {
					t.Fatalf("%s %q: got %d %s", method, body, got.Code, got.Body)
				}
				if got.Code >= 300 {
					continue
				}
				if read := send(s, "GET", target, armtest.Owner, ""); read.Body.String() != got.Body.String() {
					t.Fatalf("GET after %s of %q: got %s, want %s", method, body, read.Body, got.Body)
				}
			}
		}
		send(s, "DELETE", parent, armtest.Owner, "")
	})
}

// item is an element for filters.
type item map[string]string

func (i item) Property(name string) string { return i[name] }

func (i item) Call(name string, args []string) bool {
	return name == "has" && strings.Contains(args[0], args[1])
}

func grammar() arm.Grammar {
	return arm.Grammar{Properties: []string{"name", "resourceType"}, Functions: map[string]int{"has": 2, "atscope": 0}}
}

func TestFilter(t *testing.T) {
	one := item{"name": "O'Hara", "resourcetype": "A.B/c"}
	for text, want := range map[string]bool{
		"":                                      true,
		"name eq 'o''hara'":                     true,
		"name ne 'o''hara'":                     false,
		"resourceType eq 'a.b/C' and atScope()": false,
		"resourcetype eq 'a.b/C' or atScope()":  true,
		"not atScope()":                         true,
		"not (name eq 'x' or name eq 'y')":      true,
		"name eq 'x' or name eq 'y' and name eq 'x' or name eq 'O''Hara'": true,
		"has(name, 'Hara')": true,
		"has('name','am')":  true,
		"name EQ O":         false,
	} {
		filter, err := arm.ParseFilter(text, grammar())
		if err != nil || filter.Matches(one) != want {
			t.Errorf("%q: got %v, %v, want %v", text, err == nil && filter.Matches(one), err, want)
		}
	}
	for _, text := range []string{
		"name", "name eq", "name eq 'x", "name gt 'x'", "color eq 'x'", "name eq 'x' and", "(name eq 'x'", "name eq 'x')", "has(name)", "has(name,", "nothing()", "'x' eq name",
		"name eq 'x' name", "not", "has(name 'x')", strings.Repeat("(", 100) + "atScope()", strings.Repeat("not ", 2000) + "atScope()", "name eq '" + strings.Repeat("x", 5000) + "'", ",", "has(,)",
	} {
		if _, err := arm.ParseFilter(text, grammar()); err == nil {
			t.Errorf("%.60q: got no error", text)
		}
	}
}

func FuzzFilter(f *testing.F) {
	for _, seed := range []string{"name eq 'a' and (not atScope() or has(name,'x'))", "((", "name eq ''''", "has(name, name, name)", "not not not"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := arm.ParseFilter(text, grammar())
		if err == nil {
			filter.Matches(item{"name": "n"})
		}
	})
}
