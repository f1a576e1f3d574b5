package proxy

import (
	"context"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/imds/node"
)

// mostGrowth is what a flood may cost in memory, the clients' own included.
const mostGrowth = 64 << 20 // bytes

// TestFloods: heads of millions of parameters, fields or bytes, on many
// connections at the same time, are cut off long before their end, cost little
// memory, and others are served meanwhile.
func TestFloods(t *testing.T) {
	address := startServer(t, Config{Tokens: tokens, Node: node.New(netip.MustParseAddrPort("127.0.0.1:1"), nil, nil)})
	before := memory()
	for name, flood := range map[string]struct{ begin, piece string }{
		"parameters": {"GET " + goodTarget, "&a=b"},
		"path":       {"GET ", "/metadata"},
		"fields":     {goodHead + "\r\n", "A: b\r\n"},
		"field":      {goodHead + "\r\nA: ", "b"},
	} {
		t.Run(name, func(t *testing.T) {
			var flooding sync.WaitGroup
			for range maxConns / 2 {
				flooding.Go(func() { pour(t, address, flood.begin, flood.piece) })
			}
			for range 100 {
				if status, body, _ := get(t, address, "localhost", goodTarget); status != 200 || !strings.Contains(body, podToken) {
					t.Errorf("got %d %s meanwhile, want the token", status, body)
				}
			}
			flooding.Wait()
			if grown := memory() - before; grown > mostGrowth {
				t.Errorf("got %d MiB more, want at most %d", grown>>20, mostGrowth>>20)
			}
		})
	}
}

// memory is all that the process has from the system.
func memory() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.Sys)
}

// pour writes a piece a million times, or until the server has enough of it.
func pour(t *testing.T, address, begin, piece string) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close() //nolint:errcheck // of a test
	const times, atOnce = 1_000_000, 1000
	if _, err = io.WriteString(conn, begin); err != nil {
		return
	}
	go func() { _, _ = io.Copy(io.Discard, conn) }() // ends with the connection
	pieces := strings.Repeat(piece, atOnce)
	for range times / atOnce {
		if _, err := io.WriteString(conn, pieces); err != nil {
			return
		}
	}
}

// TestSlowHeads: connections that never finish their head are ended, and who has
// waited for a place behind them is served then.
func TestSlowHeads(t *testing.T) {
	listeners, err := Listen(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	server := New(Config{Addresses: []netip.Addr{netip.MustParseAddr("169.254.169.254")}, Tokens: tokens, Node: node.New(netip.MustParseAddrPort("127.0.0.1:1"), nil, nil)})
	if got := server.http.ReadHeaderTimeout; got <= 0 || got > 10*time.Second {
		t.Errorf("got %v for a head, want a bound of seconds", got)
	}
	server.http.ReadHeaderTimeout = 200 * time.Millisecond // the test has better to do
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, listeners...) }()
	var slow []net.Conn
	for range maxConns {
		conn, err := net.Dial("tcp", listeners[0].Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() //nolint:errcheck // of a test
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: loc"); err != nil {
			t.Fatal(err)
		}
		slow = append(slow, conn)
	}
	if answer, err := exchange(listeners[0].Addr().String(), goodHead+"\r\n\r\n"); err != nil || !strings.Contains(answer, podToken) {
		t.Errorf("got %q %v behind the slow ones, want the token", answer, err)
	}
	for _, conn := range slow {
		_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := io.Copy(io.Discard, conn); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Fatalf("a slow connection is still open: %v", err)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
