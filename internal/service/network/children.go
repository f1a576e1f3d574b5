package network

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/store"
)

// children is a list in the properties of a resource whose elements are
// resources of their own: the subnets of a network, the rules of a security
// group. They are kept where Azure's network provider keeps them, in their
// parent: one write is one version of all, so that two writers never make two
// subnets that overlap, and the parent shows what was put one by one.
type children struct {
	networks   *Networks
	parent     *arm.Type
	collection string // the member of the parent and the last segment of the type
	// complete checks the properties of one child and fills its defaults. it is
	// the child's id, old what it was, nil on create.
	complete func(ctx context.Context, w writer, id string, properties, old object) error
	// check looks at all children together, with the properties of the parent.
	check func(parent *arm.Resource, properties object) error
	// removable refuses to remove a child that is in use; nil admits all.
	removable func(ctx context.Context, parent *arm.Resource, child object) error
	// show completes a child on its way out; nil for none.
	show func(ctx context.Context, id string, properties object) error
}

// writer is who writes, and on which resource.
type writer struct {
	request  *azapi.Request
	id       string // of the resource that is written
	location string
}

// child is the type of the children, stored in their parent.
func (s *children) child() *arm.Type {
	return &arm.Type{
		Name:      s.parent.Name + "/" + s.collection,
		Proxy:     true,
		NoPatch:   true,
		ValidName: checkName,
		Read: reader(func(ctx context.Context, r *arm.Resource, properties object) error {
			if s.show == nil {
				return nil
			}
			return s.show(ctx, r.ID, properties)
		}),
		Storage: &arm.Storage{Get: s.get, List: s.list, Put: s.put, Delete: s.delete},
	}
}

// of are the children in the properties of a parent.
func (s *children) of(parent *arm.Resource) (properties object, found []object, err error) {
	properties = object{}
	if err := parent.Decode(&properties); err != nil {
		return nil, nil, fmt.Errorf("decoding the properties of %q: %w", parent.ID, err)
	}
	found, _ = list(properties, s.collection) // stored as a list
	return properties, found, nil
}

func named(name string) func(object) bool {
	return func(o object) bool { return strings.EqualFold(text(o, "name"), name) }
}

func (s *children) resource(parent *arm.Resource, child object) (*arm.Resource, error) {
	r := &arm.Resource{ID: text(child, "id"), Name: text(child, "name"), Version: parent.Version, Created: parent.Created, Changed: parent.Changed}
	return r, r.SetProperties(inner(child, "properties"))
}

func (s *children) get(_ context.Context, parent *arm.Resource, name string) (*arm.Resource, error) {
	_, all, err := s.of(parent)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(all, named(name))
	if at < 0 {
		return nil, arm.ErrNotFound
	}
	return s.resource(parent, all[at])
}

func (s *children) list(_ context.Context, parent *arm.Resource) ([]*arm.Resource, error) {
	_, all, err := s.of(parent)
	if err != nil {
		return nil, err
	}
	resources := make([]*arm.Resource, 0, len(all))
	for _, one := range all {
		r, err := s.resource(parent, one)
		if err != nil {
			return nil, err
		}
		resources = append(resources, r)
	}
	return resources, nil
}

// put writes one child into its parent.
func (s *children) put(ctx context.Context, parent *arm.Resource, c arm.Change) error {
	properties, all, err := s.of(parent)
	if err != nil {
		return err
	}
	sent, _ := clean(c.Sent["properties"]).(object)
	at := slices.IndexFunc(all, named(c.New.Name))
	var old object
	if at >= 0 {
		old = all[at]
	}
	child, err := s.make(ctx, writer{c.Request, c.New.ID, parent.Location}, parent.ID, object{"name": c.New.Name, "properties": sent}, old)
	if err != nil {
		return err
	}
	if at >= 0 {
		all[at] = child
	} else {
		all = append(all, child)
	}
	next, err := s.save(ctx, parent, properties, all)
	if err != nil {
		return err
	}
	stored, err := s.resource(next, child)
	if err != nil {
		return err
	}
	stored.Type = c.New.Type
	*c.New = *stored
	return nil
}

