package blob_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/storage"
)

func (s *server) snapshot(path string, headers map[string]string) string {
	s.t.Helper()
	return s.want(request{method: http.MethodPut, path: path + "?comp=snapshot", headers: headers}, 201, "").header.Get("x-ms-snapshot")
}

func at(path, snapshot string) string { return path + "?snapshot=" + url.QueryEscape(snapshot) }

func TestSnapshots(t *testing.T) {
	s := start(t, `{}`)
	s.container("con")
	for name, size := range map[string]int{"inline": 100, "content": 100_000} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			path, first, second := "/con/"+name, random(size), random(size)
			put := s.want(request{method: http.MethodPut, path: path, body: first, headers: map[string]string{
				"x-ms-blob-type": "BlockBlob", "x-ms-meta-a": "1", "x-ms-blob-content-type": "text/plain",
			}}, 201, "")
			one := s.snapshot(path, nil)
			two := s.snapshot(path, map[string]string{"x-ms-meta-b": "2"}) // at the same moment
			if one == two || !storage.Snapshot(one).Valid() {
				t.Fatalf("got snapshots %q and %q", one, two)
			}
			if head := s.want(request{method: http.MethodHead, path: path}, 200, ""); head.header.Get("ETag") != put.header.Get("ETag") {
				t.Errorf("the blob: got ETag %s, want %s", head.header.Get("ETag"), put.header.Get("ETag"))
			}
			s.upload(path, second)
			s.advance(5 * 60e9)
			s.upload("/con/sweep", "")
			got := s.want(request{method: http.MethodGet, path: at(path, one)}, 200, "")
			if got.body != first || got.header.Get("ETag") != put.header.Get("ETag") || got.header.Get("x-ms-meta-a") != "1" || got.header.Get("x-ms-lease-state") != "" {
				t.Errorf("snapshot: got %d bytes, %v", len(got.body), got.header)
			}
			head := s.want(request{method: http.MethodHead, path: at(path, two)}, 200, "")
			if head.header.Get("x-ms-meta-a") != "" || head.header.Get("x-ms-meta-b") != "2" || head.header.Get("ETag") == put.header.Get("ETag") {
				t.Errorf("snapshot with metadata: got %v", head.header)
			}
			if got := s.want(request{method: http.MethodGet, path: path}, 200, ""); got.body != second {
				t.Error("the blob is not what was written last")
			}
			// Promoting a snapshot is copying it over its blob.
			s.want(request{method: http.MethodPut, path: path, headers: from(at(path, one))}, 202, "")
			if got := s.want(request{method: http.MethodGet, path: path}, 200, ""); got.body != first {
				t.Error("the blob is not the snapshot that was promoted")
			}
			s.want(request{method: http.MethodDelete, path: path}, 409, "SnapshotsPresent")
			s.want(request{method: http.MethodDelete, path: at(path, one)}, 202, "")
			s.want(request{method: http.MethodDelete, path: at(path, one)}, 404, "BlobNotFound")
			s.want(request{method: http.MethodGet, path: at(path, one)}, 404, "BlobNotFound")
			s.want(request{method: http.MethodDelete, path: path, headers: map[string]string{"x-ms-delete-snapshots": "only"}}, 202, "")
			s.want(request{method: http.MethodGet, path: at(path, two)}, 404, "BlobNotFound")
			three := s.snapshot(path, nil)
			s.want(request{method: http.MethodDelete, path: path, headers: map[string]string{"x-ms-delete-snapshots": "include"}}, 202, "")
			s.upload(path, "anew")
			s.want(request{method: http.MethodGet, path: at(path, three)}, 404, "BlobNotFound")
			s.want(request{method: http.MethodDelete, path: path}, 202, "")
		})
	}
	s.t = t
	s.upload("/con/last", random(100_000))
	s.snapshot("/con/last", nil)
	s.want(request{method: http.MethodDelete, path: "/con?restype=container"}, 202, "")
	s.advance(5 * 60e9)
	if err := storage.NewCollector(s.config()).Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := s.footprint(); left != "" {
		t.Errorf("got %s after deleting the container, want nothing", left)
	}
}

func TestListSnapshots(t *testing.T) {
	s := start(t, `{}`)
	s.container("con")
	s.upload("/con/a", "x")
	taken := s.snapshot("/con/a", nil)
	s.upload("/con/b", "x")
	got := s.want(request{method: http.MethodGet, path: "/con?restype=container&comp=list&include=snapshots"}, 200, "")
	if !strings.Contains(got.body, "<Blob><Name>a</Name><Snapshot>"+taken+"</Snapshot><Properties>") || strings.Count(got.body, "<Blob>") != 3 {
		t.Errorf("got %s", got.body)
	}
	if got := s.want(request{method: http.MethodGet, path: "/con?restype=container&comp=list"}, 200, ""); strings.Contains(got.body, "Snapshot>") {
		t.Errorf("without snapshots: got %s", got.body)
	}
}

func TestSnapshotRefused(t *testing.T) {
	s := start(t, `{}`)
	s.container("con")
	s.upload("/con/b", "x")
	s.want(request{method: http.MethodPut, path: "/con/b?comp=snapshot", as: reader}, 403, "AuthorizationPermissionMismatch")
	s.want(request{method: http.MethodPut, path: "/con/none?comp=snapshot"}, 404, "BlobNotFound")
	s.want(request{method: http.MethodPut, path: "/con/b?comp=snapshot", headers: map[string]string{"If-Match": `"0x0"`}}, 412, "ConditionNotMet")
	s.lease("/con/b?comp=lease", "acquire", 201, "", "lease-duration", "-1", "proposed-lease-id", leaseA)
	s.snapshot("/con/b", nil)
	s.want(request{method: http.MethodPut, path: "/con/b?comp=snapshot", headers: map[string]string{"x-ms-lease-id": leaseB}}, 412, "LeaseIdMismatchWithBlobOperation")
	s.wantLease("/con/b", "locked leased infinite")
	s.want(request{method: http.MethodDelete, path: "/con/b", headers: map[string]string{"x-ms-delete-snapshots": "include"}}, 412, "LeaseIdMissing")
}
