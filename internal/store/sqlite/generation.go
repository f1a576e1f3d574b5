package sqlite

import (
	"maps"
	"sync"
	"sync/atomic"
)

// generations counts the writes of each kind. The map is replaced, never
// changed: kinds are few and soon all known.
type generations struct {
	mu     sync.Mutex // of replacing
	counts atomic.Pointer[map[string]*atomic.Uint64]
}

func (g *generations) sum(kinds []string) uint64 {
	counts := g.counts.Load()
	if counts == nil {
		return 0
	}
	var sum uint64
	for _, kind := range kinds {
		if count := (*counts)[kind]; count != nil {
			sum += count.Load()
		}
	}
	return sum
}

// grow is called when a write of the kind is visible and not yet acknowledged.
func (g *generations) grow(kind string) {
	if counts := g.counts.Load(); counts != nil {
		if count := (*counts)[kind]; count != nil {
			count.Add(1)
			return
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	next := map[string]*atomic.Uint64{}
	if counts := g.counts.Load(); counts != nil {
		maps.Copy(next, *counts)
	}
	if next[kind] == nil {
		next[kind] = new(atomic.Uint64)
	}
	next[kind].Add(1)
	g.counts.Store(&next)
}
