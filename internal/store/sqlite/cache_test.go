package sqlite

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/aksess/aksess/internal/store"
)

func cached(version int64, size int) store.Doc {
	return store.Doc{Kind: "k", Key: "x", Version: version, Value: make([]byte, size)}
}

func TestCache(t *testing.T) {
	id := docID{"k", "x"}
	for _, c := range []struct {
		name string
		run  func(c *cache)
		want int64 // version found at the end, 0 for none
	}{
		{"read_is_kept", func(c *cache) {
			_, epoch, _ := c.get(id)
			c.put(id, cached(1, 10), epoch)
		}, 1},
		{"read_before_a_write_is_not_kept", func(c *cache) {
			_, epoch, _ := c.get(id)
			c.hold(id)
			c.settle(id)
			c.put(id, cached(1, 10), epoch)
		}, 0},
		{"read_into_a_write_is_not_kept", func(c *cache) {
			_, epoch, _ := c.get(id)
			c.hold(id)
			c.put(id, cached(1, 10), epoch)
			c.settle(id)
		}, 0},
		{"read_within_a_write_is_not_kept", func(c *cache) {
			c.hold(id)
			_, epoch, _ := c.get(id)
			c.put(id, cached(1, 10), epoch)
			c.settle(id)
		}, 0},
		{"read_out_of_a_write_is_not_kept", func(c *cache) {
			c.hold(id)
			_, epoch, _ := c.get(id)
			c.settle(id)
			c.put(id, cached(1, 10), epoch)
		}, 0},
		{"write_removes", func(c *cache) {
			_, epoch, _ := c.get(id)
			c.put(id, cached(1, 10), epoch)
			c.hold(id)
			c.settle(id)
		}, 0},
		{"write_renews", func(c *cache) {
			_, epoch, _ := c.get(id)
			c.put(id, cached(1, 10), epoch)
			c.hold(id)
			c.renew(id, cached(2, 10))
		}, 2},
		{"large_is_not_kept", func(c *cache) {
			_, epoch, _ := c.get(id)
			c.put(id, cached(1, 1<<20), epoch)
		}, 0},
		{"grown_is_dropped", func(c *cache) {
			_, epoch, _ := c.get(id)
			c.put(id, cached(1, 10), epoch)
			c.hold(id)
			c.renew(id, cached(2, 1<<20))
		}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			cache := newCache(1 << 20)
			c.run(cache)
			if doc, _, _ := cache.get(id); doc.Version != c.want {
				t.Errorf("got version %d, want %d", doc.Version, c.want)
			}
		})
	}
}

func TestCacheIsBounded(t *testing.T) {
	const limit = 1 << 20
	c := newCache(limit)
	read := func(i int) bool {
		doc := store.Doc{Kind: "k", Key: strconv.Itoa(i), Version: 1, Value: make([]byte, i%5000)}
		id := docID{doc.Kind, doc.Key}
		_, epoch, found := c.get(id)
		if !found {
			c.put(id, doc, epoch)
		}
		return found
	}
	for i := range 10_000 {
		read(i)
		read(7) // what is used stays
	}
	var size int64
	count := 0
	for i := range c.shards {
		s := &c.shards[i]
		size += s.size
		count += len(s.docs)
		if s.recent.Len() != len(s.docs) {
			t.Errorf("got %d documents in the order of use, %d by name", s.recent.Len(), len(s.docs))
		}
	}
	if size > limit || size < limit/2 || count == 0 {
		t.Errorf("got %d documents of %d bytes, want nearly %d bytes", count, size, limit)
	}
	if !read(7) {
		t.Errorf("a document that is read all the time was pushed out")
	}
}

func TestCachedGetAllocatesNothing(t *testing.T) {
	s := openStore(t, t.TempDir())
	defer closeIt(t, s)
	mustApply(t, s, put("x", "1"))
	ctx := t.Context()
	get := func() {
		if _, err := s.Get(ctx, "k", "x"); err != nil {
			t.Fatal(err)
		}
	}
	get()
	if got := testing.AllocsPerRun(100, get); got != 0 {
		t.Errorf("got %v allocations, want none", got)
	}
}

// TestReadsNeverGoBack reads a few documents, most of the time cached ones,
// beside their writers: no reader may see a version and then an older one,
// by whichever way it reads.
func TestReadsNeverGoBack(t *testing.T) {
	const documents, writes = 3, 100
	s := openStore(t, t.TempDir())
	defer closeIt(t, s)
	for i := range documents {
		mustApply(t, s, put(fmt.Sprint(i), "0"))
	}
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	for reader := range 3 {
		readers.Go(func() {
			random := rand.New(rand.NewPCG(uint64(reader), 1))
			var seen [documents]int64
			for {
				select {
				case <-stop:
					return
				default:
				}
				i := random.IntN(documents)
				version, err := readSomehow(t, s, strconv.Itoa(i), random.IntN(8) == 0)
				if err != nil || version < seen[i] {
					t.Errorf("got version %d and error %v of document %d after version %d", version, err, i, seen[i])
					return
				}
				seen[i] = version
			}
		})
	}
	for i := range documents {
		writers.Go(func() {
			for n := range writes {
				version := mustApply(t, s, put(strconv.Itoa(i), strconv.Itoa(n)))[0]
				if doc, err := s.Get(t.Context(), "k", strconv.Itoa(i)); err != nil || doc.Version != version {
					t.Errorf("got version %d and error %v after writing %d", doc.Version, err, version)
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
}

func readSomehow(t *testing.T, s *Store, key string, list bool) (int64, error) {
	if !list {
		doc, err := s.Get(t.Context(), "k", key)
		return doc.Version, err
	}
	page, err := s.List(t.Context(), "k", store.Query{Prefix: key})
	if err != nil || len(page.Docs) != 1 {
		return 0, err
	}
	return page.Docs[0].Version, nil
}
