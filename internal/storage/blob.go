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
	Tags     map[string]string `json:"tags,omitempty"` // index tags; replaced, never changed
	Tier     string            `json:"tier,omitempty"` // "" is the account's, Hot
	Retiered time.Time         `json:"retiered,omitzero"`
	Body     Body              `json:"body,omitzero"`
	Lease    Lease             `json:"lease,omitzero"`
	Copy     *Copy             `json:"copy,omitempty"` // that made it, when nothing changed its content or headers since
	// Series begins the keys of the blob's snapshots; "" when it had none.
	Series   string   `json:"series,omitempty"`
	Snapshot Snapshot `json:"snapshot,omitempty"` // of a record that is one
	// Kept is the Version that a write which modifies nothing went on with; 0
	// when the record's own is the Version.
	Kept int64 `json:"kept,omitempty"`

	Version int64 `json:"-"` // what the ETag shows; 0: there is no such blob
	stored  int64 // the record's own
}

// Copy is what is kept of a copy after it is complete.
type Copy struct {
	ID        string    `json:"id"`     // a GUID
	Source    string    `json:"source"` // its URL, without a signature
	Completed time.Time `json:"completed"`
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

func (b *Blob) state(now time.Time) state {
	return state{exists: b.Version != 0, version: b.Version, modified: b.Modified, lease: b.Lease, now: now, of: leasedBlob()}
}

func blobKey(c Container, name string) string { return c.UID + "/" + name }

func blobOf(item store.Item[Blob]) Blob {
	item.Value.Version, item.Value.stored = item.Version, item.Version
	if item.Value.Kept != 0 {
		item.Value.Version = item.Value.Kept
	}
	return item.Value
}

// Blob returns a blob or a snapshot on conditions: BlobNotFound, NotModified or ConditionNotMet.
func (b *Blobs) Blob(ctx context.Context, c Container, of Object, on Conditions) (Blob, error) {
	found, err := b.findObject(ctx, c, of)
	if err != nil {
		return found, err
	}
	if found.Version == 0 {
		return found, BlobNotFound.New()
	}
	return found, on.forRead(found.state(b.config.Now()))
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

// Open returns a blob or a snapshot with the part of its content that choose asks for, as of
// one moment. The caller closes the content. Errors are those of Blob and of choose.
func (b *Blobs) Open(ctx context.Context, c Container, of Object, on Conditions, choose func(Blob) (offset, length int64, err error)) (Blob, io.ReadCloser, error) {
	for {
		found, err := b.Blob(ctx, c, of, on)
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
		again, err := b.findObject(ctx, c, of)
		if err != nil {
			return found, nil, err
		}
		if again.stored == found.stored {
			return found, nil, fmt.Errorf("blob %q: its content is missing", of.Name)
		}
	}
}

// Update changes the headers or metadata of a blob on conditions, which modifies it.
func (b *Blobs) Update(ctx context.Context, c Container, name string, on Conditions, change func(*Blob) error) (Blob, error) {
	return b.rewrite(ctx, c, name, on.forWrite, func(blob *Blob) error {
		now := b.config.Now()
		blob.Kept, blob.Modified, blob.Lease = 0, now, blob.Lease.afterWrite(now)
		return change(blob)
	})
}

// Annotate changes what is said of a blob without modifying it: its ETag and
// time of modification stay.
func (b *Blobs) Annotate(ctx context.Context, c Container, name string, on Conditions, change func(*Blob) error) (Blob, error) {
	return b.rewrite(ctx, c, name, on.forWrite, func(blob *Blob) error {
		blob.Kept = blob.Version
		return change(blob)
	})
}

// LeaseBlob changes the lease of a blob on conditions. The blob stays unmodified.
func (b *Blobs) LeaseBlob(ctx context.Context, c Container, name string, on Conditions, change LeaseChange) (Blob, error) {
	return b.rewrite(ctx, c, name, on.forUpdate, func(blob *Blob) (err error) {
		blob.Kept = blob.Version
		blob.Lease, err = change(blob.Lease, b.config.Now(), "blob")
		return err
	})
}

// rewrite changes the record of a blob that admit allows to be changed.
func (b *Blobs) rewrite(ctx context.Context, c Container, name string, admit func(state) error, change func(*Blob) error) (Blob, error) {
	for {
		blob, err := b.find(ctx, c, name)
		if err != nil {
			return blob, err
		}
		if blob.Version == 0 {
			return blob, BlobNotFound.New()
		}
		if err := admit(blob.state(b.config.Now())); err != nil {
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
		version, err := b.blobs.Put(ctx, blobKey(c, name), changed, store.At(blob.stored))
		if !errors.Is(err, store.ErrConflict) {
			return blobOf(store.Item[Blob]{Value: changed, Version: version}), err
		}
	}
}

// Delete removes a blob on conditions, with its snapshots where they are
// included; SnapshotsPresent when there are some and they are not.
func (b *Blobs) Delete(ctx context.Context, c Container, name string, on Conditions, snapshots bool) error {
	for {
		blob, err := b.find(ctx, c, name)
		if err != nil {
			return err
		}
		if blob.Version == 0 {
			return BlobNotFound.New()
		}
		if err := on.forWrite(blob.state(b.config.Now())); err != nil {
			return err
		}
		cleanup, err := b.supersede(ctx, blob, store.Item[upload]{}, nil)
		if err != nil {
			return err
		}
		series, err := b.withSnapshots(ctx, blob, snapshots)
		if err != nil {
			return err
		}
		cleanup = append(cleanup, series...)
		ops := append([]store.Op{b.blobs.DeleteOp(blobKey(c, name), store.At(blob.stored))}, cleanup...)
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
