package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/store"
)

var listTests = []test{
	{"empty", func(t *testing.T, s store.Store) {
		wantKeys(t, list(t, s, "k", store.Query{}), false)
		apply(t, s, put("k", "x", "1"), del("k", "x"), put("other", "x", "1"))
		wantKeys(t, list(t, s, "k", store.Query{}), false)
	}},
	{"bytewise_order", func(t *testing.T, s store.Store) {
		shuffled := slices.Clone(weirdKeys)
		rand.New(rand.NewPCG(1, 2)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		for _, key := range shuffled {
			apply(t, s, put("k", key, "value of "+key))
		}
		page := list(t, s, "k", store.Query{})
		wantKeys(t, page, false, slices.Sorted(slices.Values(weirdKeys))...)
		for _, doc := range page.Docs {
			if doc.Kind != "k" || doc.Version <= 0 || string(doc.Value) != "value of "+doc.Key {
				t.Fatalf("got %+v", doc)
			}
		}
	}},
	{"prefix", func(t *testing.T, s store.Store) {
		for _, key := range []string{"a", "a/", "a/b", "a/b/c", "a0", "b", "\xff", "\xff\xff", "\xff\xffx", "b\xff", "b\xffx", "c"} {
			apply(t, s, put("k", key, key))
		}
		apply(t, s, put("j", "a/z", ""), put("l", "a/z", ""))
		wantKeys(t, list(t, s, "k", store.Query{Prefix: "a/"}), false, "a/", "a/b", "a/b/c")
		wantKeys(t, list(t, s, "k", store.Query{Prefix: "a"}), false, "a", "a/", "a/b", "a/b/c", "a0")
		wantKeys(t, list(t, s, "k", store.Query{Prefix: "b\xff"}), false, "b\xff", "b\xffx")
		wantKeys(t, list(t, s, "k", store.Query{Prefix: "\xff"}), false, "\xff", "\xff\xff", "\xff\xffx")
		wantKeys(t, list(t, s, "k", store.Query{Prefix: "\xff\xff"}), false, "\xff\xff", "\xff\xffx")
		wantKeys(t, list(t, s, "k", store.Query{Prefix: "A"}), false)
		wantKeys(t, list(t, s, "k", store.Query{Prefix: "a/b/c/d"}), false)
	}},
	{"after_before_limit", afterBeforeLimit},
	{"continuation_visits_each_once", func(t *testing.T, s store.Store) {
		var want []string
		for i := range 257 {
			want = append(want, fmt.Sprintf("%04d", i))
		}
		putAll(t, s, "k", want)
		for _, limit := range []int{1, 2, 16, 256, 257, 258} {
			if got := walk(t, s, "k", store.Query{Limit: limit}); !slices.Equal(got, want) {
				t.Fatalf("got %d keys with limit %d, want %d: %q", len(got), limit, len(want), got)
			}
		}
	}},
	{"default_limit", func(t *testing.T, s store.Store) {
		var keys []string
		for i := range store.DefaultLimit + 1 {
			keys = append(keys, fmt.Sprintf("%05d", i))
		}
		putAll(t, s, "k", keys)
		page := list(t, s, "k", store.Query{})
		if len(page.Docs) != store.DefaultLimit || !page.More {
			t.Fatalf("got %d documents, more %t, want %d, more", len(page.Docs), page.More, store.DefaultLimit)
		}
		all, err := store.Collection[int]{Store: s, Kind: "k"}.All(t.Context(), "")
		if err != nil || len(all) != len(keys) {
			t.Fatalf("got %d documents and error %v from All, want %d", len(all), err, len(keys))
		}
	}},
	{"large_documents_end_a_page", func(t *testing.T, s store.Store) {
		const fit = store.MaxPage / store.MaxValue
		large := strings.Repeat("v", store.MaxValue)
		for i := range fit + 1 {
			apply(t, s, put("k", fmt.Sprint(i), large))
		}
		page := list(t, s, "k", store.Query{})
		if len(page.Docs) != fit || !page.More {
			t.Fatalf("got %d documents, more %t, want %d, more", len(page.Docs), page.More, fit)
		}
		wantKeys(t, list(t, s, "k", store.Query{After: page.Docs[fit-1].Key}), false, fmt.Sprint(fit))
	}},
	{"continuation_beside_writes", continuationBesideWrites},
	{"against_a_model", func(t *testing.T, s store.Store) {
		random := rand.New(rand.NewPCG(7, 7))
		for range 300 {
			data := make([]byte, 40)
			for i := range data {
				data[i] = "ab/\x00\xff"[random.IntN(5)]
			}
			CheckListing(t, s, data)
		}
	}},
}

func afterBeforeLimit(t *testing.T, s store.Store) {
	putAll(t, s, "k", []string{"a", "b", "b\x00", "bb", "c", "d"})
	for _, c := range []struct {
		q    store.Query
		more bool
		want []string
	}{
		{store.Query{After: "b"}, false, []string{"b\x00", "bb", "c", "d"}},
		{store.Query{After: "b\x00"}, false, []string{"bb", "c", "d"}},
		{store.Query{After: "d"}, false, nil},
		{store.Query{Before: "b"}, false, []string{"a"}},
		{store.Query{Before: "b\x00"}, false, []string{"a", "b"}},
		{store.Query{Before: "a"}, false, nil},
		{store.Query{After: "a", Before: "c"}, false, []string{"b", "b\x00", "bb"}},
		{store.Query{After: "c", Before: "b"}, false, nil},
		{store.Query{After: "b", Before: "b"}, false, nil},
		{store.Query{After: "b", Before: "b\x00"}, false, nil},
		{store.Query{Prefix: "b", After: "a"}, false, []string{"b", "b\x00", "bb"}},
		{store.Query{Prefix: "b", After: "b"}, false, []string{"b\x00", "bb"}},
		{store.Query{Prefix: "b", After: "c"}, false, nil},
		{store.Query{Prefix: "b", Before: "d"}, false, []string{"b", "b\x00", "bb"}},
		{store.Query{Prefix: "b", Before: "bb"}, false, []string{"b", "b\x00"}},
		{store.Query{Limit: 1}, true, []string{"a"}},
		{store.Query{Limit: 5}, true, []string{"a", "b", "b\x00", "bb", "c"}},
		{store.Query{Limit: 6}, false, []string{"a", "b", "b\x00", "bb", "c", "d"}},
		{store.Query{Limit: 2, Prefix: "b"}, true, []string{"b", "b\x00"}},
		{store.Query{Limit: 3, Prefix: "b"}, false, []string{"b", "b\x00", "bb"}},
		{store.Query{Limit: 2, After: "bb", Before: "d"}, false, []string{"c"}},
	} {
		wantKeys(t, list(t, s, "k", c.q), c.more, c.want...)
	}
}

// putAll writes a document that holds 0 under each key.
func putAll(t *testing.T, s store.Store, kind string, keys []string) {
	t.Helper()
	ops := make([]store.Op, len(keys))
	for i, key := range keys {
		ops[i] = put(kind, key, "0")
	}
	apply(t, s, ops...)
}

// walk follows the continuation to its end.
func walk(t *testing.T, s store.Store, kind string, q store.Query) []string {
	t.Helper()
	var keys []string
	for {
		page := list(t, s, kind, q)
		if q.Limit > 0 && len(page.Docs) > q.Limit {
			t.Fatalf("got %d documents, want at most %d", len(page.Docs), q.Limit)
		}
		keys = append(keys, keysOf(page)...)
		if !page.More {
			return keys
		}
		if len(page.Docs) == 0 {
			t.Fatalf("got an empty page with more to come after %q", q.After)
		}
		q.After = page.Docs[len(page.Docs)-1].Key
	}
}

// continuationBesideWrites requires that a walk sees every document that was
// there all along, once and in order, whatever others write meanwhile.
func continuationBesideWrites(t *testing.T, s store.Store) {
	var stable []string
	for i := range 200 {
		stable = append(stable, fmt.Sprintf("%04d", i))
	}
	putAll(t, s, "k", stable)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ctx.Err() == nil; i++ {
			key := fmt.Sprintf("%04d-%d", i*7%200, i)
			if _, err := s.Apply(ctx, put("k", key, "0")); err == nil {
				_, err = s.Apply(ctx, del("k", key))
				if err != nil && ctx.Err() == nil {
					t.Errorf("deleting: %v", err)
				}
			}
		}
	}()
	defer func() { cancel(); <-done }()
	for range 20 {
		got := walk(t, s, "k", store.Query{Limit: 9})
		if !slices.IsSorted(got) {
			t.Fatalf("got keys out of order: %q", got)
		}
		got = slices.DeleteFunc(got, func(key string) bool { return len(key) > 4 })
		if !slices.Equal(got, stable) {
			t.Fatalf("got %d of the documents that never changed, want %d: %q", len(got), len(stable), got)
		}
	}
}

