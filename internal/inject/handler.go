package inject

import (
	"bytes"
	"context"
	"encoding/json"
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

// Handler answers the API server's admission reviews. Make one with [NewHandler].
type Handler struct {
	config   func() Config
	accounts ServiceAccounts
	log      *slog.Logger
	inFlight chan struct{}
	buffers  sync.Pool // of *bytes.Buffer
}

// NewHandler returns a handler that decides with what config returns at the
// time of each review. It logs one line per review, never the body of one.
func NewHandler(config func() Config, accounts ServiceAccounts, log *slog.Logger) *Handler {
	return &Handler{
		config: config, accounts: accounts, log: log,
		inFlight: make(chan struct{}, maxInFlight),
		buffers:  sync.Pool{New: func() any { return new(bytes.Buffer) }},
	}
}

// ServeHTTP answers POST MutatePath. A panic is one 500, logged.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer h.recovered(w)
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
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many reviews in flight", http.StatusServiceUnavailable)
		return
	}
	defer func() { <-h.inFlight }()
	body := h.buffers.Get().(*bytes.Buffer)
	defer h.buffers.Put(body)
	body.Reset()
	if _, err := io.Copy(body, http.MaxBytesReader(w, r.Body, MaxReviewBytes)); err != nil {
		h.refuseBody(w, err)
		return
	}
	h.answer(w, r.Context(), body.Bytes())
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

func (h *Handler) refuseBody(w http.ResponseWriter, err error) {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		h.log.Warn("review refused", "reason", "too large", "limit", large.Limit)
		http.Error(w, fmt.Sprintf("review is larger than %d bytes", large.Limit), http.StatusRequestEntityTooLarge)
		return
	}
	h.log.Warn("review refused", "reason", "unreadable", "error", err)
	http.Error(w, "reading the review did not end", http.StatusBadRequest)
}

func (h *Handler) answer(w http.ResponseWriter, ctx context.Context, body []byte) {
	r, err := parseReview(body)
	if r == nil {
		h.log.Warn("review refused", "reason", "malformed", "error", err)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer := reviewAnswer{APIVersion: r.APIVersion, Kind: r.Kind}
	if err != nil {
		answer.Response = deny(http.StatusBadRequest, string(ReasonInvalid), "the object is not a pod: "+err.Error())
		h.log.Warn("review", "uid", r.Request.UID, "namespace", r.Request.Namespace, "decision", "denied", "message", err.Error())
	} else {
		answer.Response = h.review(ctx, r.Request)
	}
	answer.Response.UID = r.Request.UID
	out, err := json.Marshal(answer)
	if err != nil {
		panic(err) // strings, numbers and bytes only
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(out)))
	if _, err := w.Write(out); err != nil {
		h.log.Debug("writing the answer", "uid", r.Request.UID, "error", err)
	}
}

// review decides one request and logs the decision.
func (h *Handler) review(ctx context.Context, r *request) response {
	result, err := h.decide(ctx, r)
	attrs := append(make([]slog.Attr, 0, 10), slog.String("uid", r.UID), slog.String("namespace", r.Namespace))
	if r.Object != nil {
		attrs = append(attrs, slog.String("pod", r.Object.DisplayName()), slog.String("serviceAccount", r.Object.ServiceAccountName()))
	}
	var denied *Denied
	level, answer := slog.LevelInfo, allow(result)
	switch {
	case errors.As(err, &denied):
		level, answer = slog.LevelWarn, denyFor(err)
		attrs = append(attrs, slog.String("decision", "denied"), slog.String("message", denied.Message))
	case err != nil:
		level, answer = slog.LevelError, denyFor(err)
		attrs = append(attrs, slog.String("decision", "error"), slog.Any("error", err))
	case result.Skipped != "":
		attrs = append(attrs, slog.String("decision", "skipped"), slog.String("reason", result.Skipped))
	case len(result.Patch) == 0:
		attrs = append(attrs, slog.String("decision", "unchanged"))
	default:
		attrs = append(attrs, slog.String("decision", "mutated"), slog.Int("operations", len(result.Patch)))
	}
	if len(result.Warnings) > 0 {
		attrs = append(attrs, slog.Any("warnings", result.Warnings))
	}
	h.log.LogAttrs(ctx, level, "review", attrs...)
	return answer
}

func (h *Handler) decide(ctx context.Context, r *request) (Result, error) {
	if !r.isPodCreate() {
		return Result{Skipped: "the request does not create a pod"}, nil
	}
	if r.Object == nil {
		return Result{}, invalid("the request carries no object")
	}
	if r.Object.Skipped() != "" {
		return r.Object.Mutate(ServiceAccount{}, Config{})
	}
	name := r.Object.ServiceAccountName()
	sa, err := h.accounts.Get(ctx, r.Namespace, name)
	if errors.Is(err, ErrNotFound) {
		return Result{}, invalid("service account %s of the pod does not exist", quote(r.Namespace+"/"+name))
	}
	if err != nil {
		return Result{}, fmt.Errorf("reading service account %s: %w", quote(r.Namespace+"/"+name), err)
	}
	return r.Object.Mutate(sa, h.config())
}

func (h *Handler) recovered(w http.ResponseWriter) {
	cause := recover()
	if cause == nil {
		return
	}
	if cause == http.ErrAbortHandler {
		panic(cause)
	}
	h.log.Error("panic", "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
	http.Error(w, "internal error", http.StatusInternalServerError)
}

func isJSON(contentType string) bool {
	if contentType == "application/json" {
		return true
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	return err == nil && mediaType == "application/json"
}
