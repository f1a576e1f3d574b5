package blob_test

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/storage"
)

func TestContainers(t *testing.T) {
	s := start(t, `{}`)
	created := s.want(request{method: http.MethodPut, path: "/con?restype=container", headers: map[string]string{"x-ms-meta-team": "red"}}, 201, "")
	if created.header.Get("ETag") == "" || created.header.Get("Last-Modified") != "Tue, 01 Sep 2026 12:00:00 GMT" {
		t.Errorf("got headers %v", created.header)
	}
	s.want(request{method: http.MethodPut, path: "/con?restype=container"}, 409, "ContainerAlreadyExists")
	got := s.want(request{method: http.MethodGet, path: "/con?restype=container"}, 200, "")
	for name, want := range map[string]string{"x-ms-meta-team": "red", "x-ms-lease-state": "available", "ETag": created.header.Get("ETag")} {
		if got.header.Get(name) != want {
			t.Errorf("%s: got %q, want %q", name, got.header.Get(name), want)
		}
	}
	s.want(request{method: http.MethodHead, path: "/con?restype=container"}, 200, "")
	s.want(request{method: http.MethodHead, path: "/missing?restype=container"}, 404, "ContainerNotFound")
	s.want(request{method: http.MethodPut, path: "/con?restype=container&comp=metadata", headers: map[string]string{"x-ms-meta-team": "blue"}}, 200, "")
	if got := s.want(request{method: http.MethodGet, path: "/con?restype=container&comp=metadata"}, 200, "").header.Get("x-ms-meta-team"); got != "blue" {
		t.Errorf("metadata: got %q, want blue", got)
	}
	s.container("other")
	listed := s.want(request{method: http.MethodGet, path: "/?comp=list&include=metadata&maxresults=1"}, 200, "")
	if !strings.Contains(listed.body, "<Name>con</Name>") || !strings.Contains(listed.body, "<Metadata><team>blue</team></Metadata>") || strings.Contains(listed.body, "<Name>other</Name>") {
		t.Errorf("first page: got %s", listed.body)
	}
	_, marker, _ := strings.Cut(listed.body, "<NextMarker>")
	marker, _, _ = strings.Cut(marker, "<")
	if next := s.want(request{method: http.MethodGet, path: "/?comp=list&marker=" + marker}, 200, ""); !strings.Contains(next.body, "<Name>other</Name>") || strings.Contains(next.body, "<Name>con</Name>") {
		t.Errorf("second page: got %s", next.body)
	}
	s.want(request{method: http.MethodDelete, path: "/con?restype=container"}, 202, "")
	s.want(request{method: http.MethodDelete, path: "/con?restype=container"}, 404, "ContainerNotFound")
}

