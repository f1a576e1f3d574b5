package gateway

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// seen is what the fixture's handler answers with, so that a test can compare
// what reached it.
const seen = "%s %s %s host=%s remote=%s"

func answer(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	fmt.Fprintf(w, seen, r.Proto, r.Method, r.URL.RequestURI(), r.Host, host)
	if len(body) > 0 {
		fmt.Fprintf(w, " body=%s", body)
	}
}

func marked(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		fmt.Fprintf(w, "%s %s host=%s remote=%s", name, r.URL.RequestURI(), r.Host, host)
	})
}

// lockedLog is a log that tests read while the gateway writes it.
type lockedLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

type fixture struct {
	*Gateway
	log  *lockedLog
	stop func() error
}

// start serves a gateway until the test ends. A dial to the real network fails
// the test unless the change gives it a dialer.
func start(t testing.TB, change func(*Gateway)) *fixture {
	t.Helper()
	ca, err := NewCA(CAConfig{})
	if err != nil {
		t.Fatal(err)
	}
	log := &lockedLog{}
	g := &Gateway{
		CA:      ca,
		Handler: http.HandlerFunc(answer),
		Plain:   marked("plain"),
		Control: marked("control"),
		Logger:  slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		dial: func(_ context.Context, _, addr string) (net.Conn, error) {
			t.Errorf("dialled %s, want no connection to the real network", addr)
			return nil, errForbidden
		},
	}
	if change != nil {
		change(g)
	}
	if err := g.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Serve(ctx) }()
	f := &fixture{Gateway: g, log: log}
	f.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() {
		if err := f.stop(); err != nil {
			t.Errorf("Serve: got %v, want nil", err)
		}
	})
	return f
}

// client goes through the proxy and trusts the authority alone.
func (f *fixture) client(t testing.TB, change func(*http.Transport)) *http.Client {
	t.Helper()
	proxy, err := url.Parse(f.ProxyURL())
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{
		Proxy:             http.ProxyURL(proxy),
		TLSClientConfig:   &tls.Config{RootCAs: f.CA.Pool()},
		ForceAttemptHTTP2: true,
	}
	if change != nil {
		change(tr)
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 20 * time.Second}
}

// direct makes the client go to the listener itself whatever the host's name.
func (f *fixture) direct(tr *http.Transport) {
	tr.Proxy = nil
	tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, f.Addr().String())
	}
}

func http1(tr *http.Transport) {
	tr.ForceAttemptHTTP2 = false
	tr.TLSClientConfig.NextProtos = []string{"http/1.1"}
}

func withoutALPN(tr *http.Transport) {
	tr.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	tr.ForceAttemptHTTP2 = false
	tr.TLSClientConfig.NextProtos = nil
}

func get(t testing.TB, c *http.Client, target string) (int, string) {
	t.Helper()
	resp, err := c.Get(target)
	if err != nil {
		t.Fatal(err)
	}
	return status(t, resp)
}

func status(t testing.TB, resp *http.Response) (int, string) {
	t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestServedHostsReachTheHandler(t *testing.T) {
	f := start(t, nil)
	tests := []struct {
		name, url, want string
		change          func(*http.Transport)
	}{
		{"h2-through-proxy", "https://widemo.vault.azure.net/secrets/a?api-version=7.4",
			"HTTP/2.0 GET /secrets/a?api-version=7.4 host=widemo.vault.azure.net remote=203.0.113.10", nil},
		{"http1-through-proxy", "https://login.microsoftonline.com/t/oauth2",
			"HTTP/1.1 GET /t/oauth2 host=login.microsoftonline.com remote=203.0.113.10", http1},
		{"no-alpn-through-proxy", "https://widemo.azconfig.io/kv?key=*",
			"HTTP/1.1 GET /kv?key=* host=widemo.azconfig.io remote=203.0.113.10", withoutALPN},
		{"upper-case-host", "https://WIDEMO.Blob.Core.Windows.NET/c",
			"HTTP/1.1 GET /c host=widemo.blob.core.windows.net remote=203.0.113.10", http1},
		{"trailing-dot", "https://management.azure.com./subscriptions",
			"HTTP/1.1 GET /subscriptions host=management.azure.com remote=203.0.113.10",
			func(tr *http.Transport) { http1(tr); tr.TLSClientConfig.ServerName = "management.azure.com" }},
		{"tls12", "https://graph.microsoft.com/v1.0/groups",
			"HTTP/2.0 GET /v1.0/groups host=graph.microsoft.com remote=203.0.113.10",
			func(tr *http.Transport) { tr.TLSClientConfig.MaxVersion = tls.VersionTLS12 }},
		{"direct-by-name", "https://widemo.vault.azure.net/keys",
			"HTTP/2.0 GET /keys host=widemo.vault.azure.net remote=203.0.113.10", f.direct},
		{"direct-local-name-keeps-port", "https://login.aksess.localhost:8443/x",
			"HTTP/2.0 GET /x host=login.aksess.localhost:8443 remote=203.0.113.10", f.direct},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, body := get(t, f.client(t, tt.change), tt.url)
			if code != http.StatusOK || body != tt.want {
				t.Errorf("GET %s: got %d %q, want 200 %q", tt.url, code, body, tt.want)
			}
		})
	}
}

