package sqlite

import (
	"context"
	"io"
	"maps"
	"strconv"
	"strings"
	"sync"

	"github.com/aksess/aksess/internal/store"
)

// maxStaged bounds the bytes of small contents in memory that no transaction
// has taken along yet.
const maxStaged = 4 << 20

// staged are small contents that wait for the next transaction. Every
// transaction writes all that were staged before it, so that the document that
// refers to one is never on disk without it, and both cost one sync.
type staged struct {
	mu       sync.Mutex
	contents map[int64][]byte
	size     int
	writing  bool
}

// add stages a content and reports whether there is more than should wait.
func (s *staged) add(id int64, data []byte) (full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.contents == nil {
		s.contents = map[int64][]byte{}
	}
	s.contents[id] = data
	s.size += len(data)
	return s.size > maxStaged
}

func (s *staged) get(id int64) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, found := s.contents[id]
	return data, found
}

// remove forgets a staged content. False means that a transaction may have it.
func (s *staged) remove(id int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writing || s.contents[id] == nil {
		return false
	}
	s.forget(id)
	return true
}

func (s *staged) forget(id int64) {
	s.size -= len(s.contents[id])
	delete(s.contents, id)
}

// begin returns what a transaction is to write; end follows.
func (s *staged) begin() map[int64][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing = true
	return maps.Clone(s.contents)
}

// end forgets what was written, or keeps it for the next transaction.
func (s *staged) end(contents map[int64][]byte, written bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing = false
	if !written {
		return
	}
	for id := range contents {
		s.forget(id)
	}
}

// inlineRef names a small content: a letter that no file's id has and a number.
func inlineRef(id int64, size int) store.ContentRef {
	return store.ContentRef{ID: "s" + strconv.FormatInt(id, 10), Size: int64(size)}
}

func inlineID(ref string) (id int64, small bool) {
	digits, small := strings.CutPrefix(ref, "s")
	if !small {
		return 0, false
	}
	id, err := strconv.ParseInt(digits, 10, 64)
	return id, err == nil && id > 0
}

func (s *Store) putInline(ctx context.Context, data []byte) (store.ContentRef, error) {
	id := s.writer.next()
	if full := s.writer.staged.add(id, data); full {
		if _, err := s.writer.do(ctx, newFlush()); err != nil {
			s.writer.staged.remove(id)
			return store.ContentRef{}, err
		}
	}
	return inlineRef(id, len(data)), nil
}

func (s *Store) openInline(ctx context.Context, id, size int64) (io.ReadSeekCloser, error) {
	data, found := s.writer.staged.get(id)
	if !found {
		err := s.read(ctx, func(r *reader) (err error) {
			data, err = r.content(id)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if int64(len(data)) != size {
		return nil, store.ErrNotFound
	}
	return store.NewContent(data), nil
}

func (s *Store) deleteInline(ctx context.Context, id int64) error {
	if s.writer.staged.remove(id) {
		return nil
	}
	_, err := s.writer.do(ctx, newDrop(id))
	return err
}
