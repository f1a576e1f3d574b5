package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// Leader has one replica at a time do what one alone should do. It holds a
// Lease by the rules of client-go's leaderelection, so that kubectl shows it
// and both could be mixed; that package itself brings all of Kubernetes' API
// types and would more than double the program.
//
// As there, a leader whose clock or connection stands still may think for a
// while that it still leads. What it writes is therefore conditional everywhere.
type Leader struct {
	Client    *Client
	Namespace string
	Name      string        // of the Lease
	Identity  string        // of this replica, unique
	Duration  time.Duration // how long others wait for a silent leader; DefaultLeaseDuration when 0
	Log       *slog.Logger

	leads    atomic.Bool
	observed observedLease
}

// DefaultLeaseDuration is that of Kubernetes' own components.
const DefaultLeaseDuration = 15 * time.Second

// microTime is the format of Kubernetes' MicroTime.
const microTime = "2006-01-02T15:04:05.000000Z07:00"

// observedLease is a version of the Lease and when this replica, by its own
// clock, first saw it. Clocks of different replicas are never compared.
type observedLease struct {
	version string
	at      time.Time
}

func leasesResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}
}

// Leads reports whether this replica leads.
func (l *Leader) Leads() bool { return l.leads.Load() }

// Run calls lead whenever this replica leads, with a context that is done once
// it does not any more, until its own context is done. It then gives the Lease
// back, so that another replica need not wait for it to expire.
func (l *Leader) Run(ctx context.Context, lead func(context.Context)) {
	lastError := ""
	for {
		held, err := l.hold(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case held:
			l.lead(ctx, lead)
			lastError = ""
		case err != nil && err.Error() != lastError:
			l.Log.Warn("leader election, trying again", "lease", l.Name, "error", err)
			lastError = err.Error()
		}
		if !sleep(ctx, l.duration()/8) {
			return
		}
	}
}

// lead runs it until the context is done or the Lease has not been renewed for
// two thirds of its duration.
func (l *Leader) lead(ctx context.Context, lead func(context.Context)) {
	l.leads.Store(true)
	l.Log.Info("leading", "lease", l.Name, "identity", l.Identity)
	leading, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		lead(leading)
	}()
	renewed := time.Now()
	for time.Since(renewed) < l.duration()*2/3 && sleep(ctx, l.duration()/8) {
		held, err := l.hold(ctx)
		if err == nil && !held {
			break // somebody else took it
		}
		if err == nil {
			renewed = time.Now()
		}
	}
	l.leads.Store(false)
	stop()
	<-done
	l.Log.Info("no longer leading", "lease", l.Name)
	if ctx.Err() != nil {
		l.release(context.WithoutCancel(ctx))
	}
}

func (l *Leader) duration() time.Duration {
	if l.Duration == 0 {
		return DefaultLeaseDuration
	}
	return l.Duration
}

func (l *Leader) leases() dynamic.ResourceInterface {
	return l.Client.Dynamic.Resource(leasesResource()).Namespace(l.Namespace)
}

// leaseTimeout bounds one request, so that a silent API server is noticed in time.
func (l *Leader) leaseTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, l.duration()/4)
}

// hold takes the Lease, or renews it, and reports whether this replica has it now.
func (l *Leader) hold(ctx context.Context) (bool, error) {
	ctx, cancel := l.leaseTimeout(ctx)
	defer cancel()
	lease, err := l.leases().Get(ctx, l.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return l.create(ctx)
	}
	if err != nil {
		return false, fmt.Errorf("reading Lease %q: %w", l.Name, err)
	}
	now := time.Now()
	if version := lease.GetResourceVersion(); version != l.observed.version {
		l.observed = observedLease{version, now}
	}
	holder, _, _ := unstructured.NestedString(lease.Object, "spec", "holderIdentity")
	seconds, _, _ := unstructured.NestedInt64(lease.Object, "spec", "leaseDurationSeconds")
	if holder != "" && holder != l.Identity && now.Before(l.observed.at.Add(time.Duration(seconds)*time.Second)) {
		return false, nil
	}
	l.take(lease, holder, now)
	stored, err := l.leases().Update(ctx, lease, metav1.UpdateOptions{})
	if apierrors.IsConflict(err) {
		return false, nil // another replica was faster
	}
	if err != nil {
		return false, fmt.Errorf("renewing Lease %q: %w", l.Name, err)
	}
	l.observed = observedLease{stored.GetResourceVersion(), now}
	return true, nil
}

// take writes this replica into the Lease.
func (l *Leader) take(lease *unstructured.Unstructured, holder string, now time.Time) {
	spec, _, _ := unstructured.NestedMap(lease.Object, "spec")
	if spec == nil {
		spec = map[string]any{}
	}
	at := now.UTC().Format(microTime)
	if holder != l.Identity {
		transitions, _, _ := unstructured.NestedInt64(lease.Object, "spec", "leaseTransitions")
		spec["leaseTransitions"], spec["acquireTime"] = transitions+1, at
	}
	spec["holderIdentity"], spec["renewTime"] = l.Identity, at
	spec["leaseDurationSeconds"] = int64(max(l.duration().Seconds(), 1))
	lease.Object["spec"] = spec
}

// create makes a Lease that is not there, which the chart makes otherwise.
func (l *Leader) create(ctx context.Context) (bool, error) {
	lease := newObject("coordination.k8s.io/v1", "Lease", l.Name)
	l.take(lease, "", time.Now())
	stored, err := l.leases().Create(ctx, lease, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("creating Lease %q: %w", l.Name, err)
	}
	l.observed = observedLease{stored.GetResourceVersion(), time.Now()}
	return true, nil
}

// release gives the Lease back if it is still this replica's.
func (l *Leader) release(ctx context.Context) {
	ctx, cancel := l.leaseTimeout(ctx)
	defer cancel()
	lease, err := l.leases().Get(ctx, l.Name, metav1.GetOptions{})
	if err == nil {
		holder, _, _ := unstructured.NestedString(lease.Object, "spec", "holderIdentity")
		if holder != l.Identity {
			return
		}
		err = errors.Join(
			unstructured.SetNestedField(lease.Object, "", "spec", "holderIdentity"),
			unstructured.SetNestedField(lease.Object, int64(1), "spec", "leaseDurationSeconds"))
	}
	if err == nil {
		_, err = l.leases().Update(ctx, lease, metav1.UpdateOptions{})
	}
	if err != nil && !apierrors.IsConflict(err) {
		l.Log.Warn("the Lease is not given back, it will expire", "lease", l.Name, "error", err)
	}
}

func newObject(apiVersion, kind, name string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind}}
	object.SetName(name)
	return object
}
