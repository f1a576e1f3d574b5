package blob_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/storage"
)

const (
	leaseA = "aaaaaaaa-0000-4000-8000-00000000000a"
	leaseB = "bbbbbbbb-0000-4000-8000-00000000000b"
)

// lease is a lease operation with pairs of its headers' ends and values.
func (s *server) lease(path, action string, status int, code string, pairs ...string) response {
	s.t.Helper()
	headers := map[string]string{"x-ms-lease-action": action}
	for i := 0; i < len(pairs); i += 2 {
		headers["x-ms-"+pairs[i]] = pairs[i+1]
	}
	return s.want(request{method: http.MethodPut, path: path, headers: headers}, status, code)
}

// leaseOf is what a HEAD shows of a lease.
func (s *server) leaseOf(path string) string {
	s.t.Helper()
	h := s.want(request{method: http.MethodHead, path: path}, 200, "").header
	return strings.TrimSpace(h.Get("x-ms-lease-status") + " " + h.Get("x-ms-lease-state") + " " + h.Get("x-ms-lease-duration"))
}

func (s *server) wantLease(path, want string) {
	s.t.Helper()
	if got := s.leaseOf(path); got != want {
		s.t.Errorf("%s: got lease %q, want %q", path, got, want)
	}
}

// TestLeaseLife is a lock as Terraform and leader elections use it.
func TestLeaseLife(t *testing.T) {
	s := start(t, `{}`)
	s.container("con")
	put := s.upload("/con/b", "state")
	s.advance(time.Minute)
	got := s.lease("/con/b?comp=lease", "acquire", 201, "", "lease-duration", "-1", "proposed-lease-id", "{"+strings.ToUpper(leaseA)+"}")
	if got.header.Get("x-ms-lease-id") != leaseA || got.header.Get("ETag") != put.header.Get("ETag") || got.header.Get("Last-Modified") != put.header.Get("Last-Modified") {
		t.Errorf("acquired: got %v, want lease %s of the unmodified blob", got.header, leaseA)
	}
	s.wantLease("/con/b", "locked leased infinite")
	head := s.want(request{method: http.MethodHead, path: "/con/b", headers: map[string]string{"If-Match": put.header.Get("ETag")}}, 200, "")
	if head.header.Get("ETag") != put.header.Get("ETag") {
		t.Errorf("ETag after the lease: got %s, want %s", head.header.Get("ETag"), put.header.Get("ETag"))
	}
	listed := s.want(request{method: http.MethodGet, path: "/con?restype=container&comp=list"}, 200, "")
	if !strings.Contains(listed.body, "<LeaseStatus>locked</LeaseStatus><LeaseState>leased</LeaseState><LeaseDuration>infinite</LeaseDuration>") {
		t.Errorf("list: got %s", listed.body)
	}
	s.lease("/con/b?comp=lease", "acquire", 409, "LeaseAlreadyPresent", "lease-duration", "15")
	s.lease("/con/b?comp=lease", "change", 200, "", "lease-id", leaseA, "proposed-lease-id", leaseB)
	s.lease("/con/b?comp=lease", "renew", 409, "LeaseIdMismatchWithLeaseOperation", "lease-id", leaseA)
	s.lease("/con/b?comp=lease", "renew", 200, "", "lease-id", leaseB)
	// A write under the lease keeps it, and is a new version.
	written := s.want(request{method: http.MethodPut, path: "/con/b", body: "new", headers: map[string]string{
		"x-ms-blob-type": "BlockBlob", "x-ms-lease-id": leaseB, "If-Match": put.header.Get("ETag"),
	}}, 201, "")
	s.want(request{method: http.MethodPut, path: "/con/b", headers: map[string]string{
		"x-ms-blob-type": "BlockBlob", "x-ms-lease-id": leaseB, "If-Match": put.header.Get("ETag"),
	}}, 412, "ConditionNotMet")
	s.wantLease("/con/b", "locked leased infinite")
	if broken := s.lease("/con/b?comp=lease", "break", 202, "", "lease-break-period", "60"); broken.header.Get("x-ms-lease-time") != "60" {
		t.Errorf("break: got time %q, want 60", broken.header.Get("x-ms-lease-time"))
	}
	s.wantLease("/con/b", "locked breaking")
	s.advance(59500 * time.Millisecond)
	if again := s.lease("/con/b?comp=lease", "break", 202, ""); again.header.Get("x-ms-lease-time") != "1" {
		t.Errorf("break again: got time %q, want 1", again.header.Get("x-ms-lease-time"))
	}
	s.advance(time.Second)
	s.wantLease("/con/b", "unlocked broken")
	s.lease("/con/b?comp=lease", "acquire", 201, "", "lease-duration", "15", "proposed-lease-id", leaseA)
	s.wantLease("/con/b", "locked leased fixed")
	s.advance(15 * time.Second)
	s.wantLease("/con/b", "unlocked expired")
	s.lease("/con/b?comp=lease", "renew", 200, "", "lease-id", leaseA)
	s.lease("/con/b?comp=lease", "release", 200, "", "lease-id", leaseA)
	s.wantLease("/con/b", "unlocked available")
	if got := s.want(request{method: http.MethodGet, path: "/con/b", headers: map[string]string{"If-Match": written.header.Get("ETag")}}, 200, ""); got.body != "new" {
		t.Errorf("got %q, want new", got.body)
	}
}