// A client that names an address sends no server name.
func TestLoopbackAddressWithoutServerName(t *testing.T) {
	f := start(t, nil)
	c := f.client(t, func(tr *http.Transport) { tr.Proxy = nil })
	addr := f.Addr().String()
	code, body := get(t, c, "https://"+addr+"/devstoreaccount1")
	want := "HTTP/2.0 GET /devstoreaccount1 host=" + addr + " remote=203.0.113.10"
	if code != http.StatusOK || body != want {
		t.Errorf("got %d %q, want 200 %q", code, body, want)
	}
}

func TestConfiguredLoopbackOrigin(t *testing.T) {
	f := start(t, func(g *Gateway) { g.LoopbackOrigin = netip.MustParseAddr("2001:db8::7") })
	req, err := http.NewRequest(http.MethodGet, "https://widemo.vault.azure.net/", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []string{"X-Forwarded-For", "X-Real-IP", "Forwarded", "X_Forwarded_For"} {
		req.Header.Set(h, "198.51.100.66")
	}
	resp, err := f.client(t, nil).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if _, body := status(t, resp); !strings.HasSuffix(body, " remote=2001:db8::7") {
		t.Errorf("got %q, want the configured origin whatever the headers say", body)
	}
}

func TestOriginOfAPeer(t *testing.T) {
	g := &Gateway{LoopbackOrigin: netip.MustParseAddr(DefaultLoopbackOrigin)}
	tests := []struct{ name, peer, want string }{
		{"loopback", "127.0.0.1:5", "203.0.113.10:5"},
		{"loopback-elsewhere-in-127", "127.8.0.1:5", "203.0.113.10:5"},
		{"loopback-6", "[::1]:5", "203.0.113.10:5"},
		{"loopback-mapped", "[::ffff:127.0.0.1]:5", "203.0.113.10:5"},
		{"remote", "10.1.2.3:5", "10.1.2.3:5"},
		{"remote-mapped", "[::ffff:10.1.2.3]:5", "10.1.2.3:5"},
		{"remote-6-zone", "[fe80::1%eth0]:5", "[fe80::1]:5"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			peer := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(tt.peer))
			if got := g.originOf(peer); got != tt.want {
				t.Errorf("originOf(%s): got %s, want %s", tt.peer, got, tt.want)
			}
		})
	}
}

