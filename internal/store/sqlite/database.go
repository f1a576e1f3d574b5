package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Settings of every connection, of the writing one and of the one that makes a
// new database. Each is run as a PRAGMA when the connection opens.
var (
	readPragmas  = []string{"busy_timeout(5000)", "cache_size(-2000)", "temp_store(memory)"}
	writePragmas = append(readPragmas[:3:3],
		"synchronous(full)", // a commit is synced before it returns
		"fullfsync(1)",      // on macOS, where fsync does not reach the disk
		"checkpoint_fullfsync(1)",
		"journal_size_limit(16777216)", // a journal that grew is cut when it starts over
	)
	createPragmas = append(readPragmas[:3:3], "page_size(4096)", "synchronous(off)")
)

// openDatabase opens the database for writing, with its schema up to date, and
// gets ready to open it for reading.
func (s *Store) openDatabase(ctx context.Context, vfs string) error {
	if err := createDatabase(ctx, s.path); err != nil {
		return fmt.Errorf("making %s: %w", s.path, err)
	}
	var err error
	if s.writeDB, err = openPool(dataSource(s.path, vfs, "rw", writePragmas), 1); err != nil {
		return err
	}
	if s.writer.conn, err = s.writeDB.Conn(ctx); err != nil {
		return fmt.Errorf("opening %s: %w", s.path, err)
	}
	if err := migrate(ctx, s.writer.conn, filepath.Dir(s.path)); err != nil {
		return err
	}
	if err := s.writer.prepare(ctx); err != nil {
		return fmt.Errorf("preparing %s: %w", s.path, err)
	}
	readDB, err := openPool(dataSource(s.path, vfs, "ro", readPragmas), maxReaders)
	if err != nil {
		return err
	}
	s.readers = newReaders(readDB)
	return nil
}

// createDatabase makes the database when there is none: aside, without a sync
// but one at the end, and then gives it its name. It is there whole or not at all.
func createDatabase(ctx context.Context, path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	aside := path + ".new"
	for _, leftover := range []string{aside, aside + "-journal", aside + "-wal", aside + "-shm"} {
		if err := removeIfThere(leftover); err != nil {
			return err
		}
	}
	// SQLite gives its journals the mode of the database.
	f, err := os.OpenFile(aside, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(fillDatabase(ctx, aside), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(aside, path); err != nil {
		return err
	}
	dir := filepath.Dir(path)
	return errors.Join(syncDir(dir), syncDir(filepath.Dir(dir)))
}

func fillDatabase(ctx context.Context, path string) error {
	db, err := openPool(dataSource(path, "", "rw", createPragmas), 1)
	if err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	// The last connection to close leaves no journal behind.
	return errors.Join(migrate(ctx, conn, filepath.Dir(path)), conn.Close(), db.Close())
}

// openPool opens nothing yet: each connection is opened at its first use.
func openPool(source string, size int) (*sql.DB, error) {
	db, err := sql.Open("sqlite", source)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db, nil
}

// dataSource names the database for the driver: a URI, so that any byte of the
// path survives. Mode is one of SQLite's, "ro" or "rw".
func dataSource(path, vfs, mode string, pragmas []string) string {
	slashed := filepath.ToSlash(path)
	if runtime.GOOS == "windows" && !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // file:///C:/...
	}
	q := url.Values{
		"mode": {mode}, "_pragma": pragmas, "_txlock": {"immediate"},
		"_error_rc": {"1"}, "_defensive": {"1"}, "_dqs": {"0"},
	}
	if vfs != "" {
		q.Set("vfs", vfs)
	}
	return "file://" + (&url.URL{Path: slashed}).EscapedPath() + "?" + q.Encode()
}
