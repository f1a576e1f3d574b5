package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/imds"
	"github.com/aksess/aksess/internal/imds/node"
)

// What gives a token away in an answer.
const (
	podToken  = "POD-TOKEN"
	nodeToken = "NODE-TOKEN"
)

// machine is a node's metadata service that hands its token to everybody who
// arrives, whatever the request looks like, and remembers what arrived.
type machine struct {
	address netip.AddrPort
	mu      sync.Mutex
	heads   []string
}

func startMachine(t *testing.T) *machine {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{address: netip.MustParseAddrPort(listener.Addr().String())}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conns.Go(func() { m.serve(conn) })
		}
	})
	t.Cleanup(func() { _ = listener.Close(); conns.Wait() })
	return m
}

// serve reads lines and answers whatever ends with an empty one.
func (m *machine) serve(conn net.Conn) {
	defer conn.Close() //nolint:errcheck // of a test
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	in := bufio.NewReader(conn)
	var head strings.Builder
	for {
		line, err := in.ReadString('\n')
		head.WriteString(line)
		if strings.TrimRight(line, "\r\n") == "" && head.Len() > len(line) || err != nil && head.Len() > 0 {
			m.mu.Lock()
			m.heads = append(m.heads, head.String())
			m.mu.Unlock()
			head.Reset()
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: "+strconv.Itoa(len(nodeToken))+"\r\n\r\n"+nodeToken)
		}
		if err != nil {
			return
		}
	}
}

// arrived returns what did, and forgets it.
func (m *machine) arrived() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	heads := m.heads
	m.heads = nil
	return heads
}

const (
	podClient = "33333333-3333-3333-3333-333333333333"
	secret    = "header-secret"
)

// tokens is a source that knows one client, and refuses all who name it by
// something else.
func tokens(_ context.Context, s imds.Selector, resource string) (*imds.Answer, error) {
	if s.ObjectID != "" || s.ResourceID != "" || s.ClientID != "" && s.ClientID != podClient {
		return nil, imds.IdentityNotFound()
	}
	return imds.NewAnswer(imds.Token{Value: podToken, ClientID: podClient, Expires: time.Now().Add(time.Hour)}, resource), nil
}

// startServer runs a server until the test ends and returns its address.
func startServer(t *testing.T, config Config) string {
	t.Helper()
	listeners, err := Listen(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	config.Addresses = []netip.Addr{netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("fd00::254")}
	server := New(config)
	go func() { ended <- server.Serve(ctx, listeners...) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		config.Node.Close()
	})
	return listeners[0].Addr().String()
}

// sentinel ends a connection that a request has not ended.
const sentinel = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

// exchange writes bytes and returns all that comes back. A server that waits for
// more of a body is told that there is none.
func exchange(address, raw string) (string, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close() //nolint:errcheck // of a test
	if _, err := io.WriteString(conn, raw+sentinel); err != nil {
		return "", nil // refused before all of it was read
	}
	var answer strings.Builder
	for _, wait := range []time.Duration{time.Second, 20 * time.Second} {
		_ = conn.SetReadDeadline(time.Now().Add(wait))
		_, err = io.Copy(&answer, conn)
		if err == nil {
			return answer.String(), nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return answer.String(), nil // reset: it was refused with bytes unread
		}
		_ = conn.(*net.TCPConn).CloseWrite()
	}
	return answer.String(), fmt.Errorf("the connection stays open: %w", err)
}

const (
	goodTarget = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=r"
	goodHead   = "GET " + goodTarget + " HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true"
)

// readCorpus reads a file of names and Go strings.
func readCorpus(t testing.TB, file string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	corpus := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		name, quoted, _ := strings.Cut(line, " ")
		raw, err := strconv.Unquote(strings.TrimSpace(quoted))
		if err != nil || corpus[name] != "" {
			t.Fatalf("%s: %s: %v, or there twice", file, name, err)
		}
		corpus[name] = strings.Replace(raw, "GOOD", goodHead, 1)
	}
	return corpus
}

