package issuer

import (
	"context"
	"crypto/x509"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/jose"
	"github.com/aksess/aksess/internal/store"
)

func newRing(b *workbench, change func(*RingOptions)) *Ring {
	o := RingOptions{
		Store: b.store, Kind: "test.keys", Key: "k", Pool: b.pool, Now: b.clock.Now,
		Overlap: time.Hour, Linger: 24 * time.Hour,
	}
	if change != nil {
		change(&o)
	}
	return NewRing(o)
}

// states lists the published keys' states, oldest first.
func states(t *testing.T, b *workbench, r *Ring) []State {
	t.Helper()
	keys, err := r.Published(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var list []State
	for _, key := range keys {
		list = append(list, key.State(b.clock.Now()))
	}
	return list
}

func want(t *testing.T, when string, got []State, want ...State) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s: got %v, want %v", when, got, want)
	}
}

func signing(t *testing.T, r *Ring) *Key {
	t.Helper()
	key, err := r.Signing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestRotationOverlaps(t *testing.T) {
	b := newWorkbench(t)
	ring := newRing(b, nil)
	first := signing(t, ring)
	want(t, "at first", states(t, b, ring), StateActive)
	token, err := jose.Sign(first.SigningKey, jose.HeaderExtras{}, map[string]string{"sub": "x"})
	if err != nil {
		t.Fatal(err)
	}

	moment, err := ring.Rotate(t.Context())
	if err != nil || !moment.Equal(b.clock.Now().Add(time.Hour)) {
		t.Fatalf("got moment %v, %v, want in an hour", moment, err)
	}
	want(t, "after rotate", states(t, b, ring), StateActive, StatePublished)
	if again, err := ring.Rotate(t.Context()); err != nil || !again.Equal(moment) {
		t.Errorf("got %v, %v from a second rotate, want the same moment", again, err)
	}
	want(t, "after a second rotate", states(t, b, ring), StateActive, StatePublished)

	b.clock.advance(time.Hour - time.Second)
	if got := signing(t, ring).Kid(); got != first.Kid() {
		t.Errorf("got %s signing before the moment, want the first key", got)
	}
	b.clock.advance(time.Second)
	if got := signing(t, ring).Kid(); got == first.Kid() {
		t.Error("the first key signs after the moment")
	}
	want(t, "at the moment", states(t, b, ring), StateRetired, StateActive)

	b.clock.advance(24*time.Hour - time.Second)
	keys, err := ring.KeySet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	verify(t, token, keys)
	b.clock.advance(time.Second)
	want(t, "after the last token", states(t, b, ring), StateActive)
	if keys, err = ring.KeySet(t.Context()); err != nil || keys.Len() != 1 {
		t.Errorf("got %d keys, %v, want 1", keys.Len(), err)
	}
	if _, ok, err := ring.Verifying(t.Context(), first.Kid()); ok || err != nil {
		t.Errorf("got %v %v for the lapsed key, want not verifying", ok, err)
	}
	if err := ring.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	item, err := ring.records.Get(t.Context(), "k")
	if err != nil || len(item.Value.Keys) != 1 {
		t.Errorf("got %d stored keys, %v, want the lapsed one dropped", len(item.Value.Keys), err)
	}
}

func TestStandbyAndPeriod(t *testing.T) {
	b := newWorkbench(t)
	ring := newRing(b, func(o *RingOptions) { o.Standby, o.Period = true, 30*24*time.Hour })
	first := signing(t, ring)
	if err := ring.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(t, "maintained", states(t, b, ring), StateActive, StatePublished)
	b.clock.advance(30 * 24 * time.Hour)
	if err := ring.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(t, "after the period, the standby signs at once", states(t, b, ring), StateRetired, StateActive, StatePublished)
	if signing(t, ring).Kid() == first.Kid() {
		t.Error("the first key signs after its period")
	}
}

func TestRevoke(t *testing.T) {
	tests := []struct {
		name    string
		standby bool
		rotate  bool
		victim  int
		want    []State
	}{
		{name: "only_key", victim: 0, want: []State{StateActive}},
		{name: "active_with_standby", standby: true, victim: 0, want: []State{StateActive, StatePublished}},
		{name: "standby", standby: true, victim: 1, want: []State{StateActive, StatePublished}},
		{name: "active_before_its_successor", rotate: true, victim: 0, want: []State{StateActive}},
		{name: "scheduled_successor", rotate: true, victim: 1, want: []State{StateActive}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := newWorkbench(t)
			ring := newRing(b, func(o *RingOptions) { o.Standby = test.standby })
			signing(t, ring)
			if err := ring.Maintain(t.Context()); err != nil {
				t.Fatal(err)
			}
			if test.rotate {
				if _, err := ring.Rotate(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			keys, err := ring.Published(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			victim := keys[test.victim].Kid()
			if err := ring.Revoke(t.Context(), victim); err != nil {
				t.Fatal(err)
			}
			want(t, "revoked", states(t, b, ring), test.want...)
			if _, ok, _ := ring.Verifying(t.Context(), victim); ok {
				t.Error("the revoked key still verifies")
			}
			b.clock.advance(2 * time.Hour) // past any moment that was set before
			want(t, "two hours later", states(t, b, ring), test.want...)
			b.clock.advance(48 * time.Hour)
			if key := signing(t, ring); key.Kid() == victim || key.State(b.clock.Now()) != StateActive {
				t.Errorf("got %s key %s signing days later", key.State(b.clock.Now()), key.Kid())
			}
		})
	}
	b := newWorkbench(t)
	if err := newRing(b, nil).Revoke(t.Context(), "nobody"); !errors.Is(err, ErrNoKey) {
		t.Errorf("got %v, want ErrNoKey", err)
	}
}

func TestRingSurvivesRestartsAndReplicas(t *testing.T) {
	b := newWorkbench(t)
	one, other := newRing(b, nil), newRing(b, nil)
	first := signing(t, one)
	if got := signing(t, other).Kid(); got != first.Kid() {
		t.Errorf("got key %s in the other replica, want %s", got, first.Kid())
	}
	if _, err := other.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(t, "the first replica", states(t, b, one), StateActive, StatePublished)
}

func TestClockSetBack(t *testing.T) {
	b := newWorkbench(t)
	ring := newRing(b, nil)
	first := signing(t, ring)
	b.clock.advance(-24 * time.Hour)
	if got := signing(t, ring).Kid(); got != first.Kid() {
		t.Errorf("got key %s, want the first one", got)
	}
}

func TestCertifyNamesTheKey(t *testing.T) {
	b := newWorkbench(t)
	certify := func(key *jose.SigningKey, now time.Time) (string, *x509.Certificate, error) {
		certificate, err := key.SelfSigned("test", now, now.Add(time.Hour))
		if err != nil {
			return "", nil, err
		}
		return jose.Thumbprint(certificate), certificate, nil
	}
	key := signing(t, newRing(b, func(o *RingOptions) { o.Certify = certify }))
	if key.Certificate == nil || key.Kid() != jose.Thumbprint(key.Certificate) {
		t.Errorf("got kid %s, certificate %v", key.Kid(), key.Certificate)
	}
}

// TestManyWaitForTheFirstKey: all get the same one, and one is made.
func TestManyWaitForTheFirstKey(t *testing.T) {
	b := newWorkbench(t)
	ring := newRing(b, func(o *RingOptions) { o.Standby = true })
	kids := make([]string, 32)
	var group sync.WaitGroup
	for i := range kids {
		group.Go(func() {
			if key, err := ring.Signing(t.Context()); err == nil {
				kids[i] = key.Kid()
			}
		})
	}
	group.Wait()
	for _, kid := range kids {
		if kid == "" || kid != kids[0] {
			t.Errorf("got key %q, want %q for all", kid, kids[0])
		}
	}
	want(t, "first", states(t, b, ring), StateActive)
}

// TestReplicasRaceToAnEmptyRing: two replicas that start at once agree on the keys.
func TestReplicasRaceToAnEmptyRing(t *testing.T) {
	b := newWorkbench(t)
	rings := []*Ring{}
	for range 4 {
		rings = append(rings, newRing(b, func(o *RingOptions) { o.Standby = true }))
	}
	var group sync.WaitGroup
	for _, ring := range rings {
		group.Go(func() {
			if err := ring.Maintain(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, ring := range rings {
		want(t, "after the race", states(t, b, ring), StateActive, StatePublished)
		if signing(t, ring).Kid() != signing(t, rings[0]).Kid() {
			t.Error("the replicas sign with different keys")
		}
	}
}

// TestReplicasRotateAtOnce: however many replicas notice the key's age, it is replaced once.
func TestReplicasRotateAtOnce(t *testing.T) {
	b := newWorkbench(t)
	rings := []*Ring{}
	for range 4 {
		rings = append(rings, newRing(b, func(o *RingOptions) { o.Standby, o.Period = true, 30*24*time.Hour }))
	}
	if err := rings[0].Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.clock.advance(30 * 24 * time.Hour)
	var group sync.WaitGroup
	for _, ring := range rings {
		group.Go(func() {
			if err := ring.Maintain(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	want(t, "after the race", states(t, b, rings[0]), StateRetired, StateActive, StatePublished)
}

func TestRingStoredByAnotherVersionOfItself(t *testing.T) {
	b := newWorkbench(t)
	ring := newRing(b, nil)
	if _, err := ring.records.Put(t.Context(), "k", ringRecord{Keys: []keyRecord{{Kid: "x", PEM: []byte("not PEM")}}}, store.Always()); err != nil {
		t.Fatal(err)
	}
	if _, err := ring.Signing(t.Context()); !errors.Is(err, jose.ErrKey) {
		t.Errorf("got %v, want jose.ErrKey", err)
	}
}

func TestWaitingForTheRingEnds(t *testing.T) {
	b := newWorkbench(t)
	ring := newRing(b, nil)
	<-ring.change // somebody changes the ring
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range map[string]func() error{
		"signing": func() error { _, err := ring.Signing(ctx); return err },
		"ensure":  func() error { return ring.Ensure(ctx) },
		"rotate":  func() error { _, err := ring.Rotate(ctx); return err },
		"revoke":  func() error { return ring.Revoke(ctx, "x") },
		"upkeep":  func() error { return ring.Maintain(ctx) },
	} {
		if err := call(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want the context's error", name, err)
		}
	}
}
