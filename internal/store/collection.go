package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Collection is one kind of documents with a Go type.
type Collection[T any] struct {
	Store Store
	Kind  string
}

// Item is one typed document.
type Item[T any] struct {
	Key     string
	Version int64
	Value   T
}

// Get returns the document under key and its version, or ErrNotFound.
func (c Collection[T]) Get(ctx context.Context, key string) (Item[T], error) {
	doc, err := c.Store.Get(ctx, c.Kind, key)
	if err != nil {
		return Item[T]{}, err
	}
	return c.item(doc)
}

func (c Collection[T]) item(doc Doc) (Item[T], error) {
	item := Item[T]{Key: doc.Key, Version: doc.Version}
	if err := json.Unmarshal(doc.Value, &item.Value); err != nil {
		return item, fmt.Errorf("decoding %s %q: %w", c.Kind, doc.Key, err)
	}
	return item, nil
}

// List returns one page of documents.
func (c Collection[T]) List(ctx context.Context, q Query) (items []Item[T], more bool, err error) {
	page, err := c.Store.List(ctx, c.Kind, q)
	if err != nil {
		return nil, false, err
	}
	items = make([]Item[T], 0, len(page.Docs))
	for _, doc := range page.Docs {
		item, err := c.item(doc)
		if err != nil {
			return nil, false, err
		}
		items = append(items, item)
	}
	return items, page.More, nil
}

// All returns every document whose key begins with prefix.
func (c Collection[T]) All(ctx context.Context, prefix string) ([]Item[T], error) {
	var all []Item[T]
	after := ""
	for {
		items, more, err := c.List(ctx, Query{Prefix: prefix, After: after})
		if err != nil {
			return nil, err
		}
		all = append(all, items...)
		if !more || len(items) == 0 {
			return all, nil
		}
		after = items[len(items)-1].Key
	}
}

// Put writes one document and returns its new version.
func (c Collection[T]) Put(ctx context.Context, key string, value T, condition Condition) (int64, error) {
	op, err := c.PutOp(key, value, condition)
	if err != nil {
		return 0, err
	}
	versions, err := c.Store.Apply(ctx, op)
	if err != nil {
		return 0, err
	}
	return versions[0], nil
}

// Delete removes one document.
func (c Collection[T]) Delete(ctx context.Context, key string, condition Condition) error {
	_, err := c.Store.Apply(ctx, c.DeleteOp(key, condition))
	return err
}

// PutOp is a write for an Apply that spans collections.
func (c Collection[T]) PutOp(key string, value T, condition Condition) (Op, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return Op{}, fmt.Errorf("encoding %s %q: %w", c.Kind, key, err)
	}
	return Op{Kind: c.Kind, Key: key, Value: data, If: condition}, nil
}

// DeleteOp is a delete for an Apply that spans collections.
func (c Collection[T]) DeleteOp(key string, condition Condition) Op {
	return Op{Kind: c.Kind, Key: key, Delete: true, If: condition}
}

// Update reads a document, lets change alter it and writes it back on the
// condition that nobody else did, as often as it takes. A document that is not
// there is the zero T with exists false. change returns an error to give up.
func (c Collection[T]) Update(ctx context.Context, key string, change func(value *T, exists bool) error) (Item[T], error) {
	for {
		item, err := c.Get(ctx, key)
		exists := err == nil
		if err != nil && !errors.Is(err, ErrNotFound) {
			return item, err
		}
		condition := Absent()
		if exists {
			condition = At(item.Version)
		}
		item.Key = key
		if err := change(&item.Value, exists); err != nil {
			return item, err
		}
		item.Version, err = c.Put(ctx, key, item.Value, condition)
		if !errors.Is(err, ErrConflict) {
			return item, err
		}
	}
}
