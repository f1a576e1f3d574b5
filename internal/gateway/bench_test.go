package gateway

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
)

func benchListen(b *testing.B, ca *CA) {
	b.Helper()
	g := &Gateway{CA: ca, Handler: http.NotFoundHandler()}
	if err := g.Listen("127.0.0.1:0"); err != nil {
		b.Fatal(err)
	}
	if err := g.Shutdown(context.Background()); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkLeaf is the first handshake for a name, without the handshake.
func BenchmarkLeaf(b *testing.B) {
	ca := newCA(b, CAConfig{})
	for i := 0; b.Loop(); i++ {
		if _, err := ca.leaves.get(fmt.Sprintf("a%d.vault.azure.net", i)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRequest is one small GET in steady state and with a new connection,
// as azurerm and the JavaScript SDKs make them, client and server together.
func BenchmarkRequest(b *testing.B) {
	tests := []struct {
		name   string
		change func(*fixture, *http.Transport)
	}{
		{"keep-alive-h2", func(*fixture, *http.Transport) {}},
		{"keep-alive-http1", func(_ *fixture, tr *http.Transport) { http1(tr) }},
		{"connect-each", func(_ *fixture, tr *http.Transport) { http1(tr); tr.DisableKeepAlives = true }},
		{"connect-each-resumed", func(_ *fixture, tr *http.Transport) {
			http1(tr)
			tr.DisableKeepAlives = true
			tr.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(4)
		}},
	}
	for _, tt := range tests {
		b.Run(tt.name, func(b *testing.B) {
			f := start(b, func(g *Gateway) { g.Logger = nil })
			c := f.client(b, func(tr *http.Transport) { tt.change(f, tr) })
			b.ReportAllocs()
			for b.Loop() {
				if code, body := get(b, c, "https://widemo.vault.azure.net/secrets/a"); code != http.StatusOK {
					b.Fatalf("got %d %q, want 200", code, body)
				}
			}
		})
	}
}

// BenchmarkStart is the first start on an empty folder, which is on the way to
// the first answer of the local Azure: target 5 ms, the write to disk included.
func BenchmarkStart(b *testing.B) {
	dir := b.TempDir()
	for i := 0; b.Loop(); i++ {
		ca, err := LoadOrCreateCA(filepath.Join(dir, fmt.Sprint(i)), CAConfig{})
		if err != nil {
			b.Fatal(err)
		}
		benchListen(b, ca)
	}
}

// BenchmarkRestart is the same with a stored authority.
func BenchmarkRestart(b *testing.B) {
	dir := b.TempDir()
	for b.Loop() {
		ca, err := LoadOrCreateCA(dir, CAConfig{})
		if err != nil {
			b.Fatal(err)
		}
		benchListen(b, ca)
	}
}
