package sqlite

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/aksess/aksess/internal/store"
)

// TestPowerLoss takes the disk away at random operations, keeps what was
// synced and any part of what was not, and opens the store from that.
func TestPowerLoss(t *testing.T) {
	const losses, perRun = 60, 15
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	var snapshots []snapshot
	for len(snapshots) < losses {
		snapshots = append(snapshots, writeUntilLosses(t, random, perRun)...)
	}
	for i, snapshot := range snapshots {
		snapshot.verify(t)
		if t.Failed() {
			t.Fatalf("seed %d, loss %d", seed, i)
		}
	}
}

// snapshot is a disk after the power went, and what was acknowledged until then.
type snapshot struct {
	images       map[string][]byte
	acknowledged map[string]int // round of the last acknowledged write of each key
}

// writeUntilLosses lets writers run and takes so many snapshots meanwhile.
func writeUntilLosses(t *testing.T, random *rand.Rand, count int) (snapshots []snapshot) {
	t.Helper()
	s, vfs := openFaulty(t)
	// Checkpoints, too, are to be cut in the middle: make them frequent.
	if _, err := s.writer.conn.ExecContext(t.Context(), "PRAGMA wal_autocheckpoint = 30"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	acknowledged := map[string]int{}
	next := random.IntN(40)
	vfs.fail(func(faultOp) int32 {
		mu.Lock()
		defer mu.Unlock()
		if next--; next >= 0 || len(snapshots) == count {
			return sqlite3.SQLITE_OK
		}
		next = random.IntN(60)
		snapshots = append(snapshots, snapshot{vfs.powerLoss(random), maps.Clone(acknowledged)})
		if len(snapshots) == count {
			cancel()
		}
		return sqlite3.SQLITE_OK
	})
	var wg sync.WaitGroup
	for writer := range 4 {
		wg.Go(func() {
			for round := 0; ctx.Err() == nil; round++ {
				key := fmt.Sprint(writer, "/", round%5)
				if err := writeTwins(ctx, s, key, round); err != nil {
					return
				}
				mu.Lock()
				acknowledged[key] = round
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return snapshots
}

// writeTwins writes the same value as two documents and as content, to which a
// third document refers.
func writeTwins(ctx context.Context, s *Store, key string, round int) error {
	value := fmt.Sprint(round, " ", strings.Repeat("v", round*97%5000))
	ref, err := s.PutContent(ctx, strings.NewReader(value))
	if err != nil {
		return err
	}
	_, err = s.Apply(ctx, put(key, value),
		store.Op{Kind: "twin", Key: key, Value: []byte(value)},
		store.Op{Kind: "ref", Key: key, Value: fmt.Appendf(nil, "%s %d", ref.ID, ref.Size)})
	return err
}

func (snap snapshot) verify(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	if _, err := prepareDir(dir); err != nil {
		t.Fatal(err)
	}
	for name, image := range snap.images {
		if err := os.WriteFile(filepath.Join(dir, name), image, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := openStore(t, dir)
	defer s.Close()
	for key, want := range snap.acknowledged {
		doc, err := s.Get(t.Context(), "k", key)
		if err != nil {
			t.Errorf("acknowledged %q is lost: %v", key, err)
			continue
		}
		// A later write of the key may have reached the disk as well.
		var got int
		if _, err := fmt.Sscan(string(doc.Value), &got); err != nil || got < want {
			t.Errorf("got %q of round %d, older than the acknowledged %d (%v)", key, got, want, err)
		}
	}
	verifyTwins(t, s)
	var check string
	if err := s.writer.conn.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&check); err != nil || check != "ok" {
		t.Errorf("got integrity check %q and error %v", check, err)
	}
}

// verifyTwins requires that no write is there by half.
func verifyTwins(t *testing.T, s *Store) {
	t.Helper()
	values, twins, refs := all(t, s, "k"), all(t, s, "twin"), all(t, s, "ref")
	if len(values) != len(twins) || len(values) != len(refs) {
		t.Errorf("got %d values, %d twins and %d references, want as many of each", len(values), len(twins), len(refs))
	}
	for key, value := range values {
		if twins[key] != value {
			t.Errorf("got twin %.20q of %q = %.20q, want the same", twins[key], key, value)
		}
		var ref store.ContentRef
		if _, err := fmt.Sscan(refs[key], &ref.ID, &ref.Size); err != nil {
			t.Errorf("reading reference %q: %v", refs[key], err)
			continue
		}
		content, err := s.OpenContent(t.Context(), ref)
		if err != nil {
			t.Errorf("content of %q is lost: %v", key, err)
			continue
		}
		if data, err := io.ReadAll(content); err != nil || string(data) != value {
			t.Errorf("got content %.20q of %q = %.20q and error %v, want the same", data, key, value, err)
		}
		_ = content.Close()
	}
}

func all(t *testing.T, s *Store, kind string) map[string]string {
	t.Helper()
	page, err := s.List(t.Context(), kind, store.Query{})
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	for _, doc := range page.Docs {
		values[doc.Key] = string(doc.Value)
	}
	return values
}
