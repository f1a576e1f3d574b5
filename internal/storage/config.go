package storage

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"time"

	"github.com/aksess/aksess/internal/store"
)

// Kinds of stored documents. Every key begins with the UID of what holds the
// record, so that nothing of a deleted holder appears under its successor.
const (
	kindContainer = "storage.container" // account UID/name → Container
	kindBlob      = "storage.blob"      // container UID/name → Blob
	kindSnapshot  = "storage.snapshot"  // series of a blob/moment → Blob
	kindBytes     = "storage.bytes"     // container UID/id → content of at most maxInline bytes, as it is
	kindParts     = "storage.parts"     // container UID/id → []Part of a blob made of blocks
	kindUpload    = "storage.upload"    // container UID/name → upload: the blocks that wait for a list
	kindBlock     = "storage.block"     // upload UID/block id, zero byte, sequence → Block
	kindService   = "storage.service"   // account UID/service → Settings
	kindQueue     = "storage.queue"     // account UID/name → Queue
	kindMessage   = "storage.message"   // queue UID/visible from, sequence/id → Message
	kindRemains   = "storage.remains"   // due time/id → remains: what Collect removes
)

// Config is what the records need from outside.
type Config struct {
	Store  store.Store
	Now    func() time.Time
	NewID  func() string // GUIDs
	Random io.Reader     // of pop receipts and keys; nil means crypto/rand
}

func (c Config) random() io.Reader {
	if c.Random == nil {
		return rand.Reader
	}
	return c.Random
}

// Page selects part of a listing.
type Page struct {
	Prefix string
	After  string // continue after this name; "" from the beginning
	Limit  int    // at most this many, > 0
}

// list returns one page of records below holder, and the name to continue after.
func list[T any](ctx context.Context, from store.Collection[T], holder string, p Page) ([]store.Item[T], string, error) {
	query := store.Query{Prefix: holder + "/" + p.Prefix, Limit: p.Limit}
	if p.After != "" {
		query.After = holder + "/" + p.After
	}
	items, more, err := from.List(ctx, query)
	if err != nil || !more || len(items) == 0 {
		return items, "", err
	}
	return items, items[len(items)-1].Key[len(holder)+1:], nil
}

// NewKey makes an account key.
func (c Config) NewKey(name string) (Key, error) {
	value := make([]byte, 64)
	if _, err := io.ReadFull(c.random(), value); err != nil {
		return Key{}, fmt.Errorf("making an account key: %w", err)
	}
	return Key{
		Name: name, Value: base64.StdEncoding.EncodeToString(value),
		Created: c.Now().UTC().Format("2006-01-02T15:04:05.0000000Z"),
	}, nil
}
