package memory

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"sync"

	"github.com/aksess/aksess/internal/store"
)

// Store keeps everything in memory. Its zero value is not usable; see New.
type Store struct {
	mu       sync.RWMutex
	closed   bool
	version  int64 // last one given out
	kinds    map[string]*kind
	contents map[string][]byte
}

type kind struct {
	docs       ordered
	generation uint64
}

var _ store.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store {
	return &Store{kinds: map[string]*kind{}, contents: map[string][]byte{}}
}

// ready is checked under the lock by every method.
func (s *Store) ready(ctx context.Context) error {
	if s.closed {
		return store.ErrClosed
	}
	return ctx.Err()
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, kind, key string) (store.Doc, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.ready(ctx); err != nil {
		return store.Doc{}, err
	}
	e, found := s.lookup(kind, key)
	if !found {
		return store.Doc{}, store.ErrNotFound
	}
	return e.doc(kind), nil
}

func (s *Store) lookup(kind, key string) (entry, bool) {
	k := s.kinds[kind]
	if k == nil {
		return entry{}, false
	}
	return k.docs.get(key)
}

func (e entry) doc(kind string) store.Doc {
	return store.Doc{Kind: kind, Key: e.key, Version: e.version, Value: e.value}
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, kind string, q store.Query) (store.Page, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.ready(ctx); err != nil {
		return store.Page{}, err
	}
	k := s.kinds[kind]
	if k == nil {
		return store.Page{}, nil
	}
	var page store.Page
	size, r := 0, q.Range()
	k.docs.ascend(r.From, func(e entry) bool {
		if !r.Contains(e.key) {
			return false
		}
		if len(page.Docs) == r.Limit || size >= store.MaxPage {
			page.More = true
			return false
		}
		page.Docs = append(page.Docs, e.doc(kind))
		size += len(e.value)
		return true
	})
	return page, nil
}

// Apply implements store.Store.
func (s *Store) Apply(ctx context.Context, ops ...store.Op) ([]int64, error) {
	if err := store.CheckOps(ops); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	versions, err := s.decide(ops)
	if err != nil {
		return nil, err
	}
	for i, op := range ops {
		s.perform(op, versions[i])
	}
	return versions, nil
}

type docID struct{ kind, key string }

// decide checks every condition, each with the earlier operations in effect,
// and gives out versions. It changes nothing else.
func (s *Store) decide(ops []store.Op) ([]int64, error) {
	versions := make([]int64, len(ops))
	next := s.version
	var earlier map[docID]int64 // 0 means deleted
	for i, op := range ops {
		id := docID{op.Kind, op.Key}
		have, known := earlier[id]
		if !known {
			e, _ := s.lookup(op.Kind, op.Key)
			have = e.version
		}
		if !op.If.Holds(have != 0, have) {
			return nil, &store.ConflictError{Index: i, Exists: have != 0, Have: have}
		}
		if op.Check {
			continue
		}
		if !op.Delete {
			next++
			versions[i] = next
		}
		if len(ops) > 1 {
			if earlier == nil {
				earlier = make(map[docID]int64, len(ops))
			}
			earlier[id] = versions[i]
		}
	}
	s.version = next
	return versions, nil
}

func (s *Store) perform(op store.Op, version int64) {
	if op.Check {
		return
	}
	k := s.kinds[op.Kind]
	if k == nil {
		k = &kind{}
		s.kinds[op.Kind] = k
	}
	k.generation++
	if op.Delete {
		k.docs.remove(op.Key)
		return
	}
	k.docs.set(entry{key: op.Key, version: version, value: bytes.Clone(op.Value)})
}

// Generation implements store.Store.
func (s *Store) Generation(kinds ...string) uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var sum uint64
	for _, name := range kinds {
		if k := s.kinds[name]; k != nil {
			sum += k.generation
		}
	}
	return sum
}

// PutContent implements store.Store.
func (s *Store) PutContent(ctx context.Context, r io.Reader) (store.ContentRef, error) {
	data, err := io.ReadAll(store.ContextReader(ctx, r))
	if err != nil {
		return store.ContentRef{}, fmt.Errorf("reading content: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ready(ctx); err != nil {
		return store.ContentRef{}, err
	}
	if len(data) == 0 {
		return store.ContentRef{}, nil
	}
	ref := store.ContentRef{ID: rand.Text(), Size: int64(len(data))}
	s.contents[ref.ID] = bytes.Clone(data) // without the spare capacity of ReadAll
	return ref, nil
}

// OpenContent implements store.Store.
func (s *Store) OpenContent(ctx context.Context, ref store.ContentRef) (io.ReadSeekCloser, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	if ref == (store.ContentRef{}) {
		return store.NewContent(nil), nil
	}
	data, found := s.contents[ref.ID]
	if !found || int64(len(data)) != ref.Size {
		return nil, store.ErrNotFound
	}
	return store.NewContent(data), nil
}

// DeleteContent implements store.Store.
func (s *Store) DeleteContent(ctx context.Context, ref store.ContentRef) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ready(ctx); err != nil {
		return err
	}
	delete(s.contents, ref.ID)
	return nil
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.kinds, s.contents = nil, nil
	return nil
}
