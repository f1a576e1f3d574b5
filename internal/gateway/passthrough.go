package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// errForbidden marks an address that is never passed through.
var errForbidden = errors.New("address is not passed through")

// forbidden says why an address is never connected to on a client's behalf, or
// "". Metadata services hand out credentials of the real machine to whoever
// asks from it, and loopback services trust whoever reaches them.
func forbidden(addr netip.Addr) string {
	addr = embedded(addr)
	switch {
	case addr.IsLoopback(), addr.IsUnspecified():
		return "it is this machine"
	case addr.IsLinkLocalUnicast():
		return "it is link-local, where metadata services live"
	case addr.IsMulticast(), addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "it is not one host"
	}
	switch addr.String() {
	case "168.63.129.16", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192":
		return "it is a cloud's metadata or wire service"
	}
	return ""
}

// embedded returns the IPv4 address that a translator or tunnel would make of
// an IPv6 one: mapped, NAT64 (RFC 6052 section 2.1) or 6to4 (RFC 3056 section 2).
func embedded(addr netip.Addr) netip.Addr {
	b := addr.As16()
	switch {
	case addr.Is4In6():
		return addr.Unmap()
	case netip.PrefixFrom(netip.MustParseAddr("64:ff9b::"), 96).Contains(addr):
		return netip.AddrFrom4([4]byte(b[12:]))
	case netip.PrefixFrom(netip.MustParseAddr("2002::"), 16).Contains(addr):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return addr
}

func checkAddr(addr netip.Addr) error {
	if why := forbidden(addr); why != "" {
		return fmt.Errorf("%s: %w: %s", addr, errForbidden, why)
	}
	return nil
}

// guardedDialer connects to the real network. The check is made on the address
// that is connected to, after resolution, so that no name can lead around it.
func guardedDialer(timeout time.Duration) dialFunc {
	d := &net.Dialer{
		Timeout: timeout,
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("resolved address %q: %w", address, err)
			}
			return checkAddr(ap.Addr())
		},
	}
	return d.DialContext
}

// tunnel connects a CONNECT for a host that is not served to the real network.
func (g *Gateway) tunnel(w http.ResponseWriter, r *http.Request, to authority) {
	up, err := g.connectOut(r.Context(), to)
	if err != nil {
		g.refuseDial(w, r, to, err)
		return
	}
	c, err := hijack(w, r)
	if err != nil {
		up.Close()
		return
	}
	if err := established(c); err != nil {
		up.Close()
		c.Close()
		return
	}
	g.copyBoth(c, up)
}

func (g *Gateway) connectOut(ctx context.Context, to authority) (net.Conn, error) {
	if to.addr.IsValid() {
		if err := checkAddr(to.addr); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, g.limits.dial)
	defer cancel()
	return g.dial(ctx, "tcp", to.String())
}

func (g *Gateway) refuseDial(w http.ResponseWriter, r *http.Request, to authority, err error) {
	if errors.Is(err, errForbidden) {
		g.refuseHost(w, r, to, fmt.Sprintf("%s: %v", to, err))
		return
	}
	g.Logger.Warn("passing a host through", "host", to.String(), "err", err)
	refuse(w, http.StatusBadGateway, fmt.Sprintf("connecting to %s on the real network: %v", to, err))
}

// copyBoth moves bytes until both directions end or the gateway stops, and
// closes both connections.
func (g *Gateway) copyBoth(a *conn, b net.Conn) {
	defer a.Close()
	defer b.Close()
	if !g.tunnels.add(a) {
		return
	}
	defer g.tunnels.done(a)
	if !g.tunnels.add(b) {
		return
	}
	defer g.tunnels.done(b)
	var both sync.WaitGroup
	both.Go(func() { copyHalf(a, b) })
	both.Go(func() { copyHalf(b, a) })
	both.Wait()
}

// copyHalf moves one direction. Its end is passed on as a half-close; an error
// ends both directions, since the peer of a broken one would wait for ever.
func copyHalf(dst, src net.Conn) {
	_, err := io.Copy(dst, src)
	half, ok := dst.(interface{ CloseWrite() error })
	if err != nil || !ok || half.CloseWrite() != nil {
		dst.Close()
		src.Close()
	}
}

// relay sends a plain HTTP request on to the real network.
func (g *Gateway) relay(w http.ResponseWriter, r *http.Request, to authority) {
	dialTo := to
	dialTo.port = cmp.Or(to.port, 80)
	proxy := httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Host, p.Out.Host = to.String(), to.String()
			p.Out.URL.RawQuery = p.In.URL.RawQuery // nothing here decides by it, so it goes out as it came
		},
		Transport: &http.Transport{
			DisableKeepAlives:     true,
			ResponseHeaderTimeout: g.limits.stall,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return g.connectOut(ctx, dialTo)
			},
		},
		ErrorLog:     g.servers[1].ErrorLog,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) { g.refuseDial(w, r, to, err) },
	}
	proxy.ServeHTTP(w, r)
}
