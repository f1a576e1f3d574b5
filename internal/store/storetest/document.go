package storetest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/store"
)

var documentTests = []test{
	{"absent", func(t *testing.T, s store.Store) {
		wantNoDoc(t, s, "a", "x")
		apply(t, s, put("a", "x", "1"))
		wantNoDoc(t, s, "b", "x")
		wantNoDoc(t, s, "a", "x\x00")
		wantNoDoc(t, s, "a", "X")
		wantNoDoc(t, s, "ax", "")
	}},
	{"put_get_replace_delete", func(t *testing.T, s store.Store) {
		first := apply(t, s, put("a", "x", "1"))[0]
		if got := wantDoc(t, s, "a", "x", "1").Version; got != first {
			t.Fatalf("got version %d from Get, %d from Apply", got, first)
		}
		second := apply(t, s, put("a", "x", "2"))[0]
		if got := wantDoc(t, s, "a", "x", "2").Version; got != second || second <= first {
			t.Fatalf("got version %d from Get, %d from Apply after %d", got, second, first)
		}
		if got := apply(t, s, del("a", "x"))[0]; got != 0 {
			t.Fatalf("got version %d of a delete, want 0", got)
		}
		wantNoDoc(t, s, "a", "x")
		apply(t, s, del("a", "x"))
		apply(t, s, put("a", "x", "3"))
		wantDoc(t, s, "a", "x", "3")
	}},
	{"kinds_apart", func(t *testing.T, s store.Store) {
		apply(t, s, put("a", "bc", "1"), put("ab", "c", "2"), put("a/b", "c", "3"), put("a", "b/c", "4"), put("A", "bc", "5"))
		wantDoc(t, s, "a", "bc", "1")
		wantDoc(t, s, "ab", "c", "2")
		wantDoc(t, s, "a/b", "c", "3")
		wantDoc(t, s, "a", "b/c", "4")
		wantDoc(t, s, "A", "bc", "5")
		apply(t, s, del("a", "bc"))
		wantNoDoc(t, s, "a", "bc")
		wantDoc(t, s, "ab", "c", "2")
	}},
	{"keys_of_any_bytes", func(t *testing.T, s store.Store) {
		for _, key := range weirdKeys {
			apply(t, s, put("k", key, "value of "+key))
		}
		for _, key := range weirdKeys {
			wantDoc(t, s, "k", key, "value of "+key)
		}
	}},
	{"values_of_any_bytes", func(t *testing.T, s store.Store) {
		for _, value := range []string{"", "\x00", "\xff\xfe", "it's \"quoted\" -- ; %s", strings.Repeat("\x00long", 1<<16)} {
			apply(t, s, put("k", "x", value))
			wantDoc(t, s, "k", "x", value)
		}
		apply(t, s, store.Op{Kind: "k", Key: "nil"})
		wantDoc(t, s, "k", "nil", "")
	}},
	{"value_is_copied", func(t *testing.T, s store.Store) {
		value := []byte("before")
		apply(t, s, store.Op{Kind: "k", Key: "x", Value: value})
		copy(value, "after!")
		wantDoc(t, s, "k", "x", "before")
	}},
	{"limits_hold", func(t *testing.T, s store.Store) {
		key, value := strings.Repeat("k", store.MaxKeyLength), bytes.Repeat([]byte("v"), store.MaxValue)
		apply(t, s, store.Op{Kind: key, Key: key, Value: value})
		doc, err := s.Get(t.Context(), key, key)
		if err != nil || !bytes.Equal(doc.Value, value) {
			t.Fatalf("got %d bytes and error %v, want the %d bytes written", len(doc.Value), err, len(value))
		}
		ops := make([]store.Op, store.MaxOps)
		for i := range ops {
			ops[i] = put("many", string(rune('a'+i)), "x")
		}
		apply(t, s, ops...)
		if got := len(list(t, s, "many", store.Query{Limit: store.MaxOps + 1}).Docs); got != store.MaxOps {
			t.Fatalf("got %d documents, want %d", got, store.MaxOps)
		}
	}},
	{"beyond_limits_refused", beyondLimits},
}

// weirdKeys are in bytewise order.
var weirdKeys = []string{
	"\x00", "\x00\x00", "\x01", " ", "%", "'", "--", ".", "/", "//", "A", "Z", "_", "a", "a\x00", "a\x00b", "a ", "a/", "a/b", "aa", "b",
	"z", "{}", "\x7f", "\x80", "é", "日本", "\xf0\x9f\x94\x91", "\xfe", "\xff", "\xff\x00", "\xff\xfe", "\xff\xff", "\xff\xff\xff",
}