func TestPlainRequests(t *testing.T) {
	f := start(t, func(g *Gateway) { g.ControlNames = []string{"aksess.tools.svc"} })
	addr := f.Addr().String()
	tests := []struct {
		name, url string
		code      int
		want      string
	}{
		{"metadata", "http://169.254.169.254/metadata/instance?api-version=2021-02-01", 200,
			"plain /metadata/instance?api-version=2021-02-01 host=169.254.169.254 remote=127.0.0.1"},
		{"metadata-port-80", "http://169.254.169.254:80/x", 200, "plain /x host=169.254.169.254"},
		{"metadata-other-port", "http://169.254.169.254:8080/x", 403, "refused 169.254.169.254:8080"},
		{"other-link-local", "http://169.254.169.253/x", 403, "--passthrough"},
		{"unknown", "http://example.com/x", 403, "refused example.com: this local Azure answers only Azure's hosts (aksess.localhost, azconfig.io,"},
		{"served-in-the-clear", "http://widemo.vault.azure.net/secrets", 403, "over https only"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, body := get(t, f.client(t, nil), tt.url)
			if code != tt.code || !strings.Contains(body, tt.want) {
				t.Errorf("GET %s: got %d %q, want %d with %q", tt.url, code, body, tt.code, tt.want)
			}
		})
	}
	own := []struct {
		name, host string
		code       int
		want       string
	}{
		{"own-address", addr, 200, "control /healthz host=" + addr + " remote=127.0.0.1"},
		{"own-localhost", "localhost:1", 200, "control /healthz"},
		{"own-ipv6", "[::1]:1", 200, "control /healthz"},
		{"own-configured-name", "aksess.tools.svc", 200, "control /healthz"},
		{"own-metadata-redirected", "169.254.169.254", 200, "plain /healthz"},
		{"rebinding", "evil.example", 403, "not a name of this listener"},
		{"served-in-the-clear-directly", "widemo.vault.azure.net", 403, "over https only"},
		{"bad-host", "a_b..c", 400, "a_b..c"},
	}
	for _, tt := range own {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequest(http.MethodGet, "http://"+addr+"/healthz", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = tt.host
			resp, err := f.client(t, func(tr *http.Transport) { tr.Proxy = nil }).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			code, body := status(t, resp)
			if code != tt.code || !strings.Contains(body, tt.want) {
				t.Errorf("Host %s: got %d %q, want %d with %q", tt.host, code, body, tt.code, tt.want)
			}
		})
	}
}

func TestNoPlainAndNoControl(t *testing.T) {
	f := start(t, func(g *Gateway) { g.Plain, g.Control = nil, nil })
	c := f.client(t, nil)
	if code, _ := get(t, c, "http://169.254.169.254/x"); code != http.StatusForbidden {
		t.Errorf("metadata: got %d, want 403", code)
	}
	c = f.client(t, func(tr *http.Transport) { tr.Proxy = nil })
	if code, _ := get(t, c, "http://"+f.Addr().String()+"/"); code != http.StatusNotFound {
		t.Errorf("control: got %d, want 404", code)
	}
}

func TestListenRefusesAddressesOthersReach(t *testing.T) {
	ca, err := NewCA(CAConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0"} {
		g := &Gateway{CA: ca, Handler: http.NotFoundHandler()}
		if err := g.Listen(addr); err == nil || !strings.Contains(err.Error(), "loopback") {
			t.Errorf("Listen(%q): got %v, want a refusal that names loopback", addr, err)
		}
	}
	g := &Gateway{CA: ca, Handler: http.NotFoundHandler(), AllowRemote: true}
	if err := g.Listen("0.0.0.0:0"); err != nil {
		t.Fatalf("Listen with AllowRemote: got %v, want nil", err)
	}
	if err := g.Shutdown(context.Background()); err != nil {
		t.Errorf("Shutdown: got %v, want nil", err)
	}
	if err := g.Serve(context.Background()); err != nil {
		t.Errorf("Serve after Shutdown: got %v, want nil", err)
	}
}

func TestUnservedServerNamesFailTheHandshake(t *testing.T) {
	f := start(t, nil)
	for _, name := range []string{"example.com", "vault.azure.net.evil.example", "xvault.azure.net", "azure.com", "net"} {
		c, err := tls.Dial("tcp", f.Addr().String(), &tls.Config{ServerName: name, RootCAs: f.CA.Pool()})
		if err == nil {
			c.Close()
			t.Errorf("handshake for %q: got a certificate, want none", name)
			continue
		}
		if !strings.Contains(err.Error(), "unrecognized name") {
			t.Errorf("handshake for %q: got %v, want the alert unrecognized_name", name, err)
		}
		if !strings.Contains(f.log.String(), fmt.Sprintf("server name \\\"%s\\\" is not a host", name)) {
			t.Errorf("log: got %s, want the refused name %q", f.log, name)
		}
	}
}

