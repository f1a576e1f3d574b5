package memory_test

import (
	"fmt"
	"testing"

	"github.com/aksess/aksess/internal/store"
	"github.com/aksess/aksess/internal/store/memory"
	"github.com/aksess/aksess/internal/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return memory.New() })
}

func FuzzListing(f *testing.F) {
	f.Add([]byte("\x01a\x00\x00\x02\x01a\x02ab\x02a\xff\x01b"))
	f.Add([]byte("\x02\xff\xff\x00\x00\x01\x01\xff\x02\xff\xff\x03\xff\xff\x00"))
	f.Add([]byte("\x00\x01b\x01d\x02\x01a\x01b\x02b\x00\x01c\x01d\x01e"))
	f.Fuzz(func(t *testing.T, data []byte) { storetest.CheckListing(t, memory.New(), data) })
}

// TestManyDocuments grows and shrinks one kind past what one chunk holds, in
// an order that hits all of them.
func TestManyDocuments(t *testing.T) {
	const count = 20_011 // a prime: i*step visits every key once
	s := memory.New()
	present := 0
	check := func(step, want int) {
		t.Helper()
		keys := 0
		last := ""
		for {
			page, err := s.List(t.Context(), "k", store.Query{After: last})
			if err != nil {
				t.Fatal(err)
			}
			for _, doc := range page.Docs {
				if doc.Key <= last {
					t.Fatalf("got key %q after %q", doc.Key, last)
				}
				last = doc.Key
				keys++
			}
			if !page.More {
				break
			}
		}
		if keys != want {
			t.Fatalf("step %d: got %d documents, want %d", step, keys, want)
		}
	}
	for i := range count {
		op := store.Op{Kind: "k", Key: fmt.Sprintf("%08d", i*7919%count), If: store.Absent()}
		if _, err := s.Apply(t.Context(), op); err != nil {
			t.Fatal(err)
		}
		if present++; present%4001 == 0 {
			check(i, present)
		}
	}
	for i := range count {
		op := store.Op{Kind: "k", Key: fmt.Sprintf("%08d", i*104729%count), Delete: true, If: store.Present()}
		if _, err := s.Apply(t.Context(), op); err != nil {
			t.Fatal(err)
		}
		if present--; present%4001 == 0 {
			check(i, present)
		}
	}
}

func BenchmarkApply(b *testing.B) {
	for _, count := range []int{1_000, 1_000_000} {
		b.Run(fmt.Sprintf("documents=%d", count), func(b *testing.B) {
			s := memory.New()
			for i := range count {
				if _, err := s.Apply(b.Context(), store.Op{Kind: "k", Key: fmt.Sprintf("%08d", i*7919%1_000_003)}); err != nil {
					b.Fatal(err)
				}
			}
			i := 0
			for b.Loop() {
				key := fmt.Sprintf("%08d/new", i*7919%1_000_003)
				if _, err := s.Apply(b.Context(), store.Op{Kind: "k", Key: key, Value: []byte("x")}); err != nil {
					b.Fatal(err)
				}
				if _, err := s.Apply(b.Context(), store.Op{Kind: "k", Key: key, Delete: true}); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}
