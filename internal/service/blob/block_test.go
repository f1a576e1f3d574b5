package blob_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/storage"
)

func blockID(i int) string { return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%05d", i)) }

func (s *server) block(path string, i int, content string) {
	s.t.Helper()
	s.want(request{method: http.MethodPut, path: path + "?comp=block&blockid=" + strings.ReplaceAll(blockID(i), "=", "%3D"), body: content}, 201, "")
}

func listXML(entries ...string) string {
	return `<?xml version="1.0" encoding="utf-8"?><BlockList>` + strings.Join(entries, "") + `</BlockList>`
}

func latest(is ...int) []string {
	var entries []string
	for _, i := range is {
		entries = append(entries, "<Latest>"+blockID(i)+"</Latest>")
	}
	return entries
}

func (s *server) commit(path string, entries ...string) response {
	s.t.Helper()
	return s.want(request{method: http.MethodPut, path: path + "?comp=blocklist", body: listXML(entries...), headers: map[string]string{"x-ms-blob-content-type": "text/plain"}}, 201, "")
}

func (s *server) collect(after time.Duration) {
	s.t.Helper()
	s.advance(after)
	if err := storage.NewCollector(s.config()).Collect(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// TestBlocks uploads as the SDKs do, out of order and in parallel, in blocks
// that are kept inline and as content.
func TestBlocks(t *testing.T) {
	s := start(t, `{}`)
	s.container("con")
	const n = 12
	var whole strings.Builder
	blocks := make([]string, n)
	for i := range blocks {
		blocks[i] = random(1 + i*i*700) // from 1 byte to 84,701
		whole.WriteString(blocks[i])
	}
	var group sync.WaitGroup
	for _, i := range rand.Perm(n) {
		group.Go(func() {
			got, err := s.try(request{method: http.MethodPut, path: "/con/b?comp=block&blockid=" + strings.ReplaceAll(blockID(i), "=", "%3D"), body: blocks[i]})
			if err != nil || got.status != 201 || got.header.Get("x-ms-content-crc64") != crcOf(blocks[i]) {
				t.Errorf("block %d: got %d %s, %v", i, got.status, got.body, err)
			}
		})
	}
	group.Wait()
	s.want(request{method: http.MethodHead, path: "/con/b"}, 404, "BlobNotFound")
	waiting := s.want(request{method: http.MethodGet, path: "/con/b?comp=blocklist&blocklisttype=all"}, 200, "")
	if got := strings.Count(waiting.body, "<Block>"); got != n || !strings.Contains(waiting.body, "<CommittedBlocks></CommittedBlocks>") {
		t.Errorf("block list: got %d blocks in %s", got, waiting.body)
	}
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	committed := s.commit("/con/b", latest(order...)...)
	got := s.want(request{method: http.MethodGet, path: "/con/b"}, 200, "")
	if got.body != whole.String() || got.header.Get("Content-Type") != "text/plain" || got.header.Get("ETag") != committed.header.Get("ETag") {
		t.Errorf("got %d bytes, want %d, headers %v", len(got.body), whole.Len(), got.header)
	}
	for range 60 {
		first := rand.IntN(whole.Len())
		last := min(first+rand.IntN(whole.Len()), whole.Len()-1)
		part := s.want(request{method: http.MethodGet, path: "/con/b", headers: map[string]string{"x-ms-range": fmt.Sprintf("bytes=%d-%d", first, last)}}, 206, "")
		if part.body != whole.String()[first:last+1] {
			t.Fatalf("bytes %d to %d: got %d bytes that differ", first, last, len(part.body))
		}
	}
	list := s.want(request{method: http.MethodGet, path: "/con/b?comp=blocklist"}, 200, "")
	if strings.Count(list.body, "<Block>") != n || strings.Contains(list.body, "Uncommitted") {
		t.Errorf("committed list: got %s", list.body)
	}
}

// TestBlockLists: which block an entry means, what a commit leaves, and that
// nothing is left of what no list took.
func TestBlockLists(t *testing.T) {
	s := start(t, `{}`)
	s.container("con")
	s.block("/con/b", 1, "one ")
	s.block("/con/b", 2, "two ")
	s.block("/con/b", 3, "unused")
	s.commit("/con/b", latest(1, 2)...)
	s.block("/con/b", 1, "ONE ")
	s.block("/con/b", 1, "Uno ") // the later one counts
	s.block("/con/b", 4, strings.Repeat("four", 20_000))
	s.commit("/con/b", "<Committed>"+blockID(1)+"</Committed>", "<Latest>"+blockID(1)+"</Latest>", "<Latest>"+blockID(2)+"</Latest>", "<Uncommitted>"+blockID(4)+"</Uncommitted>")
	want := "one Uno two " + strings.Repeat("four", 20_000)
	if got := s.want(request{method: http.MethodGet, path: "/con/b"}, 200, ""); got.body != want {
		t.Errorf("got %.20q…, want %.20q…", got.body, want)
	}
	// The list took all that waited: nothing is uncommitted now.
	s.want(request{method: http.MethodPut, path: "/con/b?comp=blocklist", body: listXML("<Uncommitted>" + blockID(4) + "</Uncommitted>")}, 400, "InvalidBlockList")
	s.collect(time.Hour)
	if got := s.want(request{method: http.MethodGet, path: "/con/b"}, 200, ""); got.body != want {
		t.Errorf("after collecting: got %.20q…, want %.20q…", got.body, want)
	}
	s.commit("/con/b", "<Committed>"+blockID(2)+"</Committed>")
	s.collect(time.Hour)
	if got := s.want(request{method: http.MethodGet, path: "/con/b"}, 200, ""); got.body != "two " {
		t.Errorf("got %q, want one block of the earlier list", got.body)
	}
	s.block("/con/b", 9, "waits")
	s.upload("/con/b", "whole") // ends what waits
	s.want(request{method: http.MethodPut, path: "/con/b?comp=blocklist", body: listXML(latest(9)...)}, 400, "InvalidBlockList")
	s.commit("/con/empty")
	if got := s.want(request{method: http.MethodGet, path: "/con/empty"}, 200, ""); got.body != "" {
		t.Errorf("blob of no blocks: got %q", got.body)
	}
	s.want(request{method: http.MethodDelete, path: "/con/b"}, 202, "")
	s.want(request{method: http.MethodDelete, path: "/con/empty"}, 202, "")
	s.collect(time.Hour)
	s.collect(8 * 24 * time.Hour) // the looks at whether uploads were abandoned
	if got := s.footprint(); got != "container=1 " {
		t.Errorf("got %s left, want the container alone", got)
	}
}

func TestAbandonedUpload(t *testing.T) {
	s := start(t, `{}`)
	s.container("con")
	s.block("/con/b", 1, random(100_000))
	s.collect(6 * 24 * time.Hour)
	s.block("/con/b", 2, "later")
	s.collect(24*time.Hour + time.Minute) // a week after the first block, a day after the last
	if list := s.want(request{method: http.MethodGet, path: "/con/b?comp=blocklist&blocklisttype=uncommitted"}, 200, ""); strings.Count(list.body, "<Block>") != 2 {
		t.Errorf("got %s, want both blocks", list.body)
	}
	s.collect(6 * 24 * time.Hour)
	s.want(request{method: http.MethodGet, path: "/con/b?comp=blocklist"}, 404, "BlobNotFound")
	s.collect(time.Minute)
	if got := s.footprint(); got != "container=1 " {
		t.Errorf("got %s left, want the container alone", got)
	}
}

func TestMalformedBlocks(t *testing.T) {
	s := start(t, `{}`)
	s.container("con")
	s.block("/con/b", 1, "x")
	for _, test := range []struct {
		name, path, body string
		status           int
		code             string
	}{
		{"no-id", "?comp=block", "x", 400, "MissingRequiredQueryParameter"},
		{"not-base64", "?comp=block&blockid=a*b", "x", 400, "InvalidBlockId"},
		{"long-id", "?comp=block&blockid=" + strings.Repeat("QUJD", 22), "x", 400, "InvalidBlockId"},
		{"other-length", "?comp=block&blockid=QUJD", "x", 400, "InvalidBlobOrBlock"},
		{"empty-block", "?comp=block&blockid=QUJD", "", 400, "InvalidHeaderValue"},
		{"not-xml", "?comp=blocklist", "blocks", 400, "InvalidXmlDocument"},
		{"no-list", "?comp=blocklist", "", 400, "InvalidXmlDocument"},
		{"other-root", "?comp=blocklist", "<Blocks/>", 400, "InvalidXmlDocument"},
		{"other-element", "?comp=blocklist", "<BlockList><Newest>QUJD</Newest></BlockList>", 400, "InvalidXmlDocument"},
		{"not-closed", "?comp=blocklist", "<BlockList><Latest>QUJD</Latest>", 400, "InvalidXmlDocument"},
		{"two-roots", "?comp=blocklist", "<BlockList/><BlockList/>", 400, "InvalidXmlDocument"},
		{"unknown-block", "?comp=blocklist", "<BlockList><Latest>QUJD</Latest></BlockList>", 400, "InvalidBlockList"},
		{"bad-id-in-list", "?comp=blocklist", "<BlockList><Latest>*</Latest></BlockList>", 400, "InvalidBlockId"},
		{"too-long", "?comp=blocklist", listXML(strings.Repeat("<Latest>"+blockID(1)+"</Latest>", 50_001)), 400, "BlockListTooLong"},
		{"too-large", "?comp=blocklist", listXML(strings.Repeat(" ", 9<<20)), 413, "RequestBodyTooLarge"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.t = t
			s.want(request{method: http.MethodPut, path: "/con/b" + test.path, body: test.body}, test.status, test.code)
		})
	}
	s.t = t
	s.want(request{method: http.MethodGet, path: "/con/b?comp=blocklist&blocklisttype=some"}, 400, "InvalidQueryParameterValue")
	s.want(request{method: http.MethodGet, path: "/con/none?comp=blocklist"}, 404, "BlobNotFound")
	s.want(request{method: http.MethodPut, path: "/nothere/b?comp=block&blockid=QUJD", body: "x"}, 404, "ContainerNotFound")
	s.want(request{method: http.MethodPut, path: "/nothere/b?comp=blocklist", body: listXML()}, 404, "ContainerNotFound")
}

// TestRefusedUploadIsHeard: a client that sends all of a large body before it
// reads, as most do over HTTP/1.1, gets the refusal and not a broken connection.
func TestRefusedUploadIsHeard(t *testing.T) {
	s := start(t, `{}`)
	s.container("con")
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the test is over
	const size = 16 << 20
	body := strings.Repeat("x", size)
	for range 2 { // the connection is good for another request
		_, err = fmt.Fprintf(conn, "PUT /con/b HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nx-ms-blob-type: BlockBlob\r\nContent-Length: %d\r\n\r\n%s", host, reader, size, body)
		if err != nil {
			t.Fatalf("sending: %v", err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("reading the answer: %v", err)
		}
		if got := answer.Header.Get("x-ms-error-code"); answer.StatusCode != 403 || got != "AuthorizationPermissionMismatch" {
			t.Errorf("got %d %s, want 403 AuthorizationPermissionMismatch", answer.StatusCode, got)
		}
	}
}