func TestBlobLife(t *testing.T) {
	s := start(t, `{}`)
	s.container("con")
	put := s.want(request{method: http.MethodPut, path: "/con/dir/b%20%C3%A9.txt", body: "hello", headers: map[string]string{
		"x-ms-blob-type": "BlockBlob", "x-ms-blob-content-type": "text/plain", "Content-Type": "application/octet-stream",
		"x-ms-meta-a": "1", "x-ms-blob-cache-control": "no-store",
	}}, 201, "")
	sum := md5.Sum([]byte("hello"))
	if got, want := put.header.Get("Content-MD5"), base64.StdEncoding.EncodeToString(sum[:]); got != want {
		t.Errorf("Content-MD5: got %q, want %q", got, want)
	}
	if put.header.Get("x-ms-request-server-encrypted") != "true" || put.header.Get("x-ms-content-crc64") == "" {
		t.Errorf("got headers %v", put.header)
	}
	got := s.want(request{method: http.MethodGet, path: "/con/dir/b%20%C3%A9.txt"}, 200, "")
	head := s.want(request{method: http.MethodHead, path: "/con/dir/b%20%C3%A9.txt"}, 200, "")
	if got.body != "hello" || head.body != "" {
		t.Errorf("got bodies %q and %q", got.body, head.body)
	}
	for name, want := range map[string]string{
		"Content-Type": "text/plain", "Content-Length": "5", "x-ms-blob-type": "BlockBlob", "x-ms-meta-a": "1",
		"Cache-Control": "no-store", "ETag": put.header.Get("ETag"), "Content-MD5": put.header.Get("Content-MD5"),
		"Last-Modified": "Tue, 01 Sep 2026 12:00:00 GMT", "x-ms-lease-status": "unlocked",
	} {
		if got.header.Get(name) != want || head.header.Get(name) != want {
			t.Errorf("%s: got %q and %q, want %q", name, got.header.Get(name), head.header.Get(name), want)
		}
	}
	if head.header.Get("x-ms-access-tier") != "Hot" || head.header.Get("x-ms-access-tier-inferred") != "true" {
		t.Errorf("tier: got %v", head.header)
	}
	s.want(request{method: http.MethodPut, path: "/con/dir/b%20%C3%A9.txt?comp=properties", headers: map[string]string{"x-ms-blob-content-type": "text/html"}}, 200, "")
	s.want(request{method: http.MethodPut, path: "/con/dir/b%20%C3%A9.txt?comp=metadata", headers: map[string]string{"x-ms-meta-b": "2"}}, 200, "")
	s.want(request{method: http.MethodPut, path: "/con/dir/b%20%C3%A9.txt?comp=tier", headers: map[string]string{"x-ms-access-tier": "Cool"}}, 200, "")
	head = s.want(request{method: http.MethodHead, path: "/con/dir/b%20%C3%A9.txt"}, 200, "")
	for name, want := range map[string]string{"Content-Type": "text/html", "Cache-Control": "", "x-ms-meta-a": "", "x-ms-meta-b": "2", "x-ms-access-tier": "Cool", "x-ms-access-tier-inferred": ""} {
		if head.header.Get(name) != want {
			t.Errorf("after changes, %s: got %q, want %q", name, head.header.Get(name), want)
		}
	}
	if got := s.want(request{method: http.MethodGet, path: "/con/dir/b%20%C3%A9.txt?comp=metadata"}, 200, "").header.Get("x-ms-meta-b"); got != "2" {
		t.Errorf("metadata: got %q, want 2", got)
	}
	s.want(request{method: http.MethodDelete, path: "/con/dir/b%20%C3%A9.txt"}, 202, "")
	s.want(request{method: http.MethodDelete, path: "/con/dir/b%20%C3%A9.txt"}, 404, "BlobNotFound")
	s.want(request{method: http.MethodHead, path: "/con/dir/b%20%C3%A9.txt"}, 404, "BlobNotFound")
	s.want(request{method: http.MethodGet, path: "/nowhere/b"}, 404, "ContainerNotFound")
}

