package sqlite

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/aksess/aksess/internal/store"
)

// maxInline is the largest content, in bytes, that is kept in the database. A
// file of its own costs two syncs.
const maxInline = 32 << 10

// contentDir is the folder of contents too large for the database, one file
// each, named by the content's id.
type contentDir string

func (d contentDir) tmp() string { return filepath.Join(string(d), "tmp") }

// file returns the path of a content. Ids are what rand.Text gives; anything
// else names no file.
func (d contentDir) file(id string) (string, bool) {
	if len(id) < 20 || len(id) > 64 {
		return "", false
	}
	for i := range len(id) {
		if c := id[i]; (c < 'A' || c > 'Z') && (c < '2' || c > '7') {
			return "", false
		}
	}
	return filepath.Join(string(d), id), true
}

// sweep removes what a process that ended was receiving.
func (d contentDir) sweep(log *slog.Logger) error {
	leftovers, err := os.ReadDir(d.tmp())
	if err != nil {
		return err
	}
	for _, leftover := range leftovers {
		if err := os.Remove(filepath.Join(d.tmp(), leftover.Name())); err != nil {
			return fmt.Errorf("removing unfinished content: %w", err)
		}
	}
	if len(leftovers) > 0 {
		log.Info("removed unfinished contents", "folder", string(d), "count", len(leftovers))
	}
	return nil
}

// write stores what r gives under a new id: synced, then given its name, then
// the name synced.
func (d contentDir) write(r io.Reader) (store.ContentRef, error) {
	id := rand.Text()
	tmp := filepath.Join(d.tmp(), id)
	size, err := writeSynced(tmp, r)
	if err == nil {
		err = os.Rename(tmp, filepath.Join(string(d), id))
	}
	if err != nil {
		return store.ContentRef{}, errors.Join(err, removeIfThere(tmp))
	}
	if err := syncDir(string(d)); err != nil {
		return store.ContentRef{}, err
	}
	return store.ContentRef{ID: id, Size: size}, nil
}

func writeSynced(path string, r io.Reader) (int64, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	size, err := io.Copy(f, r)
	if err == nil {
		err = f.Sync()
	}
	return size, errors.Join(err, f.Close())
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// source is what PutContent reads. It ends with ErrClosed once the store is
// closed (Close does not wait for a client that sends slowly) and keeps its
// error, to be told from one of the disk.
type source struct {
	store *Store
	r     io.Reader
	err   error
}

func (o *source) Read(p []byte) (int, error) {
	if o.store.closed.Load() {
		o.err = store.ErrClosed
		return 0, o.err
	}
	n, err := o.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		o.err = err
	}
	return n, err
}

// PutContent implements store.Store.
func (s *Store) PutContent(ctx context.Context, r io.Reader) (store.ContentRef, error) {
	if err := s.ready(ctx); err != nil {
		return store.ContentRef{}, err
	}
	from := &source{store: s, r: store.ContextReader(ctx, r)}
	var head bytes.Buffer
	n, err := io.CopyN(&head, from, maxInline+1)
	switch {
	case from.err != nil:
		return store.ContentRef{}, fmt.Errorf("reading content: %w", from.err)
	case err == nil:
		return s.putFile(io.MultiReader(&head, from), from)
	case n == 0:
		return store.ContentRef{}, nil
	}
	return s.putInline(ctx, bytes.Clone(head.Bytes())) // without spare capacity
}

func (s *Store) putFile(r io.Reader, from *source) (store.ContentRef, error) {
	ref, err := s.content.write(r)
	switch {
	case from.err != nil:
		return store.ContentRef{}, fmt.Errorf("reading content: %w", from.err)
	case err != nil:
		return store.ContentRef{}, fmt.Errorf("%w: writing content: %w", store.ErrUnwritable, err)
	}
	return ref, nil
}

// OpenContent implements store.Store.
func (s *Store) OpenContent(ctx context.Context, ref store.ContentRef) (io.ReadSeekCloser, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	if ref == (store.ContentRef{}) {
		return store.NewContent(nil), nil
	}
	if id, small := inlineID(ref.ID); small {
		return s.openInline(ctx, id, ref.Size)
	}
	path, valid := s.content.file(ref.ID)
	if !valid {
		return nil, store.ErrNotFound
	}
	return openFile(path, ref.Size)
}

func openFile(path string, size int64) (io.ReadSeekCloser, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, store.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("reading content: %w", err)
	}
	info, err := f.Stat()
	if err == nil && info.Size() != size {
		err = store.ErrNotFound
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// DeleteContent implements store.Store. That a larger content is gone is not
// made durable: nothing refers to it any more.
func (s *Store) DeleteContent(ctx context.Context, ref store.ContentRef) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	if id, small := inlineID(ref.ID); small {
		return s.deleteInline(ctx, id)
	}
	path, valid := s.content.file(ref.ID)
	if !valid {
		return nil
	}
	if err := removeIfThere(path); err != nil {
		return fmt.Errorf("removing content: %w", err)
	}
	return nil
}
