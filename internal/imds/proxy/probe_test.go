package proxy

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/imds/node"
)

// watched tells when somebody begins to wait for the context's end, which a probe
// does after each try.
type watched struct {
	context.Context
	tried chan struct{}
}

// Done implements context.Context.
func (w watched) Done() <-chan struct{} {
	select {
	case w.tried <- struct{}{}:
	default:
	}
	return w.Context.Done()
}

// TestProbeRefused: a probe that was refused tries again, and finds the proxy
// that has come in the meantime.
func TestProbeRefused(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	_ = free.Close()
	ctx := watched{t.Context(), make(chan struct{})}
	found := make(chan error, 1)
	go func() { found <- Probe(ctx, port) }()
	select {
	case <-ctx.tried:
	case err := <-found:
		t.Fatalf("got %v from a port that nobody listens on, want another try", err)
	}
	listeners, err := Listen(t.Context(), port)
	if err != nil {
		t.Fatal(err)
	}
	serving, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	server := New(Config{Tokens: tokens, Node: node.New(netip.MustParseAddrPort("127.0.0.1:1"), nil, nil)})
	go func() { ended <- server.Serve(serving, listeners...) }()
	if err := <-found; err != nil {
		t.Errorf("got %v once the proxy is there", err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestFirstTokens: of a thousand proxies that are started, each gives a token to
// the first who asks once its probe has ended, by IPv4 and, where there is one, by IPv6.
func TestFirstTokens(t *testing.T) {
	for i := range 1000 {
		listeners, err := Listen(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		address := listeners[i%len(listeners)].Addr().String()
		server := New(Config{Addresses: []netip.Addr{netip.MustParseAddr("169.254.169.254")}, Tokens: tokens, Node: node.New(netip.MustParseAddrPort("127.0.0.1:1"), nil, nil)})
		ctx, cancel := context.WithCancel(t.Context())
		ended, probed := make(chan error, 1), make(chan error, 1)
		go func() { probed <- Probe(ctx, listeners[0].Addr().(*net.TCPAddr).Port) }()
		go func() { ended <- server.Serve(ctx, listeners...) }()
		if err := <-probed; err != nil {
			t.Fatalf("start %d: %v", i, err)
		}
		if answer, err := exchange(address, goodHead+"\r\nConnection: close\r\n\r\n"); err != nil || !strings.Contains(answer, podToken) {
			t.Errorf("start %d: got %q %v, want a token", i, answer, err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
