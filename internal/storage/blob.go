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
