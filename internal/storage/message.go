package storage

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aksess/aksess/internal/store"
)

// Limits of messages
// (https://learn.microsoft.com/rest/api/storageservices/put-message).
const (
	MaxMessage       = 64 << 10           // bytes of a message's text
	MaxReceive       = 32                 // messages of one receive or peek
	MaxVisibility    = 7 * 24 * time.Hour // of a visibility timeout
	DefaultTTL       = 7 * 24 * time.Hour // time to live of a message
	DefaultInvisible = 30 * time.Second   // visibility timeout of a receive
)

// Never is when a message without an end expires, as Azure shows it.
func Never() time.Time { return time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) }

// Message is a message of a queue. Where it is stored says from when it is
// visible: receiving or updating it moves it.
type Message struct {
	ID       string    `json:"id"`
	Text     string    `json:"text"`
	Inserted time.Time `json:"inserted"`
	Expires  time.Time `json:"expires"`
	Dequeued int       `json:"dequeued,omitempty"`
	Nonce    []byte    `json:"nonce"` // the secret part of the pop receipt

	Position Position `json:"-"`
}

// Receipt is the message's pop receipt, good until it is received or updated again.
func (m Message) Receipt() string { return receipt{m.Position, m.Nonce}.String() }

func (q *Queues) place(m *Message, visible time.Time) error {
	m.Nonce = make([]byte, nonceSize)
	if _, err := io.ReadFull(q.config.random(), m.Nonce); err != nil {
		return fmt.Errorf("making a pop receipt: %w", err)
	}
	m.Position = Position{Visible: visible.UnixNano(), Order: q.claims.next(q.config.Now())}
	return nil
}

// Put adds a message, visible after a delay. Expires is set by the caller.
func (q *Queues) Put(ctx context.Context, account *Account, name, text string, delay time.Duration, expires time.Time) (Message, error) {
	for {
		queue, err := q.Queue(ctx, account, name)
		if err != nil {
			return Message{}, err
		}
		now := q.config.Now()
		m := Message{ID: q.config.NewID(), Text: text, Inserted: now, Expires: expires}
		if err := q.place(&m, now.Add(delay)); err != nil {
			return m, err
		}
		add, err := q.messages.PutOp(m.Position.key(queue, m.ID), m, store.Absent())
		if err != nil {
			return m, err
		}
		check := store.Op{Kind: kindQueue, Key: queue.key(), Check: true, If: store.At(queue.Version)}
		_, err = q.config.Store.Apply(ctx, check, add)
		if !errors.Is(err, store.ErrConflict) {
			return m, err
		}
	}
}

// Receive takes at most n visible messages and makes them invisible for a
// while. No message is given to two callers within that while.
func (q *Queues) Receive(ctx context.Context, queue Queue, n int, invisible time.Duration) ([]Message, error) {
	for {
		taken, err := q.claims.take(ctx, q, queue, n)
		if err != nil {
			return nil, err
		}
		received, err := q.move(ctx, queue, taken, invisible)
		taken.release()
		switch {
		case errors.Is(err, store.ErrConflict):
			continue // another replica, or the holder of an old receipt, was first
		case err != nil:
			return nil, fmt.Errorf("receiving from queue %q: %w", queue.Name, err)
		case len(received) == 0 && len(taken.expired) > 0:
			continue // there may be more behind those that were dropped
		}
		return received, nil
	}
}

// move writes received messages to where they will be visible again and drops
// expired ones, in one step.
func (q *Queues) move(ctx context.Context, queue Queue, taken *taken, invisible time.Duration) ([]Message, error) {
	var ops []store.Op
	for _, item := range taken.expired {
		ops = append(ops, q.messages.DeleteOp(item.Key, store.At(item.Version)))
	}
	visible := q.config.Now().Add(invisible)
	received := make([]Message, 0, len(taken.visible))
	for _, item := range taken.visible {
		m := item.Value
		m.Dequeued++
		if err := q.place(&m, visible); err != nil {
			return nil, err
		}
		put, err := q.messages.PutOp(m.Position.key(queue, m.ID), m, store.Absent())
		if err != nil {
			return nil, err
		}
		ops = append(ops, q.messages.DeleteOp(item.Key, store.At(item.Version)), put)
		received = append(received, m)
	}
	if len(ops) == 0 {
		return nil, nil
	}
	_, err := q.config.Store.Apply(ctx, ops...)
	return received, err
}

// Peek returns at most n visible messages and changes nothing.
func (q *Queues) Peek(ctx context.Context, queue Queue, n int) ([]Message, error) {
	now := q.config.Now()
	query := store.Query{Prefix: queue.UID + "/", Before: visibleUntil(queue, now), Limit: n}
	var found []Message
	for {
		items, more, err := q.messages.List(ctx, query)
		if err != nil {
			return nil, fmt.Errorf("peeking at queue %q: %w", queue.Name, err)
		}
		for _, item := range items {
			if item.Value.Expires.After(now) && len(found) < n {
				found = append(found, item.Value)
			}
		}
		if !more || len(found) == n {
			return found, nil
		}
		query.After = items[len(items)-1].Key
	}
}

// find returns the message that a pop receipt is for: MessageNotFound when it
// is gone or elsewhere by now, PopReceiptMismatch when the receipt was not given for it.
func (q *Queues) find(ctx context.Context, queue Queue, id string, held receipt) (store.Item[Message], error) {
	item, err := q.messages.Get(ctx, held.position.key(queue, id))
	if errors.Is(err, store.ErrNotFound) {
		return item, MessageNotFound.New()
	}
	if err != nil {
		return item, fmt.Errorf("reading message %q: %w", id, err)
	}
	if subtle.ConstantTimeCompare(item.Value.Nonce, held.nonce) != 1 {
		return item, PopReceiptMismatch.New()
	}
	if !item.Value.Expires.After(q.config.Now()) {
		return item, MessageNotFound.New()
	}
	return item, nil
}

// DeleteMessage removes a message by its newest pop receipt. The error is
// ErrReceipt when the receipt cannot be one.
func (q *Queues) DeleteMessage(ctx context.Context, queue Queue, id, popReceipt string) error {
	held, err := parseReceipt(popReceipt)
	if err != nil {
		return err
	}
	item, err := q.find(ctx, queue, id, held)
	if err != nil {
		return err
	}
	err = q.messages.Delete(ctx, item.Key, store.At(item.Version))
	if errors.Is(err, store.ErrConflict) {
		return MessageNotFound.New()
	}
	return err
}

// UpdateMessage hides a message for a while from now on, and with text not nil
// replaces its text. Its old pop receipt is void.
func (q *Queues) UpdateMessage(ctx context.Context, queue Queue, id, popReceipt string, invisible time.Duration, text *string) (Message, error) {
	held, err := parseReceipt(popReceipt)
	if err != nil {
		return Message{}, err
	}
	item, err := q.find(ctx, queue, id, held)
	if err != nil {
		return Message{}, err
	}
	m := item.Value
	if text != nil {
		m.Text = *text
	}
	if err := q.place(&m, q.config.Now().Add(invisible)); err != nil {
		return m, err
	}
	put, err := q.messages.PutOp(m.Position.key(queue, m.ID), m, store.Absent())
	if err != nil {
		return m, err
	}
	_, err = q.config.Store.Apply(ctx, q.messages.DeleteOp(item.Key, store.At(item.Version)), put)
	if errors.Is(err, store.ErrConflict) {
		return m, MessageNotFound.New()
	}
	return m, err
}
