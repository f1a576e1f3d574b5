package directory

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/store"
)

// CreateApplication registers an application with its service principal under
// fresh ids. Names need not be unique. Errors: ErrInvalid, ErrTenantNotFound.
func (d *Directory) CreateApplication(ctx context.Context, tenantID, name string) (*Principal, error) {
	if name == "" {
		return nil, fmt.Errorf("%w: an application without a name", ErrInvalid)
	}
	return d.create(ctx, d.newApplication(tenantID, name))
}

func (d *Directory) newApplication(tenantID, name string) Principal {
	return Principal{
		TenantID:    fold(tenantID),
		ObjectID:    d.options.NewID(),
		AppID:       d.options.NewID(),
		AppObjectID: d.options.NewID(),
		Type:        TypeApplication,
		DisplayName: name,
		Created:     d.now(),
	}
}

// CreateManagedIdentity makes the principal of a managed identity under fresh
// ids. A resource has one principal as long as it lives: when there is one
// already, it is returned. Errors: ErrInvalid, ErrTenantNotFound.
func (d *Directory) CreateManagedIdentity(ctx context.Context, tenantID, resourceID, name string) (*Principal, error) {
	if _, err := resourceKey(resourceID); err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		have, err := d.ByResourceID(ctx, resourceID)
		if err == nil || !errors.Is(err, ErrPrincipalNotFound) {
			return have, err
		}
		made, err := d.create(ctx, Principal{
			TenantID:    fold(tenantID),
			ObjectID:    d.options.NewID(),
			AppID:       d.options.NewID(),
			Type:        TypeManagedIdentity,
			DisplayName: name,
			ResourceID:  resourceID,
			Created:     d.now(),
		})
		if !errors.Is(err, store.ErrConflict) || try == 3 {
			return made, err
		}
		// Another writer made the principal of this resource: return that one.
	}
}

// Register writes a principal with ids that the caller chose, such as the
// deployer that a configuration names. Errors: ErrInvalid, ErrTenantNotFound,
// and store.ErrConflict when one of its ids is taken.
func (d *Directory) Register(ctx context.Context, p Principal) (*Principal, error) {
	p.TenantID, p.ObjectID, p.AppID, p.AppObjectID = fold(p.TenantID), fold(p.ObjectID), fold(p.AppID), fold(p.AppObjectID)
	if p.Created.IsZero() {
		p.Created = d.now()
	}
	return d.create(ctx, p)
}

// create writes the principal and its index entries, all or none.
func (d *Directory) create(ctx context.Context, p Principal) (*Principal, error) {
	if err := checkPrincipal(&p); err != nil {
		return nil, err
	}
	ops, err := d.createOps(&p)
	if err != nil {
		return nil, err
	}
	var conflict *store.ConflictError
	switch _, err := d.store.Apply(ctx, ops...); {
	case errors.As(err, &conflict) && conflict.Index == 0:
		return nil, fmt.Errorf("%w: %q", ErrTenantNotFound, p.TenantID)
	case err != nil:
		return nil, fmt.Errorf("writing principal %s: %w", p.ObjectID, err)
	}
	p.matchable = matchable(p.Federated)
	return &p, nil
}

func checkPrincipal(p *Principal) error {
	if p.Type != TypeApplication && p.Type != TypeManagedIdentity {
		return fmt.Errorf("%w: principal of type %q", ErrInvalid, p.Type)
	}
	ids := []string{p.TenantID, p.ObjectID, p.AppID}
	if p.Type == TypeApplication {
		ids = append(ids, p.AppObjectID)
	}
	for _, id := range ids {
		if !chain.IsGUID(id) {
			return fmt.Errorf("%w: %q is not a GUID", ErrInvalid, id)
		}
	}
	return nil
}

func (d *Directory) createOps(p *Principal) ([]store.Op, error) {
	write, err := d.principals.PutOp(p.ObjectID, *p, store.Absent())
	if err != nil {
		return nil, err
	}
	ops := []store.Op{{Kind: d.tenants.Kind, Key: p.TenantID, Check: true, If: store.Present()}, write}
	return ops, d.eachIndex(p, func(index store.Collection[reference], key string) error {
		op, err := index.PutOp(key, reference{To: p.ObjectID}, store.Absent())
		ops = append(ops, op)
		return err
	})
}

// eachIndex calls do with the index entries that a principal has.
func (d *Directory) eachIndex(p *Principal, do func(index store.Collection[reference], key string) error) error {
	if err := do(d.appIDs, appKey(p.TenantID, p.AppID)); err != nil {
		return err
	}
	if p.AppObjectID != "" {
		if err := do(d.appObjects, fold(p.AppObjectID)); err != nil {
			return err
		}
	}
	if p.ResourceID == "" {
		return nil
	}
	key, err := resourceKey(p.ResourceID)
	if err != nil {
		return err
	}
	return do(d.resources, key)
}

// DeletePrincipal removes a principal with all its credentials, the app
// registration included, and takes it out of its groups. Role assignments and
// access policies that name it stay, as they do in Azure. Deleting one that is not there is ErrPrincipalNotFound.
func (d *Directory) DeletePrincipal(ctx context.Context, objectID string) error {
	for {
		item, err := d.principals.Get(ctx, fold(objectID))
		if err != nil {
			return notFound(err, ErrPrincipalNotFound, objectID)
		}
		ops, err := d.forgetOps(ctx, item.Key)
		if err != nil {
			return err
		}
		ops = append(ops, d.principals.DeleteOp(item.Key, store.At(item.Version)))
		err = d.eachIndex(&item.Value, func(index store.Collection[reference], key string) error {
			ops = append(ops, index.DeleteOp(key, store.Always()))
			return nil
		})
		if err != nil {
			return err
		}
		if _, err = d.store.Apply(ctx, ops...); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// Update changes a principal as often as it takes to do so without losing
// another writer's change, and returns the result. Ids, type, tenant and
// resource cannot change: ErrImmutable. Federated credentials are written with
// PutCredential. Errors: ErrPrincipalNotFound and those of change.
func (d *Directory) Update(ctx context.Context, objectID string, change func(*Principal) error) (*Principal, error) {
	item, err := d.principals.Update(ctx, fold(objectID), func(p *Principal, exists bool) error {
		if !exists {
			return fmt.Errorf("%w: %.128q", ErrPrincipalNotFound, objectID)
		}
		before := *p
		before.Federated = slices.Clone(p.Federated)
		if err := change(p); err != nil {
			return err
		}
		if !reflect.DeepEqual(before.Federated, p.Federated) {
			return fmt.Errorf("%w: federated credentials of principal %s", ErrImmutable, objectID)
		}
		if before.TenantID != p.TenantID || before.ObjectID != p.ObjectID || before.AppID != p.AppID || before.Type != p.Type ||
			before.AppObjectID != p.AppObjectID || before.ResourceID != p.ResourceID {
			return fmt.Errorf("%w: ids, type, tenant and resource of principal %s", ErrImmutable, objectID)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	item.Value.matchable = matchable(item.Value.Federated)
	return &item.Value, nil
}

// List returns one page of the principals of all tenants, applications without
// a service principal included, in the order of their object ids; q.Prefix, After and Before are object ids.
func (d *Directory) List(ctx context.Context, q store.Query) (principals []*Principal, more bool, err error) {
	items, more, err := d.principals.List(ctx, q)
	if err != nil {
		return nil, false, fmt.Errorf("listing principals: %w", err)
	}
	for i := range items {
		items[i].Value.matchable = matchable(items[i].Value.Federated)
		principals = append(principals, &items[i].Value)
	}
	return principals, more, nil
}
