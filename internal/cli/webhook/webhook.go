package webhook

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os/signal"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/aksess/aksess/internal/inject"
	"github.com/aksess/aksess/internal/inject/kube"
)

// Env is what the process gives to the command.
type Env struct {
	Args    []string // without the program's name
	Getenv  func(string) string
	Stdout  io.Writer
	Stderr  io.Writer
	Version string

	// Started, if set, is called when both listeners are open.
	Started func(listen, health net.Addr)
}

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

// Main runs the webhook until the context is done or SIGTERM or SIGINT
// arrives, and returns the exit code: 0 after an orderly end, 1 after an error,
// 2 if the command line is wrong.
func Main(ctx context.Context, env Env) int {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	opts, err := parse(env.Args, env.Getenv, env.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		_, _ = fmt.Fprintln(env.Stderr, "aksess-webhook:", err)
		return exitUsage
	case opts.version:
		_ = json.NewEncoder(env.Stdout).Encode(map[string]string{
			"version": env.Version, "goVersion": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
		})
		return 0
	}
	log := newLogger(opts, env.Stderr)
	if err := run(ctx, opts, env, log); err != nil {
		log.Error("the webhook ends", "error", err)
		return exitFailed
	}
	return 0
}

func newLogger(opts options, to io.Writer) *slog.Logger {
	handlerOptions := &slog.HandlerOptions{Level: opts.logLevel}
	if opts.logText {
		return slog.New(slog.NewTextHandler(to, handlerOptions))
	}
	return slog.New(slog.NewJSONHandler(to, handlerOptions))
}

// certificates is what serves the listener: inject.Certificates or inject.KeyPair.
type certificates interface {
	GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
	Ready() error
	Bundle() []byte
	Changed() <-chan struct{}
	Run(ctx context.Context)
}

func newCertificates(opts options, log *slog.Logger) certificates {
	if !opts.rotate {
		return &inject.KeyPair{CertFile: filepath.Join(opts.certDir, "tls.crt"), KeyFile: filepath.Join(opts.certDir, "tls.key"), Log: log}
	}
	config := inject.CertificatesConfig{Names: opts.names, Log: log}
	if opts.certDir != "" {
		config.Store = inject.FileCertificates{Dir: opts.certDir}
	}
	return inject.NewCertificates(config)
}

// program is the webhook put together.
type program struct {
	opts     options
	log      *slog.Logger
	certs    certificates
	accounts *kube.ServiceAccounts
	sidecars *kube.Sidecars
	bundle   *kube.CABundle // nil without --webhook-configuration
	draining atomic.Bool
}

func newProgram(opts options, version string, log *slog.Logger) (*program, error) {
	client, err := kube.NewClient(opts.kubeconfig, "aksess-webhook/"+version)
	if err != nil {
		return nil, err
	}
	p := &program{opts: opts, log: log, certs: newCertificates(opts, log)}
	if p.accounts, err = kube.NewServiceAccounts(client.Metadata, log); err != nil {
		return nil, err
	}
	if p.sidecars, err = kube.NewSidecars(client, log); err != nil {
		return nil, err
	}
	if opts.configuration != "" {
		p.bundle = &kube.CABundle{Client: client, Name: opts.configuration, Bundle: p.certs.Bundle, Changed: p.certs.Changed(), Log: log}
	}
	return p, nil
}

func run(ctx context.Context, opts options, env Env, log *slog.Logger) error {
	p, err := newProgram(opts, env.Version, log)
	if err != nil {
		return err
	}
	listen, err := net.Listen("tcp", opts.listen)
	if err != nil {
		return fmt.Errorf("opening --listen: %w", err)
	}
	defer func() { _ = listen.Close() }() // the server closes it first, unless it never ran
	health, err := net.Listen("tcp", opts.health)
	if err != nil {
		return fmt.Errorf("opening --health-addr: %w", err)
	}
	defer func() { _ = health.Close() }()
	log.Info("webhook started", "version", env.Version, "listen", listen.Addr().String(), "health", health.Addr().String(),
		"tenant", opts.inject.TenantID, "authority", opts.inject.AuthorityHost, "localAzure", opts.inject.LocalAzure != nil)
	if env.Started != nil {
		env.Started(listen.Addr(), health.Addr())
	}
	return p.serve(ctx, listen, health)
}

// serve runs until the context is done or a listener fails, then ends in order:
// not ready, drained, servers, everything else.
func (p *program) serve(ctx context.Context, listen, health net.Listener) error {
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var tasks sync.WaitGroup
	defer func() { cancel(); tasks.Wait() }()
	for _, task := range p.tasks() {
		tasks.Go(func() { task(background) })
	}
	reviews, probes := p.reviewServer(), p.healthServer()
	failed := make(chan error, 2)
	tasks.Go(func() { failed <- reviews.ServeTLS(listen, "", "") })
	tasks.Go(func() { failed <- probes.Serve(health) })
	var failure error
	select {
	case failure = <-failed:
	case <-ctx.Done():
		p.drain()
	}
	const grace = 10 * time.Second
	ending, stop := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer stop()
	return errors.Join(failure, reviews.Shutdown(ending), probes.Shutdown(ending))
}

// drain keeps serving while the API servers still send reviews here.
func (p *program) drain() {
	p.draining.Store(true)
	p.log.Info("draining", "delay", p.opts.drain.String())
	time.Sleep(p.opts.drain)
}

// tasks run as long as the servers.
func (p *program) tasks() []func(context.Context) {
	tasks := []func(context.Context){p.certs.Run, p.accounts.Run}
	if p.opts.sidecar == "auto" {
		tasks = append(tasks, p.sidecars.Run)
	}
	if p.bundle != nil {
		tasks = append(tasks, p.bundle.Run)
	}
	return tasks
}

func (p *program) reviewServer() *http.Server {
	return &http.Server{
		Handler:   p.withWarner(inject.NewHandler(p.config, p.accounts, p.log)),
		TLSConfig: &tls.Config{MinVersion: p.opts.tlsMinVersion, GetCertificate: p.certs.GetCertificate},
		// API servers use HTTP/1.1 for webhooks, to spread over replicas (kubernetes/kubernetes#75791).
		Protocols:         http1(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
}

func (p *program) healthServer() *http.Server {
	return &http.Server{
		Handler: inject.NewHealth(p.ready), Protocols: http1(),
		ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
}

func http1() *http.Protocols {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return protocols
}

func (p *program) ready() error {
	if p.draining.Load() {
		return errors.New("shutting down")
	}
	if err := p.certs.Ready(); err != nil {
		return err
	}
	return p.accounts.Ready()
}

// config is the configuration of the moment: the cluster may be upgraded.
func (p *program) config() inject.Config {
	config := p.opts.inject
	if p.opts.sidecar == "auto" {
		config.Proxy.Classic = !p.sidecars.Native()
	}
	return config
}
