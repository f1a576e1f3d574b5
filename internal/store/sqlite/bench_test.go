package sqlite

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aksess/aksess/internal/store"
)

// value is of the size of a message, a secret or a resource.
var value = []byte(strings.Repeat("v", 1<<10))

func BenchmarkApply(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := openStore(b, b.TempDir())
			defer s.Close()
			b.ResetTimer()
			together(b, writers, func(n int64) error {
				_, err := s.Apply(b.Context(), store.Op{Kind: "k", Key: fmt.Sprintf("%012d", n), Value: value})
				return err
			})
		})
	}
}

// BenchmarkSmallContent is a blob of 1 KiB: its content, then its document.
func BenchmarkSmallContent(b *testing.B) {
	for _, writers := range []int{1, 16} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := openStore(b, b.TempDir())
			defer s.Close()
			b.ResetTimer()
			together(b, writers, func(n int64) error {
				if _, err := s.PutContent(b.Context(), strings.NewReader(string(value))); err != nil {
					return err
				}
				_, err := s.Apply(b.Context(), store.Op{Kind: "k", Key: fmt.Sprintf("%012d", n), Value: value[:200], If: store.Absent()})
				return err
			})
		})
	}
}

// together shares b.N calls of work out among so many goroutines.
func together(b *testing.B, goroutines int, work func(n int64) error) {
	b.Helper()
	var next atomic.Int64
	b.SetParallelism(1)
	done := make(chan error)
	for range goroutines {
		go func() {
			for {
				n := next.Add(1)
				if n > int64(b.N) {
					done <- nil
					return
				}
				if err := work(n); err != nil {
					done <- err
					return
				}
			}
		}()
	}
	for range goroutines {
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
}

func BenchmarkGet(b *testing.B) {
	for name, cache := range map[string]int64{"cached": 0, "uncached": -1} {
		b.Run(name, func(b *testing.B) {
			s := openFilled(b, cache, 10_000)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Get(b.Context(), "k", "000000005000"); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"_parallel", func(b *testing.B) {
			s := openFilled(b, cache, 10_000)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := s.Get(b.Context(), "k", "000000005000"); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

func BenchmarkList(b *testing.B) {
	s := openFilled(b, 0, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		page, err := s.List(b.Context(), "k", store.Query{After: "000000005000", Limit: 100})
		if err != nil || len(page.Docs) != 100 {
			b.Fatal(len(page.Docs), err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	b.Run("new", func(b *testing.B) {
		for b.Loop() {
			if err := openStore(b, b.TempDir()).Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("existing", func(b *testing.B) {
		dir := b.TempDir()
		s := openStore(b, dir)
		fill(b, s, 10_000)
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			s := openStore(b, dir)
			b.StopTimer()
			_ = s.Close()
			b.StartTimer()
		}
	})
}

func openFilled(b *testing.B, cache int64, count int) *Store {
	b.Helper()
	s, err := Open(b.Context(), Options{Dir: b.TempDir(), CacheBytes: cache})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	fill(b, s, count)
	return s
}

func fill(b *testing.B, s *Store, count int) {
	b.Helper()
	ops := make([]store.Op, 0, 1000)
	for i := range count {
		ops = append(ops, store.Op{Kind: "k", Key: fmt.Sprintf("%012d", i), Value: value})
		if len(ops) == cap(ops) || i == count-1 {
			if _, err := s.Apply(b.Context(), ops...); err != nil {
				b.Fatal(err)
			}
			ops = ops[:0]
		}
	}
}
