package arm

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aksess/aksess/internal/store"
)

// Purge ends a deleted resource and releases its name. The error is ErrNotFound
// when there is none, ErrProtected when it may not be purged yet.
func (rs *Resources) Purge(ctx context.Context, t *Type, name string) error {
	for range maxAttempts {
		item, err := rs.buried(ctx, t.Name, name)
		if err != nil {
			return err
		}
		over := item.Value.over(rs.Now())
		if item.Value.Protected && !over {
			return ErrProtected
		}
		if err := rs.end(ctx, t, item); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return Busy.New(name).SetHeader("Retry-After", "1")
}

// remains returns the deleted resource that has a name, nil when none has: one
// whose time is up is ended first.
func (rs *Resources) remains(ctx context.Context, t *Type, name string) (*store.Item[deletedDocument], error) {
	item, err := rs.buried(ctx, t.Name, name)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if item.Value.over(rs.Now()) {
		return nil, rs.end(ctx, t, item)
	}
	return &item, nil
}

// end removes a deleted resource for good. It is marked first, so that nobody
// recovers what is half gone; whoever finds the mark completes the end.
func (rs *Resources) end(ctx context.Context, t *Type, item store.Item[deletedDocument]) error {
	if !item.Value.Purging {
		item.Value.Purging = true
		version, err := rs.deleted.Put(ctx, item.Key, item.Value, store.At(item.Version))
		if err != nil {
			return err
		}
		item.Version = version
	}
	if err := rs.settle(ctx, item); err != nil {
		return err
	}
	below, err := rs.below.All(ctx, item.Key+"/")
	if err != nil {
		return fmt.Errorf("listing what was below %q: %w", item.Key, err)
	}
	var ops []store.Op
	for i := len(below) - 1; i >= 0; i-- {
		if err := hookDelete(ctx, rs.types, below[i].Value.resource(0)); err != nil {
			return err
		}
		ops = append(ops, rs.below.DeleteOp(below[i].Key, store.Always()))
	}
	if hook := t.SoftDelete.Purge; hook != nil {
		if err := hook(ctx, item.Value.Resource.resource(0)); err != nil {
			return fmt.Errorf("purging %q: %w", item.Value.Resource.ID, err)
		}
	}
	if err := rs.applyParts(ctx, ops, rs.stillDeleted(item)); err != nil {
		return err
	}
	_, err = rs.store.Apply(ctx, rs.deleted.DeleteOp(item.Key, store.At(item.Version)), rs.names.DeleteOp(item.Key, store.Always()))
	return err
}

// endOverdue ends the deleted resources whose time is up, and completes deletes
// and recoveries that were interrupted.
func (rs *Resources) endOverdue(ctx context.Context) error {
	items, err := rs.deleted.All(ctx, "")
	if err != nil {
		return fmt.Errorf("listing deleted resources: %w", err)
	}
	var failures []error
	for _, item := range items {
		t := rs.types[strings.ToLower(item.Value.Resource.Type)]
		if t == nil || t.SoftDelete == nil {
			continue
		}
		settled := rs.settle(ctx, item)
		if item.Value.over(rs.Now()) {
			settled = rs.end(ctx, t, item)
		}
		if settled != nil && !errors.Is(settled, store.ErrConflict) { // someone else is at it
			failures = append(failures, settled)
		}
	}
	return errors.Join(failures...)
}
