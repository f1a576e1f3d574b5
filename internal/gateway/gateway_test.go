package gateway

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
)

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

// RFC 9112 section 3.2.2: servers accept the absolute form; handlers need not.
func TestAbsoluteFormBecomesOriginForm(t *testing.T) {
	f := start(t, func(g *Gateway) {
		g.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s at %s", r.URL, r.Host) })
	})
	tests := []struct{ name, target, want string }{
		{"same-host", "https://A.vault.azure.net:443/x?y=1", "\r\n\r\n/x?y=1 at a.vault.azure.net"},
		{"other-host", "https://b.vault.azure.net/x", "HTTP/1.1 421"},
		{"userinfo", "https://a.vault.azure.net@evil.example/x", "HTTP/1.1 400"},
		{"userinfo-of-other", "https://evil.example@a.vault.azure.net/x", "HTTP/1.1 400"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := exchange(t, f.dialTLS(t, "a.vault.azure.net"), "GET "+tt.target+" HTTP/1.1\r\nHost: a.vault.azure.net\r\n\r\n")
			if !strings.Contains(got, tt.want) {
				t.Errorf("GET %s: got %q, want %q", tt.target, got, tt.want)
			}
		})
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
		{"own-address-through-itself", "http://" + addr + "/healthz?x", 200, "control /healthz?x host=" + addr + " remote=127.0.0.1"},
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
	if got := exchange(t, f.dialPlain(t), "CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: a\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 403") {
		t.Errorf("metadata by CONNECT: got %q, want 403", got)
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