func TestConditions(t *testing.T) {
	s := start(t, `{}`)
	s.container("con")
	first := s.upload("/con/b", "one").header.Get("ETag")
	s.advance(10e9)
	second := s.upload("/con/b", "two").header.Get("ETag")
	if first == second {
		t.Fatalf("got the ETag %s twice", first)
	}
	const modified, before = "Tue, 01 Sep 2026 12:00:10 GMT", "Tue, 01 Sep 2026 12:00:09 GMT"
	for _, test := range []struct {
		name, header, value string
		get, put            int
		getCode, putCode    string
	}{
		{"match", "If-Match", second, 200, 201, "", ""},
		{"match-unquoted", "If-Match", strings.Trim(second, `"`), 200, 201, "", ""},
		{"match-any", "If-Match", "*", 200, 201, "", ""},
		{"match-old", "If-Match", first, 412, 412, "ConditionNotMet", "ConditionNotMet"},
		{"none-match", "If-None-Match", second, 304, 412, "ConditionNotMet", "ConditionNotMet"},
		{"none-match-old", "If-None-Match", first, 200, 201, "", ""},
		{"none-match-any", "If-None-Match", "*", 304, 409, "ConditionNotMet", "BlobAlreadyExists"},
		{"modified", "If-Modified-Since", before, 200, 201, "", ""},
		{"not-modified", "If-Modified-Since", modified, 304, 412, "ConditionNotMet", "ConditionNotMet"},
		{"unmodified", "If-Unmodified-Since", modified, 200, 201, "", ""},
		{"not-unmodified", "If-Unmodified-Since", before, 412, 412, "ConditionNotMet", "ConditionNotMet"},
		{"no-date", "If-Modified-Since", "yesterday", 400, 400, "InvalidHeaderValue", "InvalidHeaderValue"},
		{"two-tags", "If-Match", `"a", "b"`, 400, 400, "InvalidHeaderValue", "InvalidHeaderValue"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.t = t
			// Rows before may have written.
			current := s.want(request{method: http.MethodHead, path: "/con/b"}, 200, "").header.Get("ETag")
			header := strings.ReplaceAll(test.value, strings.Trim(second, `"`), strings.Trim(current, `"`))
			headers := map[string]string{test.header: header}
			got := s.want(request{method: http.MethodGet, path: "/con/b", headers: headers}, test.get, test.getCode)
			if test.get == 304 && (got.body != "" || got.header.Get("ETag") == "") {
				t.Errorf("304: got %q %v", got.body, got.header)
			}
			s.want(request{method: http.MethodHead, path: "/con/b", headers: headers}, test.get, test.getCode)
			s.want(request{method: http.MethodPut, path: "/con/b", body: "two", headers: map[string]string{"x-ms-blob-type": "BlockBlob", test.header: header}}, test.put, test.putCode)
		})
	}
	s.t = t
	s.want(request{method: http.MethodPut, path: "/con/new", headers: map[string]string{"x-ms-blob-type": "BlockBlob", "If-Match": "*"}}, 412, "ConditionNotMet")
	s.want(request{method: http.MethodPut, path: "/con/new", headers: map[string]string{"x-ms-blob-type": "BlockBlob", "If-None-Match": "*"}}, 201, "")
	s.want(request{method: http.MethodDelete, path: "/con/new", headers: map[string]string{"If-Match": first}}, 412, "ConditionNotMet")
}

func TestRanges(t *testing.T) {
	s := start(t, `{}`)
	s.container("con")
	for _, size := range []int{1, 1000, 32 << 10, 32<<10 + 1, 200_000} {
		content := random(size)
		s.upload("/con/b", content)
		for range 40 {
			first := rand.IntN(size)
			last := first + rand.IntN(size+10)
			name, other := "x-ms-range", "Range"
			if rand.IntN(2) == 0 {
				name, other = other, name
			}
			headers := map[string]string{name: fmt.Sprintf("bytes=%d-%d", first, last)}
			if other == "Range" {
				headers[other] = "bytes=0-0" // x-ms-range wins
			}
			want := content[first:min(last+1, size)]
			got := s.want(request{method: http.MethodGet, path: "/con/b", headers: headers}, 206, "")
			if got.body != want {
				t.Fatalf("size %d, %v: got %d bytes, want %d", size, headers, len(got.body), len(want))
			}
			if head, want := got.header.Get("Content-Range"), fmt.Sprintf("bytes %d-%d/%d", first, first+len(want)-1, size); head != want {
				t.Fatalf("Content-Range: got %q, want %q", head, want)
			}
		}
		rest := s.want(request{method: http.MethodGet, path: "/con/b", headers: map[string]string{"x-ms-range": fmt.Sprintf("bytes=%d-", size/2)}}, 206, "")
		if rest.body != content[size/2:] {
			t.Errorf("open range: got %d bytes, want %d", len(rest.body), size-size/2)
		}
		past := s.want(request{method: http.MethodGet, path: "/con/b", headers: map[string]string{"x-ms-range": fmt.Sprintf("bytes=%d-", size)}}, 416, "InvalidRange")
		if got, want := past.header.Get("Content-Range"), fmt.Sprintf("bytes */%d", size); got != want {
			t.Errorf("Content-Range: got %q, want %q", got, want)
		}
	}
	s.upload("/con/empty", "")
	s.want(request{method: http.MethodGet, path: "/con/empty", headers: map[string]string{"x-ms-range": "bytes=0-4194303"}}, 416, "InvalidRange")
	if got := s.want(request{method: http.MethodGet, path: "/con/empty"}, 200, ""); got.body != "" || got.header.Get("Content-Length") != "0" {
		t.Errorf("empty blob: got %q", got.body)
	}
	s.want(request{method: http.MethodGet, path: "/con/b", headers: map[string]string{"x-ms-range": "bytes=-5"}}, 400, "InvalidHeaderValue")
	s.want(request{method: http.MethodGet, path: "/con/b", headers: map[string]string{"Range": "bytes=-5"}}, 200, "")
	part := s.want(request{method: http.MethodGet, path: "/con/b", headers: map[string]string{"x-ms-range": "bytes=3-9", "x-ms-range-get-content-md5": "true"}}, 206, "")
	sum := md5.Sum([]byte(part.body))
	if got, want := part.header.Get("Content-MD5"), base64.StdEncoding.EncodeToString(sum[:]); got != want || part.header.Get("x-ms-blob-content-md5") == "" {
		t.Errorf("MD5 of a range: got %q, want %q", got, want)
	}
}

