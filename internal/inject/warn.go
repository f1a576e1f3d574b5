package inject

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
)

// WarnPath is where the API server sends reviews of objects that the webhook
// does not change but may warn about.
const WarnPath = "/warn"

// maxWarnings bounds the reviews that are looked at at a time. None waits for
// its turn, since there is nothing to lose: the API server goes on without an
// answer.
const maxWarnings = 16

// Warner is an http.Handler of POST [WarnPath]: it answers admission reviews with
// what [Suspect] says. It admits everything and changes nothing; a webhook
// configuration calls it with failurePolicy Ignore, and without an object
// selector, since it looks for objects without the label. Make one with [NewWarner].
type Warner struct {
	*front
	config HandlerConfig
}

// NewWarner returns a Warner. It asks for a service account at every pod without
// the label that has no other sign of itself, so config.Accounts should answer
// from memory. It logs one line for each review: for people if it warned, for
// debugging otherwise.
func NewWarner(config HandlerConfig) *Warner {
	h := &Warner{front: newFront(config, maxWarnings), config: config}
	h.path, h.decide = WarnPath, h.warn
	return h
}

// suspectReview is the part of an AdmissionReview request that matters here.
type suspectReview struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Request    *suspectRequest `json:"request"`
}

type suspectRequest struct {
	UID         string `json:"uid"`
	Namespace   string `json:"namespace"`
	Operation   string `json:"operation"`
	SubResource string `json:"subResource"`
	DryRun      bool   `json:"dryRun"`
	Kind        struct {
		Group   string `json:"group"`
		Version string `json:"version"`
		Kind    string `json:"kind"`
	} `json:"kind"`
	Object *suspectObject `json:"object"`
}

// warn admits the object, with warnings. An object whose fields are of other
// types than expected is none of ours.
func (h *Warner) warn(ctx context.Context, body []byte, seen *Reviewed) (reviewAnswer, error) {
	var review suspectReview
	err := json.Unmarshal(body, &review)
	var mistyped *json.UnmarshalTypeError
	if err != nil && !errors.As(err, &mistyped) {
		return reviewAnswer{}, fmt.Errorf("reading review: %w", err)
	}
	if err := checkReview(review.APIVersion, review.Kind); err != nil {
		return reviewAnswer{}, err
	}
	r := review.Request
	if r == nil || r.UID == "" {
		return reviewAnswer{}, fmt.Errorf("%w: no request", errNotReview)
	}
	seen.Namespace, seen.DryRun = r.Namespace, r.DryRun
	switch {
	case err != nil || r.Object == nil || r.SubResource != "" || r.Operation == "DELETE":
		seen.Outcome = Outcome{Admitted, CauseOtherObject}
	case slices.Contains(h.config.Excluded, r.Namespace):
		seen.Outcome = Outcome{Admitted, CauseNamespace} // the label would do nothing either
	default:
		h.look(ctx, r, seen)
	}
	h.tell(ctx, r.UID, seen)
	return reviewAnswer{APIVersion: review.APIVersion, Kind: review.Kind, Response: response{UID: r.UID, Allowed: true, Warnings: seen.Warnings}}, nil
}

// look completes what is seen of an object.
func (h *Warner) look(ctx context.Context, r *suspectRequest, seen *Reviewed) {
	suspect := newSuspect(r.Kind.Kind, r.Object)
	seen.Kind, seen.Name, seen.ServiceAccount, seen.Owner = suspect.kind, suspect.name(), suspect.account, r.owner()
	if suspect.kind == "ServiceAccount" {
		seen.ServiceAccount = seen.Name
	}
	config := h.config.Pods()
	found := suspect.warnings(h.account(ctx, r.Namespace, suspect.asks(config)), config)
	seen.Outcome, seen.Warnings = Outcome{Admitted, CauseNone}, found.texts
	if found.cause != CauseNone {
		seen.Outcome = Outcome{Warned, found.cause}
	}
}

// owner is where people look for what is said of the object. A new one has no
// UID, without which nobody finds an Event at it.
func (r *suspectRequest) owner() *Owner {
	if uid := r.Object.Metadata.UID; uid != "" {
		version := r.Kind.Version
		if r.Kind.Group != "" {
			version = r.Kind.Group + "/" + version
		}
		return &Owner{APIVersion: version, Kind: r.Kind.Kind, Name: r.Object.Metadata.Name, UID: uid}
	}
	pod := Pod{Metadata: r.Object.Metadata.metadata}
	return pod.owner()
}

func (h *Warner) tell(ctx context.Context, uid string, seen *Reviewed) {
	level := slog.LevelDebug
	if seen.Decision == Warned {
		level = slog.LevelInfo
	}
	if !h.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.String("uid", uid), slog.String("namespace", seen.Namespace), slog.String("kind", seen.Kind), slog.String("name", seen.Name),
		slog.String("decision", string(seen.Decision)), slog.String("reason", string(seen.Cause))}
	if len(seen.Warnings) > 0 {
		attrs = append(attrs, slog.Any("warnings", seen.Warnings))
	}
	h.log.LogAttrs(ctx, level, "warn review", attrs...)
}

// account is the service account by that name, without annotations if it is
// not known: a guess is not worth a warning.
func (h *Warner) account(ctx context.Context, namespace, name string) ServiceAccount {
	if name == "" {
		return ServiceAccount{Namespace: namespace}
	}
	sa, err := h.config.Accounts.Get(ctx, namespace, name)
	if err != nil {
		h.log.Debug("service account not looked at", "namespace", namespace, "serviceAccount", name, "error", err)
		return ServiceAccount{Namespace: namespace}
	}
	return sa
}
