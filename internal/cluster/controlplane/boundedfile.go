package controlplane

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
)

const (
	maxLog   = 8 << 20 // bytes of one file; there are two
	tailSize = 300     // bytes
)

// boundedFile is a log that does not grow beyond twice its size: when it is
// full it becomes NAME.1 and a new one begins.
type boundedFile struct {
	path string
	max  int64

	mu   sync.Mutex
	file *os.File
	size int64
	last []byte // the end of what was written
}

func newBoundedFile(path string, size int64) *boundedFile {
	return &boundedFile{path: path, max: size}
}

// Write appends. It never fails: a program must not end because its log cannot
// be written.
func (b *boundedFile) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = append(b.last, text...)
	b.last = b.last[max(0, len(b.last)-tailSize):]
	if b.file == nil && b.open() != nil {
		return len(text), nil
	}
	n, _ := b.file.Write(text)
	if b.size += int64(n); b.size >= b.max {
		_ = b.file.Close()
		b.file = nil
		_ = os.Rename(b.path, b.path+".1")
	}
	return len(text), nil
}

func (b *boundedFile) open() error {
	if err := os.MkdirAll(filepath.Dir(b.path), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(b.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	b.file, b.size = file, info.Size()
	return nil
}

// tail is the end of what was written.
func (b *boundedFile) tail() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.last)
}

// Close closes the file. A later Write opens it again.
func (b *boundedFile) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.file == nil {
		return nil
	}
	err := b.file.Close()
	b.file = nil
	return err
}

var _ io.WriteCloser = (*boundedFile)(nil)
