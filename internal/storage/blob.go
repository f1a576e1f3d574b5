package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"time"

	"github.com/aksess/aksess/internal/store"
)

// Blob is a block blob.
type Blob struct {
	Name     string            `json:"name"`
	Created  time.Time         `json:"created"`
	Modified time.Time         `json:"modified"`
	Size     int64             `json:"size"`
	Headers  BlobHeaders       `json:"headers"`
	Metadata map[string]string `json:"metadata,omitempty"`
	Tier     string            `json:"tier,omitempty"` // "" is the account's, Hot
	Retiered time.Time         `json:"retiered,omitzero"`
	Body     Body              `json:"body,omitzero"`

	Version int64 `json:"-"`
}

// BlobHeaders are a blob's HTTP headers, kept as they are set and sent back.
type BlobHeaders struct {
	ContentType        string `json:"contentType,omitempty"`
	ContentEncoding    string `json:"contentEncoding,omitempty"`
	ContentLanguage    string `json:"contentLanguage,omitempty"`
	ContentDisposition string `json:"contentDisposition,omitempty"`
	CacheControl       string `json:"cacheControl,omitempty"`
	ContentMD5         []byte `json:"contentMD5,omitempty"`
}

func (b *Blob) state() state {
	return state{exists: b.Version != 0, version: b.Version, modified: b.Modified}
}

func blobKey(c Container, name string) string { return c.UID + "/" + name }

func blobOf(item store.Item[Blob]) Blob {
	item.Value.Version = item.Version
	return item.Value
}

// Blob returns a blob on conditions: BlobNotFound, NotModified or ConditionNotMet.
func (b *Blobs) Blob(ctx context.Context, c Container, name string, on Conditions) (Blob, error) {
	found, err := b.find(ctx, c, name)
	if err != nil {
		return found, err
	}
	if found.Version == 0 {
		return found, BlobNotFound.New()
	}
	return found, on.forRead(found.state())
}

// find returns a blob, with Version 0 when there is none.
func (b *Blobs) find(ctx context.Context, c Container, name string) (Blob, error) {
	if err := CheckBlobName(name); err != nil {
		return Blob{}, err
	}
	item, err := b.blobs.Get(ctx, blobKey(c, name))
	if errors.Is(err, store.ErrNotFound) {
		return Blob{}, nil
	}
	if err != nil {
		return Blob{}, fmt.Errorf("reading blob %q: %w", name, err)
	}
	return blobOf(item), nil
}

// Open returns a blob with the part of its content that choose asks for, as of
// one moment. The caller closes the content. Errors are those of Blob and of choose.
func (b *Blobs) Open(ctx context.Context, c Container, name string, on Conditions, choose func(Blob) (offset, length int64, err error)) (Blob, io.ReadCloser, error) {
	for {
		found, err := b.Blob(ctx, c, name, on)
		if err != nil {
			return found, nil, err
		}
		offset, length, err := choose(found)
		if err != nil {
			return found, nil, err
		}
		content, err := b.open(ctx, found.Body, offset, length)
		if !errors.Is(err, store.ErrNotFound) {
			return found, content, err
		}
		again, err := b.find(ctx, c, name)
		if err != nil {
			return found, nil, err
		}
		if again.Version == found.Version {
			return found, nil, fmt.Errorf("blob %q: its content is missing", name)
		}
	}
}

// Write is what a whole write of a blob sets.
type Write struct {
	Name     string
	Headers  BlobHeaders
	Metadata map[string]string
	Tier     string
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
		if err := w.admit(old); err != nil {
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

func (w *Write) admit(old Blob) error {
	if err := w.On.forWrite(old.state()); err != nil {
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
	c.Version = item.Version
	return c.check(), err
}

func (b *Blobs) commit(ctx context.Context, c Container, w Write, next draft, old Blob, waiting store.Item[upload]) (Blob, error) {
	now := b.config.Now()
	blob := Blob{
		Name: w.Name, Created: now, Modified: now, Size: next.size,
		Headers: w.Headers, Metadata: w.Metadata, Tier: w.Tier, Body: next.body,
	}
	condition := store.Absent()
	if old.Version != 0 {
		blob.Created = old.Created
		condition = store.At(old.Version)
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
	blob.Version = versions[0]
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

// Update changes the headers, metadata or tier of a blob on conditions.
func (b *Blobs) Update(ctx context.Context, c Container, name string, on Conditions, change func(*Blob) error) (Blob, error) {
	for {
		blob, err := b.find(ctx, c, name)
		if err != nil {
			return blob, err
		}
		if blob.Version == 0 {
			return blob, BlobNotFound.New()
		}
		if err := on.forWrite(blob.state()); err != nil {
			return blob, err
		}
		changed := blob
		changed.Metadata = maps.Clone(blob.Metadata)
		if err := change(&changed); err != nil {
			return blob, err
		}
		if err := CheckMetadata(changed.Metadata); err != nil {
			return blob, err
		}
		changed.Version, err = b.blobs.Put(ctx, blobKey(c, name), changed, store.At(blob.Version))
		if !errors.Is(err, store.ErrConflict) {
			return changed, err
		}
	}
}

// Delete removes a blob on conditions.
func (b *Blobs) Delete(ctx context.Context, c Container, name string, on Conditions) error {
	for {
		blob, err := b.find(ctx, c, name)
		if err != nil {
			return err
		}
		if blob.Version == 0 {
			return BlobNotFound.New()
		}
		if err := on.forWrite(blob.state()); err != nil {
			return err
		}
		cleanup, err := b.supersede(ctx, blob, store.Item[upload]{}, nil)
		if err != nil {
			return err
		}
		ops := append([]store.Op{b.blobs.DeleteOp(blobKey(c, name), store.At(blob.Version))}, cleanup...)
		_, err = b.config.Store.Apply(ctx, ops...)
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			return fmt.Errorf("deleting blob %q: %w", name, err)
		}
		b.collector.sweep(ctx)
		return nil
	}
}
