package storage

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // Content-MD5 is the protocol's checksum, not a protection
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc64"
	"io"

	"github.com/aksess/aksess/internal/store"
)

// maxInline is the largest content that is kept as a document, so that one
// write covers the record and its content; larger content costs a write of its own.
const maxInline = 32 << 10 // bytes

// Body is where content is. The zero Body is empty content.
type Body struct {
	Bytes   string           `json:"bytes,omitempty"`  // key of a kindBytes document
	Content store.ContentRef `json:"content,omitzero"` // content of the store
	Parts   string           `json:"parts,omitempty"`  // key of a kindParts document
}

// Part is one block of a blob.
type Part struct {
	ID   string `json:"id"` // in base64, as it was sent
	Size int64  `json:"size"`
	Body Body   `json:"body"`
}

func (b Body) empty() bool { return b == Body{} }

// id names a block's body among others.
func (b Body) id() string {
	if b.Bytes != "" {
		return b.Bytes
	}
	return b.Content.ID
}

// Staged is content that was received and that no record refers to yet.
type Staged struct {
	Size  int64
	MD5   []byte
	CRC64 []byte // CRC-64/NVME, little-endian, as x-ms-content-crc64 has it

	body  Body
	bytes []byte // of a body that is to be written with its record
}

// Stage reads content of size bytes; InvalidInput when it ends before. The
// caller hands the result to a write or to Discard.
func (b *Blobs) Stage(ctx context.Context, c Container, r io.Reader, size int64) (*Staged, error) {
	sums := newSums()
	r = io.TeeReader(io.LimitReader(r, size), sums)
	if size <= maxInline {
		content := make([]byte, size)
		if _, err := io.ReadFull(r, content); err != nil {
			return nil, InvalidInput.New().With(fmt.Errorf("reading content: %w", err))
		}
		staged := sums.staged(size)
		if size > 0 {
			staged.bytes = content
			staged.body.Bytes = c.UID + "/" + b.config.NewID()
		}
		return staged, nil
	}
	ref, err := b.config.Store.PutContent(ctx, r)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, InvalidInput.New().With(err)
	}
	if err != nil {
		return nil, fmt.Errorf("storing content: %w", err)
	}
	staged := sums.staged(ref.Size)
	staged.body.Content = ref
	if ref.Size != size {
		b.Discard(ctx, staged)
		return nil, InvalidInput.New().With(fmt.Errorf("content of %d bytes, %d were declared", ref.Size, size))
	}
	return staged, nil
}

// Discard removes content that was not written to a record.
func (b *Blobs) Discard(ctx context.Context, s *Staged) {
	if s == nil || s.body.Content.ID == "" {
		return
	}
	// What cannot be removed now is unreferenced and costs only room.
	_ = b.config.Store.DeleteContent(context.WithoutCancel(ctx), s.body.Content)
}

// op writes the inline content of s with its record; false when there is none.
func (s *Staged) op() (store.Op, bool) {
	return store.Op{Kind: kindBytes, Key: s.body.Bytes, Value: s.bytes}, len(s.bytes) > 0
}

type sums struct {
	md5   hash.Hash
	crc64 hash.Hash64
}

// crcPolynomial is CRC-64/NVME, reflected, as Azure computes x-ms-content-crc64.
const crcPolynomial = 0x9A6C9329AC4BC9B5

func newSums() *sums {
	return &sums{md5: md5.New(), crc64: crc64.New(crc64.MakeTable(crcPolynomial))} //nolint:gosec // see the import
}

func (s *sums) Write(p []byte) (int, error) {
	s.md5.Write(p)
	s.crc64.Write(p)
	return len(p), nil
}

func (s *sums) staged(size int64) *Staged {
	return &Staged{Size: size, MD5: s.md5.Sum(nil), CRC64: binary.LittleEndian.AppendUint64(nil, s.crc64.Sum64())}
}

// open returns length bytes of content from offset on, which are there. The
// error is store.ErrNotFound when the content was superseded and removed.
func (b *Blobs) open(ctx context.Context, body Body, offset, length int64) (io.ReadCloser, error) {
	switch {
	case length == 0 || body.empty():
		return io.NopCloser(bytes.NewReader(nil)), nil
	case body.Bytes != "":
		doc, err := b.config.Store.Get(ctx, kindBytes, body.Bytes)
		if err != nil {
			return nil, err
		}
		return io.NopCloser(bytes.NewReader(doc.Value[offset : offset+length])), nil
	case body.Parts != "":
		parts, err := b.parts.Get(ctx, body.Parts)
		if err != nil {
			return nil, err
		}
		return b.openParts(ctx, parts.Value, offset, length)
	}
	content, err := b.config.Store.OpenContent(ctx, body.Content)
	if err != nil {
		return nil, err
	}
	if _, err := content.Seek(offset, io.SeekStart); err != nil {
		return nil, errors.Join(err, content.Close())
	}
	return limited{io.LimitReader(content, length), content}, nil
}

type limited struct {
	io.Reader
	io.Closer
}

// openParts opens the first part now, so that superseded content is noticed
// before an answer begins, and the others as they are reached.
func (b *Blobs) openParts(ctx context.Context, parts []Part, offset, length int64) (io.ReadCloser, error) {
	for len(parts) > 0 && offset >= parts[0].Size {
		offset -= parts[0].Size
		parts = parts[1:]
	}
	reader := &partsReader{blobs: b, ctx: ctx, parts: parts, left: length}
	if err := reader.next(offset); err != nil {
		return nil, err
	}
	return reader, nil
}

// partsReader lives for one answer, which is why it may hold the context.
type partsReader struct {
	blobs   *Blobs
	ctx     context.Context
	parts   []Part // not opened yet
	left    int64  // bytes to deliver
	current io.ReadCloser
}

func (p *partsReader) next(offset int64) error {
	if len(p.parts) == 0 {
		return io.ErrUnexpectedEOF
	}
	part := p.parts[0]
	content, err := p.blobs.open(p.ctx, part.Body, offset, min(part.Size-offset, p.left))
	if err != nil {
		return err
	}
	p.parts, p.current = p.parts[1:], content
	return nil
}

// Read implements io.Reader.
func (p *partsReader) Read(into []byte) (int, error) {
	for p.left > 0 {
		if p.current == nil {
			if err := p.next(0); err != nil {
				return 0, err
			}
		}
		n, err := p.current.Read(into)
		p.left -= int64(n)
		if errors.Is(err, io.EOF) {
			err = p.Close()
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.EOF
}

// Close releases the part that is open.
func (p *partsReader) Close() error {
	if p.current == nil {
		return nil
	}
	current := p.current
	p.current = nil
	return current.Close()
}
