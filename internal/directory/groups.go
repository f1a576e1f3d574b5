package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/store"
)

// MaxMembers bounds the members of a group that are kept, and its owners.
const MaxMembers = 50_000

// CreateGroup writes a group under a fresh object id, or under the one that is
// given. Names need not be unique. Members and owners are objects of the
// tenant; each is there once.
// Errors: ErrInvalid, ErrTenantNotFound, ErrObjectNotFound, ErrTooManyMembers.
func (d *Directory) CreateGroup(ctx context.Context, g Group) (*Group, error) {
	g.TenantID, g.ObjectID, g.Created = fold(g.TenantID), fold(g.ObjectID), d.now()
	if g.ObjectID == "" {
		g.ObjectID = fold(d.options.NewID())
	}
	if err := checkGroup(&g); err != nil {
		return nil, err
	}
	tenant := store.Op{Kind: d.tenants.Kind, Key: g.TenantID, Check: true, If: store.Present()}
	ops := []store.Op{tenant}
	for _, list := range []*[]string{&g.Members, &g.Owners} {
		ids := slices.Clone(*list)
		for i := range ids {
			ids[i] = fold(ids[i])
			op, err := d.presentOp(ctx, g.TenantID, ids[i])
			if err != nil {
				return nil, err
			}
			ops = append(ops, op)
		}
		slices.Sort(ids)
		*list = slices.Compact(ids)
	}
	write, err := d.groups.PutOp(g.ObjectID, g, store.Absent())
	if err != nil {
		return nil, err
	}
	var conflict *store.ConflictError
	switch _, err := d.store.Apply(ctx, append(ops, write)...); {
	case errors.As(err, &conflict) && conflict.Index == 0:
		return nil, fmt.Errorf("%w: %q", ErrTenantNotFound, g.TenantID)
	case errors.As(err, &conflict) && conflict.Index < len(ops):
		return nil, fmt.Errorf("%w: %q", ErrObjectNotFound, ops[conflict.Index].Key)
	case err != nil:
		return nil, fmt.Errorf("writing group %s: %w", g.ObjectID, err)
	}
	return &g, nil
}

func checkGroup(g *Group) error {
	switch {
	case !chain.IsGUID(g.TenantID) || !chain.IsGUID(g.ObjectID):
		return fmt.Errorf("%w: group %q of tenant %q", ErrInvalid, g.ObjectID, g.TenantID)
	case g.DisplayName == "":
		return fmt.Errorf("%w: a group without a name", ErrInvalid)
	case slices.Contains(g.Members, g.ObjectID):
		return fmt.Errorf("%w: a group that is its own member", ErrInvalid)
	case len(g.Members) > MaxMembers || len(g.Owners) > MaxMembers:
		return fmt.Errorf("%w: %d members, %d owners", ErrTooManyMembers, len(g.Members), len(g.Owners))
	}
	return nil
}

// Group returns a group by its object id, or ErrGroupNotFound.
func (d *Directory) Group(ctx context.Context, objectID string) (*Group, error) {
	item, err := d.groups.Get(ctx, fold(objectID))
	if err != nil {
		return nil, notFound(err, ErrGroupNotFound, objectID)
	}
	return &item.Value, nil
}

// ListGroups returns one page of the groups of all tenants, in the order of
// their object ids; q.Prefix, After and Before are object ids.
func (d *Directory) ListGroups(ctx context.Context, q store.Query) (groups []*Group, more bool, err error) {
	items, more, err := d.groups.List(ctx, q)
	if err != nil {
		return nil, false, fmt.Errorf("listing groups: %w", err)
	}
	for i := range items {
		groups = append(groups, &items[i].Value)
	}
	return groups, more, nil
}

// UpdateGroup changes a group as often as it takes to do so without losing
// another writer's change, and returns the result. Members and owners are
// written with AddMember and its like: ErrImmutable, as for ids.
// Errors: ErrGroupNotFound, ErrInvalid and those of change.
func (d *Directory) UpdateGroup(ctx context.Context, objectID string, change func(*Group) error) (*Group, error) {
	item, err := d.groups.Update(ctx, fold(objectID), func(g *Group, exists bool) error {
		if !exists {
			return fmt.Errorf("%w: %.128q", ErrGroupNotFound, objectID)
		}
		before := *g
		before.Members, before.Owners = slices.Clone(g.Members), slices.Clone(g.Owners)
		if err := change(g); err != nil {
			return err
		}
		if g.TenantID != before.TenantID || g.ObjectID != before.ObjectID ||
			!slices.Equal(g.Members, before.Members) || !slices.Equal(g.Owners, before.Owners) {
			return fmt.Errorf("%w: ids, members and owners of group %s", ErrImmutable, objectID)
		}
		return checkGroup(g)
	})
	if err != nil {
		return nil, err
	}
	return &item.Value, nil
}

// DeleteGroup removes a group and takes it out of the groups that it is in, or
// returns ErrGroupNotFound. Role assignments and access policies that name it stay.
func (d *Directory) DeleteGroup(ctx context.Context, objectID string) error {
	for {
		item, err := d.groups.Get(ctx, fold(objectID))
		if err != nil {
			return notFound(err, ErrGroupNotFound, objectID)
		}
		ops, err := d.forgetOps(ctx, item.Key)
		if err != nil {
			return err
		}
		ops = append(ops, d.groups.DeleteOp(item.Key, store.At(item.Version)))
		if _, err = d.store.Apply(ctx, ops...); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}
