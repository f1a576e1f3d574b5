package blob_test

import (
	"context"
	"encoding/json"
	"encoding/xml"
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
	"github.com/aksess/aksess/internal/service/blob"
	"github.com/aksess/aksess/internal/storage"
	"github.com/aksess/aksess/internal/store"
	"github.com/aksess/aksess/internal/store/memory"
)

const (
	tenant    = "11111111-1111-1111-1111-111111111111"
	accountID = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/acct"
	host      = "acct.blob.core.windows.net"
)

// Callers. Each is its own token; see grants for what it may do.
const (
	contributor = "contributor"
	reader      = "reader"
	inContainer = "in-container"
	adder       = "adder"
	owner       = "owner"
	nobody      = "nobody"
	elsewhere   = "elsewhere"
	foreign     = "foreign"
	dataOwner   = "data-owner"
)

type server struct {
	t     testing.TB
	url   string
	store store.Store
	now   atomic.Int64
	ids   atomic.Int64
}

func (s *server) Now() time.Time          { return time.Unix(0, s.now.Load()).UTC() }
func (s *server) advance(d time.Duration) { s.now.Add(int64(d)) }
func (s *server) newID() string           { return fmt.Sprintf("00000000-0000-4000-8000-%012x", s.ids.Add(1)) }

func (s *server) config() storage.Config {
	return storage.Config{Store: s.store, Now: s.Now, NewID: s.newID}
}

