package inject

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// MutatePath is where the API server sends reviews of new pods.
const MutatePath = "/mutate-v1-pod"

// Bounds of the handler.
const (
	// maxInFlight bounds the memory that reviews take together.
	maxInFlight = 64
	// maxWait bounds the time that a review waits for its turn.
	maxWait = 5 * time.Second
)

// HandlerConfig is what a [Handler] or a [Warner] decides with.
type HandlerConfig struct {
	Pods     func() Config // asked at each review
	Accounts ServiceAccounts
	// Excluded are namespaces whose objects are left as they are, whatever the
	// webhook's configuration selects: a webhook that is down must not be able to
	// keep itself, or what it depends on, from starting.
	Excluded []string
	Observe  func(*Reviewed)  // called after each request, must not block; may be nil
	Now      func() time.Time // time.Now when nil
	Log      *slog.Logger
}

// Handler is an http.Handler of POST [MutatePath]: it answers the API server's
// admission reviews. Make one with [NewHandler].
type Handler struct {
	*front
	config HandlerConfig
}

// NewHandler returns a handler. It logs one line per review, never the body of one.
func NewHandler(config HandlerConfig) *Handler {
	h := &Handler{front: newFront(config, maxInFlight), config: config}
	h.path, h.wait, h.decide = MutatePath, maxWait, h.mutate
	return h
}

// mutate answers one review.
func (h *Handler) mutate(ctx context.Context, body []byte, seen *Reviewed) (reviewAnswer, error) {
	r, err := parseReview(body)
	if r == nil {
		return reviewAnswer{}, err
	}
	answer := reviewAnswer{APIVersion: r.APIVersion, Kind: r.Kind, Response: h.review(ctx, r.Request, err, seen)}
	answer.Response.UID = r.Request.UID
	return answer, nil
}

// review decides one request, logs the decision and takes it down. Mistyped is
// what is wrong with the object, if it is no pod.
func (h *Handler) review(ctx context.Context, r *request, mistyped error, seen *Reviewed) response {
	seen.Namespace, seen.Kind, seen.DryRun = r.Namespace, "Pod", r.DryRun
	attrs := append(make([]slog.Attr, 0, 10), slog.String("uid", r.UID), slog.String("namespace", r.Namespace))
	if r.Object != nil {
		seen.Name, seen.ServiceAccount, seen.Owner = r.Object.DisplayName(), r.Object.ServiceAccountName(), r.Object.owner()
		attrs = append(attrs, slog.String("pod", seen.Name), slog.String("serviceAccount", seen.ServiceAccount))
	}
	result, cause, err := h.result(ctx, r, mistyped)
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
	h.log.LogAttrs(ctx, level, "review", attrs...)
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

func (h *Handler) result(ctx context.Context, r *request, mistyped error) (Result, Cause, error) {
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
