package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	sqlite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/aksess/aksess/internal/store"
)

// Limits of one transaction, and of the wait for those expected to join it.
const (
	maxBatchRequests = 256
	maxBatchBytes    = 16 << 20
	maxBatchWait     = time.Millisecond
)

// maxJournal is the size in bytes at which the journal is emptied even if that
// makes reads wait. SQLite starts it over by itself about every 4 MiB, but
// not while reads overlap without a pause.
const maxJournal = 64 << 20

// writer commits requests in the order in which they came, those that wait
// together in one transaction with one sync.
type writer struct {
	store  *Store
	limit  int64     // of the journal, in bytes
	conn   *sql.Conn // used by run only
	wake   chan struct{}
	exited chan struct{}

	mu       sync.Mutex
	queue    []*request
	stopping bool

	version atomic.Int64 // last one given out, to documents and small contents
	staged  staged

	// The rest belongs to run.
	reserved int64 // none beyond it is in a committed transaction; in the database
	failed   error // a sync failed: nothing is written any more
	written  int64 // bytes since the journal's size was looked at
	put, remove, find,
	putContent, dropContent, reserve,
	begin, commit, rollback *sql.Stmt
}

func (s *Store) start() {
	w := &s.writer
	w.store, w.limit = s, maxJournal
	w.wake = make(chan struct{}, 1)
	w.exited = make(chan struct{})
	go w.run()
}

func (w *writer) prepare(ctx context.Context) error {
	for _, s := range []struct {
		into  **sql.Stmt
		query string
	}{
		{&w.put, `INSERT INTO doc (kind, key, version, value) VALUES (?, ?, ?, ?)
			ON CONFLICT (kind, key) DO UPDATE SET version = excluded.version, value = excluded.value`},
		{&w.remove, "DELETE FROM doc WHERE kind = ? AND key = ?"},
		{&w.find, "SELECT version FROM doc WHERE kind = ? AND key = ?"},
		{&w.putContent, "INSERT INTO content (id, data) VALUES (?, ?)"},
		{&w.dropContent, "DELETE FROM content WHERE id = ?"},
		{&w.reserve, "UPDATE state SET version = ?"},
		{&w.begin, "BEGIN IMMEDIATE"},
		{&w.commit, "COMMIT"},
		{&w.rollback, "ROLLBACK"},
	} {
		// A prepared statement lives as long as the connection, not this call.
		stmt, err := w.conn.PrepareContext(context.Background(), s.query)
		if err != nil {
			return err
		}
		*s.into = stmt
	}
	if err := w.conn.QueryRowContext(ctx, "SELECT version FROM state").Scan(&w.reserved); err != nil {
		return err
	}
	w.version.Store(w.reserved)
	return nil
}

// do hands the request to the writer and waits for its end, or the context's.
func (w *writer) do(ctx context.Context, r *request) ([]int64, error) {
	if !w.enqueue(r) {
		return nil, store.ErrClosed
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		r.abandon()
		return nil, ctx.Err()
	}
	return r.versions, r.err
}

func (w *writer) enqueue(r *request) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopping {
		return false
	}
	w.queue = append(w.queue, r)
	w.signal()
	return true
}

func (w *writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default: // it is awake already
	}
}

// stop lets the writer finish what waits and waits for its end.
func (w *writer) stop() {
	w.mu.Lock()
	w.stopping = true
	w.mu.Unlock()
	w.signal()
	<-w.exited
}

func (w *writer) run() {
	defer close(w.exited)
	timer := time.NewTimer(0)
	defer timer.Stop()
	expected, took := 1, time.Duration(0)
	for w.awaitFirst() {
		timer.Reset(min(took/2, maxBatchWait))
		w.awaitOthers(expected, timer.C)
		requests := w.take()
		began := time.Now()
		w.perform(requests)
		took = time.Since(began)
		w.boundJournal()
		// Whoever was served now or waits already will likely come again
		// soon: a short wait for them is one sync for all instead of two.
		waiting, _ := w.waiting()
		expected = min(len(requests)+waiting, maxBatchRequests)
	}
	w.perform([]*request{newFlush()})
}

// awaitFirst returns when a request waits, or false when none will come.
func (w *writer) awaitFirst() bool {
	for {
		waiting, stopping := w.waiting()
		if waiting > 0 {
			return true
		}
		if stopping {
			return false
		}
		<-w.wake
	}
}

// awaitOthers returns when as many wait as expected, or when time is up.
func (w *writer) awaitOthers(expected int, timeUp <-chan time.Time) {
	for {
		waiting, stopping := w.waiting()
		if waiting >= expected || stopping {
			return
		}
		select {
		case <-w.wake:
		case <-timeUp:
			return
		}
	}
}

func (w *writer) waiting() (requests int, stopping bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.queue), w.stopping
}

// take removes from the queue what fits in one transaction and has not been abandoned.
func (w *writer) take() []*request {
	w.mu.Lock()
	defer w.mu.Unlock()
	var taken []*request
	n, size := 0, 0
	for ; n < len(w.queue) && len(taken) < maxBatchRequests && size < maxBatchBytes; n++ {
		if r := w.queue[n]; r.begin() {
			taken = append(taken, r)
			size += r.size
		}
	}
	w.queue = slices.Delete(w.queue, 0, n)
	return taken
}

// perform writes the requests in one transaction. When that fails, each gets
// one of its own: the others need not suffer for one that does not fit the disk.
func (w *writer) perform(requests []*request) {
	err := w.transact(requests)
	if err == nil {
		return
	}
	for _, r := range requests {
		if len(requests) > 1 {
			err = w.transact([]*request{r})
		}
		if err != nil {
			r.finish(err)
		}
	}
}

