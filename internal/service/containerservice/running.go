package containerservice

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/cluster/driver"
	"github.com/aksess/aksess/internal/store"
)

// States of a cluster's power
// (https://learn.microsoft.com/rest/api/aks/managed-clusters/get#powerstate).
const (
	running = "Running"
	stopped = "Stopped"
)

// startsAtOnce bounds how many clusters start at the same time: each keeps a
// core busy for seconds.
const startsAtOnce = 2

// spec is a cluster as its driver has to run it, with the keys of now.
func (s *Clusters) spec(ctx context.Context, r *arm.Resource) (driver.Spec, error) {
	p, err := read(r)
	if err != nil {
		return driver.Spec{}, err
	}
	own, err := ownOf(r)
	if err != nil {
		return driver.Spec{}, err
	}
	ring, err := s.Issuers.Ring(ctx, own.IssuerID)
	if err != nil {
		return driver.Spec{}, fmt.Errorf("reading the keys of cluster %q: %w", r.Name, err)
	}
	signing, err := ring.Signing(ctx)
	if err != nil {
		return driver.Spec{}, err
	}
	spec := driver.Spec{ID: own.IssuerID, Name: r.Name, FQDN: own.FQDN, IssuerURL: own.IssuerURL, ServiceCIDR: p.NetworkProfile.ServiceCIDR}
	if spec.SigningKey, err = signing.MarshalPEM(); err != nil {
		return driver.Spec{}, err
	}
	published, err := ring.Published(ctx)
	if err != nil {
		return driver.Spec{}, err
	}
	for _, key := range published {
		der, err := x509.MarshalPKIXPublicKey(key.Public().Key())
		if err != nil {
			return driver.Spec{}, err
		}
		spec.PublicKeys = append(spec.PublicKeys, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})...)
	}
	if p.AADProfile != nil {
		spec.AdminGroups = p.AADProfile.AdminGroupObjectIDs
	}
	return spec, nil
}

// work starts the cluster after a write, unless it was stopped.
func (s *Clusters) work(ctx context.Context, r *arm.Resource) error {
	p, err := read(r)
	if err != nil || p.PowerState.Code == stopped {
		return err
	}
	spec, err := s.spec(ctx, r)
	if err != nil {
		return err
	}
	if err := s.Driver.Start(ctx, spec); err != nil {
		return notStarted.New(r.Name).With(err)
	}
	return nil
}

// StartAll starts the clusters that should run, and gives those that run the
// keys of now. Call it at start and now and then. Clusters that are being
// written are left to their writes. The error joins those of all clusters.
func (s *Clusters) StartAll(ctx context.Context) error {
	if s.Driver == nil {
		return nil
	}
	clusters, err := s.Resources.List(ctx, "/subscriptions", TypeCluster)
	if err != nil {
		return err
	}
	var (
		wait     sync.WaitGroup
		mu       sync.Mutex
		failures []error
		places   = make(chan struct{}, startsAtOnce)
	)
	for _, r := range clusters {
		if idle(r) != nil {
			continue
		}
		wait.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			if ctx.Err() != nil {
				return
			}
			err := s.work(ctx, r)
			if _, gone := s.Resources.Get(ctx, r.ID); errors.Is(gone, arm.ErrNotFound) {
				return // deleted meanwhile
			}
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				failures = append(failures, fmt.Errorf("starting cluster %q: %w", r.Name, err))
			}
		})
	}
	wait.Wait()
	return errors.Join(failures...)
}

// startCluster and stopCluster answer when it is done, in the form of a
// long-running operation.
func (s *Clusters) startCluster(w http.ResponseWriter, r *azapi.Request, cluster *arm.Resource) error {
	cluster, err := s.power(r.Context(), cluster.ID, running)
	if err != nil {
		return err
	}
	if s.Driver != nil {
		if err := s.work(r.Context(), cluster); err != nil {
			return err
		}
	}
	return s.accept(w, r, cluster)
}

func (s *Clusters) stopCluster(w http.ResponseWriter, r *azapi.Request, cluster *arm.Resource) error {
	own, err := ownOf(cluster)
	if err != nil {
		return err
	}
	if s.Driver != nil {
		err := s.Driver.Stop(r.Context(), own.IssuerID)
		if errors.Is(err, errors.ErrUnsupported) {
			return notServed.New("The cluster is not run by this local Azure, so it cannot be stopped here.").With(err)
		}
		if err != nil {
			return err
		}
	}
	if cluster, err = s.power(r.Context(), cluster.ID, stopped); err != nil {
		return err
	}
	return s.accept(w, r, cluster)
}

// power writes the cluster's power state.
func (s *Clusters) power(ctx context.Context, id, state string) (*arm.Resource, error) {
	for {
		cluster, err := s.Resources.Get(ctx, id)
		if err != nil {
			return nil, err
		}
		if err := idle(cluster); err != nil {
			return nil, err
		}
		merged, err := raw(cluster)
		if err != nil {
			return nil, err
		}
		merged["powerState"] = map[string]any{"code": state}
		if err := cluster.SetProperties(merged); err != nil {
			return nil, err
		}
		err = s.Resources.Save(ctx, &arm.Type{Name: TypeCluster}, cluster, store.At(cluster.Version))
		if !isConflict(err) {
			return cluster, err
		}
	}
}

// rotateSigningKeys begins the rotation of the issuer's key: the next one is
// published now and signs after an hour. An API server of the cluster starts
// again with each of the two changes
// (https://learn.microsoft.com/rest/api/aks/managed-clusters/rotate-service-account-signing-keys).
func (s *Clusters) rotateSigningKeys(w http.ResponseWriter, r *azapi.Request, cluster *arm.Resource) error {
	if s.Driver != nil && s.Driver.Issuer() != "" {
		return notServed.New("The cluster's issuer is its own; its keys cannot be rotated here.")
	}
	if err := idle(cluster); err != nil {
		return err
	}
	own, err := ownOf(cluster)
	if err != nil {
		return err
	}
	if _, err := s.Issuers.Rotate(r.Context(), own.IssuerID); err != nil {
		return fmt.Errorf("rotating the keys of cluster %q: %w", cluster.Name, err)
	}
	if s.Driver != nil {
		if err := s.work(r.Context(), cluster); err != nil {
			return err
		}
	}
	return s.accept(w, r, cluster)
}

func rotateCertificates(http.ResponseWriter, *azapi.Request, *arm.Resource) error {
	return notServed.New("The certificates of a cluster are not rotated on demand; those that end soon are made anew when the cluster starts.")
}

func (s *Clusters) accept(w http.ResponseWriter, r *azapi.Request, cluster *arm.Resource) error {
	return s.Resources.Accept(w, r, arm.Accepted{Namespace: "Microsoft.ContainerService", Location: cluster.Location})
}