func random(size int) string {
	content := make([]byte, size)
	for i := range content {
		content[i] = byte(rand.IntN(256))
	}
	return string(content)
}

func crcOf(content string) string {
	sum := crc64.Checksum([]byte(content), crc64.MakeTable(0x9A6C9329AC4BC9B5))
	return base64.StdEncoding.EncodeToString(binary.LittleEndian.AppendUint64(nil, sum))
}

func TestChecksums(t *testing.T) {
	s := start(t, `{}`)
	s.container("con")
	sum := md5.Sum([]byte("hello"))
	right := base64.StdEncoding.EncodeToString(sum[:])
	wrong := base64.StdEncoding.EncodeToString(make([]byte, 16))
	for _, test := range []struct {
		name, header, value string
		status              int
		code                string
	}{
		{"md5", "Content-MD5", right, 201, ""},
		{"md5-wrong", "Content-MD5", wrong, 400, "Md5Mismatch"},
		{"md5-malformed", "Content-MD5", "zz", 400, "InvalidMd5"},
		{"blob-md5-wrong", "x-ms-blob-content-md5", wrong, 400, "Md5Mismatch"},
		{"crc64", "x-ms-content-crc64", crcOf("hello"), 201, ""},
		{"crc64-wrong", "x-ms-content-crc64", crcOf("jello"), 400, "Crc64Mismatch"},
		{"crc64-malformed", "x-ms-content-crc64", "!", 400, "InvalidHeaderValue"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.t = t
			got := s.want(request{method: http.MethodPut, path: "/con/" + test.name, body: "hello", headers: map[string]string{"x-ms-blob-type": "BlockBlob", test.header: test.value}}, test.status, test.code)
			if test.status == 201 && got.header.Get("x-ms-content-crc64") != crcOf("hello") {
				t.Errorf("crc64: got %q", got.header.Get("x-ms-content-crc64"))
			}
			if test.status != 201 {
				s.want(request{method: http.MethodHead, path: "/con/" + test.name}, 404, "BlobNotFound")
			}
		})
	}
}

