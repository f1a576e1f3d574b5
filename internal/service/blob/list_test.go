package blob_test

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// names lists a container to its end, in pages, and returns blobs and prefixes
// in the order in which they came.
func (s *server) names(query string) []string {
	s.t.Helper()
	var names []string
	marker := ""
	for {
		got := s.want(request{method: http.MethodGet, path: "/con?restype=container&comp=list&" + query + "&marker=" + url.QueryEscape(marker)}, 200, "")
		var page struct {
			Blobs struct {
				Entries []struct {
					XMLName xml.Name
					Name    string
				} `xml:",any"`
			}
			NextMarker string
		}
		if err := xml.Unmarshal([]byte(got.body), &page); err != nil {
			s.t.Fatalf("decoding %s: %v", got.body, err)
		}
		for _, entry := range page.Blobs.Entries {
			names = append(names, entry.XMLName.Local+" "+entry.Name)
		}
		if marker = page.NextMarker; marker == "" {
			return names
		}
	}
}

func TestListBlobs(t *testing.T) {
	s := start(t, `{}`)
	s.container("con")
	s.container("other")
	s.upload("/other/elsewhere", "x")
	for _, name := range []string{"a", "a/1", "a/2", "a/b/1", "a/b/2", "b", "b//x", "c/", "d<&>", "é/ü"} {
		s.upload("/con/"+(&url.URL{Path: name}).EscapedPath(), "x")
	}
	for _, test := range []struct {
		name, query string
		want        []string
	}{
		{"all", "", []string{"Blob a", "Blob a/1", "Blob a/2", "Blob a/b/1", "Blob a/b/2", "Blob b", "Blob b//x", "Blob c/", "Blob d<&>", "Blob é/ü"}},
		{"prefix", "prefix=a/", []string{"Blob a/1", "Blob a/2", "Blob a/b/1", "Blob a/b/2"}},
		{"top", "delimiter=/", []string{"Blob a", "BlobPrefix a/", "Blob b", "BlobPrefix b/", "BlobPrefix c/", "Blob d<&>", "BlobPrefix é/"}},
		{"folder", "delimiter=/&prefix=a/", []string{"Blob a/1", "Blob a/2", "BlobPrefix a/b/"}},
		{"double-slash", "delimiter=/&prefix=b/", []string{"BlobPrefix b//"}},
		{"long-delimiter", "delimiter=//", []string{"Blob a", "Blob a/1", "Blob a/2", "Blob a/b/1", "Blob a/b/2", "Blob b", "BlobPrefix b//", "Blob c/", "Blob d<&>", "Blob é/ü"}},
		{"nothing", "prefix=z", nil},
	} {
		for _, size := range []int{1, 2, 3, 5000} {
			t.Run(fmt.Sprintf("%s-by-%d", test.name, size), func(t *testing.T) {
				s.t = t
				if got := s.names(fmt.Sprintf("%s&maxresults=%d", test.query, size)); !slices.Equal(got, test.want) {
					t.Errorf("got %q, want %q", got, test.want)
				}
			})
		}
	}
}

func TestListShowsBlobs(t *testing.T) {
	s := start(t, `{}`)
	s.container("con")
	s.want(request{method: http.MethodPut, path: "/con/b", body: "hello", headers: map[string]string{
		"x-ms-blob-type": "BlockBlob", "x-ms-meta-k": "v", "x-ms-blob-content-type": "text/plain", "x-ms-access-tier": "Cool",
	}}, 201, "")
	s.upload("/con/odd%EF%BF%BF", "x")
	got := s.want(request{method: http.MethodGet, path: "/con?restype=container&comp=list&include=metadata,snapshots"}, 200, "")
	for _, want := range []string{
		`<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="https://acct.blob.core.windows.net/" ContainerName="con">`,
		"<Name>b</Name>", "<Last-Modified>Tue, 01 Sep 2026 12:00:00 GMT</Last-Modified>", "<Etag>0x8D", "<Content-Length>5</Content-Length>",
		"<Content-Type>text/plain</Content-Type>", "<Content-MD5>XUFAKrxLKna5cZ2REBfFkg==</Content-MD5>", "<BlobType>BlockBlob</BlobType>",
		"<AccessTier>Cool</AccessTier><LeaseStatus>unlocked</LeaseStatus>", "<Metadata><k>v</k></Metadata>",
		`<Name Encoded="true">odd%EF%BF%BF</Name>`, "<AccessTierInferred>true</AccessTierInferred>", "<NextMarker></NextMarker>",
	} {
		if !strings.Contains(got.body, want) {
			t.Errorf("got %s, want %s in it", got.body, want)
		}
	}
	if plain := s.want(request{method: http.MethodGet, path: "/con?restype=container&comp=list"}, 200, ""); strings.Contains(plain.body, "<Metadata>") {
		t.Errorf("metadata that was not asked for: %s", plain.body)
	}
	s.want(request{method: http.MethodGet, path: "/missing?restype=container&comp=list"}, 404, "ContainerNotFound")
}
