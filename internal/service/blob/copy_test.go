package blob_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"
)

// from are the headers of a copy, with further pairs.
func from(path string, pairs ...string) map[string]string {
	headers := map[string]string{"x-ms-copy-source": "https://" + host + path}
	for i := 0; i < len(pairs); i += 2 {
		headers[pairs[i]] = pairs[i+1]
	}
	return headers
}

func TestCopy(t *testing.T) {
	s := start(t, `{}`)
	s.container("con")
	s.container("other")
	content := random(100_000)
	source := s.want(request{method: http.MethodPut, path: "/con/dir/a%20b", body: content, headers: map[string]string{
		"x-ms-blob-type": "BlockBlob", "x-ms-blob-content-type": "text/plain", "x-ms-meta-a": "1",
	}}, 201, "")
	got := s.want(request{method: http.MethodPut, path: "/other/b", headers: from("/con/dir/a%20b")}, 202, "")
	id := got.header.Get("x-ms-copy-id")
	if got.header.Get("x-ms-copy-status") != "success" || id == "" || got.header.Get("ETag") == "" {
		t.Errorf("copy: got %v", got.header)
	}
	read := s.want(request{method: http.MethodGet, path: "/other/b"}, 200, "")
	if read.body != content {
		t.Error("the copy is not what was copied")
	}
	for name, want := range map[string]string{
		"x-ms-copy-id": id, "x-ms-copy-status": "success", "x-ms-copy-progress": "100000/100000", "x-ms-copy-source": "https://" + host + "/con/dir/a%20b",
		"Content-Type": "text/plain", "x-ms-meta-a": "1", "Content-MD5": source.header.Get("Content-MD5"), "x-ms-lease-state": "available",
	} {
		if read.header.Get(name) != want {
			t.Errorf("%s: got %q, want %q", name, read.header.Get(name), want)
		}
	}
	if listed := s.want(request{method: http.MethodGet, path: "/other?restype=container&comp=list&include=copy"}, 200, ""); !strings.Contains(listed.body, "<CopyId>"+id+"</CopyId>") {
		t.Errorf("list: got %s", listed.body)
	}
	s.want(request{method: http.MethodPut, path: "/other/b?comp=copy&copyid=" + id}, 409, "NoPendingCopyOperation")
	s.want(request{method: http.MethodPut, path: "/other/b?comp=properties"}, 200, "")
	if head := s.want(request{method: http.MethodHead, path: "/other/b"}, 200, ""); head.header.Get("x-ms-copy-id") != "" {
		t.Errorf("after a change: got copy %q, want none", head.header.Get("x-ms-copy-id"))
	}
	// The copy is a blob of its own.
	s.want(request{method: http.MethodDelete, path: "/con?restype=container"}, 202, "")
	s.advance(3 * 60e9)
	s.upload("/other/c", "sweeps")
	if read := s.want(request{method: http.MethodGet, path: "/other/b"}, 200, ""); read.body != content {
		t.Error("the copy went with its source")
	}
}

