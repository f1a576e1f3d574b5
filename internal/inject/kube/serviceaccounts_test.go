package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
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

func account(name string, annotations map[string]string) *metav1.PartialObjectMetadata {
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
	accounts, err := NewServiceAccounts(client, discard())
	if err != nil {
		t.Fatal(err)
	}
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
		sleep()
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
		client := fakeClient(t, account("wi-demo-sa", map[string]string{chain.AnnotationClientID: clientID, "other": "x"}),
			account("several", map[string]string{chain.AnnotationClientIDs: "a=" + clientID}))
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
		if err := tracker.Create(accountsResource(), account("new", map[string]string{chain.AnnotationClientID: clientID}), "widemo"); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool { return len(accounts.informer.GetStore().List()) == 1 })
		if _, err := accounts.Get(t.Context(), "widemo", "new"); err != nil || reads(client) != 0 {
			t.Errorf("got %v after %d live reads, want none", err, reads(client))
		}
		if err := tracker.Delete(accountsResource(), "widemo", "new"); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool { return len(accounts.informer.GetStore().List()) == 0 })
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
		{name: "made_after_the_cache", later: account("sa", annotated), want: annotated, wantReads: 1},
		{name: "annotated_after_the_cache", cached: account("sa", nil), later: account("sa", annotated), want: annotated, wantReads: 1},
		{name: "never_annotated", cached: account("sa", map[string]string{"x": "y"}), want: nil, wantReads: 1},
		{name: "absent", wantErr: inject.ErrNotFound, wantReads: 1},
		{name: "outage", failure: outage, wantErr: outage, wantReads: 1},
		{name: "outage_but_cached", cached: account("sa", nil), failure: outage, wantReads: 1},
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
		accounts, err := NewServiceAccounts(client, discard())
		if err != nil {
			t.Fatal(err)
		}
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
	object, err := strip(account("sa", annotations))
	if err != nil {
		t.Fatal(err)
	}
	got := object.(*metav1.PartialObjectMetadata)
	if len(got.Annotations) != len(annotations)-1 || got.Labels != nil || got.ManagedFields != nil || got.Name != "sa" || got.ResourceVersion != "1" {
		t.Errorf("got %+v, want name, version and our annotations only", got)
	}
	if other, err := strip("tombstone"); err != nil || other != "tombstone" {
		t.Errorf("got %v, %v, want other objects as they are", other, err)
	}
}