// TestLeaseHoldsOff is the table of outcomes of use attempts by state
// (https://learn.microsoft.com/rest/api/storageservices/lease-blob#outcomes-of-use-attempts-on-blobs-by-lease-state).
func TestLeaseHoldsOff(t *testing.T) {
	prepare := map[string]func(s *server){
		"available": func(*server) {},
		"leased": func(s *server) {
			s.lease("/con/b?comp=lease", "acquire", 201, "", "lease-duration", "60", "proposed-lease-id", leaseA)
		},
		"breaking": func(s *server) {
			s.lease("/con/b?comp=lease", "acquire", 201, "", "lease-duration", "60", "proposed-lease-id", leaseA)
			s.lease("/con/b?comp=lease", "break", 202, "")
		},
		"broken": func(s *server) {
			s.lease("/con/b?comp=lease", "acquire", 201, "", "lease-duration", "60", "proposed-lease-id", leaseA)
			s.lease("/con/b?comp=lease", "break", 202, "", "lease-break-period", "0")
		},
		"expired": func(s *server) {
			s.lease("/con/b?comp=lease", "acquire", 201, "", "lease-duration", "60", "proposed-lease-id", leaseA)
			s.advance(time.Minute)
		},
	}
	const absent, other, lost, missing = "LeaseNotPresentWithBlobOperation", "LeaseIdMismatchWithBlobOperation", "LeaseLost", "LeaseIdMissing"
	type codes struct{ withA, withB, writeWithout string }
	want := map[string]codes{
		"available": {absent, absent, ""}, "leased": {"", other, missing}, "breaking": {"", other, missing},
		"broken": {lost, other, ""}, "expired": {lost, other, ""},
	}
	list := `<?xml version="1.0"?><BlockList></BlockList>`
	for name, use := range map[string]struct {
		r      request
		status int
		reads  bool
	}{
		"get":        {request{method: http.MethodGet, path: "/con/b"}, 200, true},
		"head":       {request{method: http.MethodHead, path: "/con/b"}, 200, true},
		"metadata":   {request{method: http.MethodGet, path: "/con/b?comp=metadata"}, 200, true},
		"block-list": {request{method: http.MethodGet, path: "/con/b?comp=blocklist"}, 200, true},
		"put":        {request{method: http.MethodPut, path: "/con/b", body: "x", headers: map[string]string{"x-ms-blob-type": "BlockBlob"}}, 201, false},
		"put-block":  {request{method: http.MethodPut, path: "/con/b?comp=block&blockid=QUJD", body: "x"}, 201, false},
		"put-list":   {request{method: http.MethodPut, path: "/con/b?comp=blocklist", body: list}, 201, false},
		"properties": {request{method: http.MethodPut, path: "/con/b?comp=properties"}, 200, false},
		"set-meta":   {request{method: http.MethodPut, path: "/con/b?comp=metadata"}, 200, false},
		"tier":       {request{method: http.MethodPut, path: "/con/b?comp=tier", headers: map[string]string{"x-ms-access-tier": "Cool"}}, 200, false},
		"delete":     {request{method: http.MethodDelete, path: "/con/b"}, 202, false},
	} {
		for state, codes := range want {
			t.Run(name+"-"+state, func(t *testing.T) {
				s := start(t, `{}`)
				s.container("con")
				s.upload("/con/b", "content")
				prepare[state](s)
				try := func(id, code string) {
					t.Helper()
					r := use.r
					r.headers = maps.Clone(r.headers)
					if r.headers == nil {
						r.headers = map[string]string{}
					}
					if id != "" {
						r.headers["x-ms-lease-id"] = id
					}
					status := use.status
					if code != "" {
						status = 412
					}
					s.want(r, status, code)
				}
				try(leaseB, codes.withB)
				if codes.withA != "" {
					try(leaseA, codes.withA)
				}
				if use.reads {
					try("", "")
				} else {
					try("", codes.writeWithout)
				}
				if codes.withA == "" {
					try(leaseA, "")
				}
			})
		}
	}
}