// transact decides, writes, commits and answers the requests. On an error
// nothing was written and none of them was answered.
func (w *writer) transact(requests []*request) error {
	if w.failed != nil {
		return w.failed
	}
	b := batch{changes: map[docID]change{}, stored: w.stored, next: w.next}
	answers := make([]error, len(requests))
	for i, r := range requests {
		answers[i] = b.add(r)
		if err := answers[i]; err != nil && !errors.Is(err, store.ErrConflict) {
			return fmt.Errorf("reading %s: %w", w.store.path, err)
		}
	}
	if !b.empty() {
		if err := w.write(&b); err != nil {
			return w.judge(err)
		}
	}
	for i, r := range requests {
		r.finish(answers[i])
	}
	return nil
}

// stored returns the version of a document in the database, 0 for none.
func (w *writer) stored(id docID) (version int64, err error) {
	if doc, _, found := w.store.cache.get(id); found {
		return doc.Version, nil
	}
	err = w.find.QueryRow([]byte(id.kind), []byte(id.key)).Scan(&version)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return version, err
}

// next gives out a version.
func (w *writer) next() int64 { return w.version.Add(1) }

// write commits the batch and the staged contents, keeps the cache in step
// with what readers can see and counts the generations.
func (w *writer) write(b *batch) error {
	contents := w.staged.begin()
	reserved, err := w.execute(b, contents)
	if err == nil {
		err = w.commitHeld(b)
	}
	w.staged.end(contents, err == nil)
	if err != nil {
		// SQLite may have rolled back by itself already.
		_, _ = w.rollback.Exec()
		return err
	}
	w.reserved = reserved
	w.written += b.size
	for id := range b.changes {
		w.store.kinds.grow(id.kind)
	}
	return nil
}

// commitHeld commits while the cache holds what the batch changes.
func (w *writer) commitHeld(b *batch) error {
	cached := make(map[docID]bool, len(b.changes))
	for id := range b.changes {
		cached[id] = w.store.cache.hold(id)
	}
	_, err := w.commit.Exec()
	for id, c := range b.changes {
		if err == nil && cached[id] && c.version != 0 {
			w.store.cache.renew(id, store.Doc{Kind: id.kind, Key: id.key, Version: c.version, Value: c.value})
		} else {
			w.store.cache.settle(id)
		}
	}
	return err
}

// execute begins the transaction and makes the changes. It returns the bound
// of versions that holds once the transaction is committed.
func (w *writer) execute(b *batch, contents map[int64][]byte) (reserved int64, err error) {
	if _, err := w.begin.Exec(); err != nil {
		return 0, err
	}
	if reserved, err = w.extend(); err != nil {
		return 0, err
	}
	for id, c := range b.changes {
		if err := w.change(id, c); err != nil {
			return 0, err
		}
	}
	for id, data := range contents {
		if _, err := w.putContent.Exec(id, data); err != nil {
			return 0, err
		}
	}
	for _, id := range b.drops {
		if _, err := w.dropContent.Exec(id); err != nil {
			return 0, err
		}
	}
	return reserved, nil
}

func (w *writer) change(id docID, c change) error {
	if c.version == 0 {
		_, err := w.remove.Exec([]byte(id.kind), []byte(id.key))
		return err
	}
	_, err := w.put.Exec([]byte(id.kind), []byte(id.key), c.version, notNil(c.value))
	return err
}

// extend reserves versions when those given out reach beyond the reserved
// ones: one page written per so many documents, not per transaction.
func (w *writer) extend() (reserved int64, err error) {
	const step = 1 << 16
	version := w.version.Load()
	if version <= w.reserved {
		return w.reserved, nil
	}
	if _, err := w.reserve.Exec(version + step); err != nil {
		return 0, err
	}
	return version + step, nil
}

// boundJournal empties the journal when it is too large. That it could not is
// no caller's trouble: the next time it is tried again.
func (w *writer) boundJournal() {
	if w.written < w.limit/4 || w.failed != nil {
		return
	}
	w.written = 0
	info, err := os.Stat(w.store.path + "-wal")
	if err != nil || info.Size() < w.limit {
		return
	}
	w.store.readers.pause()
	defer w.store.readers.resume()
	if _, err := w.conn.ExecContext(context.Background(), "PRAGMA wal_checkpoint(truncate)"); err != nil {
		w.store.log.Warn("the journal could not be emptied", "file", info.Name(), "bytes", info.Size(), "error", err)
	}
}

// notNil keeps the driver from writing NULL for a document without bytes.
func notNil(value []byte) []byte {
	if value == nil {
		return []byte{}
	}
	return value
}

// judge names the file and ends all writing when a sync failed: what was
// handed to the disk before may be gone without another error, so that no
// later sync proves anything. See wiki.postgresql.org/wiki/Fsync_Errors.
func (w *writer) judge(err error) error {
	err = fmt.Errorf("%w: writing %s: %w", store.ErrUnwritable, w.store.path, err)
	var code *sqlite.Error
	if errors.As(err, &code) && (code.Code() == sqlite3.SQLITE_IOERR_FSYNC || code.Code() == sqlite3.SQLITE_IOERR_DIR_FSYNC) {
		w.failed = fmt.Errorf("%w: nothing is written until aksess is started again", err)
		w.store.log.Error("the disk did not confirm a write; the state is read-only until the next start", "file", w.store.path, "error", err)
		return w.failed
	}
	return err
}
