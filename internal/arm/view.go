package arm

import (
	"context"
	"fmt"
	"strings"
	"sync"
)

// View is a cache of resources of a Global type in the form that a data plane
// needs, so that a read does not decode the resource again. It is exact: any
// write to a resource makes it look again.
type View[T any] struct {
	resources *Resources
	typ       string
	decode    func(*Resource) (T, error)

	mu         sync.RWMutex
	generation uint64
	values     map[string]T
}

// NewView returns a view; decode makes the cached form of a resource.
func NewView[T any](rs *Resources, typ string, decode func(*Resource) (T, error)) *View[T] {
	return &View[T]{resources: rs, typ: typ, decode: decode, values: map[string]T{}}
}

// Get returns the form of the named resource, or ErrNotFound.
func (v *View[T]) Get(ctx context.Context, name string) (T, error) {
	generation := v.resources.store.Generation(kindResource, kindName)
	name = strings.ToLower(name)
	v.mu.RLock()
	value, ok := v.values[name]
	ok = ok && v.generation == generation
	v.mu.RUnlock()
	if ok {
		return value, nil
	}
	resource, err := v.resources.ByName(ctx, v.typ, name)
	if err != nil {
		return value, err
	}
	value, err = v.decode(resource)
	if err != nil {
		return value, fmt.Errorf("decoding %s %q: %w", v.typ, name, err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.generation < generation {
		clear(v.values)
		v.generation = generation
	}
	if v.generation == generation {
		v.values[name] = value
	}
	return value, nil
}
