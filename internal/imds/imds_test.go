package imds

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const (
	clientID = "44444444-4444-4444-4444-444444444444"
	objectID = "33333333-3333-3333-3333-333333333333"
	armID    = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/u"
	good     = TokenPath + "?api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.azure.com"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// fake is a source that remembers what it was asked for.
type fake struct {
	selector Selector
	resource string
	err      error
}

func (f *fake) tokens(_ context.Context, selector Selector, resource string) (*Answer, error) {
	f.selector, f.resource = selector, resource
	token := Token{Value: "token", ClientID: clientID, NotBefore: now.Add(-5 * time.Minute), Expires: now.Add(24 * time.Hour)}
	return NewAnswer(token, resource), f.err
}

func (f *fake) handler() *Handler {
	return &Handler{Tokens: f.tokens, Now: func() time.Time { return now }}
}

// get asks with the header that is needed, unless the headers say otherwise.
func get(h http.Handler, method, target string, headers ...string) (int, string, http.Header) {
	r := httptest.NewRequest(method, target, nil)
	r.Header.Set("Metadata", "true")
	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
			continue
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String(), w.Header()
}

const wantToken = `{"access_token":"token","client_id":"` + clientID + `","expires_in":"86399","expires_on":"1795521600","ext_expires_in":"86399",` +
	`"not_before":"1795434900","resource":"https://management.azure.com","token_type":"Bearer"}`

func TestToken(t *testing.T) {
	for name, test := range map[string]struct {
		target string
		want   Selector
	}{
		"go":             {good, Selector{}},
		"python":         {TokenPath + "?api-version=2018-02-01&resource=https://management.azure.com", Selector{}},
		"pod_host":       {strings.Replace(good, "token?", "token/?", 1), Selector{}},
		"newer_version":  {strings.Replace(good, "2018-02-01", "2025-04-07", 1), Selector{}},
		"client_id":      {good + "&client_id=" + clientID, Selector{ClientID: clientID}},
		"object_id":      {good + "&object_id=" + objectID, Selector{ObjectID: objectID}},
		"principal_id":   {good + "&principal_id=" + objectID, Selector{ObjectID: objectID}},
		"msi_res_id":     {good + "&msi_res_id=" + armID, Selector{ResourceID: armID}},
		"mi_res_id":      {good + "&mi_res_id=" + armID, Selector{ResourceID: armID}},
		"empty_selector": {good + "&client_id=", Selector{}},
		"upstreams_case": {strings.Replace(good, "/metadata", "/METADATA", 1), Selector{}},
		"other_case":     {good + "&Client_ID=" + clientID, Selector{ClientID: clientID}},
	} {
		t.Run(name, func(t *testing.T) {
			source := new(fake)
			status, body, header := get(source.handler(), http.MethodGet, test.target)
			if status != http.StatusOK || body != wantToken {
				t.Errorf("got %d %s\nwant %s", status, body, wantToken)
			}
			if source.selector != test.want || source.resource != "https://management.azure.com" {
				t.Errorf("got %+v for %q, want %+v", source.selector, source.resource, test.want)
			}
			if got := header.Get("Content-Type"); got != "application/json; charset=utf-8" {
				t.Errorf("got Content-Type %q", got)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	invalid := func(text string) string { return `{"error":"invalid_request","error_description":"` + text + `"}` }
	for name, test := range map[string]struct {
		method, target string
		headers        []string
		status         int
		body           string
	}{
		"no_metadata":         {http.MethodGet, good, []string{"Metadata", ""}, 400, invalid("Required metadata header not specified")},
		"metadata_false":      {http.MethodGet, good, []string{"Metadata", "false"}, 400, invalid("Required metadata header not specified")},
		"probe_of_go":         {http.MethodGet, TokenPath, []string{"Metadata", ""}, 400, invalid("Required metadata header not specified")},
		"forwarded":           {http.MethodGet, good, []string{"X-Forwarded-For", "10.0.0.1"}, 400, invalid("X-Forwarded-For header is not allowed")},
		"post":                {http.MethodPost, good, nil, 405, invalid("The endpoint takes GET requests only")},
		"no_version":          {http.MethodGet, TokenPath + "?resource=r", nil, 400, invalid("Required query variable 'api-version' is missing")},
		"bad_version":         {http.MethodGet, TokenPath + "?api-version=1.0&resource=r", nil, 400, invalid("Invalid 'api-version' requested")},
		"old_version":         {http.MethodGet, TokenPath + "?api-version=2017-09-01&resource=r", nil, 400, invalid("Invalid 'api-version' requested")},
		"no_resource":         {http.MethodGet, TokenPath + "?api-version=2018-02-01", nil, 400, invalid("Required query variable 'resource' is missing")},
		"two_resources":       {http.MethodGet, good + "&resource=other", nil, 400, invalid("The query variable 'resource' is there more than once")},
		"two_selectors":       {http.MethodGet, good + "&client_id=" + clientID + "&object_id=" + objectID, nil, 400, invalid("The request names more than one identity")},
		"same_selector_twice": {http.MethodGet, good + "&msi_res_id=" + armID + "&mi_res_id=" + armID, nil, 400, invalid("The request names more than one identity")},
		"no_guid":             {http.MethodGet, good + "&client_id=4444", nil, 400, invalid("Identity not found")},
		"bad_query":           {http.MethodGet, good + "&a=%zz", nil, 400, invalid("The query cannot be read")},
		"long_query":          {http.MethodGet, good + "&a=" + strings.Repeat("a", maxQuery), nil, 400, invalid("The query is too long")},
		"instance":            {http.MethodGet, "/metadata/instance?api-version=2021-02-01", nil, 404, `{"error":"Not Found"}`},
		"platform":            {http.MethodGet, "/metadata/identity/getplatformmetadata?cred-api-version=2.0", nil, 404, `{"error":"Not Found"}`},
		"encoded":             {http.MethodGet, strings.Replace(good, "oauth2", "%6fauth2", 1), nil, 404, `{"error":"Not Found"}`},
		"other_case":          {http.MethodGet, strings.Replace(good, "identity", "Identity", 1), nil, 404, `{"error":"Not Found"}`},
		"one_hop":             {http.MethodGet, good, []string{"Connection", "close, metadata"}, 400, invalid("Required metadata header not specified")},
		"forwarded_spelled":   {http.MethodGet, good, []string{"X_forwarded_for", "10.0.0.1"}, 400, invalid("X-Forwarded-For header is not allowed")},
		"forwarded_standard":  {http.MethodGet, good, []string{"Forwarded", "for=10.0.0.1"}, 400, invalid("X-Forwarded-For header is not allowed")},
		"line_in_resource":    {http.MethodGet, good + "%0d%0a", nil, 400, invalid("The query variable 'resource' is not printable")},
		"root":                {http.MethodGet, "/", nil, 404, `{"error":"Not Found"}`},
	} {
		t.Run(name, func(t *testing.T) {
			source := new(fake)
			status, body, header := get(source.handler(), test.method, test.target, test.headers...)
			if status != test.status || body != test.body {
				t.Errorf("got %d %s, want %d %s", status, body, test.status, test.body)
			}
			if source.resource != "" {
				t.Error("a refused request reached the source")
			}
			if status == http.StatusMethodNotAllowed && header.Get("Allow") != "GET" {
				t.Errorf("got Allow %q", header.Get("Allow"))
			}
		})
	}
}

func TestSourceRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		err    error
		status int
		body   string
	}{
		"not_found": {IdentityNotFound(), 400, `{"error":"invalid_request","error_description":"Identity not found"}`},
		"several":   {SeveralIdentities(), 400, `{"error":"invalid_request","error_description":"Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request"}`},
		"busy":      {&Error{Status: 429, Code: "too_many_requests", RetryAfter: 1500 * time.Millisecond}, 429, `{"error":"too_many_requests"}`},
		"hidden":    {errors.New("canary"), 500, `{"error":"unknown","error_description":"Failed to retrieve token from the token service"}`},
	} {
		t.Run(name, func(t *testing.T) {
			status, body, header := get((&fake{err: test.err}).handler(), http.MethodGet, good)
			if status != test.status || body != test.body {
				t.Errorf("got %d %s, want %d %s", status, body, test.status, test.body)
			}
			if got := header.Get("Retry-After"); status == 429 && got != "2" {
				t.Errorf("got Retry-After %q, want 2", got)
			}
		})
	}
}

func TestAppService(t *testing.T) {
	const target = "/msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fmanagement.azure.com"
	for name, test := range map[string]struct {
		secret, header, method, target string
		err                            error
		status                         int
		body                           string
	}{
		"token":        {"abc", "abc", http.MethodGet, target, nil, 200, wantToken},
		"client_id":    {"abc", "abc", http.MethodGet, target + "&client_id=" + clientID, nil, 200, wantToken},
		"wrong_header": {"abc", "abd", http.MethodGet, target, nil, 401, ""},
		"no_header":    {"abc", "", http.MethodGet, target, nil, 401, ""},
		"no_secret":    {"", "", http.MethodGet, target, nil, 401, ""},
		"old_version":  {"abc", "abc", http.MethodGet, strings.Replace(target, "2019-08-01", "2017-09-01", 1), nil, 400, `{"statusCode":400,"message":"Invalid 'api-version' requested"}`},
		"post":         {"abc", "abc", http.MethodPost, target, nil, 405, ""},
		"not_found":    {"abc", "abc", http.MethodGet, target, IdentityNotFound(), 400, `{"statusCode":400,"message":"No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId."}`},
	} {
		t.Run(name, func(t *testing.T) {
			source := &fake{err: test.err}
			status, body, _ := get(&AppService{Handler: *source.handler(), Secret: test.secret}, test.method, test.target, "Metadata", "", "X-Identity-Header", test.header)
			if status != test.status || test.body != "" && body != test.body {
				t.Errorf("got %d %s, want %d %s", status, body, test.status, test.body)
			}
		})
	}
}

// FuzzRequest: no path, query or header makes the handler panic or answer with
// anything but JSON, and nothing without the header reaches the source.
func FuzzRequest(f *testing.F) {
	f.Add("GET", good, "true", "")
	f.Add("GET", TokenPath+"?resource=%zz&api-version=2018-02-01&client_id=4", "TRUE", "1.2.3.4")
	f.Add("POST", "/metadata/instance", "", "")
	f.Add("GET", TokenPath+"//?api-version=9999-99-99&resource=;", "true", "")
	f.Fuzz(func(t *testing.T, method, target, metadata, forwarded string) {
		r, err := http.NewRequest(method, "http://169.254.169.254"+target, nil)
		if err != nil {
			return // no request: net/http does not pass it on either
		}
		r.Header.Set("Metadata", metadata)
		if forwarded != "" {
			r.Header.Set("X-Forwarded-For", forwarded)
		}
		source := new(fake)
		w := httptest.NewRecorder()
		source.handler().ServeHTTP(w, r)
		if !json.Valid(w.Body.Bytes()) {
			t.Fatalf("got %q, which is not JSON", w.Body)
		}
		if source.resource != "" && (!strings.EqualFold(metadata, "true") || forwarded != "" || r.Method != http.MethodGet) {
			t.Fatalf("%s %q with Metadata %q and X-Forwarded-For %q reached the source", method, target, metadata, forwarded)
		}
		if (w.Code == http.StatusOK) != (source.resource != "") {
			t.Fatalf("got %d, asked the source for %q", w.Code, source.resource)
		}
	})
}