// spellings makes paths that somebody might read as the token endpoint's.
func spellings() []string {
	var paths []string
	metadata := []string{"metadata", "METADATA", "%6detadata", "metadat%2561", "metadata;a=b", "metadata%00", "metadata."}
	between := []string{"/", "//", `\`, "%2f", "%2F", "%5c", "%252f", "/./", "/x/../", "/%2e/", "/x/%2e%2e/", "/;/", "/..;/metadata/", "%u002f", "/%0a/", "/instance/../", `/instance/..\`, "/instance%2f..%2f", "/instance/%2e%2e/", "/instance/.%2e/"}
	identity := []string{"identity", "Identity", "IDENTITY", "%69dentity", "ident%69ty", "%2569dentity", "identity;x", "identity%20", "identity.", "%u0069dentity", "%c4%b1dentity", "ident%EF%BD%89ty"}
	for _, m := range metadata {
		for _, b := range between {
			for _, i := range identity {
				if m == "metadata" || m == "METADATA" || b == "/" || i == "identity" { // one oddity at a time, or two
					paths = append(paths, "/"+m+b+i+"/oauth2/token")
				}
			}
		}
	}
	for _, tail := range []string{
		"/oauth2/tokenx", "/oauth2/token.json", "/oauth2/TOKEN", "/OAuth2/token", "/oauth2/%74oken", "/oauth2//token", "/oauth2/token//", "/oauth2/./token", "/oauth2/token/..", "/oauth2/token;x", "/oauth2/token%00",
		"/oauth2/token%3f", "/oauth2/token%23", "/oauth2/to%E2%84%AAen", "/oauth2%2ftoken", `/oauth2\token`, "/oauth2", "/", "", "/info", "/getplatformmetadata", "/issuecredential", "/oauth2/token/x", "/oauth2/token#x", "/oauth2/token%20", "/oauth2/authorize",
	} {
		paths = append(paths, "/metadata/identity"+tail, "/Metadata/Identity"+tail, "//metadata/identity"+tail+"x")
	}
	for _, start := range []string{"/", "//", "/./", "/../", "/%2e%2e/", `\`, `/\`, "/x/../", "/;/", "/metadata/..", "/healthz/../", "/msi/token/../../", "/metadata/instance/../../", "/metadata/versions/..;/../", "/%2fmetadata/../", "/.%00/"} {
		paths = append(paths, start+"metadata/identity/oauth2/token/x", start+"/metadata/identity/oauth2/token", start+"metadata%2fidentity%2foauth2%2ftoken")
	}
	return paths
}

// hostile is the corpus: the file, and the spellings with all that a good
// request has, on their own and with an allowed path's head.
func hostile(t *testing.T) map[string]string {
	t.Helper()
	corpus := readCorpus(t, "testdata/hostile.txt")
	legitimate := map[string]bool{"/metadata/identity/oauth2/token": true, "/METADATA/identity/oauth2/token": true}
	for i, path := range spellings() {
		if legitimate[path] {
			continue
		}
		head := " HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true\r\n\r\n"
		corpus[fmt.Sprintf("path_%d_%s", i, path)] = "GET " + path + "?api-version=2018-02-01&resource=r" + head
		if i%5 == 0 {
			corpus[fmt.Sprintf("absolute_%d_%s", i, path)] = "GET http://169.254.169.254" + path + "?api-version=2018-02-01&resource=r" + head
			corpus[fmt.Sprintf("post_%d_%s", i, path)] = "POST " + path + "?api-version=2018-02-01&resource=r HTTP/1.1\r\nHost: 127.0.0.1\r\nMetadata: true\r\nContent-Length: 2\r\n\r\n{}"
		}
	}
	return corpus
}

// sendAll sends requests, many at the same time, and has each answer looked at.
func sendAll(t *testing.T, address string, corpus map[string]string, look func(name, raw, answer string)) {
	t.Helper()
	names := make(chan string)
	var workers sync.WaitGroup
	for range 32 {
		workers.Go(func() {
			for name := range names {
				answer, err := exchange(address, corpus[name])
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				look(name, corpus[name], answer)
			}
		})
	}
	for name := range corpus {
		names <- name
	}
	close(names)
	workers.Wait()
}

// TestHostileRequests: of more than a thousand requests that are written to get
// past the proxy none gets a token, and none reaches the node that could be
// taken for a token request there.
func TestHostileRequests(t *testing.T) {
	m := startMachine(t)
	rules := append(node.DefaultRules(), node.Rule{Method: http.MethodPost, Path: "/metadata/scheduledevents"}, node.Rule{Method: http.MethodGet, Path: "/metadata/attested"})
	address := startServer(t, Config{Tokens: tokens, Node: node.New(m.address, rules, nil), Secret: secret})
	corpus := hostile(t)
	if len(corpus) < 1000 {
		t.Errorf("got %d requests", len(corpus))
	}
	sendAll(t, address, corpus, func(name, raw, answer string) {
		if strings.Contains(answer, podToken) {
			t.Errorf("%s: %q got a token: %q", name, raw, answer)
		}
	})
	plain := regexp.MustCompile(`^(GET|HEAD|POST) /metadata/(instance|versions|loadbalancer|scheduledevents|attested)(/[A-Za-z0-9._~-]+)*/?(\?api-version=2018-02-01)? HTTP/1\.1\r\n`)
	for _, head := range m.arrived() {
		if line, _, _ := strings.Cut(head, "\n"); !plain.MatchString(line + "\n") {
			t.Errorf("%q reached the node", head)
		}
		if strings.Contains(strings.ToLower(head), "identity") || strings.Contains(strings.ToLower(head), "token") {
			t.Errorf("%q reached the node", head)
		}
	}
	t.Logf("%d requests", len(corpus))
}

// TestLegitimateRequests: the test above means something only if these work.
func TestLegitimateRequests(t *testing.T) {
	m := startMachine(t)
	address := startServer(t, Config{Tokens: tokens, Node: node.New(m.address, node.DefaultRules(), nil), Secret: secret})
	for name, raw := range readCorpus(t, "testdata/legitimate.txt") {
		if answer, err := exchange(address, raw); err != nil || !strings.HasPrefix(answer, "HTTP/1.1 200 OK\r\n") && !strings.HasPrefix(answer, "HTTP/1.0 200 OK\r\n") || !strings.Contains(answer, podToken) {
			t.Errorf("%s: got %q %v, want a token", name, answer, err)
		}
	}
	if heads := m.arrived(); len(heads) > 0 {
		t.Errorf("%q reached the node", heads)
	}
	answer, err := exchange(address, "GET /metadata/instance?api-version=2021-02-01 HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true\r\n\r\n")
	if err != nil || !strings.Contains(answer, nodeToken) || len(m.arrived()) != 1 {
		t.Errorf("got %q %v, want the node's answer", answer, err)
	}
}
