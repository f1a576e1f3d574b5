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
	"slices"
	"strconv"
	"sync"
	"time"
)

// MutatePath is where the API server sends reviews of new pods.
const MutatePath = "/mutate-v1-pod"

// Bounds of the handler.
const (
	// MaxReviewBytes bounds a review: the largest object that etcd takes by
	// default is 1.5 MiB, and a review may hold two.
	MaxReviewBytes = 3 << 20
	// maxInFlight bounds the memory that reviews take together.
	maxInFlight = 64
	// maxWait bounds the time that a review waits for its turn.
	maxWait = 5 * time.Second
)

// HandlerConfig is what a handler decides with.
type HandlerConfig struct {
	Pods     func() Config // asked at each review
	Accounts ServiceAccounts
	// Excluded are namespaces whose pods are left as they are, whatever the
	// webhook's configuration selects: a webhook that is down must not be able to
	// keep itself, or what it depends on, from starting.
	Excluded []string
	Observe  func(*Reviewed)  // called after each request, must not block; may be nil
	Now      func() time.Time // time.Now when nil
	Log      *slog.Logger
}

// Handler answers the API server's admission reviews. Make one with [NewHandler].
type Handler struct {
	config   HandlerConfig
	inFlight chan struct{}
	buffers  sync.Pool // of *bytes.Buffer
}