// TestCRC64 pins the checksum to the published check value of CRC-64/NVME.
func TestCRC64(t *testing.T) {
	if got, want := crcOf("123456789"), base64.StdEncoding.EncodeToString(binary.LittleEndian.AppendUint64(nil, 0xAE8B14860A799888)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestAccess: every operation allowed and denied by role.
func TestAccess(t *testing.T) {
	s := start(t, `{}`)
	s.container("con")
	s.container("den")
	s.upload("/con/b", "hello")
	s.upload("/den/b", "hello")
	block := map[string]string{"x-ms-blob-type": "BlockBlob"}
	const denied = "AuthorizationPermissionMismatch"
	for _, test := range []struct {
		name    string
		as      string
		method  string
		path    string
		headers map[string]string
		status  int
		code    string
	}{
		{"read", reader, http.MethodGet, "/con/b", nil, 200, ""},
		{"read-properties", reader, http.MethodHead, "/con/b", nil, 200, ""},
		{"read-list", reader, http.MethodGet, "/con?restype=container&comp=list", nil, 200, ""},
		{"read-containers", reader, http.MethodGet, "/?comp=list", nil, 200, ""},
		{"read-container", reader, http.MethodGet, "/con?restype=container", nil, 200, ""},
		{"reader-put", reader, http.MethodPut, "/con/b", block, 403, denied},
		{"reader-delete", reader, http.MethodDelete, "/con/b", nil, 403, denied},
		{"reader-metadata", reader, http.MethodPut, "/con/b?comp=metadata", nil, 403, denied},
		{"reader-create", reader, http.MethodPut, "/eee?restype=container", nil, 403, denied},
		{"reader-delete-container", reader, http.MethodDelete, "/con?restype=container", nil, 403, denied},
		{"nobody", nobody, http.MethodGet, "/con/b", nil, 403, denied},
		{"nobody-head", nobody, http.MethodHead, "/con/b", nil, 403, denied},
		{"nobody-list", nobody, http.MethodGet, "/?comp=list", nil, 403, denied},
		{"nobody-blocks", nobody, http.MethodGet, "/con/b?comp=blocklist", nil, 403, denied},
		// Owner of the account manages it and reads nothing in it.
		{"owner-read", owner, http.MethodGet, "/con/b", nil, 403, denied},
		{"owner-list-blobs", owner, http.MethodGet, "/con?restype=container&comp=list", nil, 403, denied},
		{"owner-containers", owner, http.MethodGet, "/?comp=list", nil, 200, ""},
		{"owner-properties", owner, http.MethodGet, "/?restype=service&comp=properties", nil, 200, ""},
		{"contributor-properties", contributor, http.MethodGet, "/?restype=service&comp=properties", nil, 403, denied},
		{"container-scope", inContainer, http.MethodGet, "/con/b", nil, 200, ""},
		{"container-scope-put", inContainer, http.MethodPut, "/con/b", block, 201, ""},
		{"container-scope-other", inContainer, http.MethodGet, "/den/b", nil, 403, denied},
		{"container-scope-list-all", inContainer, http.MethodGet, "/?comp=list", nil, 403, denied},
		{"container-scope-escaped", inContainer, http.MethodGet, "/con%2Fx/b", nil, 400, "InvalidResourceName"},
		{"adder-new", adder, http.MethodPut, "/con/added", block, 201, ""},
		{"adder-overwrites", adder, http.MethodPut, "/con/b", block, 403, denied},
		{"adder-reads", adder, http.MethodGet, "/con/b", nil, 403, denied},
		{"wrong-audience", elsewhere, http.MethodGet, "/con/b", nil, 401, "InvalidAuthenticationInfo"},
		{"wrong-tenant", foreign, http.MethodGet, "/con/b", nil, 401, "InvalidAuthenticationInfo"},
		{"broken-token", "broken", http.MethodGet, "/con/b", nil, 401, "InvalidAuthenticationInfo"},
		{"no-token", "-", http.MethodGet, "/con/b", nil, 401, "NoAuthenticationInformation"},
		{"no-token-head", "-", http.MethodHead, "/con/b", nil, 401, "NoAuthenticationInformation"},
		{"shared-key", "-", http.MethodGet, "/con/b", map[string]string{"Authorization": "SharedKey acct:c2ln"}, 403, "AuthenticationFailed"},
		{"signature", "-", http.MethodGet, "/con/b?sv=2022-11-02&sig=c2ln", nil, 403, "AuthenticationFailed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.t = t
			s.want(request{method: test.method, path: test.path, as: test.as, headers: test.headers}, test.status, test.code)
		})
	}
}

func TestRefusalTexts(t *testing.T) {
	s := start(t, `{}`)
	s.container("con")
	challenge := "Bearer authorization_uri=https://login.microsoftonline.com/" + tenant + "/oauth2/authorize resource_id=https://storage.azure.com"
	for as, detail := range map[string]string{
		"-": "", elsewhere: "Audience validation failed. Audience did not match.", foreign: "Issuer validation failed. Issuer did not match.",
	} {
		got := s.do(request{method: http.MethodGet, path: "/con/b", as: as})
		if got.header.Get("WWW-Authenticate") != challenge {
			t.Errorf("%s: got challenge %q, want %q", as, got.header.Get("WWW-Authenticate"), challenge)
		}
		if detail != "" && !strings.Contains(got.body, "<AuthenticationErrorDetail>"+detail+"</AuthenticationErrorDetail>") {
			t.Errorf("%s: got %s, want detail %q", as, got.body, detail)
		}
	}
}

func TestFirewall(t *testing.T) {
	for name, test := range map[string]struct {
		properties string
		status     int
		code       string
	}{
		"closed":   {`{"networkAcls":{"defaultAction":"Deny"}}`, 403, "AuthorizationFailure"},
		"rule":     {`{"networkAcls":{"defaultAction":"Deny","ipRules":[{"value":"127.0.0.0/8"}]}}`, 404, "ContainerNotFound"},
		"disabled": {`{"publicNetworkAccess":"Disabled"}`, 403, "AuthorizationFailure"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, test.properties)
			s.want(request{method: http.MethodGet, path: "/nothing/b"}, test.status, test.code)
		})
	}
	s := start(t, `{"allowSharedKeyAccess":false}`)
	s.want(request{method: http.MethodGet, path: "/nothing/b", as: "-", headers: map[string]string{"Authorization": "SharedKey acct:c2ln"}}, 403, "KeyBasedAuthenticationNotPermitted")
}

