package storage

import (
	"context"
	"sync"
	"time"

	"github.com/aksess/aksess/internal/store"
)

// claims keep the receivers of this process from reaching for the same
// messages. They only save failed writes: that a message has one winner is
// decided by the write that moves it.
type claims struct {
	mu     sync.Mutex
	order  int64
	queues map[string]*claimed // by queue UID
}

// claimed is what receivers of one queue are about to move.
type claimed struct {
	mu    sync.Mutex
	keys  map[string]bool
	users int // receivers under way; guarded by claims.mu
}

// taken is what one receiver has claimed.
type taken struct {
	visible []store.Item[Message]
	expired []store.Item[Message]
	release func()
}

// next returns a number that grows with every call, near the time.
func (c *claims) next(now time.Time) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.order = max(c.order+1, now.UnixNano())
	return c.order
}

func (c *claims) enter(uid string) *claimed {
	c.mu.Lock()
	defer c.mu.Unlock()
	of := c.queues[uid]
	if of == nil {
		of = &claimed{keys: map[string]bool{}}
		c.queues[uid] = of
	}
	of.users++
	return of
}

func (c *claims) leave(uid string, of *claimed, keys []string) {
	of.mu.Lock()
	for _, key := range keys {
		delete(of.keys, key)
	}
	of.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if of.users--; of.users == 0 {
		delete(c.queues, uid)
	}
}

// take claims the first n visible messages that no other receiver of this
// process has claimed. release is always set when err is nil. Looking and
// claiming are one step, so what another receiver moved meanwhile is not seen.
func (c *claims) take(ctx context.Context, q *Queues, queue Queue, n int) (*taken, error) {
	of := c.enter(queue.UID)
	of.mu.Lock()
	now := q.config.Now()
	items, _, err := q.messages.List(ctx, store.Query{
		Prefix: queue.UID + "/", Before: visibleUntil(queue, now), Limit: n + len(of.keys),
	})
	result := &taken{}
	var keys []string
	for _, item := range items {
		if of.keys[item.Key] || len(result.visible) == n {
			continue
		}
		of.keys[item.Key] = true
		keys = append(keys, item.Key)
		if item.Value.Expires.After(now) {
			result.visible = append(result.visible, item)
		} else {
			result.expired = append(result.expired, item)
		}
	}
	of.mu.Unlock()
	result.release = func() { c.leave(queue.UID, of, keys) }
	if err != nil {
		result.release()
		return nil, err
	}
	return result, nil
}
