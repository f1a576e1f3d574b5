package gateway

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
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

// eager sends a CONNECT in one write with what the TLS client sends first, and
// takes the answer off what it reads.
type eager struct {
	net.Conn
	first string
	r     *bufio.Reader
}

func (e *eager) Write(p []byte) (int, error) {
	if _, err := e.Conn.Write(append([]byte(e.first), p...)); err != nil {
		return 0, err
	}
	e.first = ""
	return len(p), nil
}

func (e *eager) Read(p []byte) (int, error) {
	if e.r == nil {
		e.r = bufio.NewReader(e.Conn)
		resp, err := http.ReadResponse(e.r, &http.Request{Method: http.MethodConnect})
		if err != nil {
			return 0, err
		}
		if resp.StatusCode != http.StatusOK {
			return 0, fmt.Errorf("CONNECT: got %s, want 200", resp.Status)
		}
	}
	return e.r.Read(p)
}
