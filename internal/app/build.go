package app

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/entra"
	"github.com/aksess/aksess/internal/issuer"
	"github.com/aksess/aksess/internal/jose"
	"github.com/aksess/aksess/internal/service"
	"github.com/aksess/aksess/internal/service/resources"
	"github.com/aksess/aksess/internal/storage"
)

// maintenance is how often keys are looked after: rotated, published, dropped.
const maintenance = time.Hour

// build makes the services and the pipeline that serves them.
func (a *App) build(ctx context.Context) error {
	faults, err := parseFaults(a.config.Faults, a.config.Now)
	if err != nil {
		return err
	}
	grants, err := faults.grants(ctx, a.Book, a.Account.Deployer.ObjectID, a.Account.User.ObjectID)
	if err != nil {
		return fmt.Errorf("reading the role assignments of the state: %w", err)
	}
	remote := jose.NewRemote(jose.RemoteConfig{
		AllowPrivate: a.config.AllowPrivateIssuers, RootCAs: a.config.IssuerCAs, Now: a.config.Now,
	})
	a.closers = append(a.closers, func() error { remote.Close(); return nil })
	a.tokens = entra.New(entra.Options{
		Directory: a.Directory, Keys: a.keySources(issuer.Gone{TenantID: a.Account.TenantID}, remote), Store: a.Store, Pool: a.pool,
		Now: a.config.Now, NewID: a.config.NewID, Log: a.config.Log, DevicePage: a.DevicePage, Known: faults.known(),
	})
	a.machine = newMachine(a, rand.Text())
	services, err := service.All(service.Deps{
		Store: a.Store, Directory: a.Directory, Book: a.Book, Grants: grants, Issuers: a.Issuers, Resources: a.Resources,
		Tenant: resources.Tenant{ID: a.Account.TenantID, Name: tenantName, Domain: tenantDomain, Country: tenantCountry},
		CA:     a.ca.PEM(), Now: a.config.Now, NewID: a.config.NewID,
		Log: a.config.Log, AcceptUnknown: a.config.AcceptUnknown, Clusters: a.clusters,
	})
	if err != nil {
		return fmt.Errorf("listing the services: %w", err)
	}
	a.services = services
	a.server, err = azapi.New(append(services.Hosts, a.tokens.Service()), azapi.Config{
		Authenticator: a.tokens.Authenticator(), Grants: grants, Roles: access.BuiltinRoles,
		Principals: a.tokens.Authenticator().Principal,
		Now:        a.config.Now, NewID: a.config.NewID, Log: a.config.Log, Observe: a.config.Observe,
		SubnetOf: services.SubnetOf, Disturb: faults.hook(), Local: azapi.NewLocal(LocalSuffix),
	})
	return err
}

// maintain looks after the signing keys in the background, off every request's
// path: the first token waits for the first key, nothing else does. It also
// removes what deleted containers and queues left behind.
func (a *App) maintain() {
	collector := storage.NewCollector(storage.Config{Store: a.Store, Now: a.config.Now, NewID: a.config.NewID})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(maintenance)
		defer ticker.Stop()
		for {
			for _, look := range []func(context.Context) error{a.tokens.Maintain, a.Issuers.Maintain, a.services.Resume, collector.Collect} {
				if err := look(ctx); err != nil && ctx.Err() == nil {
					a.config.Log.Error("looking after keys and storage", "error", err)
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	}()
	a.closers = append(a.closers, func() error { cancel(); <-done; return nil })
}
