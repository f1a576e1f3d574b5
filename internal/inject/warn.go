package inject

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
)

// WarnPath is where the API server sends reviews of objects that the webhook
// does not change but may warn about.
const WarnPath = "/warn"

// maxWarnings bounds the reviews that are looked at at a time. There is nothing
// to lose: the API server goes on without an answer.
const maxWarnings = 16

// Warner answers admission reviews with what [Suspect] says. It admits
// everything and changes nothing; a webhook configuration calls it with
// failurePolicy Ignore, and without an object selector, since it looks for
// objects without the label. Make one with [NewWarner].
type Warner struct {
	config   func() Config
	accounts ServiceAccounts
	log      *slog.Logger
	inFlight chan struct{}
}

// NewWarner returns a handler of POST [WarnPath]. It asks for a service account
// at every pod without the label that has no other sign of itself, so accounts
// should answer from memory. It logs one line for each object with warnings.
func NewWarner(config func() Config, accounts ServiceAccounts, log *slog.Logger) *Warner {
	return &Warner{config: config, accounts: accounts, log: log, inFlight: make(chan struct{}, maxWarnings)}
}

// warnReview is the part of an AdmissionReview request that matters here.
type warnReview struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Request    *struct {
		UID         string `json:"uid"`
		Namespace   string `json:"namespace"`
		Operation   string `json:"operation"`
		SubResource string `json:"subResource"`
		Kind        struct {
			Kind string `json:"kind"`
		} `json:"kind"`
		Object *suspectObject `json:"object"`
	} `json:"request"`
}

// ServeHTTP implements http.Handler.
func (h *Warner) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "expected POST", http.StatusMethodNotAllowed)
		return
	case !isJSON(r.Header.Get("Content-Type")):
		http.Error(w, "expected Content-Type: application/json", http.StatusUnsupportedMediaType)
		return
	}
	select {
	case h.inFlight <- struct{}{}:
		defer func() { <-h.inFlight }()
	default:
		http.Error(w, "too many reviews in flight", http.StatusServiceUnavailable)
		return
	}
	var body bytes.Buffer
	if _, err := io.Copy(&body, http.MaxBytesReader(w, r.Body, MaxReviewBytes)); err != nil {
		http.Error(w, "the review is too large or did not end", http.StatusBadRequest)
		return
	}
	answer, err := h.review(r.Context(), body.Bytes())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	out, err := json.Marshal(answer)
	if err != nil {
		panic(err) // strings only
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(out)))
	_, _ = w.Write(out) // the API server is gone
}

// review admits the object, with warnings. An object whose fields are of other
// types than expected is none of ours.
func (h *Warner) review(ctx context.Context, body []byte) (*reviewAnswer, error) {
	var review warnReview
	err := json.Unmarshal(body, &review)
	var mistyped *json.UnmarshalTypeError
	if err != nil && !errors.As(err, &mistyped) {
		return nil, fmt.Errorf("reading review: %w", err)
	}
	if err := checkReview(review.APIVersion, review.Kind); err != nil {
		return nil, err
	}
	r := review.Request
	if r == nil || r.UID == "" {
		return nil, fmt.Errorf("%w: no request", errNotReview)
	}
	answer := &reviewAnswer{APIVersion: review.APIVersion, Kind: review.Kind, Response: response{UID: r.UID, Allowed: true}}
	if err != nil || r.Object == nil || r.SubResource != "" || r.Operation == "DELETE" {
		return answer, nil
	}
	suspect := newSuspect(r.Kind.Kind, r.Object)
	config := h.config()
	sa := h.account(ctx, r.Namespace, suspect.asks(config))
	answer.Response.Warnings = suspect.warnings(sa, config)
	if len(answer.Response.Warnings) > 0 {
		h.log.LogAttrs(ctx, slog.LevelInfo, "suspect object", slog.String("uid", r.UID), slog.String("namespace", r.Namespace),
			slog.String("kind", r.Kind.Kind), slog.String("name", suspect.name()), slog.Any("warnings", answer.Response.Warnings))
	}
	return answer, nil
}

// account is the service account by that name, without annotations if it is
// not known: a guess is not worth a warning.
func (h *Warner) account(ctx context.Context, namespace, name string) ServiceAccount {
	if name == "" {
		return ServiceAccount{Namespace: namespace}
	}
	sa, err := h.accounts.Get(ctx, namespace, name)
	if err != nil {
		h.log.Debug("service account not looked at", "namespace", namespace, "serviceAccount", name, "error", err)
		return ServiceAccount{Namespace: namespace}
	}
	return sa
}
