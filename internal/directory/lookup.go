package directory

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
)

// maxCached bounds the cache; past it the cache starts anew.
const maxCached = 1 << 15

// How a cache entry is looked up.
const (
	byTenant = iota
	byAppID
	byObjectID
	byAppObjectID
	byResourceID
	byUserID
	byUserName
)

type cacheKey struct {
	by         int
	tenant, id string // folded
}

// cacheEntry is what a lookup found. Everything but the generation is immutable.
type cacheEntry struct {
	generation atomic.Uint64 // of the directory when the entry was last known to be true
	version    int64
	tenant     *Tenant
	principal  *Principal
	user       *User
}

// cache keeps decoded records. An entry is true as long as the store's
// generation is the one it was checked at; a token exchange then costs two map
// lookups and decodes nothing.
type cache struct {
	mu      sync.RWMutex
	entries map[cacheKey]*cacheEntry
}

func (c *cache) get(key cacheKey) *cacheEntry {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.entries[key]
}

func (c *cache) put(key cacheKey, entry *cacheEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil || len(c.entries) >= maxCached {
		c.entries = map[cacheKey]*cacheEntry{}
	}
	c.entries[key] = entry
}

// cached returns the entry of a key, from the cache or read anew. read gets the
// entry that was cached, nil if none, and returns it when its record did not change.
func (d *Directory) cached(ctx context.Context, key cacheKey, read func(context.Context, cacheKey, *cacheEntry) (*cacheEntry, error)) (*cacheEntry, error) {
	// Before the read: a write in between makes the entry look older than it is, never newer.
	generation := d.store.Generation(d.kinds...)
	have := d.cache.get(key)
	if have != nil && have.generation.Load() == generation {
		return have, nil
	}
	entry, err := read(ctx, key, have)
	if err != nil {
		return nil, err
	}
	entry.generation.Store(generation)
	if entry != have {
		d.cache.put(key, entry)
	}
	return entry, nil
}

// ByAppID returns the principal of an application or managed identity by its
// client id, or ErrPrincipalNotFound, of which ErrNoServicePrincipal is one. The
// principal is shared and must not be modified.
func (d *Directory) ByAppID(ctx context.Context, tenantID, appID string) (*Principal, error) {
	return d.principal(ctx, cacheKey{by: byAppID, tenant: fold(tenantID), id: fold(appID)})
}

// ByObjectID returns a principal by its object id, or ErrPrincipalNotFound.
// The principal is shared and must not be modified.
func (d *Directory) ByObjectID(ctx context.Context, objectID string) (*Principal, error) {
	return d.principal(ctx, cacheKey{by: byObjectID, id: fold(objectID)})
}

// registered is ByObjectID also for an application without a service principal.
func (d *Directory) registered(ctx context.Context, objectID string) (*Principal, error) {
	return d.record(ctx, cacheKey{by: byObjectID, id: fold(objectID)})
}

// ByAppObjectID returns an application's principal by the object id of the app
// registration, also one without a service principal, or ErrPrincipalNotFound.
// The principal is shared and must not be modified.
func (d *Directory) ByAppObjectID(ctx context.Context, appObjectID string) (*Principal, error) {
	return d.record(ctx, cacheKey{by: byAppObjectID, id: fold(appObjectID)})
}

// Application returns an application's principal by its client id, also one
// without a service principal, or ErrPrincipalNotFound. Managed identities are
// none. The principal is shared and must not be modified.
func (d *Directory) Application(ctx context.Context, tenantID, appID string) (*Principal, error) {
	p, err := d.record(ctx, cacheKey{by: byAppID, tenant: fold(tenantID), id: fold(appID)})
	if err == nil && p.Type != TypeApplication {
		return nil, fmt.Errorf("%w: %.128q is a managed identity", ErrPrincipalNotFound, appID)
	}
	return p, err
}

// ByResourceID returns a managed identity by its resource id, or
// ErrPrincipalNotFound. The principal is shared and must not be modified.
func (d *Directory) ByResourceID(ctx context.Context, resourceID string) (*Principal, error) {
	id, err := resourceKey(resourceID)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPrincipalNotFound, err)
	}
	return d.principal(ctx, cacheKey{by: byResourceID, id: id})
}

func (d *Directory) principal(ctx context.Context, key cacheKey) (*Principal, error) {
	p, err := d.record(ctx, key)
	if err == nil && p.NoService {
		return nil, fmt.Errorf("%w: %.128q", ErrNoServicePrincipal, key.id)
	}
	return p, err
}

// record is principal also for an application without a service principal.
func (d *Directory) record(ctx context.Context, key cacheKey) (*Principal, error) {
	entry, err := d.cached(ctx, key, d.readPrincipal)
	if err != nil {
		return nil, err
	}
	return entry.principal, nil
}

func (d *Directory) readPrincipal(ctx context.Context, key cacheKey, have *cacheEntry) (*cacheEntry, error) {
	objectID, err := d.resolve(ctx, key)
	if err != nil {
		return nil, notFound(err, ErrPrincipalNotFound, key.id)
	}
	doc, err := d.store.Get(ctx, d.principals.Kind, objectID)
	if err != nil {
		return nil, notFound(err, ErrPrincipalNotFound, key.id)
	}
	if have != nil && have.version == doc.Version {
		return have, nil
	}
	principal, err := decode(doc.Value)
	if err != nil {
		return nil, fmt.Errorf("decoding principal %s: %w", objectID, err)
	}
	return &cacheEntry{version: doc.Version, principal: principal}, nil
}

// resolve follows the index that the key names to an object id.
func (d *Directory) resolve(ctx context.Context, key cacheKey) (string, error) {
	index, id := d.appIDs, key.id
	switch key.by {
	case byObjectID:
		return id, nil
	case byAppID:
		id = appKey(key.tenant, key.id)
	case byAppObjectID:
		index = d.appObjects
	case byResourceID:
		index = d.resources
	}
	item, err := index.Get(ctx, id)
	return item.Value.To, err
}

func decode(data []byte) (*Principal, error) {
	p := new(Principal)
	if err := json.Unmarshal(data, p); err != nil {
		return nil, err
	}
	p.matchable = matchable(p.Federated)
	return p, nil
}
