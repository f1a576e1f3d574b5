package apptest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/azapi"
)

// Address is where callers come from unless a Request says otherwise.
const Address = "203.0.113.10"

// Request is one request. Its zero members have the usual values.
type Request struct {
	Method   string // default GET
	URL      string // host, path and query, without https://; an id alone is Resource Manager's
	As       string // caller; default Owner, "-" sends no token
	Audience string // of the token; default what the host's clients ask for
	Body     any    // string as it is, anything else as JSON
	Header   map[string]string
	From     string // the caller's address
}

// Response is an answer, read to its end.
type Response struct {
	Status int
	Header http.Header
	Body   string
}

// ObjectID is the object id of a caller, the same every time.
func ObjectID(caller string) string { return guid('a', caller) }

// AppID is the client id of a caller.
func AppID(caller string) string { return guid('b', caller) }

func guid(kind byte, name string) string {
	sum := uint64(kind)
	for _, c := range []byte(name) {
		sum = sum*131 + uint64(c)
	}
	return fmt.Sprintf("%c%07x-0000-4000-8000-%012x", kind, sum%0xfffffff, sum%0xffffffffffff)
}

// tokens takes a token as the name of its caller and its audience.
type tokens struct{}

func (tokens) Authenticate(_ context.Context, token string) (azapi.Caller, error) {
	name, audience, found := strings.Cut(token, "|")
	if !found {
		return azapi.Caller{}, errors.New("the access token is invalid: its signature does not verify")
	}
	tenant := TenantID
	if strings.HasPrefix(name, "foreign") {
		tenant = ForeignID
	}
	return azapi.Caller{
		Principal: access.Principal{TenantID: tenant, ObjectID: ObjectID(name), AppID: AppID(name)},
		Scheme:    "Bearer", Issuer: "https://sts.windows.net/" + tenant + "/", Audience: audience,
	}, nil
}

// audienceOf is what clients of a host ask tokens for.
func audienceOf(host string) string {
	host, _, _ = strings.Cut(host, ":")
	for suffix, audience := range map[string]string{
		".vault.azure.net": "https://vault.azure.net", ".azconfig.io": "https://azconfig.io", ".core.windows.net": "https://storage.azure.com",
		"graph.microsoft.com": "https://graph.microsoft.com",
	} {
		if strings.HasSuffix(host, suffix) {
			return audience
		}
	}
	return "https://management.azure.com"
}

// Do sends a request.
func (w *World) Do(r Request) Response {
	w.T.Helper()
	if strings.HasPrefix(r.URL, "/") {
		separator := "?"
		if strings.Contains(r.URL, "?") {
			separator = "&"
		}
		r.URL = "management.azure.com" + r.URL + separator + "api-version=2025-01-01"
	}
	host, target, _ := strings.Cut(r.URL, "/")
	u, err := url.ParseRequestURI("/" + target)
	if err != nil {
		w.T.Fatalf("%q: %v", r.URL, err)
	}
	request := &http.Request{
		Method: cmp.Or(r.Method, http.MethodGet), URL: u, RequestURI: "/" + target, Host: host, Header: http.Header{},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: io.NopCloser(strings.NewReader(text(w, r.Body))),
		RemoteAddr: netip.AddrPortFrom(netip.MustParseAddr(cmp.Or(r.From, Address)), 40000).String(),
	}
	if as := cmp.Or(r.As, Owner); as != "-" {
		request.Header.Set("Authorization", "Bearer "+as+"|"+cmp.Or(r.Audience, audienceOf(host)))
	}
	if r.Body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, value := range r.Header {
		request.Header.Set(name, value)
	}
	recorder := httptest.NewRecorder()
	w.Handler.ServeHTTP(recorder, request.WithContext(w.T.Context()))
	return Response{Status: recorder.Code, Header: recorder.Header(), Body: recorder.Body.String()}
}

func text(w *World, body any) string {
	w.T.Helper()
	switch body := body.(type) {
	case nil:
		return ""
	case string:
		return body
	default:
		encoded, err := json.Marshal(body)
		if err != nil {
			w.T.Fatalf("encoding a body: %v", err)
		}
		return string(encoded)
	}
}

// Want sends a request and fails the test unless the answer has the status and,
// where code is not "", the error code, with its inner code after a slash.
func (w *World) Want(r Request, status int, code string) Response {
	w.T.Helper()
	response := w.Do(r)
	got := response.Code()
	if status != response.Status || code != "" && got != code && strings.SplitN(got, "/", 2)[0] != code {
		w.T.Fatalf("%s %s as %q: got %d %s, want %d %s\n%s", cmp.Or(r.Method, "GET"), r.URL, r.As, response.Status, got, status, code, response.Body)
	}
	return response
}

// Put creates or updates a resource as the owner.
func (w *World) Put(id string, body any, status int) Response {
	w.T.Helper()
	return w.Want(Request{Method: http.MethodPut, URL: id, Body: body}, status, "")
}

// Code is the error code of the answer with its inner code, "" when it has none.
func (r Response) Code() string {
	var body struct {
		Error struct {
			Code       string
			InnerError struct{ Code string }
		}
	}
	_ = json.Unmarshal([]byte(r.Body), &body) // an answer without a JSON body has no code
	if body.Error.InnerError.Code != "" {
		return body.Error.Code + "/" + body.Error.InnerError.Code
	}
	return body.Error.Code
}

// Get is the value at a path of members, such as "properties.clientId" or
// "value.0.id"; "" when there is none. Objects, lists and numbers come as JSON.
func (r Response) Get(path string) string {
	var value any
	decoder := json.NewDecoder(strings.NewReader(r.Body))
	decoder.UseNumber()
	if decoder.Decode(&value) != nil {
		return ""
	}
	for name := range strings.SplitSeq(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[name]
		case []any:
			var i int
			if _, err := fmt.Sscan(name, &i); err != nil || i >= len(v) {
				return ""
			}
			value = v[i]
		default:
			return ""
		}
	}
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		encoded, err := json.Marshal(v)
		if err != nil {
			return ""
		}
		return string(encoded)
	}
}
