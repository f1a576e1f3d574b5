package directory

import (
	"context"
	"errors"
	"fmt"

	"github.com/aksess/aksess/internal/store"
)

// CreateRegistration registers an application without a service principal, as
// Graph does: CreateServicePrincipal follows, and only then anyone signs in.
// Names need not be unique. Errors: ErrInvalid, ErrTenantNotFound.
func (d *Directory) CreateRegistration(ctx context.Context, tenantID, name string) (*Principal, error) {
	if name == "" {
		return nil, fmt.Errorf("%w: an application without a name", ErrInvalid)
	}
	p := d.newApplication(tenantID, name)
	p.NoService = true
	return d.create(ctx, p)
}

// CreateServicePrincipal makes the service principal of an application.
// Errors: ErrPrincipalNotFound when there is no such application,
// ErrPrincipalExists.
func (d *Directory) CreateServicePrincipal(ctx context.Context, tenantID, appID string) (*Principal, error) {
	p, err := d.Application(ctx, tenantID, appID)
	if err != nil {
		return nil, err
	}
	return d.Update(ctx, p.ObjectID, func(p *Principal) error {
		if !p.NoService {
			return fmt.Errorf("%w: %s", ErrPrincipalExists, p.AppID)
		}
		p.NoService = false
		return nil
	})
}

// DeleteServicePrincipal takes the service principal of an application away:
// its memberships and permissions end, role assignments to its object id lead
// nowhere, and another one that is made later has another object id. The
// application with its credentials stays. Errors: ErrPrincipalNotFound, and
// ErrInvalid for a managed identity, which lives and dies with its resource.
func (d *Directory) DeleteServicePrincipal(ctx context.Context, objectID string) error {
	for {
		item, err := d.principals.Get(ctx, fold(objectID))
		if err != nil {
			return notFound(err, ErrPrincipalNotFound, objectID)
		}
		if item.Value.Type != TypeApplication {
			return fmt.Errorf("%w: %s is a managed identity", ErrInvalid, objectID)
		}
		if item.Value.NoService {
			return fmt.Errorf("%w: %.128q", ErrNoServicePrincipal, objectID)
		}
		ops, err := d.withdrawOps(ctx, item)
		if err != nil {
			return err
		}
		if _, err = d.store.Apply(ctx, ops...); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// withdrawOps moves the application to a fresh object id that nobody knows yet.
func (d *Directory) withdrawOps(ctx context.Context, item store.Item[Principal]) ([]store.Op, error) {
	ops, err := d.forgetOps(ctx, item.Key)
	if err != nil {
		return nil, err
	}
	p := item.Value
	p.ObjectID, p.NoService = fold(d.options.NewID()), true
	p.Disabled, p.Directory, p.Owners, p.Service = false, nil, nil, nil
	write, err := d.principals.PutOp(p.ObjectID, p, store.Absent())
	if err != nil {
		return nil, err
	}
	ops = append(ops, d.principals.DeleteOp(item.Key, store.At(item.Version)), write)
	return ops, d.eachIndex(&p, func(index store.Collection[reference], key string) error {
		op, err := index.PutOp(key, reference{To: p.ObjectID}, store.Present())
		ops = append(ops, op)
		return err
	})
}
