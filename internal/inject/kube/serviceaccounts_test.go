package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/metadata/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/inject"
)

const clientID = "33333333-3333-3333-3333-333333333333"

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func object(name string, annotations map[string]string) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "widemo", Name: name, Annotations: annotations, ResourceVersion: "1",
			Labels:        map[string]string{"app": "x"},
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl"}},
		},
	}
}

func fakeClient(t *testing.T, objects ...runtime.Object) *fake.FakeMetadataClient {
	t.Helper()
	scheme := fake.NewTestScheme()
	if err := metav1.AddMetaToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return fake.NewSimpleMetadataClient(scheme, objects...)
}

// filled returns a cache that has listed what the client holds.
func filled(t *testing.T, client *fake.FakeMetadataClient) *ServiceAccounts {
	t.Helper()
	accounts := NewServiceAccounts(client, nil, discard())
	if accounts.Ready() == nil {
		t.Error("got ready before the cache is filled")
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		accounts.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	eventually(t, func() bool { return accounts.Ready() == nil })
	return accounts
}

// eventually advances the bubble's clock until the condition holds.
func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	for range 100 {
		synctest.Wait()
		if condition() {
			return
		}
		second()
	}
	t.Fatal("the condition never held")
}

// reads counts the live reads of the client.
func reads(client *fake.FakeMetadataClient) int {
	n := 0
	for _, action := range client.Actions() {
		if action.GetVerb() == "get" {
			n++
		}
	}
	return n
}

func TestGetFromCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fakeClient(t, object("wi-demo-sa", map[string]string{chain.AnnotationClientID: clientID, "other": "x"}),
			object("several", map[string]string{chain.AnnotationClientIDs: "a=" + clientID}))
		accounts := filled(t, client)
		if got, err := accounts.Get(t.Context(), "widemo", "several"); err != nil || len(got.Annotations) != 1 {
			t.Errorf("several identities: got %v, %v, want one annotation", got, err)
		}
		got, err := accounts.Get(t.Context(), "widemo", "wi-demo-sa")
		want := map[string]string{chain.AnnotationClientID: clientID}
		if err != nil || got.Namespace != "widemo" || got.Name != "wi-demo-sa" || !maps.Equal(got.Annotations, want) {
			t.Errorf("got %v, %v, want annotations %v", got, err, want)
		}
		if n := reads(client); n != 0 {
			t.Errorf("got %d live reads, want none", n)
		}
	})
}

func TestCacheFollowsTheCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fakeClient(t)
		accounts := filled(t, client)
		tracker := client.Tracker()
		if err := tracker.Create(accountsResource(), object("new", map[string]string{chain.AnnotationClientID: clientID}), "widemo"); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool { annotated, plain := accounts.Count(); return annotated == 1 && plain == 0 })
		if _, err := accounts.Get(t.Context(), "widemo", "new"); err != nil || reads(client) != 0 {
			t.Errorf("got %v after %d live reads, want none", err, reads(client))
		}
		if err := tracker.Delete(accountsResource(), "widemo", "new"); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool { annotated, plain := accounts.Count(); return annotated+plain == 0 })
		if _, err := accounts.Get(t.Context(), "widemo", "new"); !errors.Is(err, inject.ErrNotFound) {
			t.Errorf("got %v, want ErrNotFound", err)
		}
	})
}

func TestGetReadsLive(t *testing.T) {
	outage := errors.New("connection refused")
	annotated := map[string]string{chain.AnnotationClientID: clientID}
	tests := []struct {
		name          string
		cached, later *metav1.PartialObjectMetadata
		failure       error
		want          map[string]string
		wantErr       error
		wantReads     int
	}{
		{name: "made_after_the_cache", later: object("sa", annotated), want: annotated, wantReads: 1},
		{name: "annotated_after_the_cache", cached: object("sa", nil), later: object("sa", annotated), want: annotated, wantReads: 1},
		{name: "never_annotated", cached: object("sa", map[string]string{"x": "y"}), want: nil, wantReads: 1},
		{name: "absent", wantErr: inject.ErrNotFound, wantReads: 1},
		{name: "outage", failure: outage, wantErr: outage, wantReads: 1},
		{name: "outage_but_cached", cached: object("sa", nil), failure: outage, wantReads: 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := fakeClient(t)
				if test.cached != nil {
					client = fakeClient(t, test.cached)
				}
				accounts := filled(t, client)
				client.PrependReactor("get", "serviceaccounts", func(clienttesting.Action) (bool, runtime.Object, error) {
					if test.later != nil || test.failure != nil {
						return true, test.later, test.failure
					}
					return false, nil, nil
				})
				got, err := accounts.Get(t.Context(), "widemo", "sa")
				if !errors.Is(err, test.wantErr) || !maps.Equal(got.Annotations, test.want) {
					t.Errorf("got %v, %v, want %v, %v", got, err, test.want, test.wantErr)
				}
				if n := reads(client); n != test.wantReads {
					t.Errorf("got %d live reads, want %d", n, test.wantReads)
				}
			})
		})
	}
}

func TestGetForbiddenIsNoDenial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fakeClient(t)
		client.PrependReactor("get", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, apierrors.NewForbidden(accountsResource().GroupResource(), "sa", nil)
		})
		accounts := NewServiceAccounts(client, nil, discard())
		if _, err := accounts.Get(t.Context(), "widemo", "sa"); err == nil || errors.Is(err, inject.ErrNotFound) {
			t.Errorf("got %v, want an error that is not the pod's", err)
		}
	})
}

