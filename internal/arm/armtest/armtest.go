package armtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/store"
	"github.com/aksess/aksess/internal/store/memory"
)

// The world of every test.
const (
	TenantID       = "11111111-1111-1111-1111-111111111111"
	SubscriptionID = "22222222-2222-2222-2222-222222222222"
	S              = "/subscriptions/" + SubscriptionID
	RG             = S + "/resourceGroups/rg"
	Version        = "2025-01-01"
)

// Callers. Each is its own token.
const (
	Owner       = "owner"       // Owner of the subscription
	Contributor = "contributor" // Contributor of the subscription
	Reader      = "reader"      // Reader of the subscription
	InGroup     = "in-group"    // Contributor of the group rg
	Nobody      = "nobody"      // no role at all
	Elsewhere   = "elsewhere"   // a token for another audience
	Foreign     = "foreign"     // a token of another tenant
)

// ObjectID and AppID are the ids of a caller.
func ObjectID(caller string) string { return guid('a', caller) }

// AppID is the client id of a caller.
func AppID(caller string) string { return guid('b', caller) }

// guid makes a GUID of a caller's name, the same every time.
func guid(kind byte, name string) string {
	sum := uint64(kind)
	for _, c := range []byte(name) {
		sum = sum*131 + uint64(c)
	}
	return fmt.Sprintf("%c%07x-0000-4000-8000-%012x", kind, sum%0xfffffff, sum%0xffffffffffff)
}

// Setup says what a server serves.
type Setup struct {
	Types      func(s *Server) []*arm.Type
	Operations func(s *Server, types []*arm.Type) []azapi.Operation
	// Grants replaces the fixed roles of the callers; nil keeps them.
	Grants func(s *Server) azapi.Grants
	// Store is wrapped around the memory store, to interfere with it; nil for none.
	Store func(store.Store) store.Store
}

// Server is a running Resource Manager.
type Server struct {
	T         testing.TB
	Store     store.Store
	Resources *arm.Resources
	Grants    azapi.Grants
	URL       string
	Handler   http.Handler // what URL serves, for tests without a connection

	now atomic.Int64
	ids atomic.Int64
}

