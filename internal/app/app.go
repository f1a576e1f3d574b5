package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/entra"
	"github.com/aksess/aksess/internal/gateway"
	"github.com/aksess/aksess/internal/issuer"
	"github.com/aksess/aksess/internal/service"
	"github.com/aksess/aksess/internal/service/containerservice"
	"github.com/aksess/aksess/internal/store"
	"github.com/aksess/aksess/internal/store/memory"
	"github.com/aksess/aksess/internal/store/sqlite"
)

// App is one local Azure.
type App struct {
	Account Account

	Store     store.Store
	Directory *directory.Directory
	Book      *access.Book
	Issuers   *issuer.Issuers
	Resources *arm.Resources

	config   Config
	server   *azapi.Server
	ca       *gateway.CA
	gateway  *gateway.Gateway
	pool     *issuer.KeyPool
	tokens   *entra.TokenService
	services *service.Services
	clusters containerservice.Driver // nil: issuers only
	attached AttachedCluster         // nil unless one is
	machine  *machine
	files    string // folder of the files that clients are pointed at
	closers  []func() error
	done     chan error
	cancel   context.CancelFunc
}

// Open opens the state, builds the services and does not listen yet. The caller
// closes the App.
func Open(ctx context.Context, config Config) (_ *App, err error) {
	a := &App{config: defaults(config)}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	if err := a.openState(ctx); err != nil {
		return nil, err
	}
	a.pool = issuer.NewKeyPool(issuer.PoolOptions{Store: a.Store, NewID: a.config.NewID, Log: a.config.Log})
	a.closers = append(a.closers, func() error { a.pool.Close(); return nil })
	a.Directory = directory.New(a.Store, directory.Options{Now: a.config.Now, NewID: a.config.NewID})
	a.Book = access.NewBook(a.Store, a.config.Now)
	a.Issuers = issuer.New(issuer.Options{Store: a.Store, Pool: a.pool, Now: a.config.Now, NewID: a.config.NewID})
	if err := a.openClusters(ctx); err != nil {
		return nil, err
	}
	a.Resources = arm.NewResources(a.Store)
	a.closers = append(a.closers, func() error { a.Resources.Close(); return nil })
	if err := a.bootstrap(ctx); err != nil {
		return nil, err
	}
	if err := a.build(ctx); err != nil {
		return nil, err
	}
	a.maintain()
	a.keepClusters()
	return a, nil
}

func defaults(config Config) Config {
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.NewID == nil {
		config.NewID = uuid.NewString
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.Listen == "" {
		config.Listen = "127.0.0.1:0"
	}
	return config
}

// openState opens store and certificate authority, in the folder or in memory.
// Even an ephemeral local Azure has a folder: clients read the authority's
// certificate from a file.
func (a *App) openState(ctx context.Context) error {
	if a.config.Dir == "" {
		dir, err := os.MkdirTemp("", "aksess-")
		if err != nil {
			return fmt.Errorf("making a folder for the certificate: %w", err)
		}
		a.files = dir
		a.closers = append(a.closers, func() error { return os.RemoveAll(dir) })
		a.Store = memory.New()
		a.closers = append(a.closers, a.Store.Close)
		a.ca, err = gateway.NewCA(gateway.CAConfig{Now: a.config.Now})
		if err != nil {
			return fmt.Errorf("making the certificate authority: %w", err)
		}
		return a.ca.WriteBundle(a.CAFile())
	}
	opened, err := sqlite.Open(ctx, sqlite.Options{Dir: a.config.Dir, Logger: a.config.Log})
	if err != nil {
		return err
	}
	a.Store, a.files = opened, a.config.Dir
	a.closers = append(a.closers, opened.Close)
	a.ca, err = gateway.LoadOrCreateCA(a.config.Dir, gateway.CAConfig{Now: a.config.Now})
	if err != nil {
		return fmt.Errorf("opening the certificate authority: %w", err)
	}
	return nil
}

// CAFile is the PEM file with the certificate that clients have to trust.
func (a *App) CAFile() string { return filepath.Join(a.files, "ca.crt") }

// CA is the certificate authority.
func (a *App) CA() *gateway.CA { return a.ca }

// Files is the folder of the files that clients are pointed at.
func (a *App) Files() string { return a.files }

// Handler answers requests to Azure's host names, as the listener does after TLS.
func (a *App) Handler() http.Handler { return a.server }

// Start listens and serves in the background until Close or until ctx ends. It
// is called once; a port that is taken is an error.
func (a *App) Start(ctx context.Context) error {
	if a.cancel != nil {
		return errors.New("the local Azure was started before")
	}
	a.gateway = &gateway.Gateway{
		CA: a.ca, Handler: a.server, Control: a.control(), Plain: a.machine.plain(), LoopbackOrigin: a.config.ClientAddress,
		AllowRemote: a.config.AllowRemote, Passthrough: a.config.Passthrough, Logger: a.config.Log,
	}
	if err := a.gateway.Listen(a.config.Listen); err != nil {
		return err
	}
	a.machine.listens(a.gateway.Addr())
	ctx, a.cancel = context.WithCancel(ctx)
	a.done = make(chan error, 1)
	go func() { a.done <- a.gateway.Serve(ctx) }()
	return nil
}

// ProxyURL is the address of the CONNECT proxy, once started.
func (a *App) ProxyURL() string { return a.gateway.ProxyURL() }

// Wait returns when serving has ended, with the reason if it was not asked to.
func (a *App) Wait() error {
	err := <-a.done
	a.done <- err
	return err
}

// control answers plain requests to the listener's own address.
func (a *App) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Aksess-Tenant", a.Account.TenantID)
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /ca.crt", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-pem-file")
		_, _ = w.Write(a.ca.PEM())
	})
	a.machine.mount(mux)
	return mux
}

// Close stops serving, waits for requests under way and releases the state.
func (a *App) Close() error {
	var failures []error
	if a.cancel != nil {
		a.cancel()
		failures = append(failures, a.Wait())
	}
	for i := len(a.closers) - 1; i >= 0; i-- {
		failures = append(failures, a.closers[i]())
	}
	a.closers, a.cancel = nil, nil
	return errors.Join(failures...)
}
