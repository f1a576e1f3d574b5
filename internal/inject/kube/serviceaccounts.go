package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/inject"
)

// liveReadTimeout bounds the read that a cache miss makes while an admission
// waits; webhooks are given two to ten seconds in all.
const liveReadTimeout = 2 * time.Second

// ServiceAccounts is a cache of the cluster's service accounts, annotations
// that matter only. It implements [inject.ServiceAccounts].
type ServiceAccounts struct {
	client metadata.Interface
	log    *slog.Logger
	live   func(result LiveRead)
	store  accountStore
}

// LiveRead is what came of reading a service account from the cluster.
type LiveRead string

// The results of live reads.
const (
	LiveFound  LiveRead = "found"
	LiveAbsent LiveRead = "absent"
	LiveFailed LiveRead = "error"
)

func accountsResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}
}

// NewServiceAccounts returns an empty cache, which [ServiceAccounts.Run] fills.
// Until then every Get reads from the cluster. Live, if not nil, is told of
// every such read.
func NewServiceAccounts(client metadata.Interface, live func(LiveRead), log *slog.Logger) *ServiceAccounts {
	if live == nil {
		live = func(LiveRead) {}
	}
	s := &ServiceAccounts{client: client, log: log, live: live}
	s.store.filled = func(n int) {
		log.Info("service account cache filled", "serviceAccounts", n)
		debug.FreeOSMemory() // what the pages took is not needed again soon
	}
	return s
}

// Run keeps the cache up to date until the context is done.
func (s *ServiceAccounts) Run(ctx context.Context) {
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return s.list(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return s.client.Resource(accountsResource()).Watch(ctx, options)
		},
	}
	reflect(ctx, "serviceaccounts", cache.ToListWatcherWithWatchListSemantics(source, s.client), &s.store, s.log)
}

// list returns a page. It is asked where the API server cannot stream what there
// is, which takes Kubernetes 1.32 and etcd 3.4.25: version "0" would bring all
// pages at once, and the reflector keeps them all until the last is there.
func (s *ServiceAccounts) list(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
	if options.ResourceVersion == "0" {
		options.ResourceVersion = ""
	}
	page, err := s.client.Resource(accountsResource()).List(ctx, options)
	if err != nil {
		return nil, err
	}
	for i := range page.Items {
		full := &page.Items[i]
		kept := relevant(full.Annotations)
		full.ObjectMeta = metav1.ObjectMeta{Namespace: full.Namespace, Name: full.Name, ResourceVersion: full.ResourceVersion, Annotations: kept.annotations()}
	}
	return page, nil
}

// Ready returns nil once the cache has been filled.
func (s *ServiceAccounts) Ready() error {
	if !s.store.synced() {
		return errors.New("the service account cache is not filled yet")
	}
	return nil
}

// Count returns how many service accounts the cache knows, with a client id and without.
func (s *ServiceAccounts) Count() (annotated, plain int) { return s.store.count() }

// Get implements [inject.ServiceAccounts]. A service account that the cache
// does not know, or knows without an identity, is read from the cluster: both
// may have come into being a moment before their pod.
func (s *ServiceAccounts) Get(ctx context.Context, namespace, name string) (inject.ServiceAccount, error) {
	annotations, known := s.store.get(namespace + "/" + name)
	account := inject.ServiceAccount{Namespace: namespace, Name: name, Annotations: annotations}
	if annotations[chain.AnnotationClientID] != "" || annotations[chain.AnnotationClientIDs] != "" {
		return account, nil
	}
	live, err := s.read(ctx, namespace, name)
	if err != nil && known && !errors.Is(err, inject.ErrNotFound) {
		s.log.Warn("service account taken from the cache", "namespace", namespace, "serviceAccount", name, "error", err)
		return account, nil
	}
	return live, err
}

// Cached returns the cache alone: its Get never asks the cluster.
func (s *ServiceAccounts) Cached() inject.ServiceAccounts { return cached{s} }

type cached struct{ *ServiceAccounts }

func (c cached) Get(_ context.Context, namespace, name string) (inject.ServiceAccount, error) {
	annotations, known := c.store.get(namespace + "/" + name)
	if !known {
		return inject.ServiceAccount{}, fmt.Errorf("%w in the cache: %s/%s", inject.ErrNotFound, namespace, name)
	}
	return inject.ServiceAccount{Namespace: namespace, Name: name, Annotations: annotations}, nil
}

func (s *ServiceAccounts) read(ctx context.Context, namespace, name string) (inject.ServiceAccount, error) {
	ctx, cancel := context.WithTimeout(ctx, liveReadTimeout)
	defer cancel()
	object, err := s.client.Resource(accountsResource()).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		s.live(LiveAbsent)
		return inject.ServiceAccount{}, fmt.Errorf("%w: %s/%s", inject.ErrNotFound, namespace, name)
	case err != nil:
		s.live(LiveFailed)
		return inject.ServiceAccount{}, fmt.Errorf("reading service account %s/%s: %w", namespace, name, err)
	}
	s.live(LiveFound)
	return inject.ServiceAccount{Namespace: namespace, Name: name, Annotations: relevant(object.Annotations).annotations()}, nil
}
