package sqlite

import (
	"context"
	"database/sql"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aksess/aksess/internal/store"
)

// Limits of one transaction, and of the wait for those expected to join it.
const (
	maxBatchRequests = 256
	maxBatchBytes    = 16 << 20
	maxBatchWait     = time.Millisecond
)

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
