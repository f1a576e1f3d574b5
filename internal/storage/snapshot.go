package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aksess/aksess/internal/store"
)

// Snapshot names a snapshot of a blob by its moment, as the wire has it:
// 2026-09-01T12:00:00.0000000Z. "" is the blob itself.
type Snapshot string

const (
	snapshotLayout = "2006-01-02T15:04:05.0000000Z"
	snapshotTick   = 100 * time.Nanosecond
)

func snapshotAt(t time.Time) Snapshot { return Snapshot(t.UTC().Format(snapshotLayout)) }

// Valid reports whether the text is a moment in the form of snapshots.
func (s Snapshot) Valid() bool {
	at, err := time.Parse(snapshotLayout, string(s))
	return err == nil && snapshotAt(at) == s
}

// Object is what is read: a blob, or a snapshot of it.
type Object struct {
	Name     string
	Snapshot Snapshot
}

// snapshotKey is in the order of time among those of one series.
func snapshotKey(series string, s Snapshot) string { return series + "/" + string(s) }

// findObject returns a blob or a snapshot, with Version 0 when there is none.
func (b *Blobs) findObject(ctx context.Context, c Container, of Object) (Blob, error) {
	base, err := b.find(ctx, c, of.Name)
	if err != nil || of.Snapshot == "" || base.Version == 0 {
		return base, err
	}
	return b.findSnapshot(ctx, base, of.Snapshot)
}

func (b *Blobs) findSnapshot(ctx context.Context, base Blob, at Snapshot) (Blob, error) {
	if base.Series == "" {
		return Blob{}, nil
	}
	item, err := b.snapshots.Get(ctx, snapshotKey(base.Series, at))
	if errors.Is(err, store.ErrNotFound) {
		return Blob{}, nil
	}
	if err != nil {
		return Blob{}, fmt.Errorf("reading snapshot %s of blob %q: %w", at, base.Name, err)
	}
	return blobOf(item), nil
}

// Snap makes a snapshot of a blob, on conditions, with the metadata given, or
// with the blob's when that is nil. It has its own copy of the content. The blob
// stays unmodified; a lease on it does not hold that off.
func (b *Blobs) Snap(ctx context.Context, c Container, name string, on Conditions, metadata map[string]string) (Blob, error) {
	if err := CheckMetadata(metadata); err != nil {
		return Blob{}, err
	}
	var copied Body // what staged is a copy of
	var staged *Staged
	for {
		base, err := b.find(ctx, c, name)
		if err == nil && base.Version == 0 {
			err = BlobNotFound.New()
		}
		if err == nil {
			err = on.forUpdate(base.state(b.config.Now()))
		}
		if err == nil && (staged == nil || copied != base.Body) {
			b.Discard(ctx, staged)
			copied = base.Body
			staged, err = b.copyBody(ctx, c, base)
			if errors.Is(err, store.ErrNotFound) {
				continue // superseded since it was looked up
			}
		}
		var made Blob
		if err == nil {
			made, err = b.addSnapshot(ctx, c, base, metadata, staged)
		}
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			b.Discard(ctx, staged)
		}
		return made, err
	}
}

// copyBody stages a copy of a blob's content; store.ErrNotFound when that is gone.
func (b *Blobs) copyBody(ctx context.Context, c Container, of Blob) (*Staged, error) {
	content, err := b.open(ctx, of.Body, 0, of.Size)
	if err != nil {
		return nil, err
	}
	defer content.Close() //nolint:errcheck // it was only read
	return b.Stage(ctx, c, content, of.Size)
}

// addSnapshot writes the snapshot and, so that a delete at the same time notices
// it, the blob that it is of.
func (b *Blobs) addSnapshot(ctx context.Context, c Container, base Blob, metadata map[string]string, staged *Staged) (Blob, error) {
	check, err := b.holds(ctx, c)
	if err != nil {
		return Blob{}, err
	}
	now := b.config.Now()
	made := base
	made.Body, made.Lease, made.Series, made.Kept = staged.body, Lease{}, "", base.Version
	if metadata != nil {
		made.Metadata, made.Modified, made.Kept = metadata, now, 0
	}
	base.Kept = base.Version
	if base.Series == "" {
		base.Series = b.config.NewID()
	}
	if made.Snapshot, err = b.freeMoment(ctx, base, now); err != nil {
		return Blob{}, err
	}
	add, err := b.snapshots.PutOp(snapshotKey(base.Series, made.Snapshot), made, store.Absent())
	if err != nil {
		return Blob{}, err
	}
	touch, err := b.blobs.PutOp(blobKey(c, base.Name), base, store.At(base.stored))
	if err != nil {
		return Blob{}, err
	}
	ops := []store.Op{add, touch, check}
	if op, ok := staged.op(); ok {
		ops = append(ops, op)
	}
	versions, err := b.config.Store.Apply(ctx, ops...)
	if err != nil {
		return Blob{}, err
	}
	return blobOf(store.Item[Blob]{Value: made, Version: versions[0]}), nil
}

