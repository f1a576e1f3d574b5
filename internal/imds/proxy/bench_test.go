package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/imds/federated"
	"github.com/aksess/aksess/internal/imds/node"
)

// granting is a token service that always grants, with a token as long as Azure's.
type granting struct{}

func (granting) RoundTrip(r *http.Request) (*http.Response, error) {
	body := fmt.Sprintf(`{"token_type":"Bearer","access_token":"e30.%s.c2ln","expires_in":86400}`, strings.Repeat("e30", 500))
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func benchServer(b *testing.B) *Server {
	b.Helper()
	file := filepath.Join(b.TempDir(), "token")
	if err := os.WriteFile(file, []byte("assertion"), 0o600); err != nil {
		b.Fatal(err)
	}
	client, err := federated.New(federated.Config{
		TenantID: podClient, ClientID: podClient, TokenFile: file, Authority: "https://login.microsoftonline.com/", Transport: granting{},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(client.Close)
	imds := netip.MustParseAddr("169.254.169.254")
	return New(Config{Addresses: []netip.Addr{imds}, Tokens: client.Answer, Stats: client.Stats, Node: node.New(netip.AddrPortFrom(imds, 80), nil, nil)})
}

const benchTarget = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net"

// discard is a response that nobody reads.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// BenchmarkHandler is what we do for a cached token: routes, checks, the query,
// the cache and the answer.
func BenchmarkHandler(b *testing.B) {
	server := benchServer(b)
	request := httptest.NewRequest(http.MethodGet, benchTarget, nil)
	request.Host = "169.254.169.254"
	request.Header.Set("Metadata", "true")
	w := discard{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		server.ServeHTTP(w, request)
	}
}

// BenchmarkConnection is the same over a connection, with net/http's part and
// the check of heads.
func BenchmarkConnection(b *testing.B) {
	server := benchServer(b)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = server.http.Serve(strictListener{listener}) }()
	defer server.http.Close() //nolint:errcheck // of a test
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // of a test
	head := "GET " + benchTarget + " HTTP/1.1\r\nHost: 169.254.169.254\r\nUser-Agent: azsdk-go-azidentity/v1.15.0\r\nMetadata: true\r\nAccept-Encoding: gzip\r\n\r\n"
	in := bufio.NewReaderSize(conn, 64<<10)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := io.WriteString(conn, head); err != nil {
			b.Fatal(err)
		}
		response, err := http.ReadResponse(in, nil)
		if err != nil || response.StatusCode != http.StatusOK {
			b.Fatal(response, err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
	}
}
