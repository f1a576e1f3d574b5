package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"

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

// prepareDir makes the folder and the empty database file with modes that keep
// others out, and leaves nothing of them in the caches of the file system.
func prepareDir(dir string) (string, error) {
	if dir == "" {
		return "", errors.New("no folder given")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Join(dir, "content", "tmp"), 0o700); err != nil {
		return "", err
	}
	// SQLite gives its journal the mode of the database.
	f, err := os.OpenFile(filepath.Join(dir, "aksess.db"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return dir, nil
	}
	if err != nil {
		return "", err
	}
	if err := f.Close(); err != nil {
		return "", err
	}
	return dir, errors.Join(syncDir(dir), syncDir(filepath.Dir(dir)))
}

func (s *Store) openDatabase(ctx context.Context, vfs string) error {
	var err error
	if s.writeDB, err = openPool(s.path, vfs, "rw", 1); err != nil {
		return err
	}
	conn, err := s.writeDB.Conn(ctx)
	if err != nil {
		return fmt.Errorf("opening %s: %w", s.path, err)
	}
	if err := migrate(ctx, conn, filepath.Dir(s.path)); err != nil {
		return err
	}
	s.writer.conn = conn
	if err := s.writer.prepare(ctx); err != nil {
		return fmt.Errorf("preparing %s: %w", s.path, err)
	}
	readDB, err := openPool(s.path, vfs, "ro", maxReaders)
	if err != nil {
		return err
	}
	s.readers = newReaders(readDB)
	return nil
}

// openPool opens nothing yet: each connection is opened at its first use.
func openPool(path, vfs, mode string, size int) (*sql.DB, error) {
	db, err := sql.Open("sqlite", dataSource(path, vfs, mode))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db, nil
}

// dataSource names the database for the driver: a URI, so that any byte of the
// path survives, with the settings of every connection.
func dataSource(path, vfs, mode string) string {
	slashed := filepath.ToSlash(path)
	if runtime.GOOS == "windows" && !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // file:///C:/...
	}
	q := url.Values{"mode": {mode}, "_error_rc": {"1"}, "_defensive": {"1"}, "_dqs": {"0"}, "_txlock": {"immediate"}}
	if vfs != "" {
		q.Set("vfs", vfs)
	}
	pragmas := []string{"busy_timeout(5000)", "cache_size(-2000)", "temp_store(memory)"}
	if mode == "rw" {
		pragmas = append(pragmas,
			"page_size(4096)",   // of a new database only
			"synchronous(full)", // a commit is synced before it returns
			"fullfsync(1)",      // on macOS, where fsync does not reach the disk
			"checkpoint_fullfsync(1)",
			"journal_size_limit(16777216)", // a journal that grew is cut when it starts over
		)
	}
	q["_pragma"] = pragmas
	return "file://" + (&url.URL{Path: slashed}).EscapedPath() + "?" + q.Encode()
}
