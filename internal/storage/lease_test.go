package storage

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/fault"
	"github.com/aksess/aksess/internal/store/memory"
)

// TestLeaseOutcomes is the table of outcomes of lease operations by state
// (https://learn.microsoft.com/rest/api/storageservices/lease-blob#outcomes-of-lease-operations-on-blobs-by-lease-state).
func TestLeaseOutcomes(t *testing.T) {
	now := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	in := func(seconds int) time.Time { return now.Add(time.Duration(seconds) * time.Second) }
	const sec = time.Second
	states := map[LeaseState]Lease{
		LeaseAvailable: {},
		LeaseLeased:    {ID: "a", Duration: 30 * sec, Until: in(20)},
		LeaseBreaking:  {ID: "a", Duration: 30 * sec, Until: in(20), BreakAt: in(10)},
		LeaseBroken:    {ID: "a", Duration: 30 * sec, Until: in(20), BreakAt: in(0)},
		LeaseExpired:   {ID: "a", Duration: 30 * sec, Until: in(0)},
	}
	for state, lease := range states {
		if got := lease.State(now); got != state {
			t.Fatalf("%+v: got state %s, want %s", lease, got, state)
		}
	}
	type outcome struct {
		state LeaseState
		id    string
		err   *fault.Kind
	}
	to := func(state LeaseState, id string) outcome { return outcome{state: state, id: id} }
	no := func(err *fault.Kind) outcome { return outcome{err: err} }
	gone, mismatch := no(LeaseNotPresentWithLeaseOperation), no(LeaseIDMismatchWithLeaseOperation)
	for _, test := range []struct {
		name                                         string
		change                                       LeaseChange
		available, leased, breaking, broken, expired outcome
	}{
		{"acquire-a", AcquireLease("a", 15*sec), to(LeaseLeased, "a"), to(LeaseLeased, "a"), no(LeaseIsBreakingAndCannotBeAcquired), to(LeaseLeased, "a"), to(LeaseLeased, "a")},
		{"acquire-b", AcquireLease("b", 15*sec), to(LeaseLeased, "b"), no(LeaseAlreadyPresent), no(LeaseAlreadyPresent), to(LeaseLeased, "b"), to(LeaseLeased, "b")},
		{"break-now", BreakLease(0), gone, to(LeaseBroken, "a"), to(LeaseBroken, "a"), to(LeaseBroken, "a"), to(LeaseBroken, "a")},
		{"break-later", BreakLease(5 * sec), gone, to(LeaseBreaking, "a"), to(LeaseBreaking, "a"), to(LeaseBroken, "a"), to(LeaseBroken, "a")},
		{"break", BreakLease(-1), gone, to(LeaseBreaking, "a"), to(LeaseBreaking, "a"), to(LeaseBroken, "a"), to(LeaseBroken, "a")},
		{"change-a-to-b", ChangeLease("a", "b"), gone, to(LeaseLeased, "b"), no(LeaseIsBreakingAndCannotBeChanged), gone, gone},
		{"change-b-to-a", ChangeLease("b", "a"), gone, to(LeaseLeased, "a"), no(LeaseIsBreakingAndCannotBeChanged), gone, gone},
		{"change-b-to-c", ChangeLease("b", "c"), gone, mismatch, mismatch, gone, gone},
		{"renew-a", RenewLease("a"), mismatch, to(LeaseLeased, "a"), no(LeaseIsBrokenAndCannotBeRenewed), no(LeaseIsBrokenAndCannotBeRenewed), to(LeaseLeased, "a")},
		{"renew-b", RenewLease("b"), mismatch, mismatch, mismatch, mismatch, mismatch},
		{"release-a", ReleaseLease("a"), mismatch, to(LeaseAvailable, ""), to(LeaseAvailable, ""), to(LeaseAvailable, ""), to(LeaseAvailable, "")},
		{"release-b", ReleaseLease("b"), mismatch, mismatch, mismatch, mismatch, mismatch},
	} {
		for state, want := range map[LeaseState]outcome{
			LeaseAvailable: test.available, LeaseLeased: test.leased, LeaseBreaking: test.breaking, LeaseBroken: test.broken, LeaseExpired: test.expired,
		} {
			t.Run(test.name+"-"+string(state), func(t *testing.T) {
				got, err := test.change(states[state], now, "blob")
				if want.err != nil {
					if !errors.Is(err, want.err) || got != states[state] {
						t.Errorf("got %+v, %v, want %s and no change", got, err, want.err.Code)
					}
					return
				}
				if err != nil || got.State(now) != want.state || got.ID != want.id {
					t.Errorf("got %s %+v, %v, want %s of %q", got.State(now), got, err, want.state, want.id)
				}
			})
		}
	}
}

// TestLeaseTimes: how long a lease that is renewed or broken goes on.
func TestLeaseTimes(t *testing.T) {
	now := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	later := now.Add(10 * time.Second)
	fixed, _ := AcquireLease("a", 30*time.Second)(Lease{}, now, "blob")
	infinite, _ := AcquireLease("a", Infinite)(Lease{}, now, "blob")
	if !infinite.Until.IsZero() || infinite.State(now.Add(1e6*time.Hour)) != LeaseLeased {
		t.Errorf("infinite: got %+v", infinite)
	}
	for _, test := range []struct {
		name   string
		lease  Lease
		period time.Duration
		want   time.Duration
	}{
		{"rest", fixed, -1, 20 * time.Second},
		{"period", fixed, 5 * time.Second, 5 * time.Second},
		{"no-longer-than-the-rest", fixed, 60 * time.Second, 20 * time.Second},
		{"infinite-at-once", infinite, -1, 0},
		{"infinite-period", infinite, 60 * time.Second, 60 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			broken, err := BreakLease(test.period)(test.lease, later, "blob")
			if err != nil || broken.Remaining(later) != test.want {
				t.Fatalf("got %s, %v, want %s", broken.Remaining(later), err, test.want)
			}
			longer, err := BreakLease(60*time.Second)(broken, later, "blob")
			if err != nil || longer.Remaining(later) != test.want {
				t.Errorf("broken again for longer: got %s, %v, want %s", longer.Remaining(later), err, test.want)
			}
			if state := broken.State(later.Add(test.want)); state != LeaseBroken {
				t.Errorf("after that: got %s, want broken", state)
			}
		})
	}
	renewed, err := RenewLease("a")(fixed, later, "blob")
	if err != nil || !renewed.Until.Equal(later.Add(30*time.Second)) {
		t.Errorf("renewed: got %+v, %v", renewed, err)
	}
}

// TestOneLeaseHolder: of many that reach for a lease at once, one gets it.
func TestOneLeaseHolder(t *testing.T) {
	w := newWorld(t, memory.New())
	c := w.container("con")
	if _, err := w.put(t.Context(), c, Write{Name: "lock"}, ""); err != nil {
		t.Fatal(err)
	}
	var holders atomic.Int64
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			_, err := w.blobs.LeaseBlob(t.Context(), c, "lock", Conditions{}, AcquireLease(string(rune('a'+i)), Infinite))
			switch {
			case err == nil:
				holders.Add(1)
			case !errors.Is(err, LeaseAlreadyPresent):
				t.Errorf("got %v, want LeaseAlreadyPresent", err)
			}
		})
	}
	wg.Wait()
	if got := holders.Load(); got != 1 {
		t.Errorf("got %d holders, want 1", got)
	}
}