// A ticket got for a served name must not open a session for another.
func TestTicketsDoNotOpenUnservedNames(t *testing.T) {
	f := start(t, nil)
	cache := &oneTicket{}
	dial := func(name string) (*tls.Conn, error) {
		return tls.Dial("tcp", f.Addr().String(), &tls.Config{
			ServerName: name, ClientSessionCache: cache, InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12,
		})
	}
	for i, wantResumed := range []bool{false, true} {
		c, err := dial("widemo.vault.azure.net")
		if err != nil {
			t.Fatal(err)
		}
		if got := c.ConnectionState().DidResume; got != wantResumed {
			t.Errorf("connection %d: resumed got %v, want %v", i, got, wantResumed)
		}
		c.Close()
	}
	if c, err := dial("example.com"); err == nil {
		c.Close()
		t.Error("got a session for example.com by ticket, want a refusal")
	}
}

// oneTicket offers its one session to every server.
type oneTicket struct{ s *tls.ClientSessionState }

func (o *oneTicket) Get(string) (*tls.ClientSessionState, bool) { return o.s, o.s != nil }
func (o *oneTicket) Put(_ string, s *tls.ClientSessionState)    { o.s = s }

func TestHostMustMatchTheSession(t *testing.T) {
	f := start(t, nil)
	for _, change := range []struct {
		name string
		f    func(*http.Transport)
	}{{"h2", func(*http.Transport) {}}, {"http1", http1}} {
		for _, host := range []string{"other.vault.azure.net", "login.microsoftonline.com", "example.com", "localhost"} {
			t.Run(change.name+"-"+host, func(t *testing.T) {
				req, err := http.NewRequest(http.MethodGet, "https://widemo.vault.azure.net/", nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Host = host
				resp, err := f.client(t, change.f).Do(req)
				if err != nil {
					t.Fatal(err)
				}
				code, body := status(t, resp)
				if code != http.StatusMisdirectedRequest || !strings.Contains(body, host) {
					t.Errorf("got %d %q, want 421 naming %q", code, body, host)
				}
			})
		}
	}
}

func TestOldTLSAndWeakSuitesAreRefused(t *testing.T) {
	f := start(t, nil)
	tests := []struct {
		name string
		cfg  *tls.Config
	}{
		{"tls10", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}},
		{"tls11", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}},
		{"cbc", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA}}},
		{"rsa-kex", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := tt.cfg.Clone()
			cfg.ServerName, cfg.RootCAs = "login.microsoftonline.com", f.CA.Pool()
			c, err := tls.Dial("tcp", f.Addr().String(), cfg)
			if err == nil {
				c.Close()
				t.Error("handshake: got a connection, want a refusal")
			}
		})
	}
}

func TestHundredConcurrentConnects(t *testing.T) {
	f := start(t, nil)
	c := f.client(t, func(tr *http.Transport) { http1(tr); tr.DisableKeepAlives = true })
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			host := fmt.Sprintf("kv%d.vault.azure.net", i%10)
			resp, err := c.Get("https://" + host + "/")
			if err != nil {
				t.Errorf("request %d: got %v, want an answer", i, err)
				return
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil || !strings.Contains(string(body), "host="+host+" ") {
				t.Errorf("request %d: got %q (%v), want the answer of %s", i, body, err, host)
			}
		})
	}
	wg.Wait()
}

func TestEachLeafVerifiesForItsNameOnly(t *testing.T) {
	f := start(t, nil)
	c, err := tls.Dial("tcp", f.Addr().String(), &tls.Config{ServerName: "widemo.vault.azure.net", RootCAs: f.CA.Pool()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cert := c.ConnectionState().PeerCertificates[0]
	if err := cert.VerifyHostname("widemo.vault.azure.net"); err != nil {
		t.Errorf("got %v, want nil", err)
	}
	var hostErr x509.HostnameError
	if err := cert.VerifyHostname("other.vault.azure.net"); !errors.As(err, &hostErr) {
		t.Errorf("other host: got %v, want a host name error", err)
	}
}
