package issuer

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/aksess/aksess/internal/jose"
	"github.com/aksess/aksess/internal/store"
)

// ErrNoKey is what Revoke returns for a key that the ring does not hold.
var ErrNoKey = errors.New("no such key in the ring")

// RingOptions configures a Ring. Store, Kind, Key, Pool and Now are required.
type RingOptions struct {
	Store store.Store
	Kind  string // of the ring's document
	Key   string // of the ring's document
	Pool  *KeyPool
	Now   func() time.Time
	// Overlap is how long a key is published before it signs: as long as
	// verifiers may keep the key set. The first key of a ring signs at once.
	Overlap time.Duration
	// Linger is how long a retired key stays published: the longest life of a token.
	Linger time.Duration
	// Standby keeps the next key published at all times, so that the set has two.
	Standby bool
	// Period is the age at which Maintain replaces the active key; 0 never does.
	Period time.Duration
	// Certify names a new key and may make a certificate for it. nil gives the
	// key the id that kube-apiserver would, and no certificate.
	Certify func(key *jose.SigningKey, now time.Time) (kid string, certificate *x509.Certificate, err error)
}

// Key is one key of a ring.
type Key struct {
	*jose.SigningKey
	Certificate *x509.Certificate // nil without Certify
	Published   time.Time         // since when it is in the key set
	Active      time.Time         // since or from when it signs; zero while no moment is set
	Retired     time.Time         // since or from when it signs no more; zero while no moment is set
}

// State is where a key is in its life.
type State string

// The states, in order.
const (
	StatePublished State = "published"
	StateActive    State = "active"
	StateRetired   State = "retired"
)

// State returns the key's state at a moment.
func (k *Key) State(now time.Time) State {
	switch {
	case k.Active.IsZero() || now.Before(k.Active):
		return StatePublished
	case k.Retired.IsZero() || now.Before(k.Retired):
		return StateActive
	default:
		return StateRetired
	}
}

// Ring holds the signing keys of one signer. All methods are safe for
// concurrent use and, on one store, by several replicas.
type Ring struct {
	options RingOptions
	records store.Collection[ringRecord]
	change  chan struct{} // holds a token while nobody changes the ring here
	view    atomic.Pointer[view]
}

// ringRecord is a ring as stored: a handful of keys in the order of publication.
type ringRecord struct {
	Keys []keyRecord `json:"keys"`
}

type keyRecord struct {
	Kid         string    `json:"kid"`
	PEM         []byte    `json:"pem"`                   // PKCS #8; a secret
	Certificate []byte    `json:"certificate,omitempty"` // DER
	Published   time.Time `json:"published"`
	Active      time.Time `json:"active,omitzero"`
	Retired     time.Time `json:"retired,omitzero"`
}

// view is the ring as last read, with its keys parsed.
type view struct {
	generation uint64
	version    int64
	keys       []*Key
	set        jose.KeySet
}

// NewRing returns the ring that is stored under the options' Kind and Key, or
// an empty one. It reads nothing yet.
func NewRing(o RingOptions) *Ring {
	if o.Certify == nil {
		o.Certify = func(key *jose.SigningKey, _ time.Time) (string, *x509.Certificate, error) { return key.Kid(), nil, nil }
	}
	r := &Ring{
		options: o,
		records: store.Collection[ringRecord]{Store: o.Store, Kind: o.Kind},
		change:  make(chan struct{}, 1),
	}
	r.change <- struct{}{}
	return r
}

// Signing returns the active key. A ring without one makes it, which waits for
// the pool when that has no spare.
func (r *Ring) Signing(ctx context.Context) (*Key, error) {
	v, err := r.current(ctx)
	if err != nil {
		return nil, err
	}
	if key := v.signing(r.options.Now()); key != nil {
		return key, nil
	}
	if err := r.lock(ctx); err != nil {
		return nil, err
	}
	defer r.unlock()
	if v, err = r.current(ctx); err != nil {
		return nil, err
	}
	if key := v.signing(r.options.Now()); key != nil {
		return key, nil // made while this one waited
	}
	if err := r.add(ctx); err != nil {
		return nil, err
	}
	if v, err = r.current(ctx); err != nil {
		return nil, err
	}
	if key := v.signing(r.options.Now()); key != nil {
		return key, nil
	}
	return nil, fmt.Errorf("signing keys %q: none is active", r.options.Key)
}

