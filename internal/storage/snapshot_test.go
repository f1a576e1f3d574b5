package storage

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aksess/aksess/internal/store/memory"
)

// FuzzListWithSnapshots: pages of any size give every blob behind its snapshots, once.
func FuzzListWithSnapshots(f *testing.F) {
	f.Add("a0,b2,c1", "", 1)
	f.Add("a3,aa1,ab0,b1", "a", 2)
	f.Add("a1", "", 2)
	f.Fuzz(func(t *testing.T, joined, prefix string, limit int) {
		if limit < 1 || limit > 20 || len(joined) > 60 || strings.ContainsRune(prefix, 0xfffd) {
			return
		}
		w := newWorld(t, memory.New())
		c := w.container("con")
		want := map[string]int{}
		for text := range strings.SplitSeq(joined, ",") {
			if text == "" {
				continue
			}
			name, count := text[:len(text)-1], int(text[len(text)-1])%4
			if _, err := w.put(t.Context(), c, Write{Name: name}, ""); err != nil {
				continue
			}
			for range count {
				if _, err := w.blobs.Snap(t.Context(), c, name, Conditions{}, nil); err != nil {
					t.Fatal(err)
				}
			}
			if strings.HasPrefix(name, prefix) {
				want[name] += count
			}
		}
		var got, wanted []string
		for name, count := range want {
			for i := range count {
				wanted = append(wanted, fmt.Sprintf("%s snapshot %d", name, i))
			}
			wanted = append(wanted, name+" the blob")
		}
		seen := map[string]int{}
		page := Page{Prefix: prefix, Limit: limit}
		for {
			entries, next, err := w.blobs.ListWithSnapshots(t.Context(), c, page)
			if err != nil || len(entries) > limit {
				t.Fatalf("got %d entries, %v", len(entries), err)
			}
			for _, entry := range entries {
				name := entry.Blob.Name
				if entry.Blob.Snapshot == "" {
					got = append(got, name+" the blob")
					continue
				}
				got = append(got, fmt.Sprintf("%s snapshot %d", name, seen[name]))
				seen[name]++
			}
			if next == "" {
				break
			}
			page.After = next
		}
		slices.Sort(got)
		slices.Sort(wanted)
		if !slices.Equal(got, wanted) {
			t.Errorf("%q by %d, prefix %q: got %q, want %q", joined, limit, prefix, got, wanted)
		}
	})
}

// TestSnapshotsAndDeletes: a blob that is deleted while snapshots of it are made
// goes when it has none, and never leaves one behind.
func TestSnapshotsAndDeletes(t *testing.T) {
	w := newWorld(t, memory.New())
	c := w.container("con")
	for round := range 50 {
		name := fmt.Sprint(round)
		if _, err := w.put(t.Context(), c, Write{Name: name}, strings.Repeat("x", round%2*40_000)); err != nil {
			t.Fatal(err)
		}
		var made, deleted error
		var wg sync.WaitGroup
		wg.Go(func() { _, made = w.blobs.Snap(t.Context(), c, name, Conditions{}, nil) })
		wg.Go(func() { deleted = w.blobs.Delete(t.Context(), c, name, Conditions{}, false) })
		wg.Wait()
		switch {
		case made == nil && errors.Is(deleted, SnapshotsPresent):
		case deleted == nil && errors.Is(made, BlobNotFound):
		default:
			t.Fatalf("round %d: got snapshot %v, delete %v, want one of them refused", round, made, deleted)
		}
	}
	for round := range 50 {
		err := w.blobs.Delete(t.Context(), c, fmt.Sprint(round), Conditions{}, true)
		if err != nil && !errors.Is(err, BlobNotFound) {
			t.Fatal(err)
		}
	}
	w.collect()
	if left := w.count(kindSnapshot); left != 0 {
		t.Errorf("got %d snapshots, want none", left)
	}
}

// TestForgedMarker: a marker that names a blob outside the prefix shows nothing of it.
func TestForgedMarker(t *testing.T) {
	w := newWorld(t, memory.New())
	c := w.container("con")
	if _, err := w.put(t.Context(), c, Write{Name: "secret"}, "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.blobs.Snap(t.Context(), c, "secret", Conditions{}, nil); err != nil {
		t.Fatal(err)
	}
	entries, _, err := w.blobs.ListWithSnapshots(t.Context(), c, Page{Prefix: "dir/", After: "secret\x00", Limit: 10})
	if err != nil || len(entries) != 0 {
		t.Errorf("got %d entries, %v, want none", len(entries), err)
	}
}