// NewHandler returns a handler. It logs one line per review, never the body of one.
func NewHandler(config HandlerConfig) *Handler {
	if config.Observe == nil {
		config.Observe = func(*Reviewed) {}
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	return &Handler{
		config:   config,
		inFlight: make(chan struct{}, maxInFlight),
		buffers:  sync.Pool{New: func() any { return new(bytes.Buffer) }},
	}
}

// ServeHTTP answers POST MutatePath. A panic is one 500, logged.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	started := h.config.Now()
	seen := &Reviewed{Outcome: Outcome{NoReview, CauseRequest}}
	defer func() {
		seen.Duration = h.config.Now().Sub(started)
		h.config.Observe(seen)
	}()
	defer h.recovered(w, seen)
	switch {
	case r.URL.Path != MutatePath:
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
	if !h.enter(r.Context()) {
		seen.Cause = CauseBusy
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many reviews in flight", http.StatusServiceUnavailable)
		return
	}
	defer func() { <-h.inFlight }()
	body := h.buffers.Get().(*bytes.Buffer)
	defer h.recycle(body)
	body.Reset()
	if _, err := io.Copy(body, http.MaxBytesReader(w, r.Body, MaxReviewBytes)); err != nil {
		h.refuseBody(w, err, seen)
		return
	}
	h.answer(w, r.Context(), body.Bytes(), seen)
}

// recycle keeps a buffer for the next review, unless this one was unusually
// large: 64 of those would be kept for good.
func (h *Handler) recycle(body *bytes.Buffer) {
	const usual = 64 << 10
	if body.Cap() <= usual {
		h.buffers.Put(body)
	}
}

func (h *Handler) enter(ctx context.Context) bool {
	select {
	case h.inFlight <- struct{}{}:
		return true
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	select {
	case h.inFlight <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (h *Handler) refuseBody(w http.ResponseWriter, err error, seen *Reviewed) {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		seen.Cause = CauseTooLarge
		h.config.Log.Warn("review refused", "reason", "too large", "limit", large.Limit)
		http.Error(w, fmt.Sprintf("review is larger than %d bytes", large.Limit), http.StatusRequestEntityTooLarge)
		return
	}
	seen.Cause = CauseUnreadable
	h.config.Log.Warn("review refused", "reason", "unreadable", "error", err)
	http.Error(w, "reading the review did not end", http.StatusBadRequest)
}

func (h *Handler) answer(w http.ResponseWriter, ctx context.Context, body []byte, seen *Reviewed) {
	r, err := parseReview(body)
	if r == nil {
		seen.Cause = CauseMalformed
		h.config.Log.Warn("review refused", "reason", "malformed", "error", err)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer := reviewAnswer{APIVersion: r.APIVersion, Kind: r.Kind, Response: h.review(ctx, r.Request, err, seen)}
	answer.Response.UID = r.Request.UID
	out := answer.encode()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(out)))
	if _, err := w.Write(out); err != nil {
		h.config.Log.Debug("writing the answer", "uid", r.Request.UID, "error", err)
	}
}

// review decides one request, logs the decision and takes it down. Mistyped is
// what is wrong with the object, if it is no pod.
func (h *Handler) review(ctx context.Context, r *request, mistyped error, seen *Reviewed) response {
	seen.Namespace, seen.DryRun = r.Namespace, r.DryRun
	attrs := append(make([]slog.Attr, 0, 10), slog.String("uid", r.UID), slog.String("namespace", r.Namespace))
	if r.Object != nil {
		seen.Pod, seen.ServiceAccount, seen.Owner = r.Object.DisplayName(), r.Object.ServiceAccountName(), r.Object.owner()
		attrs = append(attrs, slog.String("pod", seen.Pod), slog.String("serviceAccount", seen.ServiceAccount))
	}
	result, cause, err := h.decide(ctx, r, mistyped)
	seen.Outcome = outcome(result, cause, err)
	seen.Warnings = result.Warnings
	attrs = append(attrs, slog.String("decision", string(seen.Decision)))
	level, answer := slog.LevelInfo, allow(result)
	seen.PatchBytes = len(answer.Patch)
	switch seen.Decision {
	case Refused:
		level, answer = slog.LevelWarn, denyFor(err)
		attrs = append(attrs, slog.String("message", answer.Status.Message))
	case Failed:
		level, answer = slog.LevelError, denyFor(err)
		attrs = append(attrs, slog.Any("error", err))
	case Skipped:
		attrs = append(attrs, slog.String("reason", result.Skipped))
	case Mutated:
		attrs = append(attrs, slog.Int("operations", len(result.Patch)))
	}
	if len(result.Warnings) > 0 {
		attrs = append(attrs, slog.Any("warnings", result.Warnings))
	}
	h.config.Log.LogAttrs(ctx, level, "review", attrs...)
	return answer
}

// outcome sums a decision up. The cause is for what was not mutated.
func outcome(result Result, cause Cause, err error) Outcome {
	var denied *Denied
	switch {
	case errors.As(err, &denied) && cause == CauseNone && denied.Reason == ReasonForbidden:
		return Outcome{Refused, CauseForbidden}
	case errors.As(err, &denied) && cause == CauseNone:
		return Outcome{Refused, CauseInvalid}
	case errors.As(err, &denied):
		return Outcome{Refused, cause}
	case err != nil:
		return Outcome{Failed, CauseAPIServer}
	case result.Skipped != "":
		return Outcome{Skipped, cause}
	case len(result.Patch) == 0:
		return Outcome{Unchanged, CauseNone}
	case len(result.Warnings) > 0:
		return Outcome{Mutated, CauseWarned}
	}
	return Outcome{Mutated, CauseNone}
}

func (h *Handler) decide(ctx context.Context, r *request, mistyped error) (Result, Cause, error) {
	switch {
	case mistyped != nil:
		return Result{}, CauseNoPod, invalid("the object is not a pod: %v", mistyped)
	case !r.isPodCreate():
		return Result{Skipped: "the request does not create a pod"}, CauseOtherRequest, nil
	case r.Object == nil:
		return Result{}, CauseNoPod, invalid("the request carries no object")
	}
	if cause, _ := r.Object.skipped(); cause != CauseNone {
		result, err := r.Object.Mutate(ServiceAccount{}, Config{})
		return result, cause, err
	}
	if slices.Contains(h.config.Excluded, r.Namespace) {
		why := "pods of namespace " + quote(r.Namespace) + " are left without an Azure identity"
		return Result{Skipped: why, Warnings: []string{why}}, CauseNamespace, nil
	}
	name := r.Object.ServiceAccountName()
	sa, err := h.config.Accounts.Get(ctx, r.Namespace, name)
	if errors.Is(err, ErrNotFound) {
		return Result{}, CauseNoServiceAccount, invalid("service account %s of the pod does not exist", quote(r.Namespace+"/"+name))
	}
	if err != nil {
		return Result{}, CauseAPIServer, fmt.Errorf("reading service account %s: %w", quote(r.Namespace+"/"+name), err)
	}
	result, err := r.Object.Mutate(sa, h.config.Pods())
	return result, CauseNone, err
}

func (h *Handler) recovered(w http.ResponseWriter, seen *Reviewed) {
	cause := recover()
	if cause == nil {
		return
	}
	if cause == http.ErrAbortHandler {
		panic(cause)
	}
	seen.Outcome = Outcome{Failed, CausePanic}
	h.config.Log.Error("panic", "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
	http.Error(w, "internal error", http.StatusInternalServerError)
}

func isJSON(contentType string) bool {
	if contentType == "application/json" {
		return true
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	return err == nil && mediaType == "application/json"
}
