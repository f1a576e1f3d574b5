package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aksess/aksess/internal/imds"
	"github.com/aksess/aksess/internal/imds/federated"
	"github.com/aksess/aksess/internal/imds/node"
)

// Config of a server.
type Config struct {
	Addresses []netip.Addr           // of the metadata service that it answers for; the Host of requests
	Port      uint16                 // of the metadata service; 80 when 0
	Tokens    imds.Source            // required
	Node      *node.Service          // what is no token; required
	Secret    string                 // serves App Service's protocol at /msi/token unless empty
	Stats     func() federated.Stats // for the metrics; none when nil
	Now       func() time.Time       // time.Now when nil
	Log       *slog.Logger           // discards when nil
}

// Server answers for the metadata service.
type Server struct {
	config     Config
	hosts      map[string]bool
	metadata   *imds.Handler
	appService *imds.AppService // nil without a secret
	http       *http.Server
	places     chan struct{} // of connections, see limited
	idle       idle
	counters   counters
	stopping   atomic.Bool
}

// Paths beside the metadata service's.
const (
	appServicePath = "/msi/token"
	healthPath     = "/healthz"
	readyPath      = "/readyz"
	metricsPath    = "/metrics"
)

// New returns a server that is run by Serve.
func New(config Config) *Server {
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{config: config, hosts: map[string]bool{}, places: make(chan struct{}, maxConns), idle: idle{now: config.Now, since: map[net.Conn]time.Time{}}}
	for _, address := range config.Addresses {
		s.hosts[hostOf(address)] = true
		s.hosts[hostOf(address)+":"+strconv.Itoa(int(cmp.Or(config.Port, 80)))] = true
	}
	s.metadata = &imds.Handler{Tokens: config.Tokens, Now: config.Now, Log: config.Log}
	if config.Secret != "" {
		s.appService = &imds.AppService{Handler: *s.metadata, Secret: config.Secret}
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	s.http = &http.Server{
		Handler: s, Protocols: protocols,
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      3 * time.Minute, // longer than any answer of the node takes
		IdleTimeout:       30 * time.Second,
		MaxHeaderBytes:    8 << 10,
		ConnContext:       func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
		ConnState:         s.idle.note,
		ErrorLog:          slog.NewLogLogger(config.Log.Handler(), slog.LevelWarn), // of panics and of what the kernel refuses: nothing that a client says
	}
	return s
}

// bodyWithin bounds the time that a request's body takes.
const bodyWithin = 10 * time.Second

// connKey is where a request's context has its connection.
type connKey struct{}

// hostOf is an address as it stands in a Host header.
func hostOf(address netip.Addr) string {
	if address.Is6() {
		return "[" + address.String() + "]"
	}
	return address.String()
}

// Serve answers on the listeners until the context is done, then lets requests
// that are under way end, for five seconds. It closes the listeners.
func (s *Server) Serve(ctx context.Context, listeners ...net.Listener) error {
	failed := make(chan error, len(listeners))
	for _, listener := range listeners {
		go func() { failed <- s.http.Serve(strictListener{limit(listener, s.places)}) }() // ends with Shutdown or Close, and is waited for
	}
	var failure error
	waiting := len(listeners)
	select {
	case failure = <-failed:
		waiting--
	case <-ctx.Done():
	}
	s.stopping.Store(true)
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := s.http.Shutdown(ending); err != nil {
		_ = s.http.Close()
	}
	for range waiting {
		<-failed
	}
	if failure != nil && !errors.Is(failure, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", failure)
	}
	return nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if len(s.places) > keptConns && !s.idle.end() {
		w.Header().Set("Connection", "close")
	}
	if conn, ok := r.Context().Value(connKey{}).(*strictConn); ok && conn.last() {
		w.Header().Set("Connection", "close")
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyWithin))
	}
	loopback := !s.hosts[r.Host] && isLoopback(r.Host)
	if refusal := s.check(r, loopback); refusal != nil {
		s.counters.refused.Add(1)
		imds.WriteError(w, refusal)
		return
	}
	switch path := r.URL.Path; {
	case imds.IsTokenPath(path):
		s.token(w, r, s.metadata)
	case loopback && path == appServicePath && s.appService != nil:
		s.token(w, r, s.appService)
	case loopback && (path == healthPath || path == readyPath):
		s.health(w, r)
	case loopback && path == metricsPath:
		s.metrics(w, r)
	case node.IsIdentity(path):
		// Whatever its headers: clients probe for the protocol's second version
		// without Metadata, and would take a 400 for a yes.
		imds.WriteError(w, imds.NotFound())
	default:
		if refusal := imds.CheckHeader(r.Header); refusal != nil {
			s.counters.refused.Add(1)
			imds.WriteError(w, refusal)
			return
		}
		s.config.Node.ServeHTTP(w, r)
	}
}

// token measures a token request.
func (s *Server) token(w http.ResponseWriter, r *http.Request, h http.Handler) {
	began := s.config.Now()
	h.ServeHTTP(w, r)
	s.counters.tokens.Add(1)
	s.counters.tokenTime.Add(int64(s.config.Now().Sub(began)))
}

// check refuses what no client of the metadata service sends, for any path.
func (s *Server) check(r *http.Request, loopback bool) *imds.Error {
	switch {
	case len(r.Header[node.LoopHeader]) > 0:
		return &imds.Error{Status: http.StatusLoopDetected, Code: "loop_detected", Description: "The proxy's own request came back to it: its user is not the one that the redirection exempts"}
	case !loopback && !s.hosts[r.Host]:
		return &imds.Error{Status: http.StatusForbidden, Code: "forbidden", Description: "The Host of the request is not the metadata service's"}
	}
	// net/http has decoded the path and taken the host off: only what needed
	// neither is served.
	if raw, _, _ := strings.Cut(r.RequestURI, "?"); raw != r.URL.Path {
		return imds.NotFound()
	}
	return nil
}

// isLoopback takes a Host header that names loopback, with a port or without.
func isLoopback(host string) bool {
	if h, port, err := net.SplitHostPort(host); err == nil && isPort(port) {
		host = h
	}
	return host == "127.0.0.1" || host == "localhost" || host == "::1" || host == "[::1]"
}

func isPort(s string) bool {
	return s != "" && len(s) <= 5 && strings.Trim(s, "0123456789") == ""
}