func TestStrip(t *testing.T) {
	annotations := map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "{}"}
	for i, key := range inject.ServiceAccountAnnotations() {
		annotations[key] = fmt.Sprint(i)
	}
	key, kept, err := keyed(object("sa", annotations))
	delete(annotations, "kubectl.kubernetes.io/last-applied-configuration")
	if err != nil || key != "widemo/sa" || !maps.Equal(kept.annotations(), annotations) {
		t.Errorf("got %s %v, %v, want our annotations only: %v", key, kept, err, annotations)
	}
	if _, _, err := keyed("tombstone"); err == nil {
		t.Error("got no error for what is no service account")
	}
}

// TestValues: whatever an annotation holds comes back.
func TestValues(t *testing.T) {
	for _, value := range []string{"", "x", "\x00\x01", "ü", strings.Repeat("long", 1000)} {
		annotations := map[string]string{}
		for _, key := range inject.ServiceAccountAnnotations() {
			annotations[key] = value
		}
		if got := relevant(annotations).annotations(); !maps.Equal(got, annotations) {
			t.Errorf("got %v, want %v", got, annotations)
		}
	}
}

// TestStoreCounts walks through everything a reflector does.
func TestStoreCounts(t *testing.T) {
	annotated := map[string]string{chain.AnnotationClientID: clientID}
	s := accountStore{filled: func(int) {}}
	steps := []struct {
		name             string
		do               func() error
		annotated, plain int
	}{
		{"replace", func() error { return s.Replace([]any{object("a", annotated), object("b", nil)}, "1") }, 1, 1},
		{"annotate", func() error { return s.Update(object("b", annotated)) }, 2, 0},
		{"again", func() error { return s.Update(object("b", annotated)) }, 2, 0},
		{"strip", func() error { return s.Update(object("a", nil)) }, 1, 1},
		{"add", func() error { return s.Add(object("c", nil)) }, 1, 2},
		{"delete_plain", func() error { return s.Delete(object("c", nil)) }, 1, 1},
		{"delete_annotated", func() error { return s.Delete(object("b", nil)) }, 0, 1},
		{"delete_absent", func() error { return s.Delete(object("z", nil)) }, 0, 1},
		{"replace_all", func() error { return s.Replace(nil, "2") }, 0, 0},
	}
	for _, step := range steps {
		err := step.do()
		if annotated, plain := s.count(); err != nil || annotated != step.annotated || plain != step.plain {
			t.Errorf("%s: got %d and %d, %v, want %d and %d", step.name, annotated, plain, err, step.annotated, step.plain)
		}
	}
}

func TestCachedAsksNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fakeClient(t, object("plain", nil))
		accounts := filled(t, client)
		if _, err := accounts.Cached().Get(t.Context(), "widemo", "plain"); err != nil {
			t.Error(err)
		}
		if _, err := accounts.Cached().Get(t.Context(), "widemo", "nobody"); !errors.Is(err, inject.ErrNotFound) || reads(client) != 0 {
			t.Errorf("got %v after %d live reads, want ErrNotFound and none", err, reads(client))
		}
	})
}

// TestLiveReadsAreToldOf: found, absent, failed.
func TestLiveReadsAreToldOf(t *testing.T) {
	client := fakeClient(t, object("there", nil))
	var told []LiveRead
	accounts := NewServiceAccounts(client, func(r LiveRead) { told = append(told, r) }, discard())
	client.PrependReactor("get", "serviceaccounts", func(action clienttesting.Action) (bool, runtime.Object, error) {
		return action.(clienttesting.GetAction).GetName() == "broken", nil, errors.New("connection refused")
	})
	for _, name := range []string{"there", "nowhere", "broken"} {
		_, _ = accounts.Get(t.Context(), "widemo", name)
	}
	if want := []LiveRead{LiveFound, LiveAbsent, LiveFailed}; !slices.Equal(told, want) {
		t.Errorf("got %v, want %v", told, want)
	}
}

// TestStoreIsSmall: 10,000 service accounts are what the chart's memory limit
// was measured with.
func TestStoreIsSmall(t *testing.T) {
	const n, most = 10_000, 250 // bytes for each
	before := heap()
	objects, transform := make([]any, n), new(accountStore).Transformer()
	for i := range objects {
		full := object(fmt.Sprintf("service-account-%05d", i), map[string]string{chain.AnnotationClientID: fmt.Sprintf("33333333-3333-3333-3333-%012d", i)})
		full.Namespace = fmt.Sprintf("namespace-%05d", i)
		stripped, err := transform(full)
		if err != nil {
			t.Fatal(err)
		}
		objects[i] = stripped
	}
	s := accountStore{filled: func(int) {}}
	if err := s.Replace(objects, "1"); err != nil {
		t.Fatal(err)
	}
	clear(objects)
	if each := (heap() - before) / n; each > most {
		t.Errorf("got %d bytes for each service account, want at most %d", each, most)
	}
	goruntime.KeepAlive(&s)
}

func heap() int {
	var stats goruntime.MemStats
	goruntime.GC()
	goruntime.ReadMemStats(&stats)
	return int(stats.HeapAlloc)
}
