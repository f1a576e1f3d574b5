package storetest

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/aksess/aksess/internal/store"
)

const (
	workers = 8
	rounds  = 25
)

var concurrencyTests = []test{
	{"counter_by_version", func(t *testing.T, s store.Store) {
		apply(t, s, put("k", "n", "0"))
		together(t, func(int) error {
			for range rounds {
				if err := increment(t, s); err != nil {
					return err
				}
			}
			return nil
		})
		wantDoc(t, s, "k", "n", strconv.Itoa(workers*rounds))
	}},
	{"counter_by_update", func(t *testing.T, s store.Store) {
		c := store.Collection[int]{Store: s, Kind: "k"}
		together(t, func(int) error {
			for range rounds {
				_, err := c.Update(t.Context(), "n", func(value *int, _ bool) error { *value++; return nil })
				if err != nil {
					return err
				}
			}
			return nil
		})
		wantDoc(t, s, "k", "n", strconv.Itoa(workers*rounds))
	}},
	{"one_creator", func(t *testing.T, s store.Store) {
		for round := range rounds {
			var mu sync.Mutex
			won := 0
			together(t, func(int) error {
				_, err := s.Apply(t.Context(), when(put("k", strconv.Itoa(round), "x"), store.Absent()))
				if errors.Is(err, store.ErrConflict) {
					return nil
				}
				mu.Lock()
				defer mu.Unlock()
				won++
				return err
			})
			if won != 1 {
				t.Fatalf("round %d: got %d creators of one document, want 1", round, won)
			}
		}
	}},
	{"reads_own_writes", func(t *testing.T, s store.Store) {
		together(t, func(worker int) error {
			key := strconv.Itoa(worker)
			var readers sync.WaitGroup
			defer readers.Wait()
			for round := range rounds * 4 {
				// A reader beside the writer fills whatever cache there is.
				readers.Go(func() { _, _ = s.Get(t.Context(), "k", key) })
				value := strconv.Itoa(round)
				versions, err := s.Apply(t.Context(), put("k", key, value))
				if err != nil {
					return err
				}
				if err := wantReads(t, s, key, value, versions[0]); err != nil {
					return err
				}
			}
			return nil
		})
	}},
	{"versions_unique", func(t *testing.T, s store.Store) {
		var mu sync.Mutex
		seen := map[int64]bool{}
		together(t, func(worker int) error {
			for round := range rounds {
				versions, err := s.Apply(t.Context(), put("k", fmt.Sprint(worker, round), ""), put("l", strconv.Itoa(round), ""))
				if err != nil {
					return err
				}
				mu.Lock()
				for _, version := range versions {
					if seen[version] {
						t.Errorf("version %d was given out twice", version)
					}
					seen[version] = true
				}
				mu.Unlock()
			}
			return nil
		})
	}},
	{"transfers_keep_the_sum", transfers},
	{"contents", func(t *testing.T, s store.Store) {
		together(t, func(worker int) error {
			for round := range rounds {
				data := randomBytes(1 + worker + round*4000)
				ref := putContent(t, s, data)
				if got := readContent(t, s, ref); string(got) != string(data) {
					return fmt.Errorf("got %d other bytes, want %d", len(got), len(data))
				}
				if round%2 == 0 {
					deleteContent(t, s, ref)
				}
			}
			return nil
		})
	}},
}

// together runs work in as many goroutines as there are workers.
func together(t *testing.T, work func(worker int) error) {
	t.Helper()
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			if err := work(worker); err != nil {
				t.Errorf("worker %d: %v", worker, err)
			}
		})
	}
	wg.Wait()
}

func increment(t *testing.T, s store.Store) error {
	for {
		doc, err := s.Get(t.Context(), "k", "n")
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(string(doc.Value))
		if err != nil {
			return err
		}
		_, err = s.Apply(t.Context(), when(put("k", "n", strconv.Itoa(n+1)), store.At(doc.Version)))
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// wantReads requires what was acknowledged from both ways to read.
func wantReads(t *testing.T, s store.Store, key, value string, version int64) error {
	doc, err := s.Get(t.Context(), "k", key)
	if err != nil || string(doc.Value) != value || doc.Version != version {
		return fmt.Errorf("got %q in version %d and error %v from Get, want %q in %d", doc.Value, doc.Version, err, value, version)
	}
	page, err := s.List(t.Context(), "k", store.Query{Prefix: key, Limit: 1})
	if err != nil || len(page.Docs) != 1 || page.Docs[0].Version != version {
		return fmt.Errorf("got %+v and error %v from List, want version %d", page, err, version)
	}
	return nil
}

// transfers moves amounts between documents while every listing must find the
// same sum: a page shows one moment, and no Apply by half.
func transfers(t *testing.T, s store.Store) {
	const accounts, initial = 5, 100
	c := store.Collection[int]{Store: s, Kind: "account"}
	for account := range accounts {
		if _, err := c.Put(t.Context(), strconv.Itoa(account), initial, store.Absent()); err != nil {
			t.Fatal(err)
		}
	}
	together(t, func(worker int) error {
		for round := range rounds {
			from, to := strconv.Itoa((worker+round)%accounts), strconv.Itoa((worker+round*2+1)%accounts)
			if from == to {
				continue
			}
			if err := transfer(t, c, from, to); err != nil {
				return err
			}
			items, _, err := c.List(t.Context(), store.Query{})
			if err != nil {
				return err
			}
			sum := 0
			for _, item := range items {
				sum += item.Value
			}
			if sum != accounts*initial {
				return fmt.Errorf("got a sum of %d in one page, want %d", sum, accounts*initial)
			}
		}
		return nil
	})
}

func transfer(t *testing.T, c store.Collection[int], from, to string) error {
	for {
		source, err := c.Get(t.Context(), from)
		if err != nil {
			return err
		}
		target, err := c.Get(t.Context(), to)
		if err != nil {
			return err
		}
		take, err := c.PutOp(from, source.Value-1, store.At(source.Version))
		if err != nil {
			return err
		}
		give, err := c.PutOp(to, target.Value+1, store.At(target.Version))
		if err != nil {
			return err
		}
		if _, err = c.Store.Apply(t.Context(), take, give); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}
