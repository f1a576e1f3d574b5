package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"github.com/aksess/aksess/internal/inject"
)

// listeners are open before anything runs, so that a taken port is an error.
type listeners struct {
	listen, health, metrics, pprof net.Listener // the last two may be nil
}

func openListeners(opts options) (l listeners, err error) {
	for _, open := range []struct {
		into          *net.Listener
		address, flag string
	}{
		{&l.listen, opts.listen, "--listen"}, {&l.health, opts.health, "--health-addr"},
		{&l.metrics, opts.metrics, "--metrics-addr"}, {&l.pprof, opts.pprof, "--pprof-addr"},
	} {
		if open.address == "" && open.into != &l.listen && open.into != &l.health {
			continue
		}
		if *open.into, err = net.Listen("tcp", open.address); err != nil {
			l.close()
			return listeners{}, fmt.Errorf("opening %s: %w", open.flag, err)
		}
	}
	return l, nil
}

func (l listeners) close() {
	for _, listener := range []net.Listener{l.listen, l.health, l.metrics, l.pprof} {
		if listener != nil {
			_ = listener.Close()
		}
	}
}

func (l listeners) addresses() Addresses {
	at := Addresses{Listen: l.listen.Addr(), Health: l.health.Addr()}
	if l.metrics != nil {
		at.Metrics = l.metrics.Addr()
	}
	if l.pprof != nil {
		at.Pprof = l.pprof.Addr()
	}
	return at
}

// serve runs until the context is done or a server fails, and ends what it
// began: the servers first, then the tasks.
func (p *program) serve(ctx context.Context, l listeners) error {
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer cancel()
	for _, task := range p.tasks() {
		tasks.Go(func() { task(background) })
	}
	if p.acceptance != nil {
		p.acceptance.Address = l.listen.Addr().String()
		tasks.Go(func() { p.acceptance.Run(ctx) }) // nobody asks while it drains
	}
	reviews := p.reviewServer()
	servers := []*http.Server{reviews}
	failed := make(chan error, 4)
	tasks.Go(func() { failed <- reviews.ServeTLS(l.listen, "", "") })
	for _, plain := range []struct {
		listener net.Listener
		handler  http.Handler
	}{{l.health, inject.NewHealth(p.ready)}, {l.metrics, p.metrics.Handler()}, {l.pprof, profiles()}} {
		if plain.listener == nil {
			continue
		}
		server := p.plainServer(plain.handler)
		servers = append(servers, server)
		tasks.Go(func() { failed <- server.Serve(plain.listener) })
	}
	var failure error
	select {
	case failure = <-failed:
	case <-ctx.Done():
		p.drain()
	}
	return errors.Join(failure, shutdown(context.WithoutCancel(ctx), servers))
}

// shutdown waits for what is under way, in order, and ends.
func shutdown(ctx context.Context, servers []*http.Server) error {
	const grace = 10 * time.Second
	ctx, stop := context.WithTimeout(ctx, grace)
	defer stop()
	var errs []error
	for _, server := range servers {
		errs = append(errs, server.Shutdown(ctx))
	}
	return errors.Join(errs...)
}

// drain keeps serving while API servers still send reviews here.
func (p *program) drain() {
	p.draining.Store(true)
	p.log.Info("draining", "delay", p.opts.drain.String())
	time.Sleep(p.opts.drain)
}

func (p *program) reviewServer() *http.Server {
	return &http.Server{
		Handler:   p.leaving(p.withWarner(p.handler())),
		TLSConfig: &tls.Config{MinVersion: p.opts.tlsMinVersion, GetCertificate: p.serving.GetCertificate},
		// API servers use HTTP/1.1 for webhooks, to spread over replicas (kubernetes/kubernetes#75791).
		Protocols:         http1(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute, // longer than an API server keeps a connection, which is 90 s
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
}

// leaving tells API servers to take another connection for the next review
// while the webhook drains: one that is closed under a request fails it.
func (p *program) leaving(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

func (p *program) plainServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler: handler, Protocols: http1(),
		ReadTimeout: 5 * time.Second, WriteTimeout: 2 * time.Minute, // a profile takes 30 s
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
}

func http1() *http.Protocols {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return protocols
}

// profiles are those of net/http/pprof, on a listener of their own.
func profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	return mux
}
