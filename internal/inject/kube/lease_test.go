package kube

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"
)

const leaseNamespace = "aksess-system"

// candidate is a replica that runs for leader.
type candidate struct {
	*Leader
	stop func()
}

func campaign(client *dynamicfake.FakeDynamicClient, identity string, lead func(context.Context)) candidate {
	leader := &Leader{Client: &Client{Dynamic: client}, Namespace: leaseNamespace, Name: "aksess-webhook", Identity: identity, Log: discard()}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		leader.Run(ctx, lead)
	}()
	return candidate{leader, func() { cancel(); <-done }}
}

func untilDone(ctx context.Context) { <-ctx.Done() }

func emptyLease() *unstructured.Unstructured {
	lease := newObject("coordination.k8s.io/v1", "Lease", "aksess-webhook")
	lease.SetNamespace(leaseNamespace)
	lease.SetResourceVersion("1")
	return lease
}

// holder returns who the Lease says leads.
func holder(t *testing.T, client *dynamicfake.FakeDynamicClient) string {
	t.Helper()
	lease, err := client.Resource(leasesResource()).Namespace(leaseNamespace).Get(t.Context(), "aksess-webhook", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	name, _, _ := unstructured.NestedString(lease.Object, "spec", "holderIdentity")
	return name
}

// TestLeaderHandsOver: one leads, whether the chart made the Lease or nobody
// did, and one that ends is followed at once, not when its Lease expires.
func TestLeaderHandsOver(t *testing.T) {
	for name, objects := range map[string][]runtime.Object{"made_by_the_chart": {emptyLease()}, "missing": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := fakeDynamic(objects...)
				versioned(client)
				a := campaign(client, "a", untilDone)
				synctest.Wait()
				b := campaign(client, "b", untilDone)
				time.Sleep(time.Minute)
				synctest.Wait()
				if !a.Leads() || b.Leads() || holder(t, client) != "a" {
					t.Fatalf("got a %v, b %v, Lease of %q, want a alone", a.Leads(), b.Leads(), holder(t, client))
				}
				a.stop()
				time.Sleep(DefaultLeaseDuration / 4)
				synctest.Wait()
				if a.Leads() || !b.Leads() || holder(t, client) != "b" {
					t.Fatalf("got a %v, b %v, Lease of %q, want b soon after a has ended", a.Leads(), b.Leads(), holder(t, client))
				}
				b.stop()
			})
		})
	}
}

// TestLeaderThatIsCutOff stops leading before another replica may begin.
func TestLeaderThatIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fakeDynamic(emptyLease())
		versioned(client)
		var cut atomic.Bool
		var leading atomic.Int32
		lead := func(ctx context.Context) {
			if leading.Add(1) > 1 {
				t.Error("two replicas lead")
			}
			<-ctx.Done()
			leading.Add(-1)
		}
		client.PrependReactor("update", "leases", func(action clienttesting.Action) (bool, runtime.Object, error) {
			object := action.(clienttesting.UpdateAction).GetObject().(*unstructured.Unstructured)
			name, _, _ := unstructured.NestedString(object.Object, "spec", "holderIdentity")
			if name == "a" && cut.Load() {
				return true, nil, errors.New("no route to host")
			}
			return false, nil, nil
		})
		a := campaign(client, "a", lead)
		synctest.Wait()
		b := campaign(client, "b", lead)
		time.Sleep(time.Minute)
		cut.Store(true)
		time.Sleep(2 * DefaultLeaseDuration)
		synctest.Wait()
		if a.Leads() || !b.Leads() {
			t.Errorf("got a %v, b %v, want b to follow a leader that is cut off", a.Leads(), b.Leads())
		}
		a.stop()
		b.stop()
	})
}

// TestLeadersTakeTurns: however many run and end, never two at a time.
func TestLeadersTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fakeDynamic()
		versioned(client)
		var leading, turns atomic.Int32
		lead := func(ctx context.Context) {
			if leading.Add(1) > 1 {
				t.Error("two replicas lead")
			}
			turns.Add(1)
			<-ctx.Done()
			leading.Add(-1)
		}
		candidates := make([]candidate, 3)
		for i := range candidates {
			candidates[i] = campaign(client, fmt.Sprint("first-", i), lead)
		}
		for i := range 20 {
			time.Sleep(DefaultLeaseDuration)
			candidates[i%3].stop()
			candidates[i%3] = campaign(client, fmt.Sprint("again-", i), lead)
		}
		var ending sync.WaitGroup
		for _, c := range candidates {
			ending.Go(c.stop)
		}
		ending.Wait()
		if turns.Load() < 5 {
			t.Errorf("got %d turns, want them to change", turns.Load())
		}
	})
}
