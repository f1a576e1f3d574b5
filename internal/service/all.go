// Package service is the list of Azure's services that are served. A service is
// one folder and one line here.
package service

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/issuer"
	"github.com/aksess/aksess/internal/service/appconfig"
	"github.com/aksess/aksess/internal/service/authorization"
	"github.com/aksess/aksess/internal/service/blob"
	"github.com/aksess/aksess/internal/service/containerservice"
	"github.com/aksess/aksess/internal/service/file"
	"github.com/aksess/aksess/internal/service/graph"
	"github.com/aksess/aksess/internal/service/keyvault"
	"github.com/aksess/aksess/internal/service/managedidentity"
	"github.com/aksess/aksess/internal/service/monitor"
	"github.com/aksess/aksess/internal/service/network"
	"github.com/aksess/aksess/internal/service/queue"
	"github.com/aksess/aksess/internal/service/resources"
	"github.com/aksess/aksess/internal/service/storageaccount"
	"github.com/aksess/aksess/internal/service/table"
	"github.com/aksess/aksess/internal/storage"
	"github.com/aksess/aksess/internal/store"
)

// Deps is what the services are made of.
type Deps struct {
	Store     store.Store
	Directory *directory.Directory
	Book      *access.Book
	Grants    azapi.Grants // what principals hold, where that is less than what is in Book; nil is Book
	Issuers   *issuer.Issuers
	Resources *arm.Resources
	Tenant    resources.Tenant
	CA        []byte // PEM of the authority that signs for Azure's hosts
	Now       func() time.Time
	NewID     func() string
	Log       *slog.Logger            // discards when nil
	Clusters  containerservice.Driver // what is behind the clusters; issuers only when nil
	// AcceptUnknown stores resources of types that are not served as they are sent.
	AcceptUnknown bool
}

// Services is what All makes.
type Services struct {
	Hosts []*azapi.Service // for the pipeline
	// Resume takes up what a stop interrupted and ends what is overdue; call it
	// at start and now and then.
	Resume func(ctx context.Context) error
	// StartClusters starts the clusters that should run and gives those that run
	// the keys of now; call it at start and now and then.
	StartClusters func(ctx context.Context) error
	// SubnetOf names the virtual network's subnet that an address belongs to, and
	// the services that it has endpoints for.
	SubnetOf func(origin access.Origin) (id string, endpoints []string)
}

// All returns the services: Resource Manager with the resource types of each,
// and the data planes.
func All(d Deps) (*Services, error) {
	if d.Grants == nil {
		d.Grants = d.Book
	}
	secrets := keyvault.New(keyvault.Secrets{Store: d.Store, Resources: d.Resources, Now: d.Now, NewID: d.NewID})
	settings := appconfig.New(appconfig.Settings{
		Store: d.Store, Resources: d.Resources, Directory: d.Directory, TenantID: d.Tenant.ID, Now: d.Now, NewID: d.NewID,
	})
	clusters := containerservice.New(containerservice.Clusters{
		Store: d.Store, Resources: d.Resources, Issuers: d.Issuers, Directory: d.Directory, CA: d.CA, TenantID: d.Tenant.ID, NewID: d.NewID,
		Driver: d.Clusters, Log: d.Log,
	})
	networks := network.New(network.Options{Resources: d.Resources, Store: d.Store, NewID: d.NewID})
	workspaces := monitor.New(monitor.Options{Resources: d.Resources, Store: d.Store, Now: d.Now, NewID: d.NewID})
	files := storage.Config{Store: d.Store, Now: d.Now, NewID: d.NewID}
	types := slices.Concat(
		managedidentity.Types(managedidentity.Options{Directory: d.Directory, Resources: d.Resources, TenantID: d.Tenant.ID}),
		[]*arm.Type{secrets.Type(), settings.Type()},
		clusters.Types(),
		storageaccount.Types(d.Resources, files),
		networks.Types(),
		[]*arm.Type{workspaces.Type()},
	)
	scopes, err := arm.NewScopes(d.Resources, types)
	if err != nil {
		return nil, err
	}
	d.Resources.Forget = authorization.Forget(d.Book)
	d.Resources.Now, d.Resources.NewID = d.Now, d.NewID
	if d.Log != nil {
		d.Resources.Log = d.Log
	}
	manager, err := arm.Service(arm.Options{
		Resources: d.Resources, Types: types, TenantID: d.Tenant.ID, AcceptUnknown: d.AcceptUnknown,
		Operations: slices.Concat(
			resources.Operations(resources.Options{Resources: d.Resources, Types: types, Grants: d.Grants, Tenant: d.Tenant}),
			authorization.Operations(authorization.Options{Book: d.Book, Directory: d.Directory, Scopes: scopes, TenantID: d.Tenant.ID}),
			authorization.LockOperations(d.Resources, scopes),
		),
	})
	if err != nil {
		return nil, err
	}
	hosts := []*azapi.Service{
		manager,
		secrets.Service(),
		settings.Service(),
		blob.New(d.Resources, files).Service(),
		queue.New(d.Resources, files).Service(),
		file.New(d.Resources, files),
		table.New(d.Resources, files),
		clusters.Service(),
		d.Issuers.Service(),
		(&graph.Graph{Directory: d.Directory, Now: d.Now, NewID: d.NewID}).Service(),
	}
	hosts = append(hosts, storageaccount.Hosts(d.Resources, files)...)
	return &Services{
		Hosts: hosts, Resume: d.Resources.Resume, StartClusters: clusters.StartAll, SubnetOf: networks.SubnetOf,
	}, nil
}
