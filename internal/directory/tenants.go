package directory

import (
	"context"
	"errors"
	"fmt"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/store"
)

// EnsureTenant creates the tenant, or makes the one that has its id equal to
// it, and returns it. Errors: ErrInvalid, ErrDomainTaken.
func (d *Directory) EnsureTenant(ctx context.Context, t Tenant) (Tenant, error) {
	if !chain.IsGUID(t.ID) || t.Domain != "" && !chain.IsDomain(t.Domain) {
		return Tenant{}, fmt.Errorf("%w: tenant %q with domain %q", ErrInvalid, t.ID, t.Domain)
	}
	t.ID = fold(t.ID)
	for {
		done, err := d.ensureTenant(ctx, t)
		if done || err != nil {
			return t, err
		}
	}
}

// ensureTenant is one try; false means that another writer was faster.
func (d *Directory) ensureTenant(ctx context.Context, t Tenant) (bool, error) {
	have, err := d.tenants.Get(ctx, t.ID)
	condition := store.At(have.Version)
	switch {
	case errors.Is(err, store.ErrNotFound):
		condition = store.Absent()
	case err != nil:
		return false, fmt.Errorf("reading tenant %s: %w", t.ID, err)
	case have.Value == t:
		return true, nil
	}
	ops, err := d.domainOps(ctx, have.Value.Domain, t)
	if err != nil {
		return false, err
	}
	write, err := d.tenants.PutOp(t.ID, t, condition)
	if err != nil {
		return false, err
	}
	switch _, err = d.store.Apply(ctx, append(ops, write)...); {
	case errors.Is(err, store.ErrConflict):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("writing tenant %s: %w", t.ID, err)
	}
	return true, nil
}

// domainOps moves the tenant's entry in the index of domains.
func (d *Directory) domainOps(ctx context.Context, old string, t Tenant) ([]store.Op, error) {
	if fold(old) == fold(t.Domain) {
		return nil, nil
	}
	var ops []store.Op
	if old != "" {
		ops = append(ops, d.domains.DeleteOp(fold(old), store.Always()))
	}
	if t.Domain == "" {
		return ops, nil
	}
	condition := store.Absent()
	switch taken, err := d.domains.Get(ctx, fold(t.Domain)); {
	case err == nil && taken.Value.To != t.ID:
		return nil, fmt.Errorf("%w: %s", ErrDomainTaken, t.Domain)
	case err == nil: // another writer of this tenant was faster; the tenant's own condition tells
		condition = store.At(taken.Version)
	case !errors.Is(err, store.ErrNotFound):
		return nil, fmt.Errorf("reading domain %s: %w", t.Domain, err)
	}
	op, err := d.domains.PutOp(fold(t.Domain), reference{To: t.ID}, condition)
	return append(ops, op), err
}

// Tenant returns the tenant with that id or domain, compared without case, or
// ErrTenantNotFound.
func (d *Directory) Tenant(ctx context.Context, idOrDomain string) (Tenant, error) {
	key := cacheKey{by: byTenant, id: fold(idOrDomain)}
	found, err := d.cached(ctx, key, d.readTenant)
	if err != nil {
		return Tenant{}, err
	}
	return *found.tenant, nil
}

func (d *Directory) readTenant(ctx context.Context, key cacheKey, _ *cacheEntry) (*cacheEntry, error) {
	id := key.id
	if !chain.IsGUID(id) {
		domain, err := d.domains.Get(ctx, id)
		if err != nil {
			return nil, notFound(err, ErrTenantNotFound, id)
		}
		id = domain.Value.To
	}
	item, err := d.tenants.Get(ctx, id)
	if err != nil {
		return nil, notFound(err, ErrTenantNotFound, key.id)
	}
	return &cacheEntry{version: item.Version, tenant: &item.Value}, nil
}

// Tenants returns all tenants in the order of their ids.
func (d *Directory) Tenants(ctx context.Context) ([]Tenant, error) {
	items, err := d.tenants.All(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("listing tenants: %w", err)
	}
	tenants := make([]Tenant, len(items))
	for i := range items {
		tenants[i] = items[i].Value
	}
	return tenants, nil
}

// notFound turns the store's ErrNotFound into the directory's for that id.
func notFound(err, missing error, id string) error {
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrInvalid) {
		return fmt.Errorf("%w: %.128q", missing, id)
	}
	return fmt.Errorf("looking up %.128q: %w", id, err)
}
