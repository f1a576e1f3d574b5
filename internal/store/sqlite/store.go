package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"

	"github.com/aksess/aksess/internal/store"
)

// Store is one folder, open. It is safe for concurrent use.
type Store struct {
	path    string // of the database
	content contentDir
	log     *slog.Logger
	lock    *os.File
	writeDB *sql.DB
	writer  writer
	readers *readers
	cache   *cache
	kinds   generations
	closed  atomic.Bool
}

var _ store.Store = (*Store)(nil)

// ready is the first question of every method.
func (s *Store) ready(ctx context.Context) error {
	if s.closed.Load() {
		return store.ErrClosed
	}
	return ctx.Err()
}

// Get implements store.Store. A document that was read before comes from the
// cache, without allocation.
func (s *Store) Get(ctx context.Context, kind, key string) (store.Doc, error) {
	if err := s.ready(ctx); err != nil {
		return store.Doc{}, err
	}
	id := docID{kind, key}
	doc, epoch, found := s.cache.get(id)
	if found {
		return doc, nil
	}
	return s.getUncached(ctx, id, epoch)
}

func (s *Store) getUncached(ctx context.Context, id docID, epoch uint64) (doc store.Doc, err error) {
	err = s.read(ctx, func(r *reader) (err error) {
		doc, err = r.document(id)
		return err
	})
	if err != nil {
		return store.Doc{}, err
	}
	s.cache.put(id, doc, epoch)
	return doc, nil
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, kind string, q store.Query) (page store.Page, err error) {
	if err := s.ready(ctx); err != nil {
		return store.Page{}, err
	}
	interval := q.Range()
	if interval.Empty() {
		return store.Page{}, nil
	}
	err = s.read(ctx, func(r *reader) (err error) {
		page, err = r.page(ctx, kind, interval)
		return err
	})
	return page, err
}

// read lends a connection to read and says which file an error is about.
func (s *Store) read(ctx context.Context, read func(*reader) error) error {
	err := s.readers.use(ctx, read)
	if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrClosed) || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("reading %s: %w", s.path, err)
}

// Apply implements store.Store.
func (s *Store) Apply(ctx context.Context, ops ...store.Op) ([]int64, error) {
	if err := store.CheckOps(ops); err != nil {
		return nil, err
	}
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	if len(ops) == 0 {
		return nil, nil
	}
	return s.writer.do(ctx, newRequest(ops))
}

// Generation implements store.Store.
func (s *Store) Generation(kinds ...string) uint64 { return s.kinds.sum(kinds) }

// Close implements store.Store.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.writer.stop()
	if err := s.release(); err != nil {
		return fmt.Errorf("closing %s: %w", s.path, err)
	}
	return nil
}

// release gives back what open got, as far as it got.
func (s *Store) release() error {
	var errs []error
	if s.readers != nil {
		errs = append(errs, s.readers.close())
	}
	if s.writer.conn != nil {
		_ = s.writer.conn.Close() // hands the connection back to the pool, closed next
	}
	if s.writeDB != nil {
		// The last connection carries the journal over into the database.
		errs = append(errs, s.writeDB.Close())
	}
	return errors.Join(append(errs, s.lock.Close())...)
}