// start serves one account, whose properties are the JSON given.
func start(t testing.TB, properties string) *server {
	t.Helper()
	s := &server{t: t, store: &counting{Store: memory.New()}}
	s.now.Store(time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	resources := arm.NewResources(s.store)
	private, err := json.Marshal(storage.Private{UID: s.newID(), TenantID: tenant})
	if err != nil {
		t.Fatal(err)
	}
	account := &arm.Resource{
		ID: accountID, Name: "acct", Type: storage.TypeAccount, Location: "westeurope",
		Properties: json.RawMessage(properties), Private: private,
	}
	if err := resources.Save(t.Context(), &arm.Type{Name: storage.TypeAccount, Global: true}, account, store.Absent()); err != nil {
		t.Fatal(err)
	}
	handler, err := azapi.New([]*azapi.Service{blob.New(resources, s.config()).Service()}, azapi.Config{
		Authenticator: callers{}, Grants: callers{}, Roles: access.BuiltinRoles, Now: s.Now, NewID: s.newID,
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(handler)
	t.Cleanup(listener.Close)
	s.url = listener.URL
	return s
}

// callers takes a token as the name of its caller.
type callers struct{}

func (callers) Authenticate(_ context.Context, token string) (azapi.Caller, error) {
	caller := azapi.Caller{
		Principal: access.Principal{TenantID: tenant, ObjectID: "oid-" + token, AppID: "app-" + token},
		Scheme:    "Bearer", Audience: "https://storage.azure.com", Issuer: "https://sts.windows.net/" + tenant + "/",
	}
	switch token {
	case "broken":
		return caller, errors.New("the signature does not verify")
	case elsewhere:
		caller.Audience = "https://vault.azure.net"
	case foreign:
		caller.TenantID = "99999999-9999-9999-9999-999999999999"
	}
	return caller, nil
}

func (callers) Grants(_ context.Context, p access.Principal) ([]access.Grant, error) {
	held := map[string]struct{ role, scope string }{
		contributor: {"Storage Blob Data Contributor", accountID},
		reader:      {"Storage Blob Data Reader", accountID},
		inContainer: {"Storage Blob Data Contributor", accountID + "/blobServices/default/containers/con"},
		owner:       {"Owner", accountID},
		dataOwner:   {"Storage Blob Data Owner", accountID},
		foreign:     {"Storage Blob Data Owner", accountID},
	}
	name := strings.TrimPrefix(p.ObjectID, "oid-")
	assignment := access.Assignment{Name: name, Scope: accountID, PrincipalID: p.ObjectID}
	if name == adder {
		role := access.RoleDefinition{Name: "Adder", Permissions: []access.Permission{{DataActions: []string{
			storage.TypeAccount + "/blobServices/containers/blobs/add/action",
		}}}}
		return []access.Grant{{Assignment: assignment, Role: role}}, nil
	}
	of, ok := held[name]
	if !ok {
		return nil, nil
	}
	role, found := access.BuiltinRole(of.role)
	if !found {
		return nil, fmt.Errorf("no role %q", of.role)
	}
	assignment.Scope = of.scope
	return []access.Grant{{Assignment: assignment, Role: role}}, nil
}

// request is one request; as defaults to contributor, "-" sends no token.
type request struct {
	method, path, as, host string
	body                   string
	headers                map[string]string
}

type response struct {
	status int
	header http.Header
	body   string
}

func (s *server) do(r request) response {
	s.t.Helper()
	answer, err := s.try(r)
	if err != nil {
		s.t.Fatalf("%s %s: %v", r.method, r.path, err)
	}
	return answer
}

func (s *server) try(r request) (response, error) {
	sent, err := http.NewRequest(r.method, s.url+r.path, strings.NewReader(r.body))
	if err != nil {
		return response{}, err
	}
	sent.Host = host
	if r.host != "" {
		sent.Host = r.host
	}
	if r.as == "" {
		r.as = contributor
	}
	if r.as != "-" {
		sent.Header.Set("Authorization", "Bearer "+r.as)
	}
	sent.Header.Set("x-ms-version", "2026-12-06")
	sent.Header.Set("x-ms-client-request-id", "client-1")
	for name, value := range r.headers {
		sent.Header.Set(name, value)
		if value == "" {
			sent.Header.Del(name)
		}
	}
	received, err := http.DefaultClient.Do(sent)
	if err != nil {
		return response{}, err
	}
	defer received.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(received.Body)
	return response{received.StatusCode, received.Header, string(body)}, err
}

// want sends a request and requires the status and, unless "", the error code,
// in the header and, where there is a body, in it.
func (s *server) want(r request, status int, code string) response {
	s.t.Helper()
	got := s.do(r)
	if got.status != status || got.header.Get("x-ms-error-code") != code {
		s.t.Fatalf("%s %s as %q: got %d %q, want %d %q\n%s", r.method, r.path, r.as, got.status, got.header.Get("x-ms-error-code"), status, code, got.body)
	}
	for name, want := range map[string]string{"x-ms-version": "2026-12-06", "x-ms-client-request-id": "client-1"} {
		if r.headers[name] == "" && got.header.Get(name) != want {
			s.t.Errorf("%s %s: header %s is %q, want %q", r.method, r.path, name, got.header.Get(name), want)
		}
	}
	if got.header.Get("x-ms-request-id") == "" || got.header.Get("Date") == "" {
		s.t.Errorf("%s %s: no request id or date in %v", r.method, r.path, got.header)
	}
	if code != "" && r.method != http.MethodHead && status != 304 {
		var body struct{ Code, Message string }
		if err := xml.Unmarshal([]byte(got.body), &body); err != nil || body.Code != code || !strings.Contains(body.Message, "RequestId:") {
			s.t.Errorf("%s %s: got body %s, want code %s", r.method, r.path, got.body, code)
		}
	}
	return got
}

func (s *server) container(name string) {
	s.t.Helper()
	s.want(request{method: http.MethodPut, path: "/" + name + "?restype=container"}, 201, "")
}

func (s *server) upload(path, content string) response {
	s.t.Helper()
	return s.want(request{method: http.MethodPut, path: path, body: content, headers: map[string]string{"x-ms-blob-type": "BlockBlob"}}, 201, "")
}

// footprint is what the store holds of containers and blobs: documents of each
// kind, and how many contents can be counted through it.
func (s *server) footprint() string {
	s.t.Helper()
	var b strings.Builder
	for _, kind := range []string{"container", "blob", "snapshot", "bytes", "parts", "upload", "block", "remains"} {
		page, err := s.store.List(s.t.Context(), "storage."+kind, store.Query{})
		if err != nil {
			s.t.Fatal(err)
		}
		if n := len(page.Docs); n > 0 {
			fmt.Fprintf(&b, "%s=%d ", kind, n)
		}
	}
	if n := s.store.(*counting).contents.Load(); n > 0 {
		fmt.Fprintf(&b, "contents=%d", n)
	}
	return b.String()
}

// counting counts the contents of a store.
type counting struct {
	store.Store
	contents atomic.Int64
	deleted  sync.Map
}

func (c *counting) PutContent(ctx context.Context, r io.Reader) (store.ContentRef, error) {
	ref, err := c.Store.PutContent(ctx, r)
	if err == nil && ref.ID != "" {
		c.contents.Add(1)
	}
	return ref, err
}

func (c *counting) DeleteContent(ctx context.Context, ref store.ContentRef) error {
	err := c.Store.DeleteContent(ctx, ref)
	if _, twice := c.deleted.LoadOrStore(ref.ID, true); err == nil && ref.ID != "" && !twice {
		c.contents.Add(-1)
	}
	return err
}
