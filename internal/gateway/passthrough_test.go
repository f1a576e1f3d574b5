package gateway

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// through starts a gateway that lets other hosts through, with the real network
// replaced by one server.
func through(t *testing.T, upstream net.Addr) (*fixture, *lockedLog) {
	t.Helper()
	dialled := &lockedLog{}
	f := start(t, func(g *Gateway) {
		g.Passthrough = true
		g.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if _, err := io.WriteString(dialled, addr+" "); err != nil {
				return nil, err
			}
			return (&net.Dialer{}).DialContext(ctx, network, upstream.String())
		}
	})
	return f, dialled
}

func TestPassthroughTunnels(t *testing.T) {
	up := httptest.NewTLSServer(marked("upstream"))
	defer up.Close()
	f, dialled := through(t, up.Listener.Addr())
	c := f.client(t, func(tr *http.Transport) {
		tr.TLSClientConfig.RootCAs = up.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	})
	code, body := get(t, c, "https://example.com/x?y=1")
	if code != http.StatusOK || !strings.HasPrefix(body, "upstream /x?y=1 host=example.com") {
		t.Errorf("got %d %q, want 200 of the real host", code, body)
	}
	if got := dialled.String(); got != "example.com:443 " {
		t.Errorf("dialled %q, want example.com:443 once", got)
	}
}

func TestPassthroughRelaysPlainHTTP(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, h := range []string{"X-Forwarded-For", "Proxy-Connection", "Proxy-Authorization", "Via"} {
			if v := r.Header.Get(h); v != "" {
				t.Errorf("upstream got %s %q, want none", h, v)
			}
		}
		marked("upstream").ServeHTTP(w, r)
	}))
	defer up.Close()
	f, dialled := through(t, up.Listener.Addr())
	for _, tt := range []struct{ url, dial, host string }{
		{"http://example.com/x?a;b", "example.com:80 ", "example.com"},
		{"http://example.com:8080/x", "example.com:8080 ", "example.com:8080"},
	} {
		req, err := http.NewRequest(http.MethodGet, tt.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Proxy-Authorization", "Basic c2VjcmV0")
		resp, err := f.client(t, nil).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		code, body := status(t, resp)
		if want := "upstream " + req.URL.RequestURI() + " host=" + tt.host + " "; code != http.StatusOK || !strings.HasPrefix(body, want) {
			t.Errorf("%s: got %d %q, want 200 %q", tt.url, code, body, want)
		}
		if !strings.HasSuffix(dialled.String(), tt.dial) {
			t.Errorf("%s: dialled %q, want %q last", tt.url, dialled, tt.dial)
		}
	}
}

// What is served stays here, and what could give away the real machine's
// identity is never reached, whether it is named by address or by DNS.
func TestPassthroughKeepsItsLimits(t *testing.T) {
	f := start(t, func(g *Gateway) { g.Passthrough = true })
	tests := []struct{ name, request, want string }{
		{"served-other-port", "CONNECT a.vault.azure.net:8443 HTTP/1.1\r\nHost: a\r\n\r\n", "port 443 only"},
		{"served-in-the-clear", "GET http://a.vault.azure.net/ HTTP/1.1\r\nHost: a\r\n\r\n", "over https only"},
		{"metadata-by-connect", "CONNECT 169.254.169.254:8080 HTTP/1.1\r\nHost: a\r\n\r\n", "link-local"},
		{"metadata-other-port", "GET http://169.254.169.254:8080/ HTTP/1.1\r\nHost: a\r\n\r\n", "link-local"},
		{"metadata-mapped", "CONNECT [::ffff:169.254.169.254]:80 HTTP/1.1\r\nHost: a\r\n\r\n", "link-local"},
		{"wire-server", "GET http://168.63.129.16/machine HTTP/1.1\r\nHost: a\r\n\r\n", "wire service"},
		{"loopback", "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: a\r\n\r\n", "this machine"},
		{"loopback-6", "GET http://[::1]:8080/ HTTP/1.1\r\nHost: a\r\n\r\n", "this machine"},
		{"unspecified", "CONNECT 0.0.0.0:22 HTTP/1.1\r\nHost: a\r\n\r\n", "this machine"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ask(t, f.dialPlain(t), tt.request)
			if !strings.HasPrefix(got, "HTTP/1.1 403") || !strings.Contains(got, tt.want) {
				t.Errorf("%q: got %q, want 403 with %q", tt.request, got, tt.want)
			}
		})
	}
}

// The dialer looks at the address it connects to, so a name cannot lead to one
// that is forbidden.
func TestGuardedDialerChecksTheResolvedAddress(t *testing.T) {
	reached, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer reached.Close()
	_, port, err := net.SplitHostPort(reached.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"localhost", "127.0.0.1"} {
		c, err := guardedDialer(time.Second)(t.Context(), "tcp", net.JoinHostPort(host, port))
		if err == nil {
			c.Close()
			t.Errorf("%s: got a connection, want a refusal", host)
		} else if !strings.Contains(err.Error(), errForbidden.Error()) {
			t.Errorf("%s: got %v, want %v", host, err, errForbidden)
		}
	}
}

func TestForbiddenAddresses(t *testing.T) {
	for _, addr := range []string{"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::", "169.254.169.254", "169.254.0.1",
		"::ffff:169.254.169.254", "fe80::1", "224.0.0.1", "ff02::1", "255.255.255.255", "168.63.129.16", "fd00:ec2::254", "100.100.100.200",
		"64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "::ffff:168.63.129.16"} {
		if forbidden(netip.MustParseAddr(addr)) == "" {
			t.Errorf("%s: got allowed, want forbidden", addr)
		}
	}
	for _, addr := range []string{"93.184.216.34", "10.0.0.1", "192.168.1.1", "2606:2800:220:1::1", "fd00::1", "64:ff9b::5db8:d822"} {
		if why := forbidden(netip.MustParseAddr(addr)); why != "" {
			t.Errorf("%s: got %q, want allowed", addr, why)
		}
	}
}

func TestPassthroughSaysWhyAHostIsUnreachable(t *testing.T) {
	f := start(t, func(g *Gateway) {
		g.Passthrough = true
		g.dial = func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.DNSError{Err: "no such host", Name: "nowhere.example", IsNotFound: true}
		}
	})
	for _, request := range []string{
		"CONNECT nowhere.example:443 HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET http://nowhere.example/ HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		if got := ask(t, f.dialPlain(t), request); !strings.HasPrefix(got, "HTTP/1.1 502") || !strings.Contains(got, "no such host") {
			t.Errorf("%q: got %q, want 502 with the reason", request, got)
		}
	}
}

// Bytes in both directions, and the end of one direction does not end the other.
func TestTunnelPassesHalfCloseOn(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		all, _ := io.ReadAll(c) // ends with the client's half-close
		_, _ = io.WriteString(c, "got "+string(all))
	}()
	f, _ := through(t, l.Addr())
	c := f.dialPlain(t)
	if _, err := io.WriteString(c, "CONNECT example.com:9000 HTTP/1.1\r\nHost: a\r\n\r\nall"); err != nil {
		t.Fatal(err)
	}
	resp := make([]byte, len("HTTP/1.1 200 Connection established\r\n\r\n"))
	if _, err := io.ReadFull(c, resp); err != nil {
		t.Fatal(err)
	}
	if got := exchange(t, c, " of it"); got != "got all of it" {
		t.Errorf("got %q, want what the server read", got)
	}
}
