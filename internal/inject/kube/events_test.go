package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"github.com/aksess/aksess/internal/inject"
)

// told counts what came of Events.
type told struct {
	mu     sync.Mutex
	counts map[EventResult]int
}

func (r *told) result(what EventResult) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[what]++
}

func (r *told) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Sprintf("%d written, %d error, %d dropped", r.counts[EventWritten], r.counts[EventFailed], r.counts[EventDropped])
}

// runningEvents are Events whose API server answers as the test likes.
func runningEvents(t *testing.T, answer func() error) (*Events, *told, func() []*unstructured.Unstructured) {
	t.Helper()
	dynamic := fakeDynamic()
	var mu sync.Mutex
	var written []*unstructured.Unstructured
	dynamic.PrependReactor("create", "events", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if err := answer(); err != nil {
			return true, nil, err
		}
		mu.Lock()
		defer mu.Unlock()
		event := action.(clienttesting.CreateAction).GetObject().(*unstructured.Unstructured)
		written = append(written, event)
		return true, event, nil
	})
	results := &told{counts: map[EventResult]int{}}
	account := object("wi-demo-sa", nil)
	account.UID = "the-uid"
	events := NewEvents(&Client{Dynamic: dynamic, Metadata: fakeClient(t, account)}, "aksess-webhook-0", results.result, discard())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		events.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return events, results, func() []*unstructured.Unstructured {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		return written
	}
}

func suspicious(account string, warnings ...string) *inject.Reviewed {
	return &inject.Reviewed{
		Outcome:   inject.Outcome{Decision: inject.Mutated, Cause: inject.CauseWarned},
		Namespace: "widemo", Kind: "Pod", Name: "wi-api- (prefix)", ServiceAccount: account, Warnings: warnings,
	}
}

func field(event *unstructured.Unstructured, path ...string) string {
	value, _, _ := unstructured.NestedString(event.Object, path...)
	return value
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events, results, written := runningEvents(t, func() error { return nil })
		owned := suspicious("wi-demo-sa", "one", "two")
		owned.Owner = &inject.Owner{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "wi-api-7", UID: "8"}
		dry, skipped := suspicious("wi-demo-sa", "dry"), suspicious("wi-demo-sa", "skipped")
		dry.DryRun, skipped.Decision = true, inject.Skipped
		for _, r := range []*inject.Reviewed{dry, skipped, suspicious("wi-demo-sa"), owned, suspicious("wi-demo-sa", "three"), suspicious("other", strings.Repeat("ö", 800))} {
			events.Reviewed(r)
		}
		got := written()
		if len(got) != 3 {
			t.Fatalf("got %d Events, want those of pods with warnings that were mutated: 3", len(got))
		}
		for path, want := range map[string]string{
			"note": "Pod wi-api- (prefix): one; two", "type": "Warning", "reason": "SuspiciousPod", "reportingInstance": "aksess-webhook-0",
			"regarding/kind": "ReplicaSet", "regarding/name": "wi-api-7", "regarding/uid": "8", "regarding/namespace": "widemo", "metadata/namespace": "widemo",
		} {
			if value := field(got[0], strings.Split(path, "/")...); value != want {
				t.Errorf("%s: got %q, want %q", path, value, want)
			}
		}
		if field(got[1], "regarding", "kind") != "ServiceAccount" || field(got[1], "regarding", "uid") != "the-uid" {
			t.Errorf("got regarding %v, want the service account by its UID", got[1].Object["regarding"])
		}
		if long := field(got[2], "note"); len(long) > maxNote || !strings.HasSuffix(long, "ö…") || field(got[2], "regarding", "name") != "other" {
			t.Errorf("got a note of %d bytes, %v, want it cut", len(long), got[2].Object["regarding"])
		}
		if results.String() != "3 written, 0 error, 0 dropped" {
			t.Errorf("got %s", results)
		}
	})
}

// TestEventsAreNotRepeated within the hour, but are after it.
func TestEventsAreNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events, _, written := runningEvents(t, func() error { return nil })
		for range 3 {
			for range 10 {
				events.Reviewed(suspicious("wi-demo-sa", "one"))
			}
			time.Sleep(eventsRepeat)
		}
		if n := len(written()); n != 3 {
			t.Errorf("got %d Events in three hours, want 3", n)
		}
	})
}