// New starts a server with a subscription and the resource group rg in westeurope.
func New(t testing.TB, setup Setup) *Server {
	t.Helper()
	s := &Server{T: t, Store: memory.New()}
	if setup.Store != nil {
		s.Store = setup.Store(s.Store)
	}
	s.now.Store(time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	s.Resources = arm.NewResources(s.Store)
	s.Grants = roles{}
	if setup.Grants != nil {
		s.Grants = setup.Grants(s)
	}
	s.save(t, &arm.Resource{ID: S, Name: SubscriptionID, Type: arm.SubscriptionType, Properties: json.RawMessage(`{"displayName":"Test","tenantId":"` + TenantID + `"}`)})
	s.save(t, &arm.Resource{ID: RG, Name: "rg", Type: arm.ResourceGroupType, Location: "westeurope", Properties: json.RawMessage(`{"provisioningState":"Succeeded"}`)})
	var types []*arm.Type
	if setup.Types != nil {
		types = setup.Types(s)
	}
	var operations []azapi.Operation
	if setup.Operations != nil {
		operations = setup.Operations(s, types)
	}
	service, err := arm.Service(arm.Options{Resources: s.Resources, Types: types, Operations: operations, TenantID: TenantID})
	if err != nil {
		t.Fatalf("making the service: %v", err)
	}
	handler, err := azapi.New([]*azapi.Service{service}, azapi.Config{
		Authenticator: tokens{}, Grants: s.Grants, Roles: access.BuiltinRoles, Now: s.Now, NewID: s.NewID,
		Log: slog.New(slog.NewTextHandler(logWriter{t}, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		t.Fatalf("making the server: %v", err)
	}
	listener := httptest.NewServer(handler)
	t.Cleanup(func() {
		listener.Close()
		_ = s.Store.Close() // memory has nothing to lose
	})
	s.URL, s.Handler = listener.URL, handler
	return s
}

func (s *Server) save(t testing.TB, r *arm.Resource) {
	t.Helper()
	if err := s.Resources.Save(context.Background(), &arm.Type{Name: r.Type}, r, store.Absent()); err != nil {
		t.Fatalf("saving %s: %v", r.ID, err)
	}
}

// Now is the server's clock.
func (s *Server) Now() time.Time { return time.Unix(0, s.now.Load()).UTC() }

// Advance moves the clock.
func (s *Server) Advance(d time.Duration) { s.now.Add(int64(d)) }

// NewID makes the ids 00000000-0000-4000-8000-000000000001 and on.
func (s *Server) NewID() string { return fmt.Sprintf("00000000-0000-4000-8000-%012x", s.ids.Add(1)) }

// Request is one request. Its zero members have the usual values.
type Request struct {
	Method  string // default GET
	Path    string // an id; api-version is added unless there is one, or the path ends in "?"
	As      string // caller; default Owner, "-" sends no token
	Body    any    // string or []byte as it is, anything else as JSON
	Headers map[string]string
}

// Response is an answer, read to its end.
type Response struct {
	Status int
	Header http.Header
	Body   string
}

// Do sends a request.
func (s *Server) Do(r Request) Response {
	s.T.Helper()
	path := r.Path
	switch {
	case strings.HasSuffix(path, "?"):
		path = strings.TrimSuffix(path, "?")
	case strings.Contains(path, "api-version"):
	case strings.Contains(path, "?"):
		path += "&api-version=" + Version
	default:
		path += "?api-version=" + Version
	}
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	request, err := http.NewRequest(r.Method, s.URL+path, reader(s.T, r.Body))
	if err != nil {
		s.T.Fatalf("making %s %s: %v", r.Method, path, err)
	}
	request.Host = arm.Host
	if r.As == "" {
		r.As = Owner
	}
	if r.As != "-" {
		request.Header.Set("Authorization", "Bearer "+r.As)
	}
	if r.Body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, value := range r.Headers {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.T.Fatalf("%s %s: %v", r.Method, path, err)
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.T.Fatalf("reading the answer to %s %s: %v", r.Method, path, err)
	}
	return Response{Status: response.StatusCode, Header: response.Header, Body: string(body)}
}

func reader(t testing.TB, body any) io.Reader {
	switch body := body.(type) {
	case nil:
		return nil
	case string:
		return strings.NewReader(body)
	case []byte:
		return strings.NewReader(string(body))
	default:
		encoded, err := json.Marshal(body)
		if err != nil {
			t.Fatalf("encoding a body: %v", err)
		}
		return strings.NewReader(string(encoded))
	}
}

// Want sends a request and fails the test unless the answer has the status and,
// where code is not "", the error code.
func (s *Server) Want(r Request, status int, code string) Response {
	s.T.Helper()
	response := s.Do(r)
	if response.Status != status || (code != "" && response.Code() != code) {
		s.T.Fatalf("%s %s as %q: got %d %s, want %d %s\n%s", r.Method, r.Path, r.As, response.Status, response.Code(), status, code, response.Body)
	}
	return response
}

// Code is the error code of the answer, "" when it has none.
func (r Response) Code() string {
	var body struct {
		Error struct{ Code string }
	}
	_ = json.Unmarshal([]byte(r.Body), &body) // an answer without a JSON body has no code
	return body.Error.Code
}

// Message is the error message of the answer.
func (r Response) Message() string {
	var body struct {
		Error struct{ Message string }
	}
	_ = json.Unmarshal([]byte(r.Body), &body) // an answer without a JSON body has no message
	return body.Error.Message
}

// Get is the value at a path of members, such as "properties.clientId" or
// "value.0.id"; "" when there is none. Objects and lists come as JSON.
func (r Response) Get(path string) string {
	var value any
	if json.Unmarshal([]byte(r.Body), &value) != nil {
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

// Len is how many elements a list has.
func (r Response) Len() int {
	var body struct{ Value []json.RawMessage }
	if json.Unmarshal([]byte(r.Body), &body) != nil {
		return -1
	}
	return len(body.Value)
}

// tokens takes a token as the name of its caller.
type tokens struct{}

func (tokens) Authenticate(_ context.Context, token string) (azapi.Caller, error) {
	if strings.HasPrefix(token, "bad") {
		return azapi.Caller{}, errors.New("the signature does not verify")
	}
	caller := azapi.Caller{
		Principal: access.Principal{TenantID: TenantID, ObjectID: ObjectID(token), AppID: AppID(token)},
		Scheme:    "Bearer", Audience: "https://management.azure.com/",
	}
	switch token {
	case Elsewhere:
		caller.Audience = "https://vault.azure.net"
	case Foreign:
		caller.TenantID = "99999999-9999-9999-9999-999999999999"
	}
	return caller, nil
}

// roles are the fixed roles of the callers.
type roles struct{}

func (roles) Grants(_ context.Context, p access.Principal) ([]access.Grant, error) {
	for caller, held := range map[string][2]string{
		Owner: {"Owner", S}, Contributor: {"Contributor", S}, Reader: {"Reader", S}, InGroup: {"Contributor", RG},
	} {
		if p.ObjectID != ObjectID(caller) {
			continue
		}
		role, found := access.BuiltinRole(held[0])
		if !found {
			return nil, fmt.Errorf("no built-in role %q", held[0])
		}
		return []access.Grant{{Role: role, Assignment: access.Assignment{Scope: held[1], RoleID: role.ID, PrincipalID: p.ObjectID}}}, nil
	}
	return nil, nil
}

// logWriter shows the server's errors in the test's log.
type logWriter struct{ t testing.TB }

func (w logWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// Parallel runs n copies of do at the same time and waits for all.
func Parallel(n int, do func(i int)) {
	var group sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		group.Go(func() {
			<-start
			do(i)
		})
	}
	close(start)
	group.Wait()
}
