package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/aksess/aksess/internal/store"
)

var lifecycleTests = []test{
	{"closed_answers_so", func(t *testing.T, s store.Store) {
		apply(t, s, put("k", "x", "1"))
		small, large := putContent(t, s, []byte("small")), putContent(t, s, randomBytes(100<<10))
		wantDoc(t, s, "k", "x", "1")
		closeStore(t, s)
		wantClosed(t, s, small, large)
		closeStore(t, s)
	}},
	{"close_beside_use", func(t *testing.T, s store.Store) {
		acknowledged := make(chan struct{}, workers)
		var wg sync.WaitGroup
		for worker := range workers {
			wg.Go(func() {
				for i := 0; ; i++ {
					key := fmt.Sprint(worker, " ", i)
					_, err := s.Apply(t.Context(), put("k", key, "x"))
					if err == nil {
						_, err = s.Get(t.Context(), "k", key)
					}
					if err == nil {
						_, err = s.List(t.Context(), "k", store.Query{Limit: 3})
					}
					if errors.Is(err, store.ErrClosed) {
						return
					}
					if err != nil {
						t.Errorf("got error %v, want none or ErrClosed", err)
						return
					}
					if i == 0 {
						acknowledged <- struct{}{}
					}
				}
			})
		}
		for range workers {
			<-acknowledged
		}
		closeStore(t, s)
		wg.Wait()
	}},
}

func wantClosed(t *testing.T, s store.Store, small, large store.ContentRef) {
	t.Helper()
	ctx := t.Context()
	_, get := s.Get(ctx, "k", "x")
	_, list := s.List(ctx, "k", store.Query{})
	_, write := s.Apply(ctx, put("k", "x", "2"))
	_, putSmall := s.PutContent(ctx, strings.NewReader("small"))
	_, putLarge := s.PutContent(ctx, bytes.NewReader(randomBytes(100<<10)))
	_, openSmall := s.OpenContent(ctx, small)
	_, openLarge := s.OpenContent(ctx, large)
	for name, err := range map[string]error{
		"Get": get, "List": list, "Apply": write, "PutContent small": putSmall, "PutContent large": putLarge,
		"OpenContent small": openSmall, "OpenContent large": openLarge,
		"DeleteContent small": s.DeleteContent(ctx, small), "DeleteContent large": s.DeleteContent(ctx, large),
	} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("got error %v from %s, want ErrClosed", err, name)
		}
	}
}

// RunDurable proves what survives a Close. open opens the store that lives in
// dir, which exists and is empty the first time.
func RunDurable(t *testing.T, open func(t *testing.T, dir string) store.Store) {
	t.Helper()
	t.Run("documents_and_contents", func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir)
		version := apply(t, s, put("k", "x", "1"), put("k", "y", "1"), put("other", "x", "2"))[0]
		apply(t, s, del("k", "y"))
		small, large := randomBytes(1000), randomBytes(100<<10)
		smallRef, largeRef := putContent(t, s, small), putContent(t, s, large)
		gone := putContent(t, s, randomBytes(200<<10))
		deleteContent(t, s, gone)
		closeStore(t, s)

		s = open(t, dir)
		defer closeStore(t, s)
		if got := wantDoc(t, s, "k", "x", "1").Version; got != version {
			t.Errorf("got version %d after reopening, want %d", got, version)
		}
		wantNoDoc(t, s, "k", "y")
		wantDoc(t, s, "other", "x", "2")
		if !bytes.Equal(readContent(t, s, smallRef), small) || !bytes.Equal(readContent(t, s, largeRef), large) {
			t.Errorf("got other contents after reopening")
		}
		if _, err := s.OpenContent(t.Context(), gone); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("got error %v for deleted content after reopening, want ErrNotFound", err)
		}
	})
	t.Run("versions_never_reused", func(t *testing.T) {
		dir := t.TempDir()
		var last int64
		for range 5 {
			s := open(t, dir)
			version := apply(t, s, put("k", "x", "1"))[0]
			if version <= last {
				t.Fatalf("got version %d after reopening, want > %d", version, last)
			}
			last = version
			// The newest version belongs to what is no longer there.
			apply(t, s, del("k", "x"))
			closeStore(t, s)
		}
	})
}
