package proxy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/imds"
	"github.com/aksess/aksess/internal/imds/federated"
	"github.com/aksess/aksess/internal/imds/node"
)

// get asks for a path with a Host and the header Metadata.
func get(t *testing.T, address, host, path string, headers ...string) (int, string, http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = host
	request.Header.Set("Metadata", "true")
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body), response.Header
}

func TestRoutes(t *testing.T) {
	m := startMachine(t)
	address := startServer(t, Config{Tokens: tokens, Node: node.New(m.address, node.DefaultRules(), nil), Secret: secret})
	bare := startServer(t, Config{Tokens: tokens, Node: node.New(m.address, nil, nil)})
	const imdsHost = "169.254.169.254"
	for name, test := range map[string]struct {
		server, host, path string
		status             int
		body               string
	}{
		"token":           {address, imdsHost, goodTarget, 200, podToken},
		"token_ipv6":      {address, "[fd00::254]", goodTarget, 200, podToken},
		"health":          {address, "localhost:8000", "/healthz", 200, "ok\n"},
		"ready":           {address, "[::1]:8000", "/readyz", 200, "ok\n"},
		"ready_bare":      {address, "127.0.0.1", "/readyz", 200, "ok\n"},
		"metrics":         {address, "127.0.0.1:8000", "/metrics", 200, "# TYPE aksess_proxy_token_requests_total counter"},
		"health_outside":  {address, imdsHost, "/healthz", 404, "Not Found"},
		"metrics_outside": {address, imdsHost, "/metrics", 404, "Not Found"},
		"health_longer":   {address, "localhost", "/readyzANYTHING", 404, "Not Found"},
		"token_longer":    {address, imdsHost, "/metadata/identity/oauth2/tokenFOO", 404, "Not Found"},
		"host":            {address, "evil.example", "/healthz", 403, "Host"},
		"no_app_service":  {bare, "localhost", "/msi/token", 404, "Not Found"},
		"app_service_out": {address, imdsHost, "/msi/token", 404, "Not Found"},
		"passes":          {address, imdsHost, "/metadata/instance", 200, nodeToken},
		"passes_loopback": {address, "localhost:8000", "/metadata/versions", 200, nodeToken},
		"passes_nothing":  {bare, imdsHost, "/metadata/instance", 404, "Not Found"},
	} {
		t.Run(name, func(t *testing.T) {
			status, body, header := get(t, test.server, test.host, test.path)
			if status != test.status || !strings.Contains(body, test.body) {
				t.Errorf("got %d %s, want %d %s", status, body, test.status, test.body)
			}
			if header.Get("X-Powered-By")+header.Get("Set-Cookie") != "" {
				t.Errorf("got %v", header)
			}
		})
	}
	t.Run("passes_without_metadata", func(t *testing.T) {
		if status, body, _ := get(t, address, imdsHost, "/metadata/instance", "Metadata", "false"); status != 400 || !strings.Contains(body, "Required metadata header") {
			t.Errorf("got %d %s", status, body)
		}
	})
}

// TestMetrics: they count, and their number does not grow with what is asked.
func TestMetrics(t *testing.T) {
	m := startMachine(t)
	address := startServer(t, Config{
		Tokens: tokens, Node: node.New(m.address, node.DefaultRules(), nil),
		Stats: func() federated.Stats {
			return federated.Stats{Cached: 7, Fetched: 1, Refused: 2, Exchanges: 3, ExchangeTime: 1500 * time.Millisecond}
		},
	})
	_, before, _ := get(t, address, "localhost", "/metrics")
	for _, path := range []string{goodTarget, goodTarget + "2", goodTarget + "&client_id=" + podClient, goodTarget + "&object_id=" + podClient, "/metadata/instance", "/metadata/instance/compute"} {
		get(t, address, "localhost", path)
	}
	get(t, address, "evil.example", goodTarget)
	_, after, _ := get(t, address, "localhost", "/metrics")
	for _, want := range []string{
		"aksess_proxy_token_requests_total 4\n", "aksess_proxy_refused_total 1\n", `aksess_proxy_tokens_total{result="cached"} 7` + "\n", `aksess_proxy_tokens_total{result="refused"} 2` + "\n",
		"aksess_proxy_exchanges_total 3\n", "aksess_proxy_exchange_seconds_total 1.5\n", `aksess_proxy_passed_total{status="2xx"} 2` + "\n", `aksess_proxy_passed_total{status="none"} 0` + "\n",
	} {
		if !strings.Contains(after, want) {
			t.Errorf("got %s, want %s", after, want)
		}
	}
	if strings.Count(before, "\n") != strings.Count(after, "\n") || strings.Contains(after, podClient) {
		t.Errorf("got other series:\n%s\nthan before:\n%s", after, before)
	}
}

