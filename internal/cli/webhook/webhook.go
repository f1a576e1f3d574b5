package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os/signal"
	"runtime"
	"syscall"
)

// Env is what the process gives to the command.
type Env struct {
	Args    []string // without the program's name
	Getenv  func(string) string
	Stdout  io.Writer
	Stderr  io.Writer
	Version string

	// Started, if set, is called when all listeners are open.
	Started func(Addresses)
}

// Addresses are where the webhook listens. Metrics and Pprof are nil when they are off.
type Addresses struct {
	Listen, Health, Metrics, Pprof net.Addr
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
	fit(env.Getenv, log)
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

func run(ctx context.Context, opts options, env Env, log *slog.Logger) error {
	p, err := newProgram(opts, env.Version, log)
	if err != nil {
		return err
	}
	listeners, err := openListeners(opts)
	if err != nil {
		return err
	}
	defer listeners.close() // the servers close them first, unless they never ran
	at := listeners.addresses()
	log.Info("webhook started", "version", env.Version, "listen", at.Listen.String(), "health", at.Health.String(),
		"tenant", opts.inject.TenantID, "authority", opts.inject.AuthorityHost, "localAzure", opts.inject.LocalAzure != nil,
		"certificates", string(opts.certs.source))
	if env.Started != nil {
		env.Started(at)
	}
	return p.serve(ctx, listeners)
}
