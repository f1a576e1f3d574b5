package inject

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"
)

// trust is what API servers have been told, and what they knew a while ago.
type trust struct {
	clock   *clock
	fails   func() bool
	between func() // happens after a leader has read the store, before it publishes; may be nil
	bundle  []byte
	history []told
}

type told struct {
	at     time.Time
	bundle []byte
}

var errPublish = errors.New("the API server is away")

func (p *trust) publish(_ context.Context, own []byte) error {
	if between := p.between; between != nil {
		p.between = nil
		between()
		p.between = between
	}
	if p.fails() {
		return errPublish
	}
	merged, err := MergeBundle(p.bundle, own, p.clock.Now())
	if err != nil {
		return err
	}
	p.bundle = merged
	p.history = append(p.history, told{p.clock.Now(), merged})
	return nil
}

// asOf is the bundle of an API server that is late by that time.
func (p *trust) asOf(late time.Duration) []byte {
	var bundle []byte
	for _, t := range p.history {
		if !t.at.After(p.clock.Now().Add(-late)) {
			bundle = t.bundle
		}
	}
	return bundle
}

func never() bool { return false }

// twoLeaders are replicas that both think they lead, on one store.
func twoLeaders(clock *clock, store CertificateStore, p *trust) [2]*Certificates {
	var leaders [2]*Certificates
	for i := range leaders {
		leaders[i] = NewCertificates(CertificatesConfig{
			Names: serviceNames, Now: clock.Now, Store: store, SharedStore: "secret a/b", Publish: p.publish,
		})
	}
	return leaders
}

// serving reads the pair that every replica serves out of the store.
func serving(t *testing.T, store *MemoryCertificates) rotation {
	t.Helper()
	stored, err := store.Load(context.Background())
	if errors.Is(err, ErrNoCertificates) {
		return rotation{}
	}
	if err != nil {
		t.Fatal(err)
	}
	r, err := decodeRotation(stored.Files)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestTwoLeadersNeverOutrunTrust: whatever fails, and whoever leads, no
// certificate is served that an API server which is late by nearly the overlap
// does not trust, and the bundle stays short.
func TestTwoLeadersNeverOutrunTrust(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed_", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			clock, store := newClock(), new(MemoryCertificates)
			p := &trust{clock: clock, fails: func() bool { return random.IntN(4) == 0 }}
			leaders, other := twoLeaders(clock, store, p), twoLeaders(clock, store, p)[0]
			p.between = func() {
				if random.IntN(3) == 0 {
					clock.advance(time.Minute)
					_, _ = other.Rotate(context.Background())
				}
			}
			overlap := DefaultLives().Overlap
			first := time.Time{}
			serials := map[string]bool{}
			for range 400 {
				if random.IntN(60) == 0 {
					emptyAuthority(store)
				}
				pause := 72 * time.Hour
				switch _, err := leaders[random.IntN(2)].Rotate(context.Background()); {
				case errors.Is(err, errPublish), errors.Is(err, ErrCertificatesChanged):
					pause = time.Hour
				case err != nil:
					t.Fatal(err)
				}
				if leaf := serving(t, store).leaf; leaf != nil {
					if first.IsZero() {
						first = clock.Now()
					}
					late := min(clock.Now().Sub(first), overlap-time.Minute)
					if err := trusts(p.asOf(late), leaf, serviceNames[0], clock.Now()); err != nil {
						t.Fatalf("%s after the first certificate, an API server that is late by %s: %v", clock.Now().Sub(first), late, err)
					}
					serials[leaf.Leaf.SerialNumber.String()] = true
				}
				clock.advance(time.Duration(random.Int64N(int64(pause))))
			}
			if certificates, err := parseCertificates(p.bundle); err != nil || len(certificates) > 5 {
				t.Errorf("got a bundle of %d, %v, want the authorities of the last two weeks at most", len(certificates), err)
			}
			if len(serials) < 20 {
				t.Errorf("got %d certificates in %s, want the rotation to go on", len(serials), clock.Now().Sub(first))
			}
		})
	}
}

