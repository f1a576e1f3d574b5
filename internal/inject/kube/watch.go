package kube

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"
)

// Pauses after a list or watch that failed.
const (
	watchRetry    = time.Second
	watchRetryMax = 30 * time.Second
)

// reflect keeps the store like what list and watch of the source return, until
// the context is done. What is for the log.
func reflect(ctx context.Context, what string, source cache.ListerWatcher, store cache.ReflectorStore, log *slog.Logger) {
	const page = 500 // objects in memory at once, where the API server cannot stream them
	logger := logr.FromSlogHandler(log.Handler())
	ctx = logr.NewContext(ctx, logger) // client-go's own lines would have another form
	reflector := cache.NewReflectorWithOptions(source, nil, store, cache.ReflectorOptions{Name: what, TypeDescription: what, Logger: &logger})
	reflector.WatchListPageSize = page
	pause := watchRetry
	for ctx.Err() == nil {
		began := time.Now()
		err := reflector.ListAndWatchWithContext(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil, apierrors.IsResourceExpired(err), apierrors.IsGone(err):
			log.Debug("watch ended, beginning again", "what", what, "error", err)
		default:
			log.Warn("watch interrupted, trying again", "what", what, "error", err)
		}
		if time.Since(began) > watchRetryMax { // it had worked
			pause = watchRetry
		}
		if !sleep(ctx, pause+rand.N(pause)) {
			return
		}
		pause = min(2*pause, watchRetryMax)
	}
}

// sleep returns false once the context is done.
func sleep(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// named is one object of the cluster.
type named struct {
	client    *Client
	resource  schema.GroupVersionResource
	namespace string // "" for a resource without
	name      string
}

// follow calls seen with the object at first and after each of its changes, and
// with nil when there is none, until the context is done. The rights to list
// and watch that one name suffice.
func (n named) follow(ctx context.Context, log *slog.Logger, seen func(*unstructured.Unstructured)) {
	resource := dynamic.ResourceInterface(n.client.Dynamic.Resource(n.resource))
	if n.namespace != "" {
		resource = n.client.Dynamic.Resource(n.resource).Namespace(n.namespace)
	}
	only := func(options *metav1.ListOptions) { options.FieldSelector = "metadata.name=" + n.name }
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			only(&options)
			return resource.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			only(&options)
			return resource.Watch(ctx, options)
		},
	}
	reflect(ctx, n.resource.Resource+"/"+n.name, cache.ToListWatcherWithWatchListSemantics(source, n.client.Dynamic), followed{n.name, seen}, log)
}

// followed is a store that keeps nothing.
type followed struct {
	name string
	seen func(*unstructured.Unstructured)
}

func (f followed) Add(object any) error {
	// The test clients do not select by name.
	if object, ok := object.(*unstructured.Unstructured); ok && object.GetName() == f.name {
		f.seen(object)
	}
	return nil
}

func (f followed) Update(object any) error { return f.Add(object) }

func (f followed) Delete(object any) error {
	if object, ok := object.(*unstructured.Unstructured); ok && object.GetName() == f.name {
		f.seen(nil)
	}
	return nil
}

func (f followed) Replace(objects []any, _ string) error {
	for _, object := range objects {
		if object, ok := object.(*unstructured.Unstructured); ok && object.GetName() == f.name {
			f.seen(object)
			return nil
		}
	}
	f.seen(nil)
	return nil
}

func (followed) Resync() error { return nil }
