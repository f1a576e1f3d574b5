package kube

import (
	"context"
	"hash/maphash"
	"log/slog"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/flowcontrol"

	"github.com/aksess/aksess/internal/inject"
)

// Events writes a Kubernetes Event for each pod that was given its identity
// with warnings, and for each object that a Warner warned about, where people
// look who did not see the answer to their request: at the object that controls
// it, at itself if it exists already, or else at its service account. A new
// object has no UID yet, and the webhook may not read workloads to learn it
// later. What was said within the hour is not said again, and what is too much
// is left out; a review never waits for an Event or fails by one.
type Events struct {
	client   *Client
	instance string
	written  func(EventResult)
	log      *slog.Logger

	seed  maphash.Seed
	rate  flowcontrol.RateLimiter
	queue chan inject.Reviewed

	mu   sync.Mutex
	said map[uint64]time.Time // when, by what was said of whom
}

// EventResult is what came of an Event.
type EventResult string

// The results.
const (
	EventWritten EventResult = "written"
	EventFailed  EventResult = "error"
	EventDropped EventResult = "dropped" // too many
)

// Bounds of Events.
const (
	eventsPerSecond = 5
	eventsBurst     = 25
	eventsQueued    = 64
	eventsSaid      = 4096
	eventsRepeat    = time.Hour
	eventTimeout    = 5 * time.Second
	// eventsPause is how long nothing is written after the API server has
	// refused: the rights may come later.
	eventsPause = 10 * time.Minute
	maxNote     = 1024 // bytes; events.k8s.io/v1, Event.note
	maxInstance = 128  // likewise reportingInstance
)

func eventsResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "events.k8s.io", Version: "v1", Resource: "events"}
}

// NewEvents returns Events that name this replica as the instance. Written, if
// not nil, is told what came of each. Nothing is written before [Events.Run].
func NewEvents(client *Client, instance string, written func(EventResult), log *slog.Logger) *Events {
	if written == nil {
		written = func(EventResult) {}
	}
	return &Events{
		client: client, instance: instance[:min(len(instance), maxInstance)], written: written, log: log,
		seed: maphash.MakeSeed(), rate: flowcontrol.NewTokenBucketRateLimiter(eventsPerSecond, eventsBurst),
		queue: make(chan inject.Reviewed, eventsQueued), said: map[uint64]time.Time{},
	}
}

// Reviewed takes a review in, if there is something to say about it. It never waits.
func (e *Events) Reviewed(r *inject.Reviewed) {
	if r.DryRun || len(r.Warnings) == 0 || r.Decision != inject.Mutated && r.Decision != inject.Warned {
		return
	}
	key := e.key(r)
	if !e.news(key) {
		return
	}
	if e.rate.TryAccept() {
		select {
		case e.queue <- *r:
			return
		default:
		}
	}
	e.written(EventDropped)
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.said, key) // it was not
}

// key stands for what is said of whom. A Warner's texts name the object, which
// may be one of many pods that are alike: its cause stands for them.
func (e *Events) key(r *inject.Reviewed) uint64 {
	parts := []string{r.Namespace, string(r.Decision), string(r.Cause)}
	switch {
	case r.Owner != nil:
		parts = append(parts, r.Owner.UID)
	case r.Kind == "Pod":
		parts = append(parts, r.ServiceAccount)
	default:
		parts = append(parts, r.Kind, r.Name)
	}
	if r.Decision == inject.Mutated {
		parts = append(parts, r.Warnings...)
	}
	var h maphash.Hash
	h.SetSeed(e.seed)
	for _, part := range parts {
		_, _ = h.WriteString(part)
		_ = h.WriteByte(0)
	}
	return h.Sum64()
}

// news reports whether this has not been said within the hour, and takes it for said.
func (e *Events) news(key uint64) bool {
	now := time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if at, ok := e.said[key]; ok && now.Before(at.Add(eventsRepeat)) {
		return false
	}
	if len(e.said) >= eventsSaid {
		clear(e.said) // to repeat something is better than to remember everything
	}
	e.said[key] = now
	return true
}

// Run writes Events until the context is done.
func (e *Events) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-e.queue:
			err := e.write(ctx, &r)
			switch {
			case err == nil:
				e.written(EventWritten)
			case ctx.Err() != nil:
				return
			default:
				e.written(EventFailed)
				e.log.Warn("no Event written about warnings", "namespace", r.Namespace, "kind", r.Kind, "name", r.Name, "error", err)
			}
			if apierrors.IsForbidden(err) || apierrors.IsMethodNotSupported(err) {
				e.refused(ctx)
			}
		}
	}
}

// refused leaves out what comes in for a while.
func (e *Events) refused(ctx context.Context) {
	over := time.After(eventsPause)
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.queue:
			e.written(EventDropped)
		case <-over:
			return
		}
	}
}

func (e *Events) write(ctx context.Context, r *inject.Reviewed) error {
	ctx, cancel := context.WithTimeout(ctx, eventTimeout)
	defer cancel()
	reason, action := "SuspiciousPod", "Inject"
	if r.Decision == inject.Warned {
		reason, action = "SuspiciousObject", "Warn"
	}
	event := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "events.k8s.io/v1", "kind": "Event",
		"eventTime": time.Now().UTC().Format(microTime),
		"type":      "Warning", "reason": reason, "action": action,
		"note":                note(r),
		"regarding":           e.regarding(ctx, r),
		"reportingController": "aksess-webhook", "reportingInstance": e.instance,
	}}
	event.SetGenerateName("aksess-webhook-")
	event.SetNamespace(r.Namespace)
	_, err := e.client.Dynamic.Resource(eventsResource()).Namespace(r.Namespace).Create(ctx, event, metav1.CreateOptions{})
	return err
}

// note is what is to be said, within Kubernetes' limit.
func note(r *inject.Reviewed) string {
	text := r.Kind + " " + r.Name + ": " + strings.Join(r.Warnings, "; ")
	if len(text) > maxNote {
		text = strings.ToValidUTF8(text[:maxNote-len("…")], "") + "…"
	}
	return text
}

// regarding is the object that people look at.
func (e *Events) regarding(ctx context.Context, r *inject.Reviewed) map[string]any {
	if o := r.Owner; o != nil {
		return map[string]any{"apiVersion": o.APIVersion, "kind": o.Kind, "namespace": r.Namespace, "name": o.Name, "uid": o.UID}
	}
	account := map[string]any{"apiVersion": "v1", "kind": "ServiceAccount", "namespace": r.Namespace, "name": r.ServiceAccount}
	// kubectl describe finds Events by the UID, which no review carries.
	if object, err := e.client.Metadata.Resource(accountsResource()).Namespace(r.Namespace).Get(ctx, r.ServiceAccount, metav1.GetOptions{}); err == nil {
		account["uid"] = string(object.UID)
	}
	return account
}
