package gateway

import (
	"io"
	"net/http"
	"runtime/debug"
	"time"
)

// guard is around every handler of both servers.
func (g *Gateway) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer g.logPanic(r)
		closeAfterChunks(w, r)
		next.ServeHTTP(w, r)
	})
}

// logPanic keeps a panic from being lost among the noise that net/http reports
// in the same way. The request's connection, or stream, is broken off.
func (g *Gateway) logPanic(r *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	if v != http.ErrAbortHandler {
		g.Logger.Error("panic in a handler", "panic", v, "method", r.Method, "host", r.Host, "path", r.URL.Path, "stack", string(debug.Stack()))
	}
	panic(http.ErrAbortHandler)
}

// closeAfterChunks ends a connection after a request in chunks. A request that
// also has a Content-Length must end it (RFC 9112 section 6.3), because something
// in front of us may have taken what follows for the body; net/http drops that
// field unseen, so all chunked requests of HTTP/1 pay with a new connection.
// The Azure SDKs send lengths.
func closeAfterChunks(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 && len(r.TransferEncoding) > 0 {
		w.Header().Set("Connection", "close")
	}
}

// watchProgress ends a request of which no byte moves for the stall time, in
// either direction, without a limit on how long a large transfer may take. What
// is written over HTTP/1 is watched by conn.Write; over HTTP/2 a client can take
// nothing of a stream without the connection standing still.
func (g *Gateway) watchProgress(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, io.ReadCloser) {
	rc, body := http.NewResponseController(w), r.Body
	if body != nil && body != http.NoBody {
		body = &progressBody{ReadCloser: body, deadline: deadline{set: rc.SetReadDeadline, stall: g.limits.stall}}
	}
	if r.ProtoMajor == 2 {
		w = &progressWriter{ResponseWriter: w, deadline: deadline{set: rc.SetWriteDeadline, stall: g.limits.stall}}
	}
	return w, body
}

// deadline is a time-out that moves on with progress.
type deadline struct {
	set   func(time.Time) error
	stall time.Duration
	armed time.Time
}

// extend moves the deadline at most four times in the stall time, since moving
// it costs as much as a small read or write.
func (d *deadline) extend() error {
	now := time.Now()
	if now.Sub(d.armed) <= d.stall/4 {
		return nil
	}
	d.armed = now
	return d.set(now.Add(d.stall))
}

// progressBody needs no end to its deadline: at the end of a body net/http
// clears it, to watch for the client going away.
type progressBody struct {
	io.ReadCloser
	deadline
}

func (b *progressBody) Read(p []byte) (int, error) {
	if err := b.extend(); err != nil {
		return 0, err
	}
	return b.ReadCloser.Read(p)
}

type progressWriter struct {
	http.ResponseWriter
	deadline
}

func (w *progressWriter) Write(p []byte) (int, error) {
	if err := w.extend(); err != nil {
		return 0, err
	}
	return w.ResponseWriter.Write(p)
}

// Flush serves handlers that look for http.Flusher.
func (w *progressWriter) Flush() {
	if f, ok := w.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// Unwrap serves http.ResponseController.
func (w *progressWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
