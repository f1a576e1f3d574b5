package gateway

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// goroutines returns the stacks of this package's goroutines, but the test's own.
func goroutines() string {
	buf := make([]byte, 1<<20)
	var ours []string
	for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, "internal/gateway.") && !strings.Contains(g, "internal/gateway.Test") ||
			strings.Contains(g, "net/http.(*conn).serve") || strings.Contains(g, "net/http.(*Server)") {
			ours = append(ours, g)
		}
	}
	return strings.Join(ours, "\n\n")
}

func waitFor(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	timeout := time.After(20 * time.Second)
	for !cond() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("still waiting for %s", what)
		}
	}
}

func TestShutdownLeavesNothingBehind(t *testing.T) {
	up, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	f, dialled := through(t, up.Addr())
	f.limits.grace = 200 * time.Millisecond
	// One connection of each kind, all left open by the client.
	idle := f.client(t, nil)
	get(t, idle, "https://a.vault.azure.net/")
	idle1 := f.client(t, http1)
	get(t, idle1, "https://a.vault.azure.net/")
	conns := []net.Conn{
		f.dialPlain(t), // never sends a byte
		f.dialTLS(t, "a.vault.azure.net"),
	}
	for _, text := range []string{
		"GET /half HTTP/1.1\r\nHost: local",
		"\x16\x03\x01",
		"CONNECT a.vault.azure.net:443 HTTP/1.1\r\nHost: a\r\n\r\n",
		"CONNECT example.com:443 HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		c := f.dialPlain(t)
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	waitFor(t, "the tunnel", func() bool { return dialled.String() != "" })
	if err := f.stop(); err != nil {
		t.Errorf("Serve: got %v, want nil", err)
	}
	for i, c := range conns {
		if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("connection %d: open after Serve, want it closed", i)
		}
		c.Close()
	}
	idle.CloseIdleConnections()
	idle1.CloseIdleConnections()
	waitFor(t, "goroutines to end:\n"+goroutines(), func() bool { return goroutines() == "" })
	if n := len(f.slots); n != 0 {
		t.Errorf("slots: got %d in use, want 0", n)
	}
	if _, err := net.Dial("tcp", f.Addr().String()); err == nil {
		t.Error("dial after Serve: got a connection, want a refusal")
	}
}

func TestShutdownLetsRequestsFinish(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	f := start(t, func(g *Gateway) {
		g.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(entered)
			<-release
			_, _ = io.WriteString(w, "finished")
		})
	})
	c := f.client(t, nil)
	got := make(chan string, 1)
	go func() {
		resp, err := c.Get("https://a.vault.azure.net/")
		if err != nil {
			got <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		got <- string(body)
	}()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- f.stop() }()
	waitFor(t, "the port to close", func() bool {
		conn, err := net.Dial("tcp", f.Addr().String())
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	close(release)
	if body := <-got; body != "finished" {
		t.Errorf("request in flight: got %q, want its answer", body)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Serve: got %v, want nil", err)
	}
}

func TestShutdownGivesUpWithItsContext(t *testing.T) {
	entered := make(chan struct{})
	f := start(t, func(g *Gateway) {
		g.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(entered)
			<-r.Context().Done()
		})
	})
	go func() {
		if resp, err := f.client(t, nil).Get("https://a.vault.azure.net/"); err == nil {
			resp.Body.Close()
		}
	}()
	<-entered
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := f.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: got %v, want context.Canceled", err)
	}
	if err := f.stop(); err != nil {
		t.Errorf("Serve: got %v, want nil", err)
	}
}

func TestListenReportsATakenPort(t *testing.T) {
	f := start(t, nil)
	g := &Gateway{CA: f.CA, Handler: http.NotFoundHandler()}
	if err := g.Listen(f.Addr().String()); err == nil {
		t.Error("got nil, want an error")
	}
	if err := g.Serve(t.Context()); err == nil {
		t.Error("Serve without a listener: got nil, want an error")
	}
}

// A panicking handler ends one request, not the gateway.
func TestPanicEndsOneRequest(t *testing.T) {
	f := start(t, func(g *Gateway) {
		next := g.Handler
		g.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/panic" {
				panic("boom")
			}
			next.ServeHTTP(w, r)
		})
	})
	c := f.client(t, nil)
	if resp, err := c.Get("https://a.vault.azure.net/panic"); err == nil {
		resp.Body.Close()
		t.Errorf("got %s, want a broken connection", resp.Status)
	}
	if log := f.log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "boom") {
		t.Errorf("log: got %s, want the panic as an error", log)
	}
	if code, _ := get(t, c, "https://a.vault.azure.net/"); code != http.StatusOK {
		t.Errorf("after it: got %d, want 200", code)
	}
}
