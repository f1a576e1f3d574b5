package storage

import (
	"time"

	"github.com/aksess/aksess/internal/fault"
)

// Infinite is the duration of a lease that ends only by release or break.
const Infinite = time.Duration(-1)

// Lease is the lock that a client holds on a blob or a container
// (https://learn.microsoft.com/rest/api/storageservices/lease-blob). The zero
// Lease was never taken, or was released. It is kept in the record that it
// locks, so that what is written under it and the lease itself change in one
// step; that it ends with time takes no write.
type Lease struct {
	ID       string        `json:"id,omitempty"`       // a GUID in lower case
	Duration time.Duration `json:"duration,omitempty"` // or Infinite
	Until    time.Time     `json:"until,omitzero"`     // when it expires; zero: never
	BreakAt  time.Time     `json:"breakAt,omitzero"`   // when a break takes effect; zero: it was not broken
}

// LeaseState is what a lease is at a moment, as the wire names it.
type LeaseState string

// The states of a lease.
const (
	LeaseAvailable LeaseState = "available"
	LeaseLeased    LeaseState = "leased"
	LeaseExpired   LeaseState = "expired"
	LeaseBreaking  LeaseState = "breaking"
	LeaseBroken    LeaseState = "broken"
)

// Locked reports whether the lease holds others off.
func (s LeaseState) Locked() bool { return s == LeaseLeased || s == LeaseBreaking }

// State returns the state of the lease at that time.
func (l Lease) State(now time.Time) LeaseState {
	switch {
	case l.ID == "":
		return LeaseAvailable
	case !l.BreakAt.IsZero() && now.Before(l.BreakAt):
		return LeaseBreaking
	case !l.BreakAt.IsZero():
		return LeaseBroken
	case !l.Until.IsZero() && !now.Before(l.Until):
		return LeaseExpired
	default:
		return LeaseLeased
	}
}

// Remaining is how long a lease that was broken still holds, 0 when it does not.
func (l Lease) Remaining(now time.Time) time.Duration { return max(l.BreakAt.Sub(now), 0) }

// afterWrite is the lease once its object was modified: one that does not hold
// any more is gone, so that its client cannot renew it.
func (l Lease) afterWrite(now time.Time) Lease {
	if l.State(now).Locked() {
		return l
	}
	return Lease{}
}

// leased is what the refusals about leases say of an object.
type leased struct {
	noun            string
	absent, another *fault.Kind
}

func leasedBlob() leased {
	return leased{noun: "blob", absent: LeaseNotPresentWithBlobOperation, another: LeaseIDMismatchWithBlobOperation}
}

func leasedContainer() leased {
	return leased{noun: "container", absent: LeaseNotPresentWithContainerOperation, another: LeaseIDMismatchWithContainerOperation}
}

// use decides whether a request that names that lease, or "" for none, may use
// an object. A lock that holds must be named where required; one that is named
// must hold
// (https://learn.microsoft.com/rest/api/storageservices/lease-blob#outcomes-of-use-attempts-on-blobs-by-lease-state).
func (l Lease) use(id string, required bool, now time.Time, of leased) error {
	locked := l.State(now).Locked()
	switch {
	case id == "" && locked && required:
		return LeaseIDMissing.New(of.noun)
	case id == "":
		return nil
	case l.ID == "":
		return of.absent.New()
	case l.ID != id:
		return of.another.New()
	case !locked:
		return LeaseLost.New(of.noun)
	default:
		return nil
	}
}

// LeaseChange is one operation on a lease. It returns the lease as it becomes,
// or why not. The noun is "blob" or "container".
type LeaseChange func(l Lease, now time.Time, noun string) (Lease, error)

// AcquireLease takes a lease under an id of the caller's choice for a duration,
// or for Infinite. Who holds it takes it anew.
func AcquireLease(id string, duration time.Duration) LeaseChange {
	return func(l Lease, now time.Time, _ string) (Lease, error) {
		switch state := l.State(now); {
		case state == LeaseBreaking && l.ID == id:
			return l, LeaseIsBreakingAndCannotBeAcquired.New()
		case state.Locked() && l.ID != id:
			return l, LeaseAlreadyPresent.New()
		}
		return Lease{ID: id, Duration: duration}.from(now), nil
	}
}

// from begins the lease's duration.
func (l Lease) from(now time.Time) Lease {
	l.Until = time.Time{}
	if l.Duration != Infinite {
		l.Until = now.Add(l.Duration)
	}
	return l
}

// RenewLease begins the duration of a lease again, also when it expired and the
// object was neither modified nor leased since.
func RenewLease(id string) LeaseChange {
	return func(l Lease, now time.Time, noun string) (Lease, error) {
		if l.ID != id {
			return l, LeaseIDMismatchWithLeaseOperation.New(noun)
		}
		if !l.BreakAt.IsZero() {
			return l, LeaseIsBrokenAndCannotBeRenewed.New()
		}
		return l.from(now), nil
	}
}

// ChangeLease gives an active lease another id. Doing so twice does no harm.
func ChangeLease(id, proposed string) LeaseChange {
	return func(l Lease, now time.Time, noun string) (Lease, error) {
		state := l.State(now)
		switch {
		case !state.Locked():
			return l, LeaseNotPresentWithLeaseOperation.New(noun)
		case l.ID != id && l.ID != proposed:
			return l, LeaseIDMismatchWithLeaseOperation.New(noun)
		case state == LeaseBreaking:
			return l, LeaseIsBreakingAndCannotBeChanged.New()
		}
		l.ID = proposed
		return l, nil
	}
}

// ReleaseLease ends a lease, so that it can be taken at once.
func ReleaseLease(id string) LeaseChange {
	return func(l Lease, _ time.Time, noun string) (Lease, error) {
		if l.ID != id {
			return l, LeaseIDMismatchWithLeaseOperation.New(noun)
		}
		return Lease{}, nil
	}
}

// BreakLease ends a lease without its id, after the period at the latest. With
// a period below 0 a lease goes on for what is left of it, an infinite one ends
// at once.
func BreakLease(period time.Duration) LeaseChange {
	return func(l Lease, now time.Time, noun string) (Lease, error) {
		var left time.Duration
		switch l.State(now) {
		case LeaseAvailable:
			return l, LeaseNotPresentWithLeaseOperation.New(noun)
		case LeaseBroken:
			return l, nil
		case LeaseBreaking:
			left = l.BreakAt.Sub(now)
		case LeaseLeased:
			left = max(period, 0)
			if !l.Until.IsZero() {
				left = l.Until.Sub(now)
			}
		}
		if period >= 0 {
			left = min(left, period)
		}
		l.BreakAt = now.Add(left)
		return l, nil
	}
}