// TestEventsOfTheWarner: an object that was warned about is told of like a pod,
// each once, however many pods of one owner are alike.
func TestEventsOfTheWarner(t *testing.T) {
	warned := func(kind, name string, owner *inject.Owner) *inject.Reviewed {
		return &inject.Reviewed{
			Outcome: inject.Outcome{Decision: inject.Warned, Cause: inject.CauseNoLabel}, Namespace: "widemo", Kind: kind, Name: name,
			ServiceAccount: "wi-demo-sa", Owner: owner, Warnings: []string{name + " has no label"},
		}
	}
	synctest.Test(t, func(t *testing.T) {
		events, results, written := runningEvents(t, func() error { return nil })
		set := &inject.Owner{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "db", UID: "8"}
		admitted, dry, other := warned("Pod", "a", nil), warned("Pod", "a", nil), warned("Pod", "db-2", set)
		admitted.Decision, dry.DryRun, other.Cause = inject.Admitted, true, inject.CauseLabelValue
		for _, r := range []*inject.Reviewed{
			admitted, dry, warned("Pod", "db-0", set), warned("Pod", "db-1", set), other,
			warned("Pod", "one", nil), warned("Pod", "two", nil), warned("Deployment", "one", nil), warned("Deployment", "two", nil),
		} {
			events.Reviewed(r)
		}
		var got []string
		for _, event := range written() {
			got = append(got, strings.Join([]string{field(event, "regarding", "kind"), field(event, "reason"), field(event, "action"), field(event, "note")}, "|"))
		}
		want := []string{
			"StatefulSet|SuspiciousObject|Warn|Pod db-0: db-0 has no label", "StatefulSet|SuspiciousObject|Warn|Pod db-2: db-2 has no label",
			"ServiceAccount|SuspiciousObject|Warn|Pod one: one has no label",
			"ServiceAccount|SuspiciousObject|Warn|Deployment one: one has no label", "ServiceAccount|SuspiciousObject|Warn|Deployment two: two has no label",
		}
		if !slices.Equal(got, want) || results.String() != "5 written, 0 error, 0 dropped" {
			t.Errorf("got %s\n%s\nwant\n%s", results, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// TestEventsAreBounded: neither a storm nor an API server that is stuck holds a
// review up, and what was left out may be said later.
func TestEventsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		events, results, written := runningEvents(t, func() error { <-stuck; return nil })
		for i := range 1000 {
			events.Reviewed(suspicious("wi-demo-sa", fmt.Sprint(i)))
		}
		synctest.Wait()
		if results.String() != fmt.Sprintf("0 written, 0 error, %d dropped", 1000-eventsBurst) {
			t.Errorf("a storm: got %s", results)
		}
		for i := range 1000 {
			time.Sleep(time.Second / eventsPerSecond)
			events.Reviewed(suspicious("wi-demo-sa", fmt.Sprint("slow ", i)))
		}
		close(stuck)
		if n := len(written()); n > eventsQueued+1+eventsBurst {
			t.Errorf("stuck: got %d Events, want what fits the queue", n)
		}
		before := len(written())
		time.Sleep(time.Minute)
		events.Reviewed(suspicious("wi-demo-sa", "999"))
		if n := len(written()); n != before+1 {
			t.Errorf("got %d Events for what was left out, want 1", n-before)
		}
	})
}

// TestEventsPerSecond: 25 at once and five in each second is what docs/security.md
// says, over a minute of more than that.
func TestEventsPerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events, results, written := runningEvents(t, func() error { return nil })
		for i := range 6000 {
			events.Reviewed(suspicious("wi-demo-sa", fmt.Sprint(i)))
			time.Sleep(10 * time.Millisecond)
		}
		if n := len(written()); n < 300 || n > 25+5*60 {
			t.Errorf("got %d Events in a minute, want 325 at most: %s", n, results)
		}
	})
}

// TestEventsForbidden: without the rights it is tried now and then.
func TestEventsForbidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		allowed := false
		events, results, written := runningEvents(t, func() error {
			if allowed {
				return nil
			}
			return apierrors.NewForbidden(eventsResource().GroupResource(), "", errors.New("rbac"))
		})
		for i := range 20 {
			time.Sleep(time.Second)
			events.Reviewed(suspicious("wi-demo-sa", fmt.Sprint(i)))
		}
		written()
		if results.String() != "0 written, 1 error, 19 dropped" {
			t.Errorf("got %s, want one attempt", results)
		}
		allowed = true
		time.Sleep(eventsPause)
		events.Reviewed(suspicious("wi-demo-sa", "later"))
		if len(written()) != 1 {
			t.Errorf("got %s, want an Event once the rights are there", results)
		}
	})
}