// TestLeaseEndsWithAWrite: a lease that does not hold any more is gone with the
// next write, so that its client cannot renew it; setting a tier is no write.
func TestLeaseEndsWithAWrite(t *testing.T) {
	s := start(t, `{}`)
	s.container("con")
	s.upload("/con/b", "content")
	s.lease("/con/b?comp=lease", "acquire", 201, "", "lease-duration", "15", "proposed-lease-id", leaseA)
	s.advance(time.Minute)
	s.want(request{method: http.MethodPut, path: "/con/b?comp=tier", headers: map[string]string{"x-ms-access-tier": "Cool"}}, 200, "")
	s.lease("/con/b?comp=lease", "renew", 200, "", "lease-id", leaseA)
	s.advance(time.Minute)
	s.want(request{method: http.MethodPut, path: "/con/b?comp=metadata"}, 200, "")
	s.wantLease("/con/b", "unlocked available")
	s.lease("/con/b?comp=lease", "renew", 409, "LeaseIdMismatchWithLeaseOperation", "lease-id", leaseA)
	s.lease("/con/b?comp=lease", "acquire", 201, "", "lease-duration", "15", "proposed-lease-id", leaseA)
	s.advance(time.Minute)
	s.upload("/con/b", "another")
	s.lease("/con/b?comp=lease", "renew", 409, "LeaseIdMismatchWithLeaseOperation", "lease-id", leaseA)
}

// TestContainerLease: a lease keeps a container from being deleted, and what is
// in it from nothing.
func TestContainerLease(t *testing.T) {
	s := start(t, `{}`)
	s.container("con")
	const con, lease = "/con?restype=container", "/con?restype=container&comp=lease"
	tag := s.want(request{method: http.MethodHead, path: con}, 200, "").header.Get("ETag")
	got := s.lease(lease, "acquire", 201, "", "lease-duration", "30", "proposed-lease-id", leaseA)
	if got.header.Get("ETag") != tag {
		t.Errorf("ETag: got %s, want %s", got.header.Get("ETag"), tag)
	}
	s.wantLease(con, "locked leased fixed")
	listed := s.want(request{method: http.MethodGet, path: "/?comp=list"}, 200, "")
	if !strings.Contains(listed.body, "<LeaseState>leased</LeaseState><LeaseDuration>fixed</LeaseDuration>") {
		t.Errorf("list: got %s", listed.body)
	}
	s.upload("/con/b", "content")
	s.want(request{method: http.MethodPut, path: con + "&comp=metadata", headers: map[string]string{"x-ms-meta-a": "1"}}, 200, "")
	s.want(request{method: http.MethodPut, path: con + "&comp=metadata", headers: map[string]string{"x-ms-lease-id": leaseB}}, 412, "LeaseIdMismatchWithContainerOperation")
	s.want(request{method: http.MethodGet, path: con, headers: map[string]string{"x-ms-lease-id": leaseA}}, 200, "")
	s.want(request{method: http.MethodGet, path: con, headers: map[string]string{"x-ms-lease-id": leaseB}}, 412, "LeaseIdMismatchWithContainerOperation")
	s.want(request{method: http.MethodDelete, path: con}, 412, "LeaseIdMissing")
	s.want(request{method: http.MethodDelete, path: con, headers: map[string]string{"x-ms-lease-id": leaseB}}, 412, "LeaseIdMismatchWithContainerOperation")
	s.advance(30 * time.Second)
	s.want(request{method: http.MethodDelete, path: con, headers: map[string]string{"x-ms-lease-id": leaseA}}, 412, "LeaseLost")
	s.lease(lease, "renew", 200, "", "lease-id", leaseA)
	s.lease(lease, "release", 200, "", "lease-id", leaseA)
	s.lease(lease, "acquire", 201, "", "lease-duration", "-1", "proposed-lease-id", leaseB)
	s.want(request{method: http.MethodDelete, path: con, headers: map[string]string{"x-ms-lease-id": leaseB}}, 202, "")
	s.lease(lease, "break", 404, "ContainerNotFound")
}

