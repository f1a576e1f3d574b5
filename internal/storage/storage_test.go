package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/store"
	"github.com/aksess/aksess/internal/store/memory"
)

// world is a store with a clock that tests move.
type world struct {
	t       testing.TB
	store   store.Store
	now     atomic.Int64
	ids     atomic.Int64
	account *Account
	blobs   *Blobs
	queues  *Queues
}

func newWorld(t testing.TB, s store.Store) *world {
	t.Helper()
	w := &world{t: t, store: s, account: &Account{ID: "/a", Name: "acct", UID: "account"}}
	w.now.Store(time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	config := Config{
		Store: s,
		Now:   func() time.Time { return time.Unix(0, w.now.Load()).UTC() },
		NewID: func() string { return fmt.Sprintf("%08x", w.ids.Add(1)) },
	}
	w.blobs, w.queues = NewBlobs(config), NewQueues(config)
	return w
}

func (w *world) container(name string) Container {
	w.t.Helper()
	c, err := w.blobs.CreateContainer(w.t.Context(), w.account, name, "", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) put(ctx context.Context, c Container, write Write, content string) (Blob, error) {
	staged, err := w.blobs.Stage(ctx, c, strings.NewReader(content), int64(len(content)))
	if err != nil {
		return Blob{}, err
	}
	blob, err := w.blobs.Put(ctx, c, write, staged)
	if err != nil {
		w.blobs.Discard(ctx, staged)
	}
	return blob, err
}

func (w *world) read(ctx context.Context, c Container, name string) (string, error) {
	_, content, err := w.blobs.Open(ctx, c, Object{Name: name}, Conditions{}, func(b Blob) (int64, int64, error) { return 0, b.Size, nil })
	if err != nil {
		return "", err
	}
	defer content.Close() //nolint:errcheck // read to its end
	data, err := io.ReadAll(content)
	return string(data), err
}

// count is how many documents of a kind there are.
func (w *world) count(kind string) int {
	w.t.Helper()
	page, err := w.store.List(w.t.Context(), kind, store.Query{Limit: 100_000})
	if err != nil {
		w.t.Fatal(err)
	}
	return len(page.Docs)
}

func (w *world) collect() {
	w.t.Helper()
	w.now.Add(int64(2 * grace))
	if err := w.blobs.collector.Collect(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// TestReadersSeeOneWrite: while a blob is overwritten with content of both
// kinds, every read is all of one write.
func TestReadersSeeOneWrite(t *testing.T) {
	w := newWorld(t, memory.New())
	c := w.container("con")
	content := func(i int) string { return strings.Repeat(fmt.Sprint(i%10), 1+i%3*20_000) }
	if _, err := w.put(t.Context(), c, Write{Name: "b"}, content(0)); err != nil {
		t.Fatal(err)
	}
	var writers, readers sync.WaitGroup
	var done atomic.Bool
	for i := range 4 {
		writers.Go(func() {
			for j := range 50 {
				if _, err := w.put(t.Context(), c, Write{Name: "b"}, content(i*50+j)); err != nil {
					t.Errorf("writing: %v", err)
				}
			}
		})
		readers.Go(func() {
			for !done.Load() {
				got, err := w.read(t.Context(), c, "b")
				if err != nil || strings.Trim(got, got[:1]) != "" {
					t.Errorf("reading: got %d bytes of more than one write, %v", len(got), err)
					return
				}
			}
		})
	}
	writers.Wait()
	done.Store(true)
	readers.Wait()
	w.collect()
	if n := w.count(kindBytes); n > 1 {
		t.Errorf("got %d contents left, want at most one", n)
	}
	if n := w.count(kindRemains); n != 0 {
		t.Errorf("got %d removals left, want none", n)
	}
}

// TestOneWriterWins: of many writes on one ETag exactly one takes effect, and
// of many that want a new blob one makes it.
func TestOneWriterWins(t *testing.T) {
	w := newWorld(t, memory.New())
	c := w.container("con")
	first, err := w.put(t.Context(), c, Write{Name: "b"}, "first")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		write Write
		lost  error
	}{
		"same-etag": {Write{Name: "b", On: Conditions{IfMatch: ETag(first.Version)}}, ConditionNotMet},
		"new-blob":  {Write{Name: "new", On: Conditions{IfNoneMatch: "*"}}, BlobAlreadyExists},
	} {
		t.Run(name, func(t *testing.T) {
			var won atomic.Int32
			var group sync.WaitGroup
			for i := range 16 {
				group.Go(func() {
					_, err := w.put(t.Context(), c, test.write, fmt.Sprint(i))
					switch {
					case err == nil:
						won.Add(1)
					case !errors.Is(err, test.lost):
						t.Errorf("got %v, want %v", err, test.lost)
					}
				})
			}
			group.Wait()
			if won.Load() != 1 {
				t.Errorf("got %d winners, want 1", won.Load())
			}
		})
	}
}

// TestNothingOutlivesItsContainer: writes race with the delete of their
// container; afterwards no blob, block or content of it is left.
func TestNothingOutlivesItsContainer(t *testing.T) {
	w := newWorld(t, memory.New())
	for round := range 20 {
		c := w.container("con")
		var group sync.WaitGroup
		for i := range 4 {
			group.Go(func() {
				for j := range 5 {
					_, err := w.put(t.Context(), c, Write{Name: fmt.Sprint(j)}, strings.Repeat("x", 100))
					if err != nil && !errors.Is(err, ContainerNotFound) {
						t.Errorf("writing: %v", err)
					}
					staged, err := w.blobs.Stage(t.Context(), c, strings.NewReader("block"), 5)
					if err != nil {
						t.Errorf("staging: %v", err)
						return
					}
					err = w.blobs.PutBlock(t.Context(), c, fmt.Sprint(i), "QUJD", Conditions{}, staged)
					if err != nil && !errors.Is(err, ContainerNotFound) {
						t.Errorf("putting a block: %v", err)
					}
				}
			})
		}
		group.Go(func() {
			if err := w.blobs.DeleteContainer(t.Context(), w.account, "con", Conditions{}); err != nil {
				t.Errorf("deleting: %v", err)
			}
		})
		group.Wait()
		w.now.Add(int64(2 * abandoned))
		w.collect()
		for _, kind := range []string{kindContainer, kindBlob, kindBytes, kindParts, kindUpload, kindBlock, kindRemains} {
			if n := w.count(kind); n != 0 {
				t.Fatalf("round %d: got %d of %s left", round, n, kind)
			}
		}
	}
}

// TestContainerMetadataDoesNotStopWrites: a write that began before the
// container's metadata changed takes effect.
func TestContainerMetadataDoesNotStopWrites(t *testing.T) {
	w := newWorld(t, memory.New())
	c := w.container("con")
	_, err := w.blobs.UpdateContainer(t.Context(), w.account, "con", Conditions{}, func(c *Container) error {
		c.Metadata = map[string]string{"a": "b"}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.put(t.Context(), c, Write{Name: "b"}, "x"); err != nil {
		t.Errorf("writing with the older look at the container: %v", err)
	}
}

// flaky fails deletes while told to.
type flaky struct {
	store.Store
	broken atomic.Bool
}

var errFlaky = errors.New("the medium is gone")

func (f *flaky) DeleteContent(ctx context.Context, ref store.ContentRef) error {
	if f.broken.Load() {
		return errFlaky
	}
	return f.Store.DeleteContent(ctx, ref)
}

// TestInterruptedCollection: what could not be removed is removed later, and
// the write that left it does not fail.
func TestInterruptedCollection(t *testing.T) {
	f := &flaky{Store: memory.New()}
	w := newWorld(t, f)
	c := w.container("con")
	large := strings.Repeat("x", 2*maxInline)
	old, err := w.put(t.Context(), c, Write{Name: "b"}, large)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.put(t.Context(), c, Write{Name: "b"}, "small"); err != nil {
		t.Fatal(err)
	}
	f.broken.Store(true)
	w.now.Add(int64(2 * grace))
	if _, err := w.put(t.Context(), c, Write{Name: "b"}, "smaller"); err != nil {
		t.Errorf("a write while nothing can be removed: %v", err)
	}
	if err := w.blobs.collector.Collect(t.Context()); !errors.Is(err, errFlaky) {
		t.Errorf("collecting: got %v, want %v", err, errFlaky)
	}
	f.broken.Store(false)
	w.collect()
	if _, err := f.OpenContent(t.Context(), old.Body.Content); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the superseded content: got %v, want %v", err, store.ErrNotFound)
	}
}

// TestShortContent: content that ends early is refused and nothing of it stays.
func TestShortContent(t *testing.T) {
	w := newWorld(t, memory.New())
	c := w.container("con")
	for _, size := range []int64{10, maxInline, maxInline + 1, 200_000} {
		_, err := w.blobs.Stage(t.Context(), c, io.MultiReader(strings.NewReader("short"), brokenReader{}), size)
		if !errors.Is(err, InvalidInput) {
			t.Errorf("size %d, broken off: got %v, want InvalidInput", size, err)
		}
		_, err = w.blobs.Stage(t.Context(), c, strings.NewReader("short"), size)
		if !errors.Is(err, InvalidInput) {
			t.Errorf("size %d, ended: got %v, want InvalidInput", size, err)
		}
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestLargeContainerDelete: a delete removes a bounded part at once and the
// rest when collected; a container of the same name shows nothing of it.
func TestLargeContainerDelete(t *testing.T) {
	w := newWorld(t, memory.New())
	c := w.container("con")
	for i := range 3 * sweepBudget {
		if _, err := w.put(t.Context(), c, Write{Name: fmt.Sprint(i)}, "x"); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.blobs.DeleteContainer(t.Context(), w.account, "con", Conditions{}); err != nil {
		t.Fatal(err)
	}
	if left := w.count(kindBlob); left == 0 || left > 2*sweepBudget {
		t.Errorf("after the delete: got %d blobs, want at most %d and not none", left, 2*sweepBudget)
	}
	again := w.container("con")
	if entries, _, err := w.blobs.List(t.Context(), again, "", Page{Limit: 10}); err != nil || len(entries) != 0 {
		t.Errorf("the new container: got %d blobs, %v", len(entries), err)
	}
	w.collect()
	if left := w.count(kindBlob) + w.count(kindBytes); left != 0 {
		t.Errorf("after collecting: got %d documents", left)
	}
}

// TestReplicas: two processes on one store share a queue; no message is
// delivered twice although neither knows the other's claims.
func TestReplicas(t *testing.T) {
	s := memory.New()
	w := newWorld(t, s)
	other := NewQueues(w.queues.config)
	queue, _, err := w.queues.Create(t.Context(), w.account, "jobs", nil)
	if err != nil {
		t.Fatal(err)
	}
	const n = 300
	for i := range n {
		if _, err := w.queues.Put(t.Context(), w.account, "jobs", fmt.Sprint(i), 0, Never()); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	seen := map[string]int{}
	var group sync.WaitGroup
	for i := range 8 {
		of := w.queues
		if i%2 == 1 {
			of = other
		}
		group.Go(func() {
			for {
				got, err := of.Receive(t.Context(), queue, 4, time.Hour)
				if err != nil {
					t.Errorf("receiving: %v", err)
				}
				if len(got) == 0 {
					return
				}
				mu.Lock()
				for _, m := range got {
					seen[m.Text]++
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if len(seen) != n {
		t.Errorf("got %d messages, want %d", len(seen), n)
	}
	for text, times := range seen {
		if times != 1 {
			t.Errorf("message %s: delivered %d times", text, times)
		}
	}
}

// reads counts the documents that listings return.
type reads struct {
	store.Store
	docs atomic.Int64
}

func (r *reads) List(ctx context.Context, kind string, q store.Query) (store.Page, error) {
	page, err := r.Store.List(ctx, kind, q)
	r.docs.Add(int64(len(page.Docs)))
	return page, err
}

// TestReceiveCost: receiving reads as many messages as it delivers, however
// many wait, visible or not.
func TestReceiveCost(t *testing.T) {
	r := &reads{Store: memory.New()}
	w := newWorld(t, r)
	queue, _, err := w.queues.Create(t.Context(), w.account, "jobs", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5000 {
		if _, err := w.queues.Put(t.Context(), w.account, "jobs", "x", time.Duration(i%2)*time.Hour, Never()); err != nil {
			t.Fatal(err)
		}
	}
	r.docs.Store(0)
	for range 100 {
		if got, err := w.queues.Receive(t.Context(), queue, 1, time.Hour); err != nil || len(got) != 1 {
			t.Fatalf("got %d messages, %v", len(got), err)
		}
	}
	if got := r.docs.Load(); got != 100 {
		t.Errorf("got %d documents read for 100 receives of 1, want 100", got)
	}
}

// FuzzReceipt: what parses is written the same; nothing else parses.
func FuzzReceipt(f *testing.F) {
	f.Add(receipt{Position{1, 2}, make([]byte, nonceSize)}.String())
	f.Add(receipt{Position{-1, 1 << 62}, bytes.Repeat([]byte{0xff}, nonceSize)}.String())
	f.Add("")
	f.Add(strings.Repeat("A", 43))
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := parseReceipt(text)
		if err != nil {
			return
		}
		if got := parsed.String(); got != text || len(parsed.nonce) != nonceSize {
			t.Errorf("got %q back from %q", got, text)
		}
	})
}

// FuzzList: pages of any size give what a plain look at all names gives.
func FuzzList(f *testing.F) {
	f.Add("a,a/b,a/c,b", "", "/", 1)
	f.Add("a//,a/,/", "a", "//", 2)
	f.Add("x,xx,xxx,y", "x", "x", 1)
	f.Fuzz(func(t *testing.T, joined, prefix, delimiter string, limit int) {
		if limit < 1 || limit > 100 || len(joined) > 300 || strings.ContainsRune(prefix, 0xfffd) {
			return
		}
		w := newWorld(t, memory.New())
		c := w.container("con")
		all := map[string]bool{}
		for name := range strings.SplitSeq(joined, ",") {
			if _, err := w.put(t.Context(), c, Write{Name: name}, ""); err == nil {
				all[name] = true
			}
		}
		want := map[string]bool{}
		for name := range all {
			if !strings.HasPrefix(name, prefix) {
				continue
			}
			if delimiter != "" {
				if at := strings.Index(name[len(prefix):], delimiter); at >= 0 {
					want["prefix "+name[:len(prefix)+at+len(delimiter)]] = true
					continue
				}
			}
			want["blob "+name] = true
		}
		got := 0
		page := Page{Prefix: prefix, Limit: limit}
		for {
			entries, next, err := w.blobs.List(t.Context(), c, delimiter, page)
			if err != nil || len(entries) > limit {
				t.Fatalf("got %d entries, %v", len(entries), err)
			}
			for _, entry := range entries {
				got++
				key := "blob " + entry.Blob.Name
				if entry.Prefix != "" {
					key = "prefix " + entry.Prefix
				}
				if !want[key] {
					t.Errorf("%q by %d, prefix %q, delimiter %q: got %q", joined, limit, prefix, delimiter, key)
				}
			}
			if next == "" {
				break
			}
			page.After = next
		}
		if got != len(want) {
			t.Errorf("%q by %d, prefix %q, delimiter %q: got %d entries, want %d", joined, limit, prefix, delimiter, got, len(want))
		}
	})
}
