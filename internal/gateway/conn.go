package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// tlsHandshake is the first byte of every TLS connection: the content type of
// the record that holds the ClientHello (RFC 8446 section 5.1). No HTTP method
// begins with it.
const tlsHandshake = 0x16

// conn is an accepted connection. It replays what was read ahead, knows which
// host a CONNECT named, and gives its slot back when closed.
type conn struct {
	net.Conn
	head   []byte // read from the peer, not yet returned by Read
	target string // host of the CONNECT that opened it, "" when there was none

	origin string // RemoteAddr as Handler sees it
	write  deadline
	closed func()
}

func (c *conn) Read(p []byte) (int, error) {
	if len(c.head) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.head)
	c.head = c.head[n:]
	return n, nil
}

// Write gives up on a peer that takes nothing for the stall time.
func (c *conn) Write(p []byte) (int, error) {
	if err := c.write.extend(); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

func (c *conn) Close() error {
	c.closed()
	return c.Conn.Close()
}

// CloseWrite lets net/http and the tunnels say that they have sent everything.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// localName is the certificate's name for a client that sends no server name:
// the host it named to the proxy, or else the loopback address it dialled.
func (c *conn) localName() string {
	if c.target != "" {
		return c.target
	}
	if addr := addrOf(c.LocalAddr()); addr.IsLoopback() {
		return addr.String()
	}
	return ""
}

// addrOf returns the address without its port, an IPv4 one in its short form.
func addrOf(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

type connKey struct{}

// withConn is the http.Server.ConnContext of both servers.
func withConn(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	return context.WithValue(ctx, connKey{}, c)
}

func connOf(r *http.Request) *conn {
	c, _ := r.Context().Value(connKey{}).(*conn)
	return c
}

// accept hands connections out until the listener is closed. Any other error is
// of one connection or of a resource that comes back, such as file descriptors.
func (g *Gateway) accept() {
	backoff := time.Duration(0)
	for {
		select {
		case g.slots <- struct{}{}:
		case <-g.stopping:
			return
		}
		raw, err := g.listener.Accept()
		if err == nil {
			backoff = 0
			g.sniffers.Go(func() { g.sniff(g.wrap(raw)) })
			continue
		}
		<-g.slots
		if errors.Is(err, net.ErrClosed) {
			return
		}
		backoff = min(max(2*backoff, 5*time.Millisecond), time.Second)
		g.Logger.Error("accepting a connection", "err", err, "retryIn", backoff)
		select {
		case <-time.After(backoff):
		case <-g.stopping:
			return
		}
	}
}

func (g *Gateway) wrap(raw net.Conn) *conn {
	c := &conn{Conn: raw, write: deadline{set: raw.SetWriteDeadline, stall: g.limits.stall}}
	c.closed = sync.OnceFunc(func() { <-g.slots })
	c.origin = g.originOf(raw.RemoteAddr())
	return c
}

// originOf is the RemoteAddr that Handler sees for a peer.
func (g *Gateway) originOf(peer net.Addr) string {
	tcp, ok := peer.(*net.TCPAddr)
	if !ok {
		return peer.String()
	}
	addr := addrOf(peer)
	if addr.IsLoopback() {
		addr = g.LoopbackOrigin
	}
	return netip.AddrPortFrom(addr, uint16(tcp.Port)).String()
}

// ClientAddress returns the address that Handler sees for the connection of r,
// for a Plain or Control handler that decides as the services would.
func (g *Gateway) ClientAddress(r *http.Request) netip.Addr {
	if c := connOf(r); c != nil {
		if ap, err := netip.ParseAddrPort(c.origin); err == nil {
			return ap.Addr()
		}
	}
	return netip.Addr{}
}

// sniff reads the first byte and passes the connection to the server for it.
func (g *Gateway) sniff(c *conn) {
	if !g.sniffing.add(c) {
		return
	}
	head, err := readFirst(c.Conn, g.limits.header)
	g.sniffing.done(c)
	switch {
	case err != nil:
		c.Close()
	case head[0] == tlsHandshake:
		c.head = head
		g.tunneled.deliver(c)
	default:
		c.head = head
		g.plain.deliver(c)
	}
}

func readFirst(c net.Conn, timeout time.Duration) ([]byte, error) {
	if err := c.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return nil, err
	}
	first := make([]byte, 1)
	if _, err := c.Read(first); err != nil {
		return nil, err
	}
	return first, c.SetReadDeadline(time.Time{})
}

// handoff is a net.Listener whose connections come from elsewhere in the process.
type handoff struct {
	conns  chan net.Conn
	closed chan struct{}
	close  sync.Once
	addr   func() net.Addr
}

func newHandoff(addr func() net.Addr) *handoff {
	return &handoff{conns: make(chan net.Conn), closed: make(chan struct{}), addr: addr}
}

// deliver waits until the connection is accepted, or closes it with the listener.
func (h *handoff) deliver(c net.Conn) {
	select {
	case h.conns <- c:
	case <-h.closed:
		c.Close()
	}
}

func (h *handoff) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

func (h *handoff) Close() error {
	h.close.Do(func() { close(h.closed) })
	return nil
}

func (h *handoff) Addr() net.Addr { return h.addr() }

// connSet is the connections that no http.Server knows of, to be closed at the end.
type connSet struct {
	users  sync.WaitGroup
	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
}

// add takes a connection into the set. When the set is closed already it closes
// the connection and reports false.
func (s *connSet) add(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		c.Close()
		return false
	}
	if s.conns == nil {
		s.conns = make(map[net.Conn]struct{})
	}
	s.conns[c] = struct{}{}
	s.users.Add(1)
	return true
}

func (s *connSet) done(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.users.Done()
}

func (s *connSet) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for c := range s.conns {
		c.Close()
	}
}

// wait returns when every connection of the closed set is done with.
func (s *connSet) wait() { s.users.Wait() }