// emptyAuthority does what somebody does who wants a new authority.
func emptyAuthority(store *MemoryCertificates) {
	store.mu.Lock()
	defer store.mu.Unlock()
	store.saves++
	store.stored = maps.Clone(store.stored)
	maps.DeleteFunc(store.stored, func(name string, _ []byte) bool {
		return name != FileCertificate && name != FileCertificateKey && name != FileBundle
	})
}

func TestNothingIsServedBeforePublication(t *testing.T) {
	clock, store := newClock(), new(MemoryCertificates)
	away := true
	p := &trust{clock: clock, fails: func() bool { return away }}
	c := twoLeaders(clock, store, p)[0]
	for range 3 {
		if _, err := c.Rotate(context.Background()); !errors.Is(err, errPublish) || c.Ready() == nil {
			t.Fatalf("got %v, ready %v, want the publication's error and nothing served", err, c.Ready())
		}
		clock.advance(time.Hour)
	}
	before := c.Bundle()
	away = false
	if _, err := c.Rotate(context.Background()); err != nil || c.Ready() != nil {
		t.Fatalf("got %v, ready %v", err, c.Ready())
	}
	if !bytes.Equal(before, c.Bundle()) {
		t.Error("got another authority than the one that was to be published")
	}
}

// TestRenewalWithoutPublication: an API server that is away for long does not
// keep a known authority from signing.
func TestRenewalWithoutPublication(t *testing.T) {
	clock, store := newClock(), new(MemoryCertificates)
	away := false
	p := &trust{clock: clock, fails: func() bool { return away }}
	c := twoLeaders(clock, store, p)[0]
	if _, err := c.Rotate(context.Background()); err != nil {
		t.Fatal(err)
	}
	away = true
	for range 300 {
		_, _ = c.Rotate(context.Background())
		if err := c.Ready(); err != nil {
			t.Fatal(err)
		}
		if err := trusts(p.bundle, leafOf(t, c), serviceNames[0], clock.Now()); err != nil {
			t.Fatal(err)
		}
		clock.advance(24 * time.Hour)
	}
}

// TestEmptiedAuthority: a new authority on demand goes through the overlap too,
// and the one that was taken away is trusted no longer than that.
func TestEmptiedAuthority(t *testing.T) {
	clock, store := newClock(), new(MemoryCertificates)
	p := &trust{clock: clock, fails: never}
	c := twoLeaders(clock, store, p)[0]
	rotate := func() {
		t.Helper()
		if _, err := c.Rotate(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	rotate()
	old := serving(t, store)
	clock.advance(time.Minute)
	emptyAuthority(store)
	rotate()
	if now := serving(t, store); !now.leaf.Leaf.Equal(old.leaf.Leaf) || now.next == nil || !Covers(p.bundle, encodeCertificates(old.current.certificate, now.next.certificate)) {
		t.Fatal("want the old certificate and both authorities published")
	}
	clock.advance(DefaultLives().Overlap)
	rotate()
	if now := serving(t, store); now.leaf.Leaf.Equal(old.leaf.Leaf) || now.leaf.Leaf.CheckSignatureFrom(old.current.certificate) == nil {
		t.Fatal("want a certificate of the new authority after the overlap")
	}
	clock.advance(DefaultLives().Overlap)
	rotate()
	if Covers(p.bundle, encodeCertificates(old.current.certificate)) {
		t.Error("the authority that was taken away is published for longer than the overlap")
	}
}

func TestLivesValidate(t *testing.T) {
	if err := DefaultLives().Validate(); err != nil {
		t.Error(err)
	}
	for name, lives := range map[string]Lives{
		"short":        {Authority: time.Second, Leaf: time.Hour},
		"short_leaf":   {Authority: time.Hour},
		"long_overlap": {Authority: time.Hour, Leaf: time.Hour, Overlap: time.Hour},
		"negative":     {Authority: time.Hour, Leaf: time.Hour, Overlap: -1},
	} {
		if lives.Validate() == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}