// Published returns the keys of the key set, oldest first: published, active
// and those retired ones whose tokens may still be in use.
func (r *Ring) Published(ctx context.Context) ([]*Key, error) {
	v, err := r.current(ctx)
	if err != nil {
		return nil, err
	}
	now := r.options.Now()
	keys := make([]*Key, 0, len(v.keys))
	for _, key := range v.keys {
		if !r.lapsed(key.Retired, now) {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// Verifying returns the key with this id while tokens signed with it are good.
func (r *Ring) Verifying(ctx context.Context, kid string) (*Key, bool, error) {
	v, err := r.current(ctx)
	if err != nil {
		return nil, false, err
	}
	now := r.options.Now()
	for _, key := range v.keys {
		if key.Kid() == kid && !r.lapsed(key.Retired, now) {
			return key, true, nil
		}
	}
	return nil, false, nil
}

// KeySet returns the published keys for verification.
func (r *Ring) KeySet(ctx context.Context) (jose.KeySet, error) {
	v, err := r.current(ctx)
	if err != nil {
		return jose.KeySet{}, err
	}
	now := r.options.Now()
	if !slices.ContainsFunc(v.keys, func(k *Key) bool { return r.lapsed(k.Retired, now) }) {
		return v.set, nil
	}
	keys, err := r.Published(ctx)
	if err != nil {
		return jose.KeySet{}, err
	}
	return keySet(keys)
}

func (r *Ring) lapsed(retired, now time.Time) bool {
	return !retired.IsZero() && !now.Before(retired.Add(r.options.Linger))
}

// signing returns the active key. Before the first turn, as after a clock was
// set back, it is the key whose turn comes first.
func (v *view) signing(now time.Time) *Key {
	var first *Key
	for _, key := range v.keys {
		switch {
		case key.State(now) == StateActive:
			return key
		case key.Active.After(now) && (first == nil || key.Active.Before(first.Active)):
			first = key
		}
	}
	return first
}

// current returns the ring as stored; it reads only after a write to its kind.
func (r *Ring) current(ctx context.Context) (*view, error) {
	generation := r.options.Store.Generation(r.options.Kind) // before reading: never newer than what is read
	old := r.view.Load()
	if old != nil && old.generation == generation {
		return old, nil
	}
	item, err := r.records.Get(ctx, r.options.Key)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("reading signing keys %q: %w", r.options.Key, err)
	}
	next := &view{generation: generation, version: item.Version}
	if old != nil && old.version == item.Version {
		next.keys, next.set = old.keys, old.set
	} else if err := next.parse(item.Value, old); err != nil {
		return nil, fmt.Errorf("reading signing keys %q: %w", r.options.Key, err)
	}
	r.view.Store(next)
	return next, nil
}

// parse decodes the stored keys, those of the old view excepted: decoding a
// private key checks its arithmetic, which takes a while.
func (v *view) parse(record ringRecord, old *view) error {
	known := map[string]*Key{}
	if old != nil {
		for _, key := range old.keys {
			known[key.Kid()] = key
		}
	}
	for _, stored := range record.Keys {
		key := &Key{Published: stored.Published, Active: stored.Active, Retired: stored.Retired}
		if before := known[stored.Kid]; before != nil {
			key.SigningKey, key.Certificate = before.SigningKey, before.Certificate
		} else if err := key.parse(stored); err != nil {
			return fmt.Errorf("key %q: %w", stored.Kid, err)
		}
		v.keys = append(v.keys, key)
	}
	var err error
	v.set, err = keySet(v.keys)
	return err
}

func (k *Key) parse(stored keyRecord) (err error) {
	if k.SigningKey, err = jose.ParseSigningKey(stored.Kid, stored.PEM); err != nil || stored.Certificate == nil {
		return err
	}
	k.Certificate, err = x509.ParseCertificate(stored.Certificate)
	return err
}

func keySet(keys []*Key) (jose.KeySet, error) {
	public := make([]jose.PublicKey, len(keys))
	for i, key := range keys {
		public[i] = key.Public()
	}
	return jose.NewKeySet(public...)
}
