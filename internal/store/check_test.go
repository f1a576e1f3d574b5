package store_test

import (
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/store"
)

// FuzzRange compares the interval of a query with what its fields say.
func FuzzRange(f *testing.F) {
	f.Add("", "", "", "a")
	f.Add("a/", "a/b", "a/c", "a/b\x00")
	f.Add("\xd5", "0", "", "\xff")
	f.Add("\xff", "", "", "\xff\xff")
	f.Add("a\xff", "a\xff\xff", "b", "b")
	f.Add("\xff\xff", "\xff", "\xff\xff\xff", "\xff\xff\x00")
	f.Fuzz(func(t *testing.T, prefix, after, before, key string) {
		q := store.Query{Prefix: prefix, After: after, Before: before}
		r := q.Range()
		want := strings.HasPrefix(key, prefix) && (after == "" || key > after) && (before == "" || key < before)
		if got := r.Contains(key); got != want {
			t.Errorf("got %t for %q in the range of %+v, want %t", got, key, q, want)
		}
		if want && r.Empty() {
			t.Errorf("got an empty range of %+v, but %q is in it", q, key)
		}
		if r.Limit != store.DefaultLimit {
			t.Errorf("got limit %d, want %d", r.Limit, store.DefaultLimit)
		}
	})
}
