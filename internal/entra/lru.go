package entra

import (
	"container/list"
	"sync"
)

// lru remembers a bounded number of values, those least recently used going
// first. It is safe for concurrent use.
type lru[K comparable, V any] struct {
	limit int

	mu      sync.Mutex
	entries map[K]*list.Element // of *lruEntry
	recent  *list.List          // most recently used first
}

type lruEntry[K comparable, V any] struct {
	key   K
	value V
}

func newLRU[K comparable, V any](limit int) *lru[K, V] {
	return &lru[K, V]{limit: limit, entries: map[K]*list.Element{}, recent: list.New()}
}

func (c *lru[K, V]) get(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.entries[key]
	if !ok {
		return value, false
	}
	c.recent.MoveToFront(element)
	return element.Value.(*lruEntry[K, V]).value, true
}

func (c *lru[K, V]) add(key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if element, ok := c.entries[key]; ok {
		element.Value.(*lruEntry[K, V]).value = value
		c.recent.MoveToFront(element)
		return
	}
	c.entries[key] = c.recent.PushFront(&lruEntry[K, V]{key: key, value: value})
	if c.recent.Len() > c.limit {
		oldest := c.recent.Remove(c.recent.Back()).(*lruEntry[K, V])
		delete(c.entries, oldest.key)
	}
}

func (c *lru[K, V]) remove(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if element, ok := c.entries[key]; ok {
		c.recent.Remove(element)
		delete(c.entries, key)
	}
}
