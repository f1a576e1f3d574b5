package kube

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
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

// values are the annotations that matter, packed into one string. A cluster has
// one service account at least for each namespace, and the garbage collector
// looks at what is kept of each several times a second. Each annotation is the
// position of its key in inject.ServiceAccountAnnotations, the length of its
// value, and the value.
type values string

func relevant(annotations map[string]string) values {
	var kept []byte
	for i, key := range inject.ServiceAccountAnnotations() {
		if value, ok := annotations[key]; ok {
			kept = binary.AppendUvarint(append(kept, byte(i)), uint64(len(value)))
			kept = append(kept, value...)
		}
	}
	return values(kept)
}

func (v values) annotations() map[string]string {
	if v == "" {
		return nil
	}
	keys := inject.ServiceAccountAnnotations()
	annotations := make(map[string]string, 2)
	for v != "" {
		key := keys[v[0]]
		length, n := binary.Uvarint([]byte(v[1:min(len(v), 1+binary.MaxVarintLen64)]))
		v = v[1+n:]
		annotations[key], v = string(v[:length]), v[length:]
	}
	return annotations
}

// account is what is kept of an object while the cache is filled. The rest of
// it is empty and shared.
type account struct {
	metav1.Object
	namespace, name, version string
	values                   values
}

func (a *account) GetNamespace() string       { return a.namespace }
func (a *account) GetName() string            { return a.name }
func (a *account) GetResourceVersion() string { return a.version }

// Transformer implements [cache.TransformingStore].
func (s *accountStore) Transformer() cache.TransformFunc {
	rest := new(metav1.ObjectMeta)
	return func(object any) (any, error) { return strip(object, rest), nil }
}

func strip(object any, rest metav1.Object) any {
	full, ok := object.(*metav1.PartialObjectMetadata)
	if !ok {
		return object
	}
	return &account{rest, full.Namespace, full.Name, full.ResourceVersion, relevant(full.Annotations)}
}

// accountStore is the reflector's store. client-go's own would keep an object
// with a dozen empty fields for each service account.
type accountStore struct {
	filled func(n int) // called after the first Replace

	mu        sync.RWMutex
	accounts  map[string]values // by namespace/name; nil before the first Replace
	annotated int               // of them have annotations
}

var _ cache.TransformingStore = (*accountStore)(nil)

func (s *accountStore) get(key string) (annotations map[string]string, known bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	kept, known := s.accounts[key]
	return kept.annotations(), known
}

func (s *accountStore) synced() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.accounts != nil
}

func (s *accountStore) count() (annotated, plain int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.annotated, len(s.accounts) - s.annotated
}

// keyed returns the object's key and what is kept of it.
func keyed(object any) (string, values, error) {
	a, ok := strip(object, nil).(*account)
	if !ok {
		return "", "", fmt.Errorf("expected a service account, found %T", object)
	}
	return a.namespace + "/" + a.name, a.values, nil
}

// Add implements [cache.ReflectorStore].
func (s *accountStore) Add(object any) error {
	key, kept, err := keyed(object)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.accounts == nil {
		s.accounts = map[string]values{}
	}
	s.drop(key)
	s.accounts[key] = kept
	if len(kept) > 0 {
		s.annotated++
	}
	return nil
}

// Update implements [cache.ReflectorStore].
func (s *accountStore) Update(object any) error { return s.Add(object) }

// Delete implements [cache.ReflectorStore].
func (s *accountStore) Delete(object any) error {
	key, _, err := keyed(object)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(key)
	return nil
}

func (s *accountStore) drop(key string) {
	if len(s.accounts[key]) > 0 {
		s.annotated--
	}
	delete(s.accounts, key)
}

// Replace implements [cache.ReflectorStore].
func (s *accountStore) Replace(objects []any, _ string) error {
	accounts, annotated := make(map[string]values, len(objects)), 0
	for _, object := range objects {
		key, kept, err := keyed(object)
		if err != nil {
			return err
		}
		accounts[key] = kept
		if len(kept) > 0 {
			annotated++
		}
	}
	s.mu.Lock()
	first := s.accounts == nil
	s.accounts, s.annotated = accounts, annotated
	s.mu.Unlock()
	if first {
		s.filled(len(accounts))
	}
	return nil
}

// Resync implements [cache.ReflectorStore].
func (*accountStore) Resync() error { return nil }
