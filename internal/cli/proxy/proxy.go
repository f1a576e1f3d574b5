package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"

	"github.com/aksess/aksess/internal/imds/companions"
	"github.com/aksess/aksess/internal/imds/federated"
	"github.com/aksess/aksess/internal/imds/node"
	"github.com/aksess/aksess/internal/imds/proxy"
	"github.com/aksess/aksess/internal/imds/redirect"
)

// Env is what the process gives to the command.
type Env struct {
	Args      []string // without the program's name
	Getenv    func(string) string
	HTTPProxy func(*http.Request) (*url.URL, error) // of the environment, for the token service
	Stdout    io.Writer
	Stderr    io.Writer
	Version   string

	// Started, if set, is called when the listeners are open.
	Started func(net.Addr)
}

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

// Main runs what the command line says until the context is done or SIGTERM or
// SIGINT arrives, and returns the exit code: 0 after an orderly end, 1 after an
// error, 2 if the command line or the environment is wrong.
func Main(ctx context.Context, env Env) int {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if len(env.Args) > 0 && env.Args[0] == "init" {
		return initialize(env)
	}
	opts, err := parse(env.Args, env.Getenv, env.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		_, _ = fmt.Fprintln(env.Stderr, "aksess-proxy:", err)
		return exitUsage
	case opts.version:
		_ = json.NewEncoder(env.Stdout).Encode(map[string]string{
			"version": env.Version, "goVersion": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
		})
		return 0
	case opts.probe:
		return probe(ctx, opts, env)
	}
	log := newLogger(opts, env.Stderr)
	if err := run(ctx, opts, env, log); err != nil {
		log.Error("the proxy ends", "error", err.Error())
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

// initialize is the init step.
func initialize(env Env) int {
	rules, err := parseInit(env.Args[1:], env.Getenv)
	if err != nil {
		_, _ = fmt.Fprintln(env.Stderr, "aksess-proxy init:", err)
		return exitUsage
	}
	if err := redirect.Install(rules); err != nil {
		_, _ = fmt.Fprintln(env.Stderr, "aksess-proxy init:", err)
		return exitFailed
	}
	exempt := "none"
	if rules.ExemptUID != nil {
		exempt = strconv.FormatUint(uint64(*rules.ExemptUID), 10)
	}
	newLogger(options{}, env.Stderr).Info("requests for the metadata service go to the proxy",
		"addresses", rules.Addresses, "port", rules.Port, "proxyPort", rules.ToPort, "exemptUser", exempt)
	return 0
}

func probe(ctx context.Context, opts options, env Env) int {
	ctx, cancel := context.WithTimeout(ctx, opts.within)
	defer cancel()
	if err := proxy.Probe(ctx, opts.port); err != nil {
		_, _ = fmt.Fprintln(env.Stderr, "aksess-proxy:", err)
		return exitFailed
	}
	return 0
}

// Memory: a proxy that few bytes of answers keep busy pays little for collecting
// early. The runtime lets the heap grow by 1 MiB in any case, as much as is alive in
// it, so that a smaller percentage would change nothing. The limit makes the
// collector work harder long before the container's is reached, and is soft.
const (
	collectAt   = 40 // percent of the live heap
	memoryLimit = 16 << 20
	processors  = 1 // serves some 25,000 cached tokens a second; each further one costs memory
)

func run(ctx context.Context, opts options, env Env, log *slog.Logger) error {
	debug.SetGCPercent(collectAt)
	debug.SetMemoryLimit(memoryLimit)
	runtime.GOMAXPROCS(min(runtime.GOMAXPROCS(0), processors))
	opts.tokens.Log, opts.tokens.Proxy = log, env.HTTPProxy
	tokens, err := federated.New(opts.tokens)
	if err != nil {
		return err
	}
	defer tokens.Close()
	listeners, err := proxy.Listen(ctx, opts.port)
	if err != nil {
		return err
	}
	machine := node.New(opts.metadata[0], opts.pass, log)
	defer machine.Close()
	var addresses []netip.Addr
	for _, at := range opts.metadata {
		addresses = append(addresses, at.Addr())
	}
	server := proxy.New(proxy.Config{
		Addresses: addresses, Port: opts.metadata[0].Port(), Tokens: tokens.Answer, Node: machine, Secret: opts.secret, Stats: tokens.Stats, Log: log,
	})
	log.Info("proxy started", "version", env.Version, "listen", listeners[0].Addr().String(), "ipv6", len(listeners) > 1,
		"tenant", opts.tokens.TenantID, "client", opts.tokens.ClientID, "authority", opts.tokens.Authority, "binding", opts.tokens.Binding != nil)
	if env.Started != nil {
		env.Started(listeners[0].Addr())
	}
	ctx, stop := endWith(ctx, opts, log)
	defer stop()
	return server.Serve(ctx, listeners...)
}

// endWith is the context until the containers of --end-with have ended. Stop
// ends the watch and waits for it.
func endWith(ctx context.Context, opts options, log *slog.Logger) (ended context.Context, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	if len(opts.endWith) == 0 {
		return ctx, cancel
	}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		defer cancel()
		_ = companions.Wait(ctx, companions.Config{Names: opts.endWith, Restarts: opts.restarts, Log: log}) // that the context is done
	}()
	return ctx, func() {
		cancel()
		<-watched
	}
}
