package gateway

import (
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Types and flags of HTTP/2 frames (RFC 9113 section 6).
const (
	frameHeaders, frameReset, frameSettings, frameContinuation = 1, 3, 4, 9

	endStream, endHeaders = 1, 4
)

func frame(kind, flags byte, stream uint32, payload []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	b = append(b, flags)
	b = binary.BigEndian.AppendUint32(b, stream)
	return append(b, payload...)
}

// getBlock is GET / of host, in header compression that needs no table.
func getBlock(host string) []byte {
	return append([]byte{0x82, 0x87, 0x84, 0x41, byte(len(host))}, host...)
}

// rawHTTP2 makes a connection on which a test writes frames. What the server
// sends is thrown away, unless onFrame wants its kind and stream.
func rawHTTP2(t *testing.T, f *fixture, host string, settings []byte, onFrame func(kind byte, stream uint32)) (net.Conn, chan struct{}) {
	t.Helper()
	c := f.dialH2(t, host)
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(append([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(frameSettings, 0, 0, settings)...)); err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		head := make([]byte, 9)
		for {
			if _, err := io.ReadFull(c, head); err != nil {
				return
			}
			if onFrame != nil {
				onFrame(head[3], binary.BigEndian.Uint32(head[5:]))
			}
			if _, err := io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(head)>>8)); err != nil {
				return
			}
		}
	}()
	return c, closed
}

// CVE-2023-39325: streams opened and reset at once cost the server a handler
// each, however few are open.
func TestRapidReset(t *testing.T) {
	const host = "a.vault.azure.net"
	var running, most atomic.Int32
	f := start(t, func(g *Gateway) {
		next := g.Handler
		g.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Host != host {
				next.ServeHTTP(w, r)
				return
			}
			n := running.Add(1)
			defer running.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			<-r.Context().Done()
		})
	})
	c, closed := rawHTTP2(t, f, host, nil, nil)
	block := getBlock(host)
	for i := range uint32(20000) {
		id := 2*i + 1
		b := frame(frameHeaders, endStream|endHeaders, id, block)
		if _, err := c.Write(append(b, frame(frameReset, 0, id, []byte{0, 0, 0, 8})...)); err != nil {
			break // the server may well have had enough
		}
	}
	if code, _ := get(t, f.client(t, nil), "https://other.vault.azure.net/"); code != http.StatusOK {
		t.Errorf("another client: got %d, want 200", code)
	}
	c.Close()
	<-closed
	if got := most.Load(); got > maxStreams {
		t.Errorf("handlers at once: got %d, want at most %d", got, maxStreams)
	}
}

func TestConcurrentStreamsAreBounded(t *testing.T) {
	const host = "a.vault.azure.net"
	var running, refused atomic.Int32
	f := start(t, func(g *Gateway) {
		g.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			running.Add(1)
			<-r.Context().Done()
		})
	})
	c, _ := rawHTTP2(t, f, host, nil, func(kind byte, _ uint32) {
		if kind == frameReset {
			refused.Add(1)
		}
	})
	for i := range uint32(maxStreams + 50) {
		if _, err := c.Write(frame(frameHeaders, endStream|endHeaders, 2*i+1, getBlock(host))); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "all streams to run or be refused", func() bool { return running.Load() == maxStreams && refused.Load() == 50 })
}

// CVE-2023-45288: header blocks without end, in CONTINUATION frames.
func TestContinuationFlood(t *testing.T) {
	const host = "a.vault.azure.net"
	f := start(t, nil)
	c, closed := rawHTTP2(t, f, host, nil, nil)
	field := append([]byte{0x00, 0x01, 'x', 0x7f, 0x81, 0x1f}, strings.Repeat("a", 4096)...) // x: 4096 letters, not indexed
	sent := 0
	_, err := c.Write(frame(frameHeaders, endStream, 1, getBlock(host)))
	for ; err == nil && sent < 32<<20; sent += len(field) {
		_, err = c.Write(frame(frameContinuation, 0, 1, field))
	}
	if err == nil {
		t.Errorf("sent %d MiB of headers, want the connection closed before", sent>>20)
	}
	<-closed
}

// A client that opens no window for an answer holds a handler, until it is
// found to take nothing.
func TestClientThatTakesNoAnswer(t *testing.T) {
	const host = "a.blob.core.windows.net"
	ended := make(chan error, 1)
	f := start(t, func(g *Gateway) {
		g.limits.stall = 200 * time.Millisecond
		g.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := w.Write(make([]byte, 64<<10))
			ended <- err
		})
	})
	noWindow := []byte{0, 4, 0, 0, 0, 0} // SETTINGS_INITIAL_WINDOW_SIZE = 0
	var reset atomic.Bool
	c, _ := rawHTTP2(t, f, host, noWindow, func(kind byte, stream uint32) {
		if kind == frameReset && stream == 1 {
			reset.Store(true)
		}
	})
	if _, err := c.Write(frame(frameHeaders, endStream|endHeaders, 1, getBlock(host))); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err == nil {
			t.Error("handler's write: got nil, want an error")
		}
	case <-time.After(20 * time.Second):
		t.Fatal("handler still waits for the client")
	}
	waitFor(t, "the stream to be reset", reset.Load)
}