// TestLoop: a proxy whose own requests come back to it, as they do when its user
// is not the one that the redirection exempts, answers at once.
func TestLoop(t *testing.T) {
	listeners, err := Listen(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	itself := netip.MustParseAddrPort(listeners[0].Addr().String())
	server := New(Config{Addresses: []netip.Addr{netip.MustParseAddr("169.254.169.254")}, Tokens: tokens, Node: node.New(itself, node.DefaultRules(), nil)})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, listeners...) }()
	status, body, _ := get(t, itself.String(), "169.254.169.254", "/metadata/instance")
	if status != http.StatusLoopDetected || !strings.Contains(body, "came back to it") {
		t.Errorf("got %d %s", status, body)
	}
	if got := server.counters.refused.Load(); got != 1 {
		t.Errorf("the request went round %d times, want 1", got)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestListen: both addresses of loopback and no other; a port that is taken on
// either is an error that says what to do.
func TestListen(t *testing.T) {
	listeners, err := Listen(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(listeners)
	port := listeners[0].Addr().(*net.TCPAddr).Port
	for i, want := range []string{"127.0.0.1", "::1"}[:len(listeners)] {
		if got := listeners[i].Addr().(*net.TCPAddr); got.IP.String() != want || got.Port != port {
			t.Errorf("got %s, want %s and port %d", got, want, port)
		}
	}
	if _, err := Listen(t.Context(), port); err == nil || !strings.Contains(err.Error(), "port "+strconv.Itoa(port)+" is taken by another program of the pod") {
		t.Errorf("got %v", err)
	}
	if len(listeners) > 1 {
		_ = listeners[0].Close()
		if _, err := Listen(t.Context(), port); err == nil || !strings.Contains(err.Error(), "is taken") {
			t.Errorf("with IPv6's port taken: got %v", err)
		}
		free, err := net.Listen("tcp4", listeners[0].Addr().String())
		if err != nil {
			t.Fatalf("IPv4's port was not given back: %v", err)
		}
		_ = free.Close()
	}
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close()
	}
}

// TestStops: requests under way end, new ones find it not ready or nobody.
func TestStops(t *testing.T) {
	listeners, err := Listen(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	arrived, more := make(chan struct{}), make(chan struct{})
	source := func(ctx context.Context, s imds.Selector, resource string) (*imds.Answer, error) {
		close(arrived)
		<-more
		return tokens(ctx, s, resource)
	}
	server := New(Config{Tokens: source, Node: node.New(netip.MustParseAddrPort("127.0.0.1:1"), nil, nil)})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, listeners...) }()
	answered := make(chan string, 1)
	go func() {
		answer, _ := exchange(listeners[0].Addr().String(), strings.Replace(goodHead, "169.254.169.254", "localhost", 1)+"\r\n\r\n")
		answered <- answer
	}()
	<-arrived
	stopping := make(chan struct{})
	server.http.RegisterOnShutdown(func() { close(stopping) })
	cancel()
	<-stopping
	close(more)
	if answer := <-answered; !strings.Contains(answer, podToken) {
		t.Errorf("got %q, want the token", answer)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestListenerFails: the end of a listener ends the server with an error.
func TestListenerFails(t *testing.T) {
	listeners, err := Listen(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	closeAll(listeners)
	server := New(Config{Tokens: tokens, Node: node.New(netip.MustParseAddrPort("127.0.0.1:1"), nil, nil)})
	if err := server.Serve(t.Context(), listeners...); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// TestLimit: so many connections at the same time, of all listeners together; the
// next one is let in when one has left.
func TestLimit(t *testing.T) {
	places := make(chan struct{}, 2)
	accepted := make(chan net.Conn)
	var accepting sync.WaitGroup
	var listeners []net.Listener
	for range 2 {
		inner, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l := limit(inner, places)
		listeners = append(listeners, l)
		accepting.Go(func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				accepted <- conn
			}
		})
	}
	var let []net.Conn
	for _, l := range []net.Listener{listeners[0], listeners[1], listeners[0], listeners[0]} {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() //nolint:errcheck // of a test
		if len(let) < 2 {
			let = append(let, <-accepted)
		}
	}
	select {
	case <-accepted:
		t.Fatal("a third connection was let in")
	default:
	}
	_ = let[0].Close()
	_ = let[0].Close() // gives one place back, not two
	let = append(let, <-accepted)
	if len(places) != 2 {
		t.Errorf("got %d places taken, want 2", len(places))
	}
	closeAll(listeners) // one of them while a connection waits for a place
	accepting.Wait()
	for _, conn := range let {
		_ = conn.Close()
	}
	if len(places) != 0 {
		t.Errorf("got %d places taken, want none", len(places))
	}
}

// TestCrowd: connections that are kept but not used leave room for all others,
// whatever those do after their answer, and after a while give up their places.
func TestCrowd(t *testing.T) {
	m := startMachine(t)
	var passed atomic.Int64
	now := func() time.Time { return time.Unix(1e9, passed.Load()) }
	address := startServer(t, Config{Tokens: tokens, Node: node.New(m.address, node.DefaultRules(), nil), Now: now})
	for i := range keptConns {
		conn, response := askAlone(t, address)
		if response == nil || response.Close {
			t.Fatalf("connection %d of %d was not kept", i+1, keptConns)
		}
		defer conn.Close() //nolint:errcheck // of a test
	}
	var asking sync.WaitGroup
	for range 2 * maxConns {
		asking.Go(func() {
			conn, response := askAlone(t, address)
			if conn == nil {
				return
			}
			defer conn.Close() //nolint:errcheck // of a test
			if _, err := io.Copy(io.Discard, conn); !response.Close || err != nil {
				t.Errorf("got a connection that stays, %v", err)
			}
		})
	}
	asking.Wait()
	passed.Add(int64(idleAtLeast))
	conn, response := askAlone(t, address)
	if response == nil || response.Close {
		t.Fatal("a new connection was not kept")
	}
	_ = conn.Close()
}

// askAlone gets a token over a connection of its own.
func askAlone(t *testing.T, address string) (net.Conn, *http.Response) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return nil, nil
	}
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second)) // less than a connection is kept
	_, _ = io.WriteString(conn, goodHead+"\r\n\r\n")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("got %v %v, want a token", response, err)
		_ = conn.Close()
		return nil, nil
	}
	_, _ = io.Copy(io.Discard, response.Body)
	return conn, response
}
