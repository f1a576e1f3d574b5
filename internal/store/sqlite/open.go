package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	driver "modernc.org/sqlite"
)

// DefaultCacheBytes bounds the document cache when Options say nothing.
const DefaultCacheBytes = 8 << 20

// Options of Open. Only Dir is needed.
type Options struct {
	// Dir is made with mode 0700 when it is not there, its parents too. The
	// mode of a folder that exists is left alone.
	Dir string
	// Logger is told what no caller can be: leftovers, a store that stops. Nil logs nothing.
	Logger *slog.Logger
	// CacheBytes bounds the memory of cached documents: 0 means
	// DefaultCacheBytes, a negative number no cache.
	CacheBytes int64

	vfs string // another SQLite VFS, for tests of failing media
}

// Open opens the store in a folder, makes it when it is new and brings an
// older schema up to date. It refuses a folder that another process holds
// (*LockedError), that a newer version wrote (*SchemaError) or whose
// aksess.db is another program's.
func Open(ctx context.Context, o Options) (*Store, error) {
	s, err := open(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("opening state in %q: %w", o.Dir, err)
	}
	return s, nil
}

func open(ctx context.Context, o Options) (_ *Store, err error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = DefaultCacheBytes
	}
	dir, err := prepareDir(o.Dir)
	if err != nil {
		return nil, err
	}
	lock, err := lockFile(filepath.Join(dir, "aksess.lock"))
	if err != nil {
		return nil, err
	}
	s := &Store{
		path:    filepath.Join(dir, "aksess.db"),
		content: contentDir(filepath.Join(dir, "content")),
		log:     o.Logger,
		lock:    lock,
		cache:   newCache(o.CacheBytes),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.release())
		}
	}()
	if err := s.content.sweep(o.Logger); err != nil {
		return nil, err
	}
	// fdatasync keeps a commit as durable and spares the journal of the file
	// system; where it is not available SQLite syncs as before.
	if _, err := driver.Fdatasync(true); err != nil && !errors.Is(err, driver.ErrFdatasyncUnavailable) {
		return nil, err
	}
	if err := s.openDatabase(ctx, o.vfs); err != nil {
		return nil, err
	}
	s.start()
	return s, nil
}

// prepareDir makes the folder, and the folders in it, with modes that keep
// others out.
func prepareDir(dir string) (string, error) {
	if dir == "" {
		return "", errors.New("no folder given")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return dir, os.MkdirAll(filepath.Join(dir, "content", "tmp"), 0o700)
}
