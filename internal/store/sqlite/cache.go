package sqlite

import (
	"container/list"
	"hash/maphash"
	"sync"

	"github.com/aksess/aksess/internal/store"
)

const (
	cacheShards   = 16
	cacheOverhead = 200 // bytes of bookkeeping for a document, about
)

// docID names a document within the store.
type docID struct{ kind, key string }

// cache keeps documents that were read. The writer holds what it is about to
// commit, so that no reader is given the old document when another has seen
// the new one, and nothing read before a commit is stored after it.
type cache struct {
	seed   maphash.Seed
	shards [cacheShards]shard
}

type shard struct {
	mu     sync.Mutex
	limit  int64
	size   int64
	docs   map[docID]*list.Element // of store.Doc
	recent list.List               // most recently used first
	held   int                     // writes under way
	epoch  uint64                  // grows when a write begins or ends
}

// newCache returns a cache of at most so many bytes, or one that keeps nothing.
func newCache(limit int64) *cache {
	c := &cache{seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i].limit = max(limit, 0) / cacheShards
		c.shards[i].docs = map[docID]*list.Element{}
	}
	return c
}

func (c *cache) shard(id docID) *shard {
	hash := maphash.String(c.seed, id.kind) ^ maphash.String(c.seed, id.key)*31
	return &c.shards[hash%cacheShards]
}

// get returns the document, or the epoch to hand to put with what is read instead.
func (c *cache) get(id docID) (doc store.Doc, epoch uint64, found bool) {
	s := c.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	element := s.docs[id]
	if element == nil {
		return store.Doc{}, s.epoch, false
	}
	s.recent.MoveToFront(element)
	return element.Value.(store.Doc), 0, true
}

// put stores a document that was read after get returned epoch, unless a write
// began or ended in between.
func (c *cache) put(id docID, doc store.Doc, epoch uint64) {
	s := c.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == 0 && s.epoch == epoch {
		s.insert(id, doc)
	}
}

// hold forgets a document that is about to be written and keeps readers from
// storing any of its shard until settle. It reports whether it was cached.
func (c *cache) hold(id docID) bool {
	s := c.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held++
	s.epoch++
	return s.remove(id)
}

// settle ends hold, when the write was committed or given up.
func (c *cache) settle(id docID) {
	s := c.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held--
	s.epoch++
}

// renew ends hold like settle and stores what was written.
func (c *cache) renew(id docID, doc store.Doc) {
	s := c.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held--
	s.epoch++
	s.insert(id, doc)
}

func cost(doc store.Doc) int64 {
	return int64(len(doc.Kind)+len(doc.Key)+len(doc.Value)) + cacheOverhead
}

func (s *shard) insert(id docID, doc store.Doc) {
	// One document may take a quarter of a shard, not push everything out.
	if cost(doc) > s.limit/4 {
		return
	}
	s.remove(id)
	s.docs[id] = s.recent.PushFront(doc)
	s.size += cost(doc)
	for s.size > s.limit {
		oldest := s.recent.Back().Value.(store.Doc)
		s.remove(docID{oldest.Kind, oldest.Key})
	}
}

func (s *shard) remove(id docID) bool {
	element := s.docs[id]
	if element == nil {
		return false
	}
	doc := s.recent.Remove(element).(store.Doc)
	s.size -= cost(doc)
	delete(s.docs, id)
	return true
}
