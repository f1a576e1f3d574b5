package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/aksess/aksess/internal/store"
)

// Object is whatever an object id names: one of its members is set.
type Object struct {
	User      *User
	Group     *Group
	Principal *Principal // a service principal
}

// TenantID is the tenant that the object belongs to.
func (o Object) TenantID() string {
	switch {
	case o.User != nil:
		return o.User.TenantID
	case o.Group != nil:
		return o.Group.TenantID
	default:
		return o.Principal.TenantID
	}
}

// Object returns what an object id names, or ErrObjectNotFound. App
// registrations are found with ByAppObjectID. What it points to is shared and
// must not be modified.
func (d *Directory) Object(ctx context.Context, objectID string) (Object, error) {
	p, err := d.ByObjectID(ctx, objectID)
	if err == nil || !errors.Is(err, ErrPrincipalNotFound) {
		return Object{Principal: p}, err
	}
	u, err := d.User(ctx, objectID)
	if err == nil || !errors.Is(err, ErrUserNotFound) {
		return Object{User: u}, err
	}
	g, err := d.Group(ctx, objectID)
	if errors.Is(err, ErrGroupNotFound) {
		return Object{}, fmt.Errorf("%w: %.128q", ErrObjectNotFound, objectID)
	}
	return Object{Group: g}, err
}

// presentOp requires that an object of the tenant is there when the write happens.
func (d *Directory) presentOp(ctx context.Context, tenantID, objectID string) (store.Op, error) {
	o, err := d.Object(ctx, objectID)
	if err == nil && o.TenantID() != fold(tenantID) {
		err = fmt.Errorf("%w: %.128q", ErrObjectNotFound, objectID)
	}
	if err != nil {
		return store.Op{}, err
	}
	kind := d.principals.Kind
	switch {
	case o.User != nil:
		kind = d.users.Kind
	case o.Group != nil:
		kind = d.groups.Kind
	}
	return store.Op{Kind: kind, Key: fold(objectID), Check: true, If: store.Present()}, nil
}

func membersOf(g *Group) *[]string { return &g.Members }
func ownersOf(g *Group) *[]string  { return &g.Owners }

// AddMember puts an object of the tenant into a group. Groups may contain each
// other, also in a circle. Errors: ErrGroupNotFound, ErrObjectNotFound,
// ErrMemberExists, ErrTooManyMembers, ErrInvalid for a group in itself.
func (d *Directory) AddMember(ctx context.Context, groupID, objectID string) error {
	return d.add(ctx, groupID, objectID, membersOf)
}

// AddOwner makes an object of the tenant an owner of a group. Errors are those of AddMember.
func (d *Directory) AddOwner(ctx context.Context, groupID, objectID string) error {
	return d.add(ctx, groupID, objectID, ownersOf)
}

// RemoveMember takes an object out of a group. Errors: ErrGroupNotFound, ErrMemberNotFound.
func (d *Directory) RemoveMember(ctx context.Context, groupID, objectID string) error {
	return d.remove(ctx, groupID, objectID, membersOf)
}

// RemoveOwner takes an owner of a group away. Errors: ErrGroupNotFound, ErrMemberNotFound.
func (d *Directory) RemoveOwner(ctx context.Context, groupID, objectID string) error {
	return d.remove(ctx, groupID, objectID, ownersOf)
}

