package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/aksess/aksess/internal/cluster/controlplane"
	"github.com/aksess/aksess/internal/cluster/kind"
	"github.com/aksess/aksess/internal/jose"
	"github.com/aksess/aksess/internal/service/containerservice"
)

// What is behind the clusters of a local Azure.
const (
	ClustersIssuerOnly   = "issuer-only"   // an issuer of tokens and no Kubernetes; the default
	ClustersControlPlane = "control-plane" // etcd and Kubernetes' own programs as child processes
	ClustersAttach       = "attach"        // a cluster that somebody else runs
	ClustersKind         = "kind"          // containers, with the programs kind and docker
)

// Clusters chooses what is behind the clusters.
type Clusters struct {
	Driver string // one of the above; "" is issuer-only
	BinDir string // control-plane: folder of the programs; "" looks for them on PATH
	// Attach connects to the cluster of ClustersAttach; cluster.Attach does. It is
	// given here, so that only who attaches clusters links Kubernetes' client.
	Attach func(ctx context.Context, now func() time.Time) (AttachedCluster, error)
}

// AttachedCluster is a cluster that somebody else runs, with its issuer's keys.
type AttachedCluster interface {
	containerservice.Driver
	jose.KeySource
	Close() error
}

// clustersFolder is the folder beside the state in which the clusters' own are.
const clustersFolder = "clusters"

// openClusters makes the driver. It is closed after the resources are, so that
// work that a stop interrupts is known to be interrupted and not to have failed.
func (a *App) openClusters(ctx context.Context) error {
	dir := filepath.Join(a.files, clustersFolder)
	switch c := a.config.Clusters; c.Driver {
	case "", ClustersIssuerOnly:
		return nil
	case ClustersControlPlane:
		d, err := controlplane.New(controlplane.Options{Dir: dir, BinDir: c.BinDir, Now: a.config.Now, Log: a.config.Log})
		if err != nil {
			return fmt.Errorf("running clusters with a control plane: %w", err)
		}
		a.clusters = d
		a.closers = append(a.closers, d.Close)
	case ClustersKind:
		d, err := kind.New(dir)
		if err != nil {
			return fmt.Errorf("running clusters with kind: %w", err)
		}
		a.clusters = d
	case ClustersAttach:
		if c.Attach == nil {
			return errors.New("attaching a cluster: no kubeconfig was given")
		}
		attached, err := c.Attach(ctx, a.config.Now)
		if err != nil {
			return fmt.Errorf("attaching a cluster: %w", err)
		}
		a.clusters, a.attached = attached, attached
		a.closers = append(a.closers, attached.Close)
	default:
		return fmt.Errorf("clusters: %q is none of %s, %s, %s, %s", c.Driver, ClustersIssuerOnly, ClustersControlPlane, ClustersAttach, ClustersKind)
	}
	return nil
}

// keySources are where the token service finds the keys of issuers: its own, the
// attached cluster's, and those of the world.
func (a *App) keySources(others ...jose.KeySource) jose.Sources {
	sources := jose.Sources{a.Issuers}
	if a.attached != nil {
		sources = append(sources, a.attached)
	}
	return append(sources, others...)
}

// keepClusters starts the clusters of before in the background, and hands them
// the keys of now at each maintenance.
func (a *App) keepClusters() {
	if a.clusters == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(maintenance)
		defer ticker.Stop()
		for {
			if err := a.services.StartClusters(ctx); err != nil && ctx.Err() == nil {
				a.config.Log.Error("starting the clusters", "error", err)
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
