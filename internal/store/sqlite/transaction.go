package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"

	sqlite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/aksess/aksess/internal/store"
)

// maxJournal is the size in bytes at which the journal is emptied even if that
// makes reads wait. SQLite starts it over by itself about every 4 MiB, but
// not while reads overlap without a pause.
const maxJournal = 64 << 20

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