// freeMoment is now, or the first tick after it that no snapshot has.
func (b *Blobs) freeMoment(ctx context.Context, base Blob, now time.Time) (Snapshot, error) {
	for at := now; ; at = at.Add(snapshotTick) {
		taken, err := b.findSnapshot(ctx, base, snapshotAt(at))
		if err != nil || taken.Version == 0 {
			return snapshotAt(at), err
		}
	}
}

// snapshotsOf returns at most limit snapshots of a blob after that one, in the
// order of time, and whether there are more.
func (b *Blobs) snapshotsOf(ctx context.Context, base Blob, after Snapshot, limit int) ([]Blob, bool, error) {
	if base.Series == "" {
		return nil, false, nil
	}
	items, next, err := list(ctx, b.snapshots, base.Series, Page{After: string(after), Limit: limit})
	if err != nil {
		return nil, false, fmt.Errorf("listing snapshots of blob %q: %w", base.Name, err)
	}
	found := make([]Blob, 0, len(items))
	for _, item := range items {
		found = append(found, blobOf(item))
	}
	return found, next != "", nil
}

// DeleteSnapshot removes one snapshot on conditions.
func (b *Blobs) DeleteSnapshot(ctx context.Context, c Container, of Object, on Conditions) error {
	base, err := b.find(ctx, c, of.Name)
	if err != nil {
		return err
	}
	snapshot, err := b.findSnapshot(ctx, base, of.Snapshot)
	if err != nil {
		return err
	}
	if snapshot.Version == 0 {
		return BlobNotFound.New()
	}
	if err := on.forWrite(snapshot.state(b.config.Now())); err != nil {
		return err
	}
	cleanup, err := b.supersede(ctx, snapshot, store.Item[upload]{}, nil)
	if err != nil {
		return err
	}
	remove := b.snapshots.DeleteOp(snapshotKey(base.Series, of.Snapshot), store.At(snapshot.stored))
	_, err = b.config.Store.Apply(ctx, append([]store.Op{remove}, cleanup...)...)
	if errors.Is(err, store.ErrConflict) {
		return BlobNotFound.New() // snapshots do not change: it was deleted meanwhile
	}
	if err != nil {
		return fmt.Errorf("deleting snapshot %s of blob %q: %w", of.Snapshot, of.Name, err)
	}
	b.collector.sweep(ctx)
	return nil
}

// DeleteSnapshots removes all snapshots of a blob on conditions, and leaves it.
func (b *Blobs) DeleteSnapshots(ctx context.Context, c Container, name string, on Conditions) error {
	for {
		base, err := b.find(ctx, c, name)
		if err != nil {
			return err
		}
		if base.Version == 0 {
			return BlobNotFound.New()
		}
		if err := on.forWrite(base.state(b.config.Now())); err != nil {
			return err
		}
		if base.Series == "" {
			return nil
		}
		end, err := b.collector.op(0, remains{Series: base.Series})
		if err != nil {
			return err
		}
		base.Kept, base.Series = base.Version, ""
		touch, err := b.blobs.PutOp(blobKey(c, name), base, store.At(base.stored))
		if err != nil {
			return err
		}
		_, err = b.config.Store.Apply(ctx, touch, end)
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			return fmt.Errorf("deleting the snapshots of blob %q: %w", name, err)
		}
		b.collector.sweep(ctx)
		return nil
	}
}

// withSnapshots is the operation that removes what a deleted blob's snapshots
// leave; SnapshotsPresent when there are some and they are not included.
func (b *Blobs) withSnapshots(ctx context.Context, base Blob, include bool) ([]store.Op, error) {
	some, _, err := b.snapshotsOf(ctx, base, "", 1)
	if err != nil || len(some) == 0 {
		return nil, err
	}
	if !include {
		return nil, SnapshotsPresent.New()
	}
	end, err := b.collector.op(0, remains{Series: base.Series})
	return []store.Op{end}, err
}
