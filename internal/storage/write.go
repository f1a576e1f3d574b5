package storage

import (
	"context"
	"errors"
	"time"

	"github.com/aksess/aksess/internal/store"
)

// Write is what a whole write of a blob sets.
type Write struct {
	Name     string
	Headers  BlobHeaders
	Metadata map[string]string
	Tier     string
	Tags     map[string]string
	Copy     *Copy
	On       Conditions
	// MayOverwrite is asked when the blob exists. nil allows.
	MayOverwrite func() error
}

// Put writes a blob with staged content. What it replaces is removed, uploaded
// blocks that waited for a list with it. The caller discards staged on error.
func (b *Blobs) Put(ctx context.Context, c Container, w Write, staged *Staged) (Blob, error) {
	return b.write(ctx, c, w, func(Blob, store.Item[upload]) (draft, error) {
		next := draft{size: staged.Size, body: staged.body}
		if op, ok := staged.op(); ok {
			next.ops = []store.Op{op}
		}
		return next, nil
	})
}

// draft is the content of a write under way.
type draft struct {
	size int64
	body Body
	ops  []store.Op // written with the record
	used []string   // ids of bodies, of blocks or of the blob as it was, that go on being used
}

// write replaces a blob by what make says, in one step.
func (b *Blobs) write(ctx context.Context, c Container, w Write, make func(old Blob, waiting store.Item[upload]) (draft, error)) (Blob, error) {
	if err := CheckMetadata(w.Metadata); err != nil {
		return Blob{}, err
	}
	for {
		old, err := b.find(ctx, c, w.Name)
		if err != nil {
			return Blob{}, err
		}
		if err := w.admit(old, b.config.Now()); err != nil {
			return Blob{}, err
		}
		waiting, err := b.waiting(ctx, c, w.Name)
		if err != nil {
			return Blob{}, err
		}
		next, err := make(old, waiting)
		if err != nil {
			return Blob{}, err
		}
		written, err := b.commit(ctx, c, w, next, old, waiting)
		if !errors.Is(err, store.ErrConflict) {
			return written, err
		}
	}
}

func (w *Write) admit(old Blob, now time.Time) error {
	if err := w.On.forWrite(old.state(now)); err != nil {
		return err
	}
	if old.Version != 0 && w.MayOverwrite != nil {
		return w.MayOverwrite()
	}
	return nil
}

// holds is the check that a container is still there, whatever changed about it.
func (b *Blobs) holds(ctx context.Context, c Container) (store.Op, error) {
	item, err := b.containers.Get(ctx, c.key())
	if errors.Is(err, store.ErrNotFound) || (err == nil && item.Value.UID != c.UID) {
		return store.Op{}, ContainerNotFound.New()
	}
	c.stored = item.Version
	return c.check(), err
}

func (b *Blobs) commit(ctx context.Context, c Container, w Write, next draft, old Blob, waiting store.Item[upload]) (Blob, error) {
	now := b.config.Now()
	blob := Blob{
		Name: w.Name, Created: now, Modified: now, Size: next.size,
		Headers: w.Headers, Metadata: w.Metadata, Tier: w.Tier, Body: next.body, Lease: old.Lease.afterWrite(now), Copy: w.Copy, Tags: w.Tags, Series: old.Series,
	}
	condition := store.Absent()
	if old.Version != 0 {
		blob.Created = old.Created
		condition = store.At(old.stored)
	}
	head, err := b.blobs.PutOp(blobKey(c, w.Name), blob, condition)
	if err != nil {
		return blob, err
	}
	check, err := b.holds(ctx, c)
	if err != nil {
		return blob, err
	}
	ops := append([]store.Op{head, check}, next.ops...)
	cleanup, err := b.supersede(ctx, old, waiting, next.used)
	if err != nil {
		return blob, err
	}
	versions, err := b.config.Store.Apply(ctx, append(ops, cleanup...)...)
	if err != nil {
		return blob, err
	}
	blob.Version, blob.stored = versions[0], versions[0]
	if len(cleanup) > 0 {
		b.collector.sweep(ctx)
	}
	return blob, nil
}

// supersede makes the operations that remove what a write replaces, but the used.
func (b *Blobs) supersede(ctx context.Context, old Blob, waiting store.Item[upload], used []string) ([]store.Op, error) {
	var ops []store.Op
	if waiting.Version != 0 {
		end, err := b.collector.op(0, remains{Upload: waiting.Value.UID, Used: used})
		if err != nil {
			return nil, err
		}
		ops = append(ops, b.uploads.DeleteOp(waiting.Key, store.At(waiting.Version)), end)
	}
	bodies, err := b.unused(ctx, old.Body, used)
	if err != nil {
		return nil, err
	}
	if old.Body.Bytes != "" && len(bodies) > 0 {
		return append(ops, store.Op{Kind: kindBytes, Key: old.Body.Bytes, Delete: true}), nil
	}
	if len(bodies) > 0 || old.Body.Parts != "" {
		later, err := b.collector.op(grace, remains{Bodies: bodies, Parts: old.Body.Parts})
		if err != nil {
			return nil, err
		}
		ops = append(ops, later)
	}
	return ops, nil
}

// unused lists the bodies of superseded content that are not used again.
func (b *Blobs) unused(ctx context.Context, old Body, used []string) ([]Body, error) {
	if old.empty() {
		return nil, nil
	}
	taken := make(map[string]bool, len(used))
	for _, id := range used {
		taken[id] = true
	}
	if old.Parts == "" {
		if taken[old.id()] {
			return nil, nil
		}
		return []Body{old}, nil
	}
	parts, err := b.parts.Get(ctx, old.Parts)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil // another write superseded it meanwhile; this one will not commit
	}
	if err != nil {
		return nil, err
	}
	left := []Body{}
	for _, part := range parts.Value {
		if !part.Body.empty() && !taken[part.Body.id()] {
			left = append(left, part.Body)
		}
	}
	return left, nil
}
