package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/aksess/aksess/internal/store"
)

func openFaulty(t *testing.T) (*Store, *faultVFS) {
	t.Helper()
	vfs := newFaultVFS(t)
	s, err := Open(t.Context(), Options{Dir: t.TempDir(), vfs: vfs.name, CacheBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { vfs.fail(nil); _ = s.Close() })
	return s, vfs
}

func put(key, value string) store.Op {
	return store.Op{Kind: "k", Key: key, Value: []byte(value)}
}

func mustApply(t *testing.T, s *Store, ops ...store.Op) []int64 {
	t.Helper()
	versions, err := s.Apply(t.Context(), ops...)
	if err != nil {
		t.Fatal(err)
	}
	return versions
}

func wantValue(t *testing.T, s *Store, key, want string) {
	t.Helper()
	doc, err := s.Get(t.Context(), "k", key)
	if err != nil || string(doc.Value) != want {
		t.Fatalf("got %q = %q and error %v, want %q", key, doc.Value, err, want)
	}
}

func TestFullDisk(t *testing.T) {
	s, vfs := openFaulty(t)
	mustApply(t, s, put("x", "before"))
	last := mustApply(t, s, put("y", "before"))[0]
	generation := s.Generation("k")
	vfs.fail(func(op faultOp) int32 {
		if op.sync {
			return sqlite3.SQLITE_OK
		}
		return sqlite3.SQLITE_FULL
	})
	for range 3 {
		_, err := s.Apply(t.Context(), put("x", "lost"))
		if !errors.Is(err, store.ErrUnwritable) || !strings.Contains(err.Error(), s.path) {
			t.Fatalf("got error %v, want ErrUnwritable that names %s", err, s.path)
		}
		wantValue(t, s, "x", "before")
	}
	if got := s.Generation("k"); got != generation {
		t.Errorf("got generation %d after writes that failed, want %d", got, generation)
	}
	vfs.fail(nil)
	if got := mustApply(t, s, put("x", "after"))[0]; got <= last {
		t.Errorf("got version %d, want > %d", got, last)
	}
	wantValue(t, s, "x", "after")
	wantValue(t, s, "y", "before")
}

func TestSmallContentOutlivesFullDisk(t *testing.T) {
	s, vfs := openFaulty(t)
	vfs.fail(func(faultOp) int32 { return sqlite3.SQLITE_FULL })
	ref, err := s.PutContent(t.Context(), strings.NewReader("small"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(t.Context(), put("x", ref.ID)); err == nil {
		t.Fatal("got no error from a write on a full disk")
	}
	vfs.fail(nil)
	mustApply(t, s, put("x", ref.ID))
	if s.writer.staged.size != 0 {
		t.Errorf("got content staged still after a write, want it in the database")
	}
	if _, err := s.OpenContent(t.Context(), ref); err != nil {
		t.Fatalf("got error %v for content that an acknowledged document refers to", err)
	}
}

func TestFailedSyncStopsWrites(t *testing.T) {
	s, vfs := openFaulty(t)
	mustApply(t, s, put("x", "before"))
	vfs.fail(func(op faultOp) int32 {
		if op.sync {
			return sqlite3.SQLITE_IOERR_FSYNC
		}
		return sqlite3.SQLITE_OK
	})
	_, err := s.Apply(t.Context(), put("x", "doubtful"))
	if !errors.Is(err, store.ErrUnwritable) || !strings.Contains(err.Error(), s.path) {
		t.Fatalf("got error %v, want ErrUnwritable that names %s", err, s.path)
	}
	vfs.fail(nil)
	if _, err := s.Apply(t.Context(), put("y", "late")); !errors.Is(err, store.ErrUnwritable) {
		t.Fatalf("got error %v from a write after a failed sync, want ErrUnwritable", err)
	}
	wantValue(t, s, "x", "before")
	if _, err := s.Get(t.Context(), "k", "y"); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("got error %v, want ErrNotFound", err)
	}
	page, err := s.List(t.Context(), "k", store.Query{})
	if err != nil || len(page.Docs) != 1 {
		t.Fatalf("got %d documents and error %v, want the one from before", len(page.Docs), err)
	}
}

// TestEndedContext holds the writer in the middle of a sync: what it has begun
// is kept although the caller leaves, what only waits is not written at all.
func TestEndedContext(t *testing.T) {
	s, vfs := openFaulty(t)
	begun, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	vfs.fail(func(op faultOp) int32 {
		if op.sync {
			once.Do(func() { close(begun); <-release })
		}
		return sqlite3.SQLITE_OK
	})
	ctx, cancel := context.WithCancel(t.Context())
	results := make(chan error, 2)
	go func() { _, err := s.Apply(ctx, put("begun", "kept")); results <- err }()
	<-begun
	go func() { _, err := s.Apply(ctx, put("waiting", "never")); results <- err }()
	for waiting, _ := s.writer.waiting(); waiting == 0; waiting, _ = s.writer.waiting() {
	}
	cancel()
	for range 2 {
		if err := <-results; !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v, want context.Canceled", err)
		}
	}
	close(release)
	mustApply(t, s, put("later", "x"))
	wantValue(t, s, "begun", "kept")
	if _, err := s.Get(t.Context(), "k", "waiting"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got error %v for a write whose caller left before it began, want ErrNotFound", err)
	}
}

// TestGroupCommit holds the first sync until more writes wait: they must share
// the next one, a refused one among them harming none.
func TestGroupCommit(t *testing.T) {
	const writers = 50
	s, vfs := openFaulty(t)
	mustApply(t, s, put("there", "x"))
	begun, release := make(chan struct{}), make(chan struct{})
	var syncs atomic.Int64
	vfs.fail(func(op faultOp) int32 {
		if op.sync && syncs.Add(1) == 1 {
			close(begun)
			<-release
		}
		return sqlite3.SQLITE_OK
	})
	var wg sync.WaitGroup
	wg.Go(func() { mustApply(t, s, put("first", "x")) })
	<-begun
	for i := range writers {
		wg.Go(func() {
			op := put(fmt.Sprint(i), "x")
			if i%10 == 0 {
				op = store.Op{Kind: "k", Key: "there", Value: []byte("y"), If: store.Absent()}
			}
			_, err := s.Apply(t.Context(), op)
			if got, want := errors.Is(err, store.ErrConflict), i%10 == 0; got != want {
				t.Errorf("writer %d: got error %v", i, err)
			}
		})
	}
	for waiting, _ := s.writer.waiting(); waiting < writers; waiting, _ = s.writer.waiting() {
	}
	close(release)
	wg.Wait()
	if got := syncs.Load(); got != 2 {
		t.Errorf("got %d syncs, want 2: one for the first write, one for the %d that waited", got, writers)
	}
	wantValue(t, s, "there", "x")
}

// TestOneFailureOfMany lets a transaction of several requests fail once: each
// must then get its own result.
func TestOneFailureOfMany(t *testing.T) {
	s, vfs := openFaulty(t)
	requests := []*request{newRequest([]store.Op{put("a", "1")}), newRequest([]store.Op{put("b", "1")})}
	var failed atomic.Bool
	vfs.fail(func(op faultOp) int32 {
		if !op.sync && failed.CompareAndSwap(false, true) {
			return sqlite3.SQLITE_FULL
		}
		return sqlite3.SQLITE_OK
	})
	s.writer.mu.Lock() // so that both are taken together
	s.writer.queue = append(s.writer.queue, requests...)
	s.writer.mu.Unlock()
	s.writer.signal()
	for i, r := range requests {
		if <-r.done; r.err != nil {
			t.Errorf("request %d: got error %v, want none at the second try", i, r.err)
		}
	}
	if !failed.Load() {
		t.Fatal("no write failed")
	}
	wantValue(t, s, "a", "1")
	wantValue(t, s, "b", "1")
}