func beyondLimits(t *testing.T, s store.Store) {
	long := strings.Repeat("k", store.MaxKeyLength+1)
	for _, c := range []struct {
		name string
		ops  []store.Op
	}{
		{"empty_key", []store.Op{put("k", "", "x")}},
		{"empty_kind", []store.Op{put("", "k", "x")}},
		{"long_key", []store.Op{put("k", long, "x")}},
		{"long_kind", []store.Op{put(long, "k", "x")}},
		{"large_value", []store.Op{{Kind: "k", Key: "x", Value: make([]byte, store.MaxValue+1)}}},
		{"many_operations", slices.Repeat([]store.Op{put("k", "x", "x")}, store.MaxOps+1)},
		{"delete_and_check", []store.Op{{Kind: "k", Key: "x", Delete: true, Check: true}}},
		{"delete_with_value", []store.Op{{Kind: "k", Key: "x", Delete: true, Value: []byte("x")}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ops := append([]store.Op{put("k", "witness", "x")}, c.ops...)
			if _, err := s.Apply(t.Context(), ops...); !errors.Is(err, store.ErrInvalid) {
				t.Fatalf("got error %v, want ErrInvalid", err)
			}
			wantNoDoc(t, s, "k", "witness")
		})
	}
}

var generationTests = []test{
	{"grows_with_writes_of_the_kind", func(t *testing.T, s store.Store) {
		start := s.Generation("a")
		apply(t, s, put("b", "x", "1"))
		if got := s.Generation("a"); got != start {
			t.Fatalf("got generation %d after a write of another kind, want %d", got, start)
		}
		last := start
		for _, ops := range [][]store.Op{
			{put("a", "x", "1")},
			{put("a", "x", "1")},
			{put("b", "y", "1"), put("a", "y", "1")},
			{del("a", "x")},
		} {
			apply(t, s, ops...)
			got := s.Generation("a")
			if got <= last {
				t.Fatalf("got generation %d after %d", got, last)
			}
			last = got
		}
	}},
	{"several_kinds", func(t *testing.T, s store.Store) {
		both := s.Generation("a", "b")
		apply(t, s, put("a", "x", "1"))
		afterA := s.Generation("a", "b")
		apply(t, s, put("b", "x", "1"))
		afterB := s.Generation("a", "b")
		if both >= afterA || afterA >= afterB {
			t.Fatalf("got generations %d, %d, %d, want them to grow", both, afterA, afterB)
		}
		apply(t, s, put("c", "x", "1"))
		if got := s.Generation("a", "b"); got != afterB {
			t.Fatalf("got generation %d after a write of a third kind, want %d", got, afterB)
		}
	}},
	{"unchanged_by_refused_writes_and_reads", func(t *testing.T, s store.Store) {
		apply(t, s, put("a", "x", "1"))
		start := s.Generation("a")
		_, err := s.Apply(t.Context(), put("a", "y", "1"), when(put("a", "x", "2"), store.Absent()))
		if !errors.Is(err, store.ErrConflict) {
			t.Fatalf("got error %v, want ErrConflict", err)
		}
		apply(t, s, store.Op{Kind: "a", Key: "x", Check: true, If: store.Present()})
		wantDoc(t, s, "a", "x", "1")
		list(t, s, "a", store.Query{})
		if got := s.Generation("a"); got != start {
			t.Fatalf("got generation %d, want %d", got, start)
		}
	}},
	{"cache_built_on_it_is_never_stale", func(t *testing.T, s store.Store) {
		generationCache(t, s)
	}},
}

// generationCache has one writer that checks, after each Apply returned, that
// a cache filled by other goroutines under the current generation holds it.
func generationCache(t *testing.T, s store.Store) {
	type filled struct {
		generation uint64
		value      string
	}
	const rounds = 200
	fills, stop := make(chan filled, 64), make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			generation := s.Generation("a")
			doc, err := s.Get(context.Background(), "a", "x")
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				t.Errorf("reading: %v", err)
				return
			}
			select {
			case fills <- filled{generation, string(doc.Value)}:
			case <-stop:
				return
			}
		}
	}()
	defer func() { close(stop); <-done }()
	for i := range rounds {
		value := strings.Repeat("v", i%7+1)
		apply(t, s, put("a", "x", value))
		current := s.Generation("a")
		for range cap(fills) / 8 {
			if fill := <-fills; fill.generation == current && fill.value != value {
				t.Fatalf("round %d: a read under the current generation %d gave %q, want %q", i, current, fill.value, value)
			}
		}
	}
}