func TestMalformed(t *testing.T) {
	s := start(t, `{}`)
	s.container("con")
	s.upload("/con/b", "hello")
	block := func(pairs ...string) map[string]string {
		h := map[string]string{"x-ms-blob-type": "BlockBlob"}
		for i := 0; i < len(pairs); i += 2 {
			h[pairs[i]] = pairs[i+1]
		}
		return h
	}
	for _, test := range []struct {
		name    string
		method  string
		path    string
		headers map[string]string
		status  int
		code    string
	}{
		{"short-container", http.MethodPut, "/ab?restype=container", nil, 400, "OutOfRangeInput"},
		{"bad-container", http.MethodPut, "/a--b?restype=container", nil, 400, "InvalidResourceName"},
		{"upper-container", http.MethodGet, "/Abc?restype=container", nil, 400, "InvalidResourceName"},
		{"public-container", http.MethodPut, "/pub?restype=container", map[string]string{"x-ms-blob-public-access": "blob"}, 409, "PublicAccessNotPermitted"},
		{"public-unknown", http.MethodPut, "/pub?restype=container", map[string]string{"x-ms-blob-public-access": "all"}, 400, "InvalidHeaderValue"},
		{"long-blob", http.MethodPut, "/con/" + strings.Repeat("x", 1025), block(), 400, "OutOfRangeInput"},
		{"nul-in-blob", http.MethodPut, "/con/a%00b", block(), 400, "InvalidResourceName"},
		{"not-utf8", http.MethodPut, "/con/a%ff", block(), 400, "InvalidResourceName"},
		{"no-blob-type", http.MethodPut, "/con/x", nil, 400, "MissingRequiredHeader"},
		{"unknown-blob-type", http.MethodPut, "/con/x", map[string]string{"x-ms-blob-type": "Blob"}, 400, "InvalidHeaderValue"},
		{"append-blob", http.MethodPut, "/con/x", map[string]string{"x-ms-blob-type": "AppendBlob"}, 501, "NotImplemented"},
		{"copy", http.MethodPut, "/con/x", block("x-ms-copy-source", "https://a/b"), 501, "NotImplemented"},
		{"snapshot", http.MethodGet, "/con/b?snapshot=yesterday", nil, 400, "InvalidQueryParameterValue"},
		{"snapshot-write", http.MethodPut, "/con/b?comp=metadata&snapshot=2026-01-01T00:00:00.0000000Z", nil, 501, "NotImplemented"},
		{"snapshot-and-all", http.MethodDelete, "/con/b?snapshot=2026-01-01T00:00:00.0000000Z", map[string]string{"x-ms-delete-snapshots": "only"}, 400, "InvalidHeaderValue"},
		{"snapshots-by-delimiter", http.MethodGet, "/con?restype=container&comp=list&include=snapshots&delimiter=/", nil, 400, "InvalidQueryParameterValue"},
		{"lease", http.MethodGet, "/con/b", map[string]string{"x-ms-lease-id": "00000000-0000-4000-8000-000000000001"}, 412, "LeaseNotPresentWithBlobOperation"},
		{"container-lease", http.MethodDelete, "/con?restype=container", map[string]string{"x-ms-lease-id": "00000000-0000-4000-8000-000000000001"}, 412, "LeaseNotPresentWithContainerOperation"},
		{"unknown-tier", http.MethodPut, "/con/b?comp=tier", map[string]string{"x-ms-access-tier": "Tepid"}, 400, "InvalidHeaderValue"},
		{"no-tier", http.MethodPut, "/con/b?comp=tier", nil, 400, "MissingRequiredHeader"},
		{"archive", http.MethodPut, "/con/b?comp=tier", map[string]string{"x-ms-access-tier": "Archive"}, 501, "NotImplemented"},
		{"metadata-name", http.MethodPut, "/con/x", block("x-ms-meta-1a", "x"), 400, "InvalidMetadata"},
		{"metadata-empty-name", http.MethodPut, "/con/x", block("x-ms-meta-", "x"), 400, "EmptyMetadataKey"},
		{"metadata-size", http.MethodPut, "/con/x", block("x-ms-meta-a", strings.Repeat("x", 8192)), 400, "MetadataTooLarge"},
		{"maxresults-word", http.MethodGet, "/con?restype=container&comp=list&maxresults=all", nil, 400, "InvalidQueryParameterValue"},
		{"maxresults-zero", http.MethodGet, "/con?restype=container&comp=list&maxresults=0", nil, 400, "OutOfRangeQueryParameterValue"},
		{"marker", http.MethodGet, "/con?restype=container&comp=list&marker=%25", nil, 400, "InvalidQueryParameterValue"},
		{"include", http.MethodGet, "/con?restype=container&comp=list&include=everything", nil, 400, "InvalidQueryParameterValue"},
		{"uncommitted", http.MethodGet, "/con?restype=container&comp=list&include=uncommittedblobs", nil, 501, "NotImplemented"},
		{"unknown-operation", http.MethodPut, "/con/b?comp=lease2", nil, 501, "NotImplemented"},
		{"root-container", http.MethodGet, "/b", nil, 501, "NotImplemented"},
		{"unknown-method", http.MethodPost, "/con/b", nil, 405, "UnsupportedHttpVerb"},
		{"version", http.MethodGet, "/con/b", map[string]string{"x-ms-version": "new"}, 400, "InvalidHeaderValue"},
		{"newer-version", http.MethodGet, "/con/b", map[string]string{"x-ms-version": "2099-01-01"}, 200, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.t = t
			s.want(request{method: test.method, path: test.path, headers: test.headers}, test.status, test.code)
		})
	}
	s.t = t
	s.want(request{method: http.MethodGet, path: "/con/b", host: "nobody.blob.core.windows.net"}, 404, "StorageAccountNotFound")
}

