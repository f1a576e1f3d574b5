package issuer

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/jose"
	"github.com/aksess/aksess/internal/store"
)

const (
	hostSuffix  = ".oic.prod-aks.azure.com"
	issuersKind = "issuer.issuers"
	keysKind    = "issuer.keys"
)

// Lifetimes of an issuer's keys.
const (
	// CacheAge is how long verifiers may keep the documents; kube-apiserver says
	// the same of its own (pkg/serviceaccount, cacheMaxAge).
	CacheAge = time.Hour
	// keyLinger covers the longest token that Entra accepts, and its leeway.
	keyLinger = 25*time.Hour + 5*time.Minute
)

// ErrNotFound is what is returned for an issuer that does not exist.
var ErrNotFound = errors.New("issuer not found")

// Options configures the issuers. Every field is required.
type Options struct {
	Store store.Store
	Pool  *KeyPool
	Now   func() time.Time
	NewID func() string // GUIDs
}

// Issuer is the OIDC issuer of one cluster.
type Issuer struct {
	ID       string    `json:"id"`  // GUID, the last segment of the URL
	URL      string    `json:"url"` // the tokens' iss, with its trailing slash
	Region   string    `json:"region"`
	TenantID string    `json:"tenantId"`
	Created  time.Time `json:"created"`
}

// Issuers are the issuers of this local Azure. All methods are safe for concurrent use.
type Issuers struct {
	options Options
	records store.Collection[Issuer]

	mu    sync.Mutex
	rings map[string]*Ring // by issuer id
}

// New returns the issuers that the store holds.
func New(o Options) *Issuers {
	return &Issuers{
		options: o,
		records: store.Collection[Issuer]{Store: o.Store, Kind: issuersKind},
		rings:   map[string]*Ring{},
	}
}

// Create makes an issuer with its first key. It is instant while the pool has a
// spare key. region is a location's short name, "westeurope".
func (s *Issuers) Create(ctx context.Context, region, tenantID string) (Issuer, error) {
	issuer, write, err := s.Prepare(region, tenantID)
	if err != nil {
		return Issuer{}, err
	}
	if _, err := s.options.Store.Apply(ctx, write); err != nil {
		return Issuer{}, fmt.Errorf("storing issuer %q: %w", issuer.ID, err)
	}
	return issuer, s.MakeKey(ctx, issuer.ID)
}

// MakeKey makes the first key of an issuer, which the first token or look at
// the keys would wait for otherwise. It does nothing when there is a key.
func (s *Issuers) MakeKey(ctx context.Context, id string) error {
	if _, err := s.ring(strings.ToLower(id)).Signing(ctx); err != nil {
		return fmt.Errorf("making the key of issuer %q: %w", id, err)
	}
	return nil
}

// Prepare names a new issuer and returns the write that makes it, for a caller
// that stores it in one step with its owner. MakeKey completes it.
func (s *Issuers) Prepare(region, tenantID string) (Issuer, store.Op, error) {
	region, tenantID = strings.ToLower(region), strings.ToLower(tenantID)
	if !isRegion(region) {
		return Issuer{}, store.Op{}, fmt.Errorf("region %q is not a location's short name such as \"westeurope\"", region)
	}
	if !chain.IsGUID(tenantID) {
		return Issuer{}, store.Op{}, fmt.Errorf("tenant %q is not a GUID", tenantID)
	}
	id := strings.ToLower(s.options.NewID())
	issuer := Issuer{
		ID:       id,
		URL:      "https://" + region + hostSuffix + "/" + tenantID + "/" + id + "/",
		Region:   region,
		TenantID: tenantID,
		Created:  s.options.Now(),
	}
	write, err := s.records.PutOp(id, issuer, store.Absent())
	return issuer, write, err
}

func isRegion(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return len(s) > 0 && len(s) <= 32
}

// Get returns an issuer by its id, or ErrNotFound.
func (s *Issuers) Get(ctx context.Context, id string) (Issuer, error) {
	item, err := s.records.Get(ctx, strings.ToLower(id))
	if errors.Is(err, store.ErrNotFound) {
		return Issuer{}, ErrNotFound
	}
	if err != nil {
		return Issuer{}, fmt.Errorf("reading issuer %q: %w", id, err)
	}
	return item.Value, nil
}

// ByURL returns the issuer whose URL is exactly this one, byte for byte, or ErrNotFound.
func (s *Issuers) ByURL(ctx context.Context, issuerURL string) (Issuer, error) {
	parsed, err := url.Parse(issuerURL)
	if err != nil || !strings.HasSuffix(parsed.Host, hostSuffix) {
		return Issuer{}, ErrNotFound
	}
	segments := strings.Split(strings.Trim(parsed.Path, "/"), "/")
	issuer, err := s.Get(ctx, segments[len(segments)-1])
	if err != nil {
		return Issuer{}, err
	}
	if issuer.URL != issuerURL {
		return Issuer{}, ErrNotFound
	}
	return issuer, nil
}

// Delete removes an issuer and its keys, as when its cluster is deleted. No
// token of it is accepted from then on. It is no error when there is none.
func (s *Issuers) Delete(ctx context.Context, id string) error {
	id = strings.ToLower(id)
	_, err := s.options.Store.Apply(ctx,
		store.Op{Kind: issuersKind, Key: id, Delete: true},
		store.Op{Kind: keysKind, Key: id, Delete: true},
	)
	if err != nil {
		return fmt.Errorf("deleting issuer %q: %w", id, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rings, id)
	return nil
}

// Ring returns the keys of an issuer, or ErrNotFound.
func (s *Issuers) Ring(ctx context.Context, id string) (*Ring, error) {
	issuer, err := s.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return s.ring(issuer.ID), nil
}

// SigningKey returns the key that signs for an issuer now, for a kube-apiserver
// that issues its tokens. The key is a secret.
func (s *Issuers) SigningKey(ctx context.Context, id string) (*jose.SigningKey, error) {
	ring, err := s.Ring(ctx, id)
	if err != nil {
		return nil, err
	}
	key, err := ring.Signing(ctx)
	if err != nil {
		return nil, err
	}
	return key.SigningKey, nil
}

// Rotate begins the rotation of an issuer's key and returns the moment from
// which the next one signs: CacheAge after it was published.
func (s *Issuers) Rotate(ctx context.Context, id string) (time.Time, error) {
	ring, err := s.Ring(ctx, id)
	if err != nil {
		return time.Time{}, err
	}
	return ring.Rotate(ctx)
}

// Maintain drops the keys of all issuers whose last token has expired. Call it now and then.
func (s *Issuers) Maintain(ctx context.Context) error {
	all, err := s.records.All(ctx, "")
	if err != nil {
		return fmt.Errorf("listing issuers: %w", err)
	}
	for _, item := range all {
		if err := s.ring(item.Key).Maintain(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *Issuers) ring(id string) *Ring {
	s.mu.Lock()
	defer s.mu.Unlock()
	ring := s.rings[id]
	if ring == nil {
		ring = NewRing(RingOptions{
			Store: s.options.Store, Kind: keysKind, Key: id, Pool: s.options.Pool, Now: s.options.Now,
			Overlap: CacheAge, Linger: keyLinger,
		})
		s.rings[id] = ring
	}
	return ring
}
