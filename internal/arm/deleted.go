package arm

import (
	"context"
	"errors"
)

// Deleted returns the deleted resource of that type and name, or ErrNotFound.
func (rs *Resources) Deleted(ctx context.Context, typ, name string) (*Deleted, error) {
	return nil, ErrNotFound
}

// ListDeleted returns the deleted resources of a type in a subscription, in the order of their names.
func (rs *Resources) ListDeleted(ctx context.Context, subscription, typ string) ([]*Deleted, error) {
	return nil, nil
}

// Purge ends a deleted resource and releases its name. The error is ErrNotFound
// when there is none, ErrProtected when it may not be purged yet.
func (rs *Resources) Purge(ctx context.Context, t *Type, name string) error { return ErrNotFound }

// ErrProtected: a deleted resource that cannot be purged before its time.
var ErrProtected = errors.New("resource is protected from being purged")