func TestMalformedLeases(t *testing.T) {
	s := start(t, `{}`)
	s.container("con")
	s.upload("/con/b", "content")
	const b, id = "/con/b?comp=lease", "lease-id"
	for _, test := range []struct {
		name, path, action string
		pairs              []string
		status             int
		code               string
	}{
		{"no-action", b, "", nil, 400, "MissingRequiredHeader"},
		{"unknown-action", b, "borrow", nil, 400, "InvalidHeaderValue"},
		{"no-duration", b, "acquire", nil, 400, "MissingRequiredHeader"},
		{"short", b, "acquire", []string{"lease-duration", "14"}, 400, "InvalidHeaderValue"},
		{"long", b, "acquire", []string{"lease-duration", "61"}, 400, "InvalidHeaderValue"},
		{"word", b, "acquire", []string{"lease-duration", "long"}, 400, "InvalidHeaderValue"},
		{"proposed", b, "acquire", []string{"lease-duration", "15", "proposed-lease-id", "mine"}, 400, "InvalidHeaderValue"},
		{"renew-no-id", b, "renew", nil, 400, "MissingRequiredHeader"},
		{"release-no-id", b, "release", nil, 400, "MissingRequiredHeader"},
		{"change-no-proposed", b, "change", []string{id, leaseA}, 400, "MissingRequiredHeader"},
		{"id", b, "renew", []string{id, "1"}, 400, "InvalidHeaderValue"},
		{"break-period", b, "break", []string{"lease-break-period", "61"}, 400, "InvalidHeaderValue"},
		{"break-nothing", b, "break", nil, 409, "LeaseNotPresentWithLeaseOperation"},
		{"change-nothing", b, "change", []string{id, leaseA, "proposed-lease-id", leaseB}, 409, "LeaseNotPresentWithLeaseOperation"},
		{"no-blob", "/con/none?comp=lease", "acquire", []string{"lease-duration", "15"}, 404, "BlobNotFound"},
		{"no-container", "/none?restype=container&comp=lease", "acquire", []string{"lease-duration", "15"}, 404, "ContainerNotFound"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.t = t
			s.lease(test.path, test.action, test.status, test.code, test.pairs...)
		})
	}
	s.t = t
	s.want(request{method: http.MethodPut, path: b, as: reader, headers: map[string]string{"x-ms-lease-action": "break"}}, 403, "AuthorizationPermissionMismatch")
	s.want(request{method: http.MethodPut, path: "/con?restype=container&comp=lease", as: reader, headers: map[string]string{"x-ms-lease-action": "break"}}, 403, "AuthorizationPermissionMismatch")
	unmet := map[string]string{"x-ms-lease-action": "acquire", "x-ms-lease-duration": "15", "If-Match": storage.ETag(1 << 40)}
	s.want(request{method: http.MethodPut, path: b, headers: unmet}, 412, "ConditionNotMet")
}

// FuzzLeaseID: an id is a GUID, or refused.
func FuzzLeaseID(f *testing.F) {
	for _, seed := range []string{leaseA, "{" + leaseA + "}", "(" + leaseA + ")", strings.ReplaceAll(leaseA, "-", ""), "", "--------------------------------"} {
		f.Add(seed)
	}
	s := start(f, `{}`)
	s.container("con")
	f.Fuzz(func(t *testing.T, id string) {
		s.t = t
		if strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r > '~' }) {
			return // net/http sends no such header
		}
		s.upload("/con/b", "")
		got, err := s.try(request{method: http.MethodPut, path: "/con/b?comp=lease", headers: map[string]string{
			"x-ms-lease-action": "acquire", "x-ms-lease-duration": "-1", "x-ms-proposed-lease-id": id,
		}})
		if err != nil {
			t.Fatal(err)
		}
		if got.status == 400 {
			return
		}
		held := got.header.Get("x-ms-lease-id")
		if got.status != 201 || len(held) != 36 || held != strings.ToLower(held) {
			t.Fatalf("%q: got %d, id %q", id, got.status, held)
		}
		s.lease("/con/b?comp=lease", "release", 200, "", "lease-id", held)
	})
}