func (d *Directory) add(ctx context.Context, groupID, objectID string, list func(*Group) *[]string) error {
	objectID = fold(objectID)
	for {
		item, err := d.groups.Get(ctx, fold(groupID))
		if err != nil {
			return notFound(err, ErrGroupNotFound, groupID)
		}
		present, err := d.presentOp(ctx, item.Value.TenantID, objectID)
		if err != nil {
			return err
		}
		ids := list(&item.Value)
		at, found := slices.BinarySearch(*ids, objectID)
		if found {
			return fmt.Errorf("%w: %s", ErrMemberExists, objectID)
		}
		*ids = slices.Insert(*ids, at, objectID)
		if err := checkGroup(&item.Value); err != nil {
			return err
		}
		write, err := d.groups.PutOp(item.Key, item.Value, store.At(item.Version))
		if err != nil {
			return err
		}
		if _, err = d.store.Apply(ctx, present, write); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

func (d *Directory) remove(ctx context.Context, groupID, objectID string, list func(*Group) *[]string) error {
	_, err := d.groups.Update(ctx, fold(groupID), func(g *Group, exists bool) error {
		if !exists {
			return fmt.Errorf("%w: %.128q", ErrGroupNotFound, groupID)
		}
		ids := list(g)
		at, found := slices.BinarySearch(*ids, fold(objectID))
		if !found {
			return fmt.Errorf("%w: %.128q", ErrMemberNotFound, objectID)
		}
		*ids = slices.Delete(*ids, at, at+1)
		return nil
	})
	return err
}

// forgetOps takes an object out of every group, for the write that deletes it.
// A group that it is put into at this very moment keeps the id of nobody:
// object ids are not used again.
func (d *Directory) forgetOps(ctx context.Context, objectID string) ([]store.Op, error) {
	items, err := d.groups.All(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("reading the groups of %s: %w", objectID, err)
	}
	var ops []store.Op
	for _, item := range items {
		found := false
		for _, ids := range []*[]string{membersOf(&item.Value), ownersOf(&item.Value)} {
			if at, in := slices.BinarySearch(*ids, objectID); in {
				*ids, found = slices.Delete(*ids, at, at+1), true
			}
		}
		if !found {
			continue
		}
		op, err := d.groups.PutOp(item.Key, item.Value, store.At(item.Version))
		if err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	return ops, nil
}

// memberships are all groups the other way round: who is in which. They are
// true as long as the store's generation of the groups is the one they were read at.
type memberships struct {
	mu      sync.Mutex // of reading anew
	current atomic.Pointer[membershipsAt]
}

type membershipsAt struct {
	generation uint64
	direct     map[string][]string // object id → groups that list it
	security   map[string]bool     // groups that are security-enabled
	counting   sync.Map            // object id → []string: what MemberOf found
}

// MemberOf returns the object ids of the groups that a user or principal is in,
// directly or through other groups, sorted: those that count in tokens and
// decisions, which are the security-enabled ones. It costs a look-up while no
// group is written. The result is shared and must not be modified.
func (d *Directory) MemberOf(ctx context.Context, objectID string) ([]string, error) {
	at, err := d.membership(ctx)
	if err != nil {
		return nil, err
	}
	objectID = fold(objectID)
	if len(at.direct[objectID]) == 0 {
		return nil, nil
	}
	if known, found := at.counting.Load(objectID); found {
		return known.([]string), nil
	}
	groups := slices.DeleteFunc(at.closure(objectID), func(id string) bool { return !at.security[id] })
	at.counting.Store(objectID, groups)
	return groups, nil
}

// GroupsOf returns the object ids of the groups that list an object as their
// member, sorted: security-enabled or not.
func (d *Directory) GroupsOf(ctx context.Context, objectID string) ([]string, error) {
	at, err := d.membership(ctx)
	if err != nil {
		return nil, err
	}
	return slices.Clone(at.direct[fold(objectID)]), nil
}

// AllGroupsOf returns GroupsOf and the groups that those are in, and so on, sorted.
func (d *Directory) AllGroupsOf(ctx context.Context, objectID string) ([]string, error) {
	at, err := d.membership(ctx)
	if err != nil {
		return nil, err
	}
	return at.closure(fold(objectID)), nil
}

// closure follows the groups of the object's groups, each once. A group is not
// in itself, whatever circle it is part of.
func (at *membershipsAt) closure(objectID string) []string {
	seen := map[string]bool{objectID: true}
	queue := slices.Clone(at.direct[objectID])
	var groups []string
	for len(queue) > 0 {
		id := queue[0]
		queue = queue[1:]
		if seen[id] {
			continue
		}
		seen[id] = true
		groups = append(groups, id)
		queue = append(queue, at.direct[id]...)
	}
	slices.Sort(groups)
	return groups
}

func (d *Directory) membership(ctx context.Context) (*membershipsAt, error) {
	if at := d.members.current.Load(); at != nil && at.generation == d.store.Generation(d.groups.Kind) {
		return at, nil
	}
	d.members.mu.Lock()
	defer d.members.mu.Unlock()
	// Before the read: a write in between makes it look older than it is, never newer.
	generation := d.store.Generation(d.groups.Kind)
	if at := d.members.current.Load(); at != nil && at.generation == generation {
		return at, nil
	}
	items, err := d.groups.All(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("reading the groups: %w", err)
	}
	at := &membershipsAt{generation: generation, direct: map[string][]string{}, security: map[string]bool{}}
	for _, item := range items {
		at.security[item.Key] = item.Value.SecurityEnabled
		for _, member := range item.Value.Members {
			at.direct[member] = append(at.direct[member], item.Key) // in the order of the keys
		}
	}
	d.members.current.Store(at)
	return at, nil
}