// TestCopyKinds: what each of the operations with a source takes over.
func TestCopyKinds(t *testing.T) {
	s := start(t, `{}`)
	s.container("con")
	s.want(request{method: http.MethodPut, path: "/con/a", body: "0123456789", headers: map[string]string{
		"x-ms-blob-type": "BlockBlob", "x-ms-blob-content-type": "text/plain", "x-ms-blob-cache-control": "no-store", "x-ms-meta-a": "1",
	}}, 201, "")
	for name, test := range map[string]struct {
		headers map[string]string
		status  int
		want    map[string]string
	}{
		"copy-with-metadata": {from("/con/a", "x-ms-meta-b", "2"), 202, map[string]string{"x-ms-meta-a": "", "x-ms-meta-b": "2", "Content-Type": "text/plain"}},
		"copy-in-sync":       {from("/con/a", "x-ms-requires-sync", "true"), 202, map[string]string{"x-ms-meta-a": "1", "x-ms-copy-status": "success"}},
		"put": {from("/con/a", "x-ms-blob-type", "BlockBlob", "x-ms-blob-content-type", "text/html"), 201,
			map[string]string{"x-ms-meta-a": "", "Content-Type": "text/html", "Cache-Control": "no-store", "x-ms-copy-status": ""}},
		"put-without-properties": {from("/con/a", "x-ms-blob-type", "BlockBlob", "x-ms-copy-source-blob-properties", "false"), 201,
			map[string]string{"Content-Type": "application/octet-stream", "Cache-Control": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			s.want(request{method: http.MethodPut, path: "/con/to", headers: test.headers}, test.status, "")
			got := s.want(request{method: http.MethodGet, path: "/con/to"}, 200, "")
			if got.body != "0123456789" {
				t.Errorf("got %q", got.body)
			}
			for header, want := range test.want {
				if got.header.Get(header) != want {
					t.Errorf("%s: got %q, want %q", header, got.header.Get(header), want)
				}
			}
		})
	}
	s.t = t
	s.want(request{method: http.MethodPut, path: "/con/parts?comp=block&blockid=QUFB", headers: from("/con/a", "x-ms-source-range", "bytes=7-")}, 201, "")
	s.want(request{method: http.MethodPut, path: "/con/parts?comp=block&blockid=QUJB", headers: from("/con/a", "x-ms-source-range", "bytes=0-2")}, 201, "")
	s.want(request{method: http.MethodPut, path: "/con/parts?comp=blocklist", body: "<BlockList><Latest>QUFB</Latest><Latest>QUJB</Latest></BlockList>"}, 201, "")
	if got := s.want(request{method: http.MethodGet, path: "/con/parts"}, 200, ""); got.body != "789012" {
		t.Errorf("blocks from an URL: got %q, want 789012", got.body)
	}
}

