package azapi

import (
	"bytes"
	"io"
	"net/http"
)

// largeBody is the size, in bytes, above which requests are handled one after
// another: a decoded body takes ten times its size and more, and an honest one
// is seldom larger.
const largeBody = 256 << 10

// handle runs the operation's handler. A body that may be large is read first,
// so that a client that sends slowly holds up nobody else; that of a method
// that has none is not waited for.
func (s *Server) handle(w http.ResponseWriter, r *Request) error {
	bare := r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodDelete
	if bare || r.Operation.Stream || r.ContentLength >= 0 && r.ContentLength <= largeBody {
		return r.Operation.Handle(w, r)
	}
	body, err := io.ReadAll(r.Body)
	r.Body = readBefore{Reader: io.MultiReader(bytes.NewReader(body), failing{err}), Closer: r.Body}
	if len(body) <= largeBody {
		return r.Operation.Handle(w, r)
	}
	select {
	case s.large <- struct{}{}:
		defer func() { <-s.large }()
		return r.Operation.Handle(w, r)
	case <-r.Context().Done():
		return r.Context().Err()
	}
}

// readBefore is a body that was read already, with the error that ended it.
type readBefore struct {
	io.Reader
	io.Closer
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err == nil {
		return 0, io.EOF
	}
	return 0, f.err
}