// TestSupersededContent: what a write replaces goes, inline content at once,
// other content once no answer can be reading it any more.
func TestSupersededContent(t *testing.T) {
	s := start(t, `{}`)
	s.container("con")
	for name, size := range map[string]int{"inline": 100, "content": 100_000} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			s.upload("/con/"+name, random(size))
			before := s.footprint()
			s.upload("/con/"+name, random(size))
			s.advance(3 * 60e9)
			last := random(size)
			s.upload("/con/"+name, last)
			if err := storage.NewCollector(s.config()).Collect(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.advance(3 * 60e9)
			if err := storage.NewCollector(s.config()).Collect(t.Context()); err != nil {
				t.Fatal(err)
			}
			if after := s.footprint(); after != before {
				t.Errorf("got %s after overwriting, want %s", after, before)
			}
			if got := s.do(request{method: http.MethodGet, path: "/con/" + name}); got.body != last {
				t.Error("the blob is not what was written last")
			}
		})
	}
	s.t = t
	s.want(request{method: http.MethodDelete, path: "/con?restype=container"}, 202, "")
	s.advance(3 * 60e9)
	if err := storage.NewCollector(s.config()).Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := s.footprint(); after != "" {
		t.Errorf("got %s after deleting the container, want nothing", after)
	}
}