// CheckListing reads keys and a query out of data, writes the keys and
// compares every page with a sorted slice. It is the body of a backend's fuzz
// target; each call uses the kind "fuzz" and empties it again.
func CheckListing(t *testing.T, s store.Store, data []byte) {
	t.Helper()
	next := func() string {
		if len(data) == 0 {
			return ""
		}
		size := min(int(data[0]%6), len(data)-1)
		token := string(data[1 : 1+size])
		data = data[1+size:]
		return token
	}
	q := store.Query{Prefix: next(), After: next(), Before: next()}
	if len(data) > 0 {
		q.Limit = int(data[0] % 5)
	}
	var keys []string
	for len(data) > 0 && len(keys) < 64 {
		if key := next(); key != "" && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return
	}
	var want []string
	var fill, clean []store.Op
	for _, key := range keys {
		fill = append(fill, put("fuzz", key, key))
		clean = append(clean, del("fuzz", key))
		if strings.HasPrefix(key, q.Prefix) && key > q.After && (q.Before == "" || key < q.Before) {
			want = append(want, key)
		}
	}
	slices.Sort(want)
	apply(t, s, fill...)
	if got := walk(t, s, "fuzz", q); !slices.Equal(got, want) {
		t.Fatalf("got %q with %+v of %d keys, want %q", got, q, len(keys), want)
	}
	apply(t, s, clean...)
}
