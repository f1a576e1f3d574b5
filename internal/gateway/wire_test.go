package gateway

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// ask sends text on a connection and returns all that the server sent until it
// closed, which it must do by itself.
func ask(t testing.TB, c net.Conn, text string) string {
	t.Helper()
	defer c.Close()
	// A server that has refused already may reset what is still being sent.
	_, _ = io.WriteString(c, text)
	return readAll(t, c)
}

// exchange is ask that also says that nothing follows. To net/http the end of
// what a client sends is the end of the client, so a request that takes time may
// be cancelled by it.
func exchange(t testing.TB, c net.Conn, text string) string {
	t.Helper()
	defer c.Close()
	if _, err := io.WriteString(c, text); err == nil {
		if half, ok := c.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	}
	return readAll(t, c)
}

func readAll(t testing.TB, c net.Conn) string {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("connection is open after %q, want it closed", got)
	}
	return string(got)
}

func (f *fixture) dialPlain(t testing.TB) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", f.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (f *fixture) dialTLS(t testing.TB, name string) net.Conn {
	return f.dialProto(t, name, "http/1.1")
}

func (f *fixture) dialH2(t testing.TB, name string) net.Conn { return f.dialProto(t, name, "h2") }

func (f *fixture) dialProto(t testing.TB, name, proto string) net.Conn {
	t.Helper()
	c, err := tls.Dial("tcp", f.Addr().String(), &tls.Config{ServerName: name, RootCAs: f.CA.Pool(), NextProtos: []string{proto}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Requests that two HTTP implementations could take for different ones. Each
// must be refused or be exactly one request, whose path is never /smuggled.
func TestSmuggling(t *testing.T) {
	const second = "GET /smuggled HTTP/1.1\r\nHost: HOST\r\n\r\n"
	tests := []struct{ name, text string }{
		{"cl-te", "POST /one HTTP/1.1\r\nHost: HOST\r\nContent-Length: 44\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + second},
		{"te-cl", "POST /one HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + second},
		{"te-te", "POST /one HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\nContent-Length: 3\r\n\r\n0\r\n\r\n" + second},
		{"te-obfuscated", "POST /one HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + second},
		{"te-space-before-colon", "POST /one HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + second},
		{"te-http10", "POST /one HTTP/1.0\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\nContent-Length: 44\r\n\r\n0\r\n\r\n" + second},
		{"double-cl", "POST /one HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\nContent-Length: 40\r\n\r\n" + second},
		{"cl-list", "POST /one HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0, 40\r\n\r\n" + second},
		{"cl-plus", "POST /one HTTP/1.1\r\nHost: HOST\r\nContent-Length: +40\r\n\r\n" + second},
		{"cl-negative", "POST /one HTTP/1.1\r\nHost: HOST\r\nContent-Length: -1\r\n\r\n" + second},
		{"chunk-bare-lf", "POST /one HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n1;\nx\r\n0\r\n\r\n"},
		{"chunk-extension-bare-lf", "POST /one HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n0;a\n\r\n\r\n" + second},
		{"chunk-size-overflow", "POST /one HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n" + second},
		{"bare-lf-lines", "GET /one HTTP/1.1\nHost: HOST\n\n"},
		{"bare-cr", "GET /one HTTP/1.1\r\nHost: HOST\r\nX: a\rGET /smuggled HTTP/1.1\r\n\r\n"},
		{"obs-fold", "GET /one HTTP/1.1\r\nHost: HOST\r\nX: a\r\n GET /smuggled HTTP/1.1\r\n\r\n"},
		{"space-before-header", "GET /one HTTP/1.1\r\n Host: HOST\r\nHost: HOST\r\n\r\n"},
		{"nul-in-header", "GET /one HTTP/1.1\r\nHost: HOST\r\nX: a\x00b\r\n\r\n"},
		{"two-hosts", "GET /one HTTP/1.1\r\nHost: HOST\r\nHost: other.vault.azure.net\r\n\r\n"},
		{"no-host", "GET /one HTTP/1.1\r\n\r\n"},
		{"tab-in-line", "GET\t/one\tHTTP/1.1\r\nHost: HOST\r\n\r\n"},
		{"extra-space-in-line", "GET /one /smuggled HTTP/1.1\r\nHost: HOST\r\n\r\n"},
		{"unknown-version", "GET /one HTTP/3.1\r\nHost: HOST\r\n\r\n"},
		{"http2-preface-in-clear", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
		{"http09", "GET /one\r\n\r\n"},
		{"asterisk", "OPTIONS * HTTP/1.1\r\nHost: HOST\r\n\r\n"},
		{"authority-form-get", "GET HOST:443 HTTP/1.1\r\nHost: HOST\r\n\r\n"},
		{"upgrade-h2c", "GET /one HTTP/1.1\r\nHost: HOST\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"},
	}
	var requests, smuggled atomic.Int32
	count := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		requests.Add(1)
		if strings.Contains(r.URL.Path, "smuggled") {
			smuggled.Add(1)
		}
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	f := start(t, func(g *Gateway) { g.Handler, g.Control, g.Plain = count, count, nil })
	ways := []struct {
		name, host string
		dial       func() net.Conn
	}{
		{"tls", "widemo.vault.azure.net", func() net.Conn { return f.dialTLS(t, "widemo.vault.azure.net") }},
		{"plain", "localhost", func() net.Conn { return f.dialPlain(t) }},
	}
	for _, way := range ways {
		for _, tt := range tests {
			t.Run(way.name+"-"+tt.name, func(t *testing.T) {
				requests.Store(0)
				smuggled.Store(0)
				got := exchange(t, way.dial(), strings.ReplaceAll(tt.text, "HOST", way.host))
				refused := strings.HasPrefix(got, "HTTP/1.1 4") || strings.HasPrefix(got, "HTTP/1.1 50")
				n, s := requests.Load(), smuggled.Load()
				if s != 0 || n > 1 || (n == 0 && !refused) {
					t.Errorf("got %d requests, %d smuggled, answer %.200q; want one request or a refusal", n, s, got)
				}
			})
		}
	}
}

func TestOversizedHeadersAreRefused(t *testing.T) {
	f := start(t, nil)
	text := "GET /one HTTP/1.1\r\nHost: HOST\r\nX: " + strings.Repeat("a", 80<<10) + "\r\n\r\n"
	for _, tt := range []struct {
		name, host string
		c          net.Conn
	}{
		{"tls", "widemo.vault.azure.net", f.dialTLS(t, "widemo.vault.azure.net")},
		{"plain", "localhost", f.dialPlain(t)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := exchange(t, tt.c, strings.ReplaceAll(text, "HOST", tt.host))
			if !strings.HasPrefix(got, "HTTP/1.1 431") {
				t.Errorf("got %.80q, want 431", got)
			}
		})
	}
}

// Each step that a client may take its time over ends after the header timeout.
func TestSlowClientsAreClosed(t *testing.T) {
	f := start(t, func(g *Gateway) { g.limits.header = 100 * time.Millisecond })
	tests := []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"half-a-request-line", "GET /x", ""},
		{"headers-without-end", "GET /x HTTP/1.1\r\nHost: localhost\r\nX: ", ""},
		{"half-a-client-hello", "\x16\x03\x01\x02\x00\x01", ""},
		{"connect-and-nothing", "CONNECT a.vault.azure.net:443 HTTP/1.1\r\nHost: a.vault.azure.net\r\n\r\n", "HTTP/1.1 200 Connection established\r\n\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ask(t, f.dialPlain(t), tt.text)
			if got != tt.want && !strings.HasPrefix(got, "HTTP/1.1 400") {
				t.Errorf("got %q, want %q or 400", got, tt.want)
			}
		})
	}
}

// A body that stops must not hold its request for ever, one that is only slow may.
func TestStalledBodyEndsTheRequest(t *testing.T) {
	ended := make(chan error, 1)
	f := start(t, func(g *Gateway) {
		g.limits.stall = 200 * time.Millisecond
		g.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(io.Discard, r.Body)
			ended <- err
		})
	})
	for _, change := range []struct {
		name string
		f    func(*http.Transport)
	}{{"http1", http1}, {"h2", nil}} {
		t.Run(change.name, func(t *testing.T) {
			body, feed := io.Pipe()
			defer feed.Close()
			go func() { _, _ = io.WriteString(feed, "some") }()
			req, err := http.NewRequest(http.MethodPut, "https://widemo.blob.core.windows.net/c/b", body)
			if err != nil {
				t.Fatal(err)
			}
			req.ContentLength = 1 << 20
			go func() {
				if resp, err := f.client(t, change.f).Do(req); err == nil {
					resp.Body.Close()
				}
			}()
			select {
			case err := <-ended:
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("handler's read: got %v, want a timeout", err)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("handler still waits for the body")
			}
		})
	}
}

// The deadline of a body must not outlive it: a handler that works on for
// longer than the stall time keeps its client.
func TestReadBodyLeavesNoDeadline(t *testing.T) {
	f := start(t, func(g *Gateway) {
		g.limits.stall = 50 * time.Millisecond
		g.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			select {
			case <-r.Context().Done():
				w.WriteHeader(http.StatusGone)
			case <-time.After(300 * time.Millisecond):
			}
		})
	})
	for _, change := range []struct {
		name string
		f    func(*http.Transport)
	}{{"http1", http1}, {"h2", nil}} {
		t.Run(change.name, func(t *testing.T) {
			resp, err := f.client(t, change.f).Post("https://widemo.vault.azure.net/", "text/plain", strings.NewReader("body"))
			if err != nil {
				t.Fatal(err)
			}
			if code, _ := status(t, resp); code != http.StatusOK {
				t.Errorf("got %d, want 200", code)
			}
		})
	}
}