// TestCopyRefused: the source is read as the caller, or not at all.
func TestCopyRefused(t *testing.T) {
	s := start(t, `{}`)
	s.container("con")
	s.container("secret")
	s.upload("/secret/a", "secret")
	tag := s.upload("/con/a", "content").header.Get("ETag")
	elsewhere := map[string]string{"x-ms-copy-source": "https://files.example.org/a"}
	for name, test := range map[string]struct {
		as, path string
		headers  map[string]string
		status   int
		code     string
	}{
		"no-role-at-the-source":      {inContainer, "/con/b", from("/secret/a"), 403, "CannotVerifyCopySource"},
		"role-at-the-source":         {inContainer, "/con/b", from("/con/a"), 202, ""},
		"block-no-role":              {inContainer, "/con/b?comp=block&blockid=QUFB", from("/secret/a"), 403, "CannotVerifyCopySource"},
		"put-no-role":                {inContainer, "/con/b", from("/secret/a", "x-ms-blob-type", "BlockBlob"), 403, "CannotVerifyCopySource"},
		"may-add-not-read":           {adder, "/con/new", from("/con/a"), 403, "CannotVerifyCopySource"},
		"no-role-at-the-destination": {reader, "/con/b", from("/con/a"), 403, "AuthorizationPermissionMismatch"},
		"own-token-again":            {"", "/con/b", from("/con/a", "x-ms-copy-source-authorization", "Bearer contributor"), 202, ""},
		"another-token":              {"", "/con/b", from("/con/a", "x-ms-copy-source-authorization", "Bearer reader"), 501, "NotImplemented"},
		"wrong-signature":            {"", "/con/b", from("/con/a?sv=2022-11-02&sr=b&sp=r&se=2099-01-01&sig=AAAA"), 403, "CannotVerifyCopySource"},
		"no-source":                  {"", "/con/b", from("/con/none"), 404, "CannotVerifyCopySource"},
		"no-container":               {"", "/con/b", from("/none/a"), 404, "CannotVerifyCopySource"},
		"no-account":                 {"", "/con/b", map[string]string{"x-ms-copy-source": "https://none.blob.core.windows.net/con/a"}, 404, "CannotVerifyCopySource"},
		"outside":                    {"", "/con/b", elsewhere, 501, "NotImplemented"},
		"no-url":                     {"", "/con/b", map[string]string{"x-ms-copy-source": "con/a"}, 400, "InvalidHeaderValue"},
		"no-blob":                    {"", "/con/b", from("/con"), 400, "InvalidHeaderValue"},
		"source-changed":             {"", "/con/b", from("/con/a", "x-ms-source-if-match", `"0x0"`), 412, "SourceConditionNotMet"},
		"source-unchanged":           {"", "/con/b", from("/con/a", "x-ms-source-if-none-match", tag), 412, "SourceConditionNotMet"},
		"destination-there":          {"", "/con/a", from("/con/a", "If-None-Match", "*"), 409, "BlobAlreadyExists"},
		"checksum":                   {"", "/con/b", from("/con/a", "x-ms-source-content-md5", "AAAAAAAAAAAAAAAAAAAAAA=="), 400, "Md5Mismatch"},
		"range":                      {"", "/con/b?comp=block&blockid=QUFB", from("/con/a", "x-ms-source-range", "7"), 400, "InvalidHeaderValue"},
		"page":                       {"", "/con/b", from("/con/a", "x-ms-blob-type", "PageBlob"), 501, "NotImplemented"},
	} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			got := s.want(request{method: http.MethodPut, path: test.path, as: test.as, headers: maps.Clone(test.headers)}, test.status, test.code)
			if strings.Contains(got.body, "secret") || strings.Contains(got.body, "AAAA</") && test.code == "CannotVerifyCopySource" {
				t.Errorf("the refusal tells too much: %s", got.body)
			}
		})
	}
	s.t = t
	s.lease("/con/a?comp=lease", "acquire", 201, "", "lease-duration", "-1", "proposed-lease-id", leaseA)
	s.want(request{method: http.MethodPut, path: "/con/a", headers: from("/con/b")}, 412, "LeaseIdMissing")
	s.want(request{method: http.MethodPut, path: "/con/a", headers: from("/con/b", "x-ms-lease-id", leaseA)}, 202, "")
	s.want(request{method: http.MethodPut, path: "/con/b", headers: from("/con/a", "x-ms-source-lease-id", leaseB)}, 412, "LeaseIdMismatchWithBlobOperation")
}

// FuzzCopySource: whatever stands in x-ms-copy-source is copied or refused, and
// never read outside of what the caller may read.
func FuzzCopySource(f *testing.F) {
	for _, seed := range []string{
		"https://" + host + "/con/a", "https://" + host + "/secret/a", "https://" + host + "/con/../secret/a", "https://" + host + "/con/%2e%2e/secret/a",
		"https://" + host + "/con/a?snapshot=2026-09-01T12:00:00.0000000Z", "https://" + host + "/con/a?sig=AAAA&sv=2022-11-02&sr=b", "//" + host + "/con/a", "https://user@" + host + "/con/a", "%",
	} {
		f.Add(seed)
	}
	s := start(f, `{}`)
	s.container("con")
	s.container("secret")
	s.upload("/con/a", "content")
	s.upload("/secret/a", "secret")
	f.Fuzz(func(t *testing.T, source string) {
		s.t = t
		if strings.ContainsFunc(source, func(r rune) bool { return r < ' ' || r > '~' }) || strings.TrimSpace(source) == "" {
			return // net/http sends no such header, or none is left of it
		}
		got, err := s.try(request{method: http.MethodPut, path: "/con/to", as: inContainer, headers: map[string]string{"x-ms-copy-source": source}})
		if err != nil {
			t.Fatal(err)
		}
		if got.status == 500 {
			t.Fatalf("%q: got %s", source, got.body)
		}
		if got.status == 202 {
			if read := s.want(request{method: http.MethodGet, path: "/con/to"}, 200, ""); read.body == "secret" {
				t.Fatalf("%q: read what the caller may not", source)
			}
		}
	})
}
