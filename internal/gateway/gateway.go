package gateway

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// DefaultLoopbackOrigin is the address that a client on this machine is seen
// to come from: one of a range kept for documentation (RFC 5737), public in
// form, so that firewall rules treat it as they would treat any caller.
const DefaultLoopbackOrigin = "203.0.113.10"

// Gateway is the one listener of a local Azure. Fill the exported fields, then
// call Listen and Serve; they must not change afterwards. A Gateway serves once.
type Gateway struct {
	CA      *CA          // signs for the served names; required
	Handler http.Handler // every request to a served host; required, see the package comment for what it may rely on
	Plain   http.Handler // requests to http://169.254.169.254, in absolute form or after CONNECT; 403 when nil. RemoteAddr is the real peer
	Control http.Handler // plain requests to the listener's own address; 404 when nil. RemoteAddr is the real peer

	// ControlNames are the host names, beside localhost and IP addresses, by
	// which Control may be addressed. Others are refused, so that a web page
	// cannot reach it through a name of its own that resolves here.
	ControlNames []string

	// LoopbackOrigin is what Handler sees as the address of a peer on a
	// loopback address; DefaultLoopbackOrigin when zero. Peers elsewhere are
	// seen as they are.
	LoopbackOrigin netip.Addr

	AllowRemote bool // permits listening on an address that other machines reach
	Passthrough bool // lets hosts that are not served through to the real network

	Logger *slog.Logger // discards when nil

	limits limits
	dial   dialFunc // the real network; tests replace it

	listener net.Listener
	control  nameSet
	slots    chan struct{}   // one token for each open connection
	tunneled *handoff        // connections that speak TLS to a served name
	plain    *handoff        // connections that speak HTTP in the clear
	servers  [2]*http.Server // of tunneled and of plain
	sniffers sync.WaitGroup
	sniffing connSet
	tunnels  connSet
	stopping chan struct{}
	stop     sync.Once
}

// limits are the bounds of what one client may cost. They are fields for tests only.
type limits struct {
	header time.Duration // first byte, TLS handshake, and request headers, each
	idle   time.Duration // between two requests of a connection
	stall  time.Duration // without progress inside a body, either way
	dial   time.Duration // connecting to a host that is passed through
	grace  time.Duration // for requests in flight when Serve's context ends
	conns  int           // open at the same time; more wait to be accepted
}

func (l limits) resolve() limits {
	return limits{
		header: cmp.Or(l.header, 10*time.Second),
		idle:   cmp.Or(l.idle, 30*time.Second), // azurerm opens a connection per request and lets it linger
		stall:  cmp.Or(l.stall, 60*time.Second),
		dial:   cmp.Or(l.dial, 10*time.Second),
		grace:  cmp.Or(l.grace, 5*time.Second),
		conns:  cmp.Or(l.conns, 4096),
	}
}

const (
	maxHeaderBytes = 64 << 10
	maxStreams     = 250
)

// Listen opens the port and returns; connections wait until Serve. The address
// must be a loopback one unless AllowRemote is set. Serve or Shutdown closes it.
func (g *Gateway) Listen(addr string) error {
	if g.CA == nil || g.Handler == nil {
		return errors.New("gateway has no certificate authority or no handler")
	}
	tcp, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return fmt.Errorf("listening on %q: %w", addr, err)
	}
	if !g.AllowRemote && !tcp.IP.IsLoopback() {
		return fmt.Errorf("listening on %q: other machines would reach it; use a loopback address such as 127.0.0.1, or allow remote clients explicitly", addr)
	}
	if err := g.prepare(); err != nil {
		return err
	}
	l, err := net.ListenTCP("tcp", tcp)
	if err != nil {
		return fmt.Errorf("listening on %q: %w", addr, err)
	}
	g.listener = l
	return nil
}

func (g *Gateway) prepare() error {
	if g.Logger == nil {
		g.Logger = slog.New(slog.DiscardHandler)
	}
	if !g.LoopbackOrigin.IsValid() {
		g.LoopbackOrigin = netip.MustParseAddr(DefaultLoopbackOrigin)
	}
	var err error
	if g.control, err = newNameSet(append([]string{"localhost"}, g.ControlNames...)); err != nil {
		return fmt.Errorf("names of the control interface: %w", err)
	}
	g.limits = g.limits.resolve()
	if g.dial == nil {
		g.dial = guardedDialer(g.limits.dial)
	}
	g.slots = make(chan struct{}, g.limits.conns)
	g.stopping = make(chan struct{})
	g.tunneled, g.plain = newHandoff(g.Addr), newHandoff(g.Addr)
	g.servers = [2]*http.Server{g.newServer(http.HandlerFunc(g.serveTLS)), g.newServer(http.HandlerFunc(g.servePlain))}
	return nil
}

func (g *Gateway) newServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:                      g.guard(h),
		TLSConfig:                    &tls.Config{NextProtos: nextProtos()},
		ReadHeaderTimeout:            g.limits.header,
		IdleTimeout:                  g.limits.idle,
		MaxHeaderBytes:               maxHeaderBytes,
		DisableGeneralOptionsHandler: true,
		HTTP2:                        &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		ConnContext:                  withConn,
		ErrorLog:                     slog.NewLogLogger(g.Logger.Handler(), slog.LevelDebug),
	}
}

// Addr returns the address listened on, or nil before Listen.
func (g *Gateway) Addr() net.Addr {
	if g.listener == nil {
		return nil
	}
	return g.listener.Addr()
}

// ProxyURL returns the address as HTTPS_PROXY wants it, "http://127.0.0.1:8443".
// Listen must have succeeded.
func (g *Gateway) ProxyURL() string { return "http://" + g.Addr().String() }

// Serve answers until ctx ends or Shutdown is called, and returns when every
// connection is closed. Requests in flight at the end of ctx have five seconds
// to finish. It returns nil after an orderly end.
func (g *Gateway) Serve(ctx context.Context) error {
	if g.listener == nil {
		return errors.New("serving: Listen was not called")
	}
	var running sync.WaitGroup
	errs := make(chan error, 2)
	run := func(s *http.Server, l net.Listener) {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			errs <- err
		}
	}
	running.Go(func() { run(g.servers[0], tlsListener{g.tunneled, g.tlsConfig()}) })
	running.Go(func() { run(g.servers[1], g.plain) })
	running.Go(g.accept)

	var err error
	select {
	case <-ctx.Done():
	case <-g.stopping:
	case err = <-errs:
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.limits.grace)
	defer cancel()
	if stopErr := g.Shutdown(grace); stopErr != nil {
		g.Logger.Warn("closed connections that had not finished", "err", stopErr)
	}
	running.Wait()
	g.sniffers.Wait()
	g.tunnels.wait()
	return err
}

// Shutdown stops accepting, lets requests in flight finish and closes every
// connection. When ctx ends first it closes them at once and returns ctx's
// error. It may be called more than once and from any goroutine.
func (g *Gateway) Shutdown(ctx context.Context) error {
	if g.listener == nil {
		return nil
	}
	g.stop.Do(func() { close(g.stopping) })
	g.listener.Close()
	g.sniffing.closeAll()
	var draining sync.WaitGroup
	var errs [len(g.servers)]error
	for i, s := range g.servers {
		draining.Go(func() {
			if errs[i] = s.Shutdown(ctx); errs[i] != nil {
				s.Close()
			}
		})
	}
	draining.Wait()
	g.tunneled.Close()
	g.plain.Close()
	g.tunnels.closeAll()
	return errors.Join(errs[:]...)
}