func TestHugeServerName(t *testing.T) {
	f := start(t, nil)
	name := strings.Repeat("a.", 4000) + "vault.azure.net"
	c, err := tls.Dial("tcp", f.Addr().String(), &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err == nil {
		c.Close()
		t.Fatal("handshake: got a connection, want a refusal")
	}
	if n := len(f.log.String()); n > 4000 {
		t.Errorf("log: got %d bytes, want a shortened name", n)
	}
}

// More connections than the limit wait; none is lost.
func TestConnectionLimit(t *testing.T) {
	f := start(t, func(g *Gateway) { g.limits.conns = 3 })
	var held []net.Conn
	for range 3 {
		held = append(held, f.dialTLS(t, "widemo.vault.azure.net"))
	}
	answered := make(chan string, 1)
	go func() {
		c, err := net.Dial("tcp", f.Addr().String())
		if err != nil {
			answered <- err.Error()
			return
		}
		answered <- exchange(t, c, "GET /healthz HTTP/1.0\r\n\r\n")
	}()
	select {
	case got := <-answered:
		t.Fatalf("fourth connection: got %q, want it to wait", got)
	case <-time.After(50 * time.Millisecond):
	}
	for _, c := range held {
		c.Close()
	}
	if got := <-answered; !strings.Contains(got, "control /healthz") {
		t.Errorf("fourth connection: got %q, want the answer of control", got)
	}
}
