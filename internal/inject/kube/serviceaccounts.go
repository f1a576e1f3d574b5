package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
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
	client   metadata.Interface
	informer cache.SharedIndexInformer
	log      *slog.Logger
}

func accountsResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}
}

// NewServiceAccounts returns an empty cache, which [ServiceAccounts.Run] fills.
// Until then every Get reads from the cluster.
func NewServiceAccounts(client metadata.Interface, log *slog.Logger) (*ServiceAccounts, error) {
	s := &ServiceAccounts{client: client, log: log, informer: newInformer(client, accountsResource(), "")}
	if err := s.informer.SetTransform(strip); err != nil {
		return nil, fmt.Errorf("preparing the service account cache: %w", err)
	}
	if err := s.informer.SetWatchErrorHandlerWithContext(logWatchError(log, "service accounts")); err != nil {
		return nil, fmt.Errorf("preparing the service account cache: %w", err)
	}
	return s, nil
}

// newInformer watches the metadata of a resource. The informers of client-go's
// own factory would pull every Kubernetes API type into the binary.
func newInformer(client metadata.Interface, resource schema.GroupVersionResource, name string) cache.SharedIndexInformer {
	only := func(options *metav1.ListOptions) {
		if name != "" {
			options.FieldSelector = "metadata.name=" + name
		}
	}
	watcher := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			only(&options)
			return client.Resource(resource).List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			only(&options)
			return client.Resource(resource).Watch(ctx, options)
		},
	}
	return cache.NewSharedIndexInformer(cache.ToListWatcherWithWatchListSemantics(watcher, client), &metav1.PartialObjectMetadata{}, 0, cache.Indexers{})
}

func logWatchError(log *slog.Logger, what string) cache.WatchErrorHandlerWithContext {
	return func(ctx context.Context, _ *cache.Reflector, err error) {
		switch {
		case ctx.Err() != nil:
		case apierrors.IsResourceExpired(err), apierrors.IsGone(err):
			log.Debug("watch expired, listing again", "what", what, "error", err)
		default:
			log.Warn("watch interrupted, trying again", "what", what, "error", err)
		}
	}
}

// strip keeps of an object what Get and the informer itself need.
func strip(object any) (any, error) {
	full, ok := object.(*metav1.PartialObjectMetadata)
	if !ok {
		return object, nil // a tombstone of a deleted object
	}
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Namespace:       full.Namespace,
		Name:            full.Name,
		ResourceVersion: full.ResourceVersion,
		Annotations:     relevant(full.Annotations),
	}}, nil
}

func relevant(annotations map[string]string) map[string]string {
	var kept map[string]string
	for _, key := range inject.ServiceAccountAnnotations() {
		if value, ok := annotations[key]; ok {
			if kept == nil {
				kept = make(map[string]string, 2)
			}
			kept[key] = value
		}
	}
	return kept
}

// Run keeps the cache up to date until the context is done.
func (s *ServiceAccounts) Run(ctx context.Context) {
	var announced sync.WaitGroup
	defer announced.Wait()
	announced.Go(func() {
		if cache.WaitForCacheSync(ctx.Done(), s.informer.HasSynced) {
			s.log.Info("service account cache filled", "serviceAccounts", len(s.informer.GetStore().ListKeys()))
		}
	})
	s.informer.RunWithContext(ctx)
}

// Ready returns nil once the cache has been filled.
func (s *ServiceAccounts) Ready() error {
	if !s.informer.HasSynced() {
		return errors.New("the service account cache is not filled yet")
	}
	return nil
}

// Get implements [inject.ServiceAccounts]. A service account that the cache
// does not know, or knows without an identity, is read from the cluster: both
// may have come into being a moment before their pod.
func (s *ServiceAccounts) Get(ctx context.Context, namespace, name string) (inject.ServiceAccount, error) {
	cached, known, err := s.informer.GetStore().GetByKey(namespace + "/" + name)
	if err != nil {
		return inject.ServiceAccount{}, fmt.Errorf("looking up service account %s/%s: %w", namespace, name, err)
	}
	var account inject.ServiceAccount
	if object, ok := cached.(*metav1.PartialObjectMetadata); known && ok {
		account = inject.ServiceAccount{Namespace: namespace, Name: name, Annotations: object.Annotations}
		if account.Annotations[chain.AnnotationClientID] != "" || account.Annotations[chain.AnnotationClientIDs] != "" {
			return account, nil
		}
	}
	live, err := s.read(ctx, namespace, name)
	if err != nil && known && !errors.Is(err, inject.ErrNotFound) {
		s.log.Warn("service account taken from the cache", "namespace", namespace, "serviceAccount", name, "error", err)
		return account, nil
	}
	return live, err
}

func (s *ServiceAccounts) read(ctx context.Context, namespace, name string) (inject.ServiceAccount, error) {
	ctx, cancel := context.WithTimeout(ctx, liveReadTimeout)
	defer cancel()
	object, err := s.client.Resource(accountsResource()).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return inject.ServiceAccount{}, fmt.Errorf("%w: %s/%s", inject.ErrNotFound, namespace, name)
	case err != nil:
		return inject.ServiceAccount{}, fmt.Errorf("reading service account %s/%s: %w", namespace, name, err)
	}
	return inject.ServiceAccount{Namespace: namespace, Name: name, Annotations: relevant(object.Annotations)}, nil
}