// make is one child as it is stored, from how it was sent.
func (s *children) make(ctx context.Context, w writer, parentID string, sent, old object) (object, error) {
	name := text(sent, "name")
	if err := checkName(name); err != nil {
		return nil, err
	}
	if old != nil {
		name = text(old, "name")
	}
	properties := inner(sent, "properties")
	if properties == nil {
		properties = object{}
	}
	id := parentID + "/" + s.collection + "/" + name
	if err := s.complete(ctx, w, id, properties, inner(old, "properties")); err != nil {
		return nil, err
	}
	properties["provisioningState"] = succeeded
	return object{"id": id, "name": name, "type": s.parent.Name + "/" + s.collection, "properties": properties}, nil
}

// replace makes the list that a PUT of the parent says, out of the old one. It
// returns the ids of those that are gone.
func (s *children) replace(ctx context.Context, c arm.Change, properties object, old []object) (gone []string, err error) {
	sent, ok := list(properties, s.collection)
	if !ok {
		return nil, badRequest.New("'" + s.collection + "' must be a list of objects.")
	}
	all := make([]object, 0, len(sent))
	w := writer{c.Request, c.New.ID, c.New.Location}
	for _, one := range sent {
		if slices.ContainsFunc(all, named(text(one, "name"))) {
			return nil, duplicateName.New(c.New.ID, text(one, "name"))
		}
		var before object
		if at := slices.IndexFunc(old, named(text(one, "name"))); at >= 0 {
			before = old[at]
		}
		child, err := s.make(ctx, w, c.New.ID, one, before)
		if err != nil {
			return nil, err
		}
		all = append(all, child)
	}
	for _, one := range old {
		if slices.ContainsFunc(all, named(text(one, "name"))) {
			continue
		}
		if s.removable != nil {
			if err := s.removable(ctx, c.Old, one); err != nil {
				return nil, err
			}
		}
		gone = append(gone, text(one, "id"))
	}
	properties[s.collection] = all
	return gone, nil
}

// save writes the parent with its children, in the version that was read.
func (s *children) save(ctx context.Context, parent *arm.Resource, properties object, all []object) (*arm.Resource, error) {
	properties[s.collection] = all
	if err := s.check(parent, properties); err != nil {
		return nil, err
	}
	next := *parent
	if err := next.SetProperties(properties); err != nil {
		return nil, err
	}
	return &next, s.networks.Resources.Save(ctx, s.parent, &next, store.At(parent.Version))
}

// maxAttempts bounds how often a delete starts again because another writer of
// the same parent was faster.
const maxAttempts = 20

func (s *children) delete(ctx context.Context, parent, r *arm.Resource) error {
	for range maxAttempts {
		properties, all, err := s.of(parent)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(all, named(r.Name))
		if at < 0 {
			return arm.ErrNotFound
		}
		if s.removable != nil {
			if err := s.removable(ctx, parent, all[at]); err != nil {
				return err
			}
		}
		_, err = s.save(ctx, parent, properties, slices.Delete(all, at, at+1))
		if !errors.Is(err, store.ErrConflict) {
			if err != nil {
				return err
			}
			return s.networks.forget(ctx, r.ID)
		}
		if parent, err = s.networks.Resources.Get(ctx, parent.ID); err != nil {
			return err
		}
	}
	return arm.Busy.New(r.ID).SetHeader("Retry-After", "1")
}

// forget tells whoever keeps records of scopes that some are gone.
func (n *Networks) forget(ctx context.Context, ids ...string) error {
	if n.Resources.Forget == nil {
		return nil
	}
	for _, id := range ids {
		if err := n.Resources.Forget(ctx, id); err != nil {
			return fmt.Errorf("forgetting the scope %q: %w", id, err)
		}
	}
	return nil
}
