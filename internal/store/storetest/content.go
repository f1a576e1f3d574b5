package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"github.com/aksess/aksess/internal/store"
)

var contentTests = []test{
	{"sizes", func(t *testing.T, s store.Store) {
		seen := map[string]bool{}
		for _, size := range []int{1, 100, 32<<10 - 1, 32 << 10, 32<<10 + 1, 64 << 10, 1 << 20, 5<<20 + 3} {
			data := randomBytes(size)
			ref := putContent(t, s, data)
			if ref.Size != int64(size) || ref.ID == "" || seen[ref.ID] {
				t.Fatalf("got reference %+v of %d bytes, want a new one with the size", ref, size)
			}
			seen[ref.ID] = true
			if got := readContent(t, s, ref); !bytes.Equal(got, data) {
				t.Fatalf("got %d other bytes for content of %d", len(got), size)
			}
		}
	}},
	{"empty_is_the_zero_reference", func(t *testing.T, s store.Store) {
		if ref := putContent(t, s, nil); ref != (store.ContentRef{}) {
			t.Fatalf("got reference %+v, want the zero one", ref)
		}
		if got := readContent(t, s, store.ContentRef{}); len(got) != 0 {
			t.Fatalf("got %d bytes, want none", len(got))
		}
		deleteContent(t, s, store.ContentRef{})
		readContent(t, s, store.ContentRef{})
	}},
	{"same_bytes_twice_are_two_contents", func(t *testing.T, s store.Store) {
		for _, data := range [][]byte{randomBytes(10), randomBytes(100 << 10)} {
			first, second := putContent(t, s, data), putContent(t, s, data)
			deleteContent(t, s, first)
			if got := readContent(t, s, second); !bytes.Equal(got, data) {
				t.Fatalf("got other bytes after the twin was deleted")
			}
		}
	}},
	{"seek", func(t *testing.T, s store.Store) {
		for _, size := range []int{1000, 100 << 10} {
			data := randomBytes(size)
			if err := iotest.TestReader(openContent(t, s, putContent(t, s, data)), data); err != nil {
				t.Fatalf("content of %d bytes: %v", size, err)
			}
		}
	}},
	{"delete", func(t *testing.T, s store.Store) {
		for _, size := range []int{10, 100 << 10} {
			ref := putContent(t, s, randomBytes(size))
			deleteContent(t, s, ref)
			if _, err := s.OpenContent(t.Context(), ref); !errors.Is(err, store.ErrNotFound) {
				t.Fatalf("got error %v for deleted content of %d bytes, want ErrNotFound", err, size)
			}
			deleteContent(t, s, ref)
		}
	}},
	{"unknown_references", func(t *testing.T, s store.Store) {
		small, large := putContent(t, s, randomBytes(10)), putContent(t, s, randomBytes(100<<10))
		for _, ref := range []store.ContentRef{
			{ID: "nothing", Size: 3}, {ID: "nothing", Size: 1 << 20}, {Size: 5}, {ID: "../../../../etc/passwd", Size: 1 << 20},
			{ID: "../" + large.ID, Size: large.Size}, {ID: ".", Size: 1 << 20}, {ID: "..", Size: 1 << 20}, {ID: "a\x00b", Size: 1 << 20},
			{ID: small.ID, Size: 11}, {ID: small.ID, Size: 1 << 20}, {ID: large.ID, Size: large.Size - 1}, {ID: large.ID, Size: 10},
		} {
			if _, err := s.OpenContent(t.Context(), ref); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("got error %v opening %+v, want ErrNotFound", err, ref)
			}
			if ref.ID != small.ID && ref.ID != large.ID {
				deleteContent(t, s, ref)
			}
		}
		readContent(t, s, small)
		readContent(t, s, large)
	}},
	{"reader_that_fails", func(t *testing.T, s store.Store) {
		broken := errors.New("connection reset")
		for _, size := range []int{0, 10, 100 << 10} {
			r := io.MultiReader(bytes.NewReader(randomBytes(size)), iotest.ErrReader(broken))
			if ref, err := s.PutContent(t.Context(), r); !errors.Is(err, broken) || errors.Is(err, store.ErrUnwritable) {
				t.Fatalf("got %+v and error %v, want the error of the reader", ref, err)
			}
		}
	}},
	{"reader_in_small_pieces", func(t *testing.T, s store.Store) {
		for _, size := range []int{3000, 40 << 10} {
			data := randomBytes(size)
			ref, err := s.PutContent(t.Context(), iotest.DataErrReader(iotest.OneByteReader(bytes.NewReader(data))))
			if err != nil || !bytes.Equal(readContent(t, s, ref), data) {
				t.Fatalf("content of %d bytes: got %+v and error %v", size, ref, err)
			}
		}
	}},
	{"ended_context", func(t *testing.T, s store.Store) {
		for _, after := range []int{0, 10, 100 << 10} {
			ctx, cancel := context.WithCancel(t.Context())
			r := io.MultiReader(bytes.NewReader(randomBytes(after)), cancelReader{cancel}, bytes.NewReader(randomBytes(10)))
			if ref, err := s.PutContent(ctx, r); !errors.Is(err, context.Canceled) {
				t.Fatalf("got %+v and error %v after %d bytes, want context.Canceled", ref, err, after)
			}
		}
	}},
	{"opened_outlives_delete", func(t *testing.T, s store.Store) {
		data := randomBytes(1000)
		ref := putContent(t, s, data)
		content := openContent(t, s, ref)
		deleteContent(t, s, ref)
		if got, err := io.ReadAll(content); err != nil || !bytes.Equal(got, data) {
			t.Fatalf("got %d bytes and error %v", len(got), err)
		}
	}},
}

// cancelReader ends the context when it is read, and is empty.
type cancelReader struct{ cancel context.CancelFunc }

func (r cancelReader) Read([]byte) (int, error) {
	r.cancel()
	return 0, io.EOF
}

func randomBytes(size int) []byte {
	data := make([]byte, size)
	seed := [32]byte{byte(size), byte(size >> 8), byte(size >> 16)}
	_, _ = rand.NewChaCha8(seed).Read(data)
	return data
}

func putContent(t *testing.T, s store.Store, data []byte) store.ContentRef {
	t.Helper()
	ref, err := s.PutContent(t.Context(), bytes.NewReader(data))
	if err != nil {
		t.Fatalf("putting content of %d bytes: %v", len(data), err)
	}
	return ref
}

func openContent(t *testing.T, s store.Store, ref store.ContentRef) io.ReadSeekCloser {
	t.Helper()
	content, err := s.OpenContent(t.Context(), ref)
	if err != nil {
		t.Fatalf("opening content %+v: %v", ref, err)
	}
	t.Cleanup(func() { _ = content.Close() })
	return content
}

func deleteContent(t *testing.T, s store.Store, ref store.ContentRef) {
	t.Helper()
	if err := s.DeleteContent(t.Context(), ref); err != nil {
		t.Fatalf("deleting content %+v: %v", ref, err)
	}
}
