package storage

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/aksess/aksess/internal/store"
)

// Queue is a queue of messages.
type Queue struct {
	UID      string            `json:"uid"` // begins the keys of its messages; a clear gives a new one
	Name     string            `json:"name"`
	Metadata map[string]string `json:"metadata,omitempty"`
	Policies []StoredPolicy    `json:"policies,omitempty"`
	Created  time.Time         `json:"created"`

	Version int64  `json:"-"`
	holder  string // account UID
}

func (q *Queue) key() string { return q.holder + "/" + q.Name }

// Queues keeps the queues and messages of all accounts.
type Queues struct {
	config    Config
	queues    store.Collection[Queue]
	messages  store.Collection[Message]
	collector *Collector
	claims    claims
	counts    sync.Map // queue UID → counted
}

// NewQueues returns the queues and messages kept in the store of c.
func NewQueues(c Config) *Queues {
	return &Queues{
		config:    c,
		queues:    store.Collection[Queue]{Store: c.Store, Kind: kindQueue},
		messages:  store.Collection[Message]{Store: c.Store, Kind: kindMessage},
		collector: NewCollector(c),
		claims:    claims{queues: map[string]*claimed{}},
	}
}

func queueOf(holder string, item store.Item[Queue]) Queue {
	item.Value.Version, item.Value.holder = item.Version, holder
	return item.Value
}

// Queue returns a queue, or QueueNotFound.
func (q *Queues) Queue(ctx context.Context, account *Account, name string) (Queue, error) {
	item, err := q.queues.Get(ctx, account.UID+"/"+name)
	if errors.Is(err, store.ErrNotFound) {
		return Queue{}, QueueNotFound.New()
	}
	if err != nil {
		return Queue{}, fmt.Errorf("reading queue %q: %w", name, err)
	}
	return queueOf(account.UID, item), nil
}

// Create makes an empty queue and reports true. A queue that is there with the
// same metadata is returned as it is; with other metadata it is QueueAlreadyExists.
func (q *Queues) Create(ctx context.Context, account *Account, name string, metadata map[string]string) (Queue, bool, error) {
	if err := CheckQueueName(name); err != nil {
		return Queue{}, false, err
	}
	if err := CheckMetadata(metadata); err != nil {
		return Queue{}, false, err
	}
	made := Queue{UID: q.config.NewID(), Name: name, Metadata: metadata, Created: q.config.Now(), holder: account.UID}
	for {
		version, err := q.queues.Put(ctx, made.key(), made, store.Absent())
		if err == nil {
			made.Version = version
			return made, true, nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return Queue{}, false, fmt.Errorf("creating queue %q: %w", name, err)
		}
		found, err := q.Queue(ctx, account, name)
		if errors.Is(err, QueueNotFound) {
			continue // deleted meanwhile
		}
		if err == nil && !maps.Equal(found.Metadata, metadata) {
			err = QueueAlreadyExists.New()
		}
		return found, false, err
	}
}

// SetMetadata replaces a queue's metadata.
func (q *Queues) SetMetadata(ctx context.Context, account *Account, name string, metadata map[string]string) (Queue, error) {
	if err := CheckMetadata(metadata); err != nil {
		return Queue{}, err
	}
	return q.change(ctx, account, name, func(queue *Queue) { queue.Metadata = metadata })
}

// SetPolicies replaces a queue's stored access policies.
func (q *Queues) SetPolicies(ctx context.Context, account *Account, name string, policies []StoredPolicy) error {
	_, err := q.change(ctx, account, name, func(queue *Queue) { queue.Policies = policies })
	return err
}

func (q *Queues) change(ctx context.Context, account *Account, name string, change func(*Queue)) (Queue, error) {
	for {
		queue, err := q.Queue(ctx, account, name)
		if err != nil {
			return queue, err
		}
		at := queue.Version
		change(&queue)
		queue.Version, err = q.queues.Put(ctx, queue.key(), queue, store.At(at))
		if !errors.Is(err, store.ErrConflict) {
			return queue, err
		}
	}
}

// Delete removes a queue. Its messages are out of reach at once and removed by
// the collector.
func (q *Queues) Delete(ctx context.Context, account *Account, name string) error {
	return q.abandon(ctx, account, name, func(queue Queue) (store.Op, error) {
		return q.queues.DeleteOp(queue.key(), store.At(queue.Version)), nil
	})
}

// Clear removes all messages of a queue, invisible ones too: the queue goes on
// under a new UID, which costs the same however many there are.
func (q *Queues) Clear(ctx context.Context, account *Account, name string) error {
	return q.abandon(ctx, account, name, func(queue Queue) (store.Op, error) {
		queue.UID = q.config.NewID()
		return q.queues.PutOp(queue.key(), queue, store.At(queue.Version))
	})
}

// abandon writes a queue's record anew and leaves its messages to the collector.
func (q *Queues) abandon(ctx context.Context, account *Account, name string, change func(Queue) (store.Op, error)) error {
	for {
		queue, err := q.Queue(ctx, account, name)
		if err != nil {
			return err
		}
		op, err := change(queue)
		if err != nil {
			return err
		}
		remove, err := q.collector.op(0, remains{Queue: queue.UID})
		if err != nil {
			return err
		}
		_, err = q.config.Store.Apply(ctx, op, remove)
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			return fmt.Errorf("writing queue %q: %w", name, err)
		}
		q.counts.Delete(queue.UID)
		q.collector.sweep(ctx)
		return nil
	}
}

// List returns the queues of an account in the order of their names, and the
// name to continue after, "" at the end.
func (q *Queues) List(ctx context.Context, account *Account, p Page) ([]Queue, string, error) {
	items, next, err := list(ctx, q.queues, account.UID, p)
	if err != nil {
		return nil, "", fmt.Errorf("listing queues of %q: %w", account.Name, err)
	}
	found := make([]Queue, 0, len(items))
	for _, item := range items {
		found = append(found, queueOf(account.UID, item))
	}
	return found, next, nil
}

// DeleteAll removes all queues of an account.
func (q *Queues) DeleteAll(ctx context.Context, account *Account) error {
	for {
		queues, next, err := q.List(ctx, account, Page{Limit: store.DefaultLimit})
		if err != nil {
			return err
		}
		for _, queue := range queues {
			if err := q.Delete(ctx, account, queue.Name); err != nil && !errors.Is(err, QueueNotFound) {
				return err
			}
		}
		if next == "" {
			return nil
		}
	}
}

// counted is how many messages a queue had when the messages of all queues
// were at a generation.
type counted struct {
	generation uint64
	messages   int
}

// Count returns about how many messages a queue has, invisible and expired ones
// included. It reads them all unless no message was written since the last time.
func (q *Queues) Count(ctx context.Context, queue Queue) (int, error) {
	generation := q.config.Store.Generation(kindMessage)
	if known, ok := q.counts.Load(queue.UID); ok && known.(counted).generation == generation {
		return known.(counted).messages, nil
	}
	n, query := 0, store.Query{Prefix: queue.UID + "/"}
	for {
		page, err := q.config.Store.List(ctx, kindMessage, query)
		if err != nil {
			return 0, fmt.Errorf("counting the messages of queue %q: %w", queue.Name, err)
		}
		n += len(page.Docs)
		if !page.More {
			q.counts.Store(queue.UID, counted{generation, n})
			return n, nil
		}
		query.After = page.Docs[len(page.Docs)-1].Key
	}
}
