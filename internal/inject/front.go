package inject

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"
	"time"
)

// MaxReviewBytes bounds a review: the largest object that etcd takes by default
// is 1.5 MiB, and a review may hold two.
const MaxReviewBytes = 3 << 20

// front takes in the reviews of one path, and has each request observed once.
// What it hands on came by POST, as JSON, in its turn and not too large.
type front struct {
	path string
	wait time.Duration // bounds the time that a review waits for its turn
	// decide answers a review and completes what is seen. An error says why the
	// body is no review.
	decide  func(ctx context.Context, body []byte, seen *Reviewed) (reviewAnswer, error)
	observe func(*Reviewed)
	now     func() time.Time
	log     *slog.Logger

	inFlight chan struct{}
	buffers  sync.Pool // of *bytes.Buffer
}

// newFront returns a front for at most so many reviews at a time; path, wait and
// decide are the caller's to set.
func newFront(config HandlerConfig, atATime int) *front {
	f := &front{
		observe: config.Observe, now: config.Now, log: config.Log,
		inFlight: make(chan struct{}, atATime),
		buffers:  sync.Pool{New: func() any { return new(bytes.Buffer) }},
	}
	if f.observe == nil {
		f.observe = func(*Reviewed) {}
	}
	if f.now == nil {
		f.now = time.Now
	}
	return f
}

// ServeHTTP answers a review. A panic is one 500, logged.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	started := f.now()
	seen := &Reviewed{Outcome: Outcome{NoReview, CauseRequest}}
	defer func() {
		seen.Duration = f.now().Sub(started)
		f.observe(seen)
	}()
	defer f.recovered(w, seen)
	switch {
	case r.URL.Path != f.path:
		http.Error(w, "not found", http.StatusNotFound)
		return
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "expected POST", http.StatusMethodNotAllowed)
		return
	case !isJSON(r.Header.Get("Content-Type")):
		http.Error(w, "expected Content-Type: application/json", http.StatusUnsupportedMediaType)
		return
	}
	if !f.enter(r.Context()) {
		seen.Cause = CauseBusy
		f.log.Warn("review refused", "path", f.path, "reason", "busy", "limit", cap(f.inFlight))
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many reviews in flight", http.StatusServiceUnavailable)
		return
	}
	defer func() { <-f.inFlight }()
	body := f.buffers.Get().(*bytes.Buffer)
	defer f.recycle(body)
	body.Reset()
	if _, err := io.Copy(body, http.MaxBytesReader(w, r.Body, MaxReviewBytes)); err != nil {
		f.refuseBody(w, err, seen)
		return
	}
	f.answer(w, r.Context(), body.Bytes(), seen)
}

// recycle keeps a buffer for the next review, unless this one was unusually
// large: as many as are in flight would be kept for good.
func (f *front) recycle(body *bytes.Buffer) {
	const usual = 64 << 10
	if body.Cap() <= usual {
		f.buffers.Put(body)
	}
}

func (f *front) enter(ctx context.Context) bool {
	select {
	case f.inFlight <- struct{}{}:
		return true
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, f.wait)
	defer cancel()
	select {
	case f.inFlight <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (f *front) refuseBody(w http.ResponseWriter, err error, seen *Reviewed) {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		seen.Cause = CauseTooLarge
		f.log.Warn("review refused", "path", f.path, "reason", "too large", "limit", large.Limit)
		http.Error(w, fmt.Sprintf("review is larger than %d bytes", large.Limit), http.StatusRequestEntityTooLarge)
		return
	}
	seen.Cause = CauseUnreadable
	f.log.Warn("review refused", "path", f.path, "reason", "unreadable", "error", err)
	http.Error(w, "reading the review did not end", http.StatusBadRequest)
}

func (f *front) answer(w http.ResponseWriter, ctx context.Context, body []byte, seen *Reviewed) {
	answer, err := f.decide(ctx, body, seen)
	if err != nil {
		seen.Cause = CauseMalformed
		f.log.Warn("review refused", "path", f.path, "reason", "malformed", "error", err)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	out := answer.encode()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(out)))
	if _, err := w.Write(out); err != nil {
		f.log.Debug("writing the answer", "uid", answer.Response.UID, "error", err)
	}
}

func (f *front) recovered(w http.ResponseWriter, seen *Reviewed) {
	cause := recover()
	if cause == nil {
		return
	}
	if cause == http.ErrAbortHandler {
		panic(cause)
	}
	seen.Outcome = Outcome{Failed, CausePanic}
	f.log.Error("panic", "path", f.path, "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
	http.Error(w, "internal error", http.StatusInternalServerError)
}

func isJSON(contentType string) bool {
	if contentType == "application/json" {
		return true
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	return err == nil && mediaType == "application/json"
}
