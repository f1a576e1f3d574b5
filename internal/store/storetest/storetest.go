package storetest

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/aksess/aksess/internal/store"
)

// Run proves a backend. open returns a new, empty store and closes nothing:
// the suite closes what it opens.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	t.Helper()
	for _, group := range []struct {
		name  string
		tests []test
	}{
		{"document", documentTests},
		{"apply", applyTests},
		{"list", listTests},
		{"generation", generationTests},
		{"content", contentTests},
		{"concurrency", concurrencyTests},
		{"lifecycle", lifecycleTests},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, test := range group.tests {
				t.Run(test.name, func(t *testing.T) {
					s := open(t)
					t.Cleanup(func() { closeStore(t, s) })
					test.run(t, s)
				})
			}
		})
	}
}

// test is one promise, shown on a new and empty store.
type test struct {
	name string
	run  func(t *testing.T, s store.Store)
}

func closeStore(t *testing.T, s store.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
}

func put(kind, key, value string) store.Op {
	return store.Op{Kind: kind, Key: key, Value: []byte(value)}
}

func del(kind, key string) store.Op { return store.Op{Kind: kind, Key: key, Delete: true} }

func when(op store.Op, condition store.Condition) store.Op {
	op.If = condition
	return op
}

func apply(t *testing.T, s store.Store, ops ...store.Op) []int64 {
	t.Helper()
	versions, err := s.Apply(t.Context(), ops...)
	if err != nil {
		t.Fatalf("applying %d operations, the first on %s %q: %v", len(ops), ops[0].Kind, ops[0].Key, err)
	}
	if len(versions) != len(ops) {
		t.Fatalf("got %d versions for %d operations", len(versions), len(ops))
	}
	return versions
}

// wantDoc requires the document with that value and returns it.
func wantDoc(t *testing.T, s store.Store, kind, key, value string) store.Doc {
	t.Helper()
	doc, err := s.Get(t.Context(), kind, key)
	if err != nil {
		t.Fatalf("reading %s %q: %v", kind, key, err)
	}
	if doc.Kind != kind || doc.Key != key || string(doc.Value) != value {
		t.Fatalf("got %s %q = %.80q, want %s %q = %.80q", doc.Kind, doc.Key, doc.Value, kind, key, value)
	}
	if doc.Version <= 0 {
		t.Fatalf("got version %d of %s %q, want > 0", doc.Version, kind, key)
	}
	return doc
}

func wantNoDoc(t *testing.T, s store.Store, kind, key string) {
	t.Helper()
	doc, err := s.Get(t.Context(), kind, key)
	if !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("got %s %q = %.80q and error %v, want ErrNotFound", kind, key, doc.Value, err)
	}
}

// wantConflict requires just that conflict.
func wantConflict(t *testing.T, err error, want store.ConflictError) {
	t.Helper()
	var got *store.ConflictError
	if !errors.Is(err, store.ErrConflict) || !errors.As(err, &got) {
		t.Fatalf("got error %v, want a *ConflictError that is ErrConflict", err)
	}
	if *got != want {
		t.Fatalf("got conflict %+v, want %+v", *got, want)
	}
}

func wantKeys(t *testing.T, page store.Page, more bool, keys ...string) {
	t.Helper()
	got := fmt.Sprintf("%q more=%t", keysOf(page), page.More)
	if want := fmt.Sprintf("%q more=%t", keys, more); got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
}

func keysOf(page store.Page) []string {
	keys := make([]string, len(page.Docs))
	for i, doc := range page.Docs {
		keys[i] = doc.Key
	}
	return keys
}

func list(t *testing.T, s store.Store, kind string, q store.Query) store.Page {
	t.Helper()
	page, err := s.List(t.Context(), kind, q)
	if err != nil {
		t.Fatalf("listing %s with %+v: %v", kind, q, err)
	}
	return page
}

func readContent(t *testing.T, s store.Store, ref store.ContentRef) []byte {
	t.Helper()
	content, err := s.OpenContent(t.Context(), ref)
	if err != nil {
		t.Fatalf("opening content %+v: %v", ref, err)
	}
	defer content.Close()
	data, err := io.ReadAll(content)
	if err != nil {
		t.Fatalf("reading content %+v: %v", ref, err)
	}
	return data
}
