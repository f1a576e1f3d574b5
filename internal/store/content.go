package store

import (
	"bytes"
	"context"
	"io"
)

// ContextReader returns r with a check of ctx before each read.
func ContextReader(ctx context.Context, r io.Reader) io.Reader {
	return contextReader{ctx: ctx, r: r}
}

// contextReader lives for one PutContent, which is why it may hold the context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// NewContent returns content that is in memory as OpenContent returns it.
func NewContent(data []byte) io.ReadSeekCloser {
	return memoryContent{bytes.NewReader(data)}
}

type memoryContent struct{ *bytes.Reader }

// Close does nothing: there is nothing to release.
func (memoryContent) Close() error { return nil }
