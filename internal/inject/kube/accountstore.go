package kube

import (
	"encoding/binary"
	"fmt"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/aksess/aksess/internal/inject"
)

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
