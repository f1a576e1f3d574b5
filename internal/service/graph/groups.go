package graph

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/directory"
)

func (g *Graph) groups(r *azapi.Request) scan {
	return func(after string, yield func(string, object) bool) error {
		return pages(r.Context(), g.Directory.ListGroups, after, func(o *directory.Group) string { return o.ObjectID }, func(o *directory.Group) bool {
			return !strings.EqualFold(o.TenantID, r.Caller.TenantID) || yield(o.ObjectID, viewGroup(o))
		})
	}
}

func (g *Graph) listGroups(w http.ResponseWriter, r *azapi.Request) error {
	q, err := readQuery(r, groupKind())
	if err != nil {
		return err
	}
	return writeList(w, r, q, g.groups(r))
}

func (g *Graph) countGroups(w http.ResponseWriter, r *azapi.Request) error {
	return writeCount(w, r, groupKind(), g.groups(r))
}

// group finds a group of the caller's tenant.
func (g *Graph) group(r *azapi.Request) (*directory.Group, error) {
	id := id(r)
	if !chain.IsGUID(id) {
		return nil, badID.New(id)
	}
	found, err := g.Directory.Group(r.Context(), id)
	if err == nil && !strings.EqualFold(found.TenantID, r.Caller.TenantID) {
		err = directory.ErrGroupNotFound
	}
	if err != nil {
		return nil, wire(err, groupKind(), id)
	}
	return found, nil
}

func (g *Graph) getGroup(w http.ResponseWriter, r *azapi.Request) error {
	found, err := g.group(r)
	if err != nil {
		return err
	}
	return writeObject(w, r, groupKind(), http.StatusOK, viewGroup(found))
}

func (g *Graph) createGroup(w http.ResponseWriter, r *azapi.Request) error {
	b, err := readBody(r)
	if err != nil {
		return err
	}
	k := groupKind()
	if err := b.needs(k, "displayName", "mailEnabled", "mailNickname", "securityEnabled"); err != nil {
		return err
	}
	made := directory.Group{TenantID: r.Caller.TenantID}
	if made.Members, err = b.references("members"); err != nil {
		return err
	}
	if made.Owners, err = b.references("owners"); err != nil {
		return err
	}
	if err := changeGroup(&made, b); err != nil {
		return err
	}
	written, err := g.Directory.CreateGroup(r.Context(), made)
	if err != nil {
		return wire(err, k, strings.Join(append(made.Members, made.Owners...), ","))
	}
	w.Header().Set("Location", r.BaseURL()+"/"+version(r)+"/groups/"+written.ObjectID)
	return writeObject(w, r, k, http.StatusCreated, viewGroup(written))
}

func changeGroup(o *directory.Group, b body) (err error) {
	k := groupKind()
	for _, property := range b.names() {
		raw := b[property]
		switch property {
		case "displayName":
			o.DisplayName, err = name(k, property, raw)
		case "description":
			o.Description, err = optional(k, property, raw)
		case "mailNickname":
			o.MailNickname, err = optional(k, property, raw)
		case "mailEnabled":
			o.MailEnabled, err = enabled(k, property, raw)
		case "securityEnabled":
			o.SecurityEnabled, err = enabled(k, property, raw)
		case "groupTypes":
			o.Types = nil
			if json.Unmarshal(raw, &o.Types) != nil {
				err = badProperty.New(property, k.name)
			}
		default:
			err = k.take(&o.Profile, property, raw)
		}
		if err != nil {
			return err
		}
	}
	unified := false
	for _, one := range o.Types {
		switch {
		case strings.EqualFold(one, "Unified"):
			unified = true
		case strings.EqualFold(one, "DynamicMembership"):
			return dynamicGroup.New()
		default:
			return badProperty.New("groupTypes", k.name)
		}
	}
	if !unified && (o.MailEnabled || !o.SecurityEnabled) {
		return mailGroup.New()
	}
	return nil
}

func (g *Graph) updateGroup(w http.ResponseWriter, r *azapi.Request) error {
	found, err := g.group(r)
	if err != nil {
		return err
	}
	b, err := readBody(r)
	if err != nil {
		return err
	}
	members, err := b.references("members")
	if err != nil {
		return err
	}
	_, err = g.Directory.UpdateGroup(r.Context(), found.ObjectID, func(o *directory.Group) error { return changeGroup(o, b) })
	if err != nil {
		return wire(err, groupKind(), found.ObjectID)
	}
	for _, member := range members {
		if err := g.refer(r, found.ObjectID, member, "members", g.Directory.AddMember); err != nil {
			return err
		}
	}
	return noContent(w)
}

func (g *Graph) deleteGroup(w http.ResponseWriter, r *azapi.Request) error {
	found, err := g.group(r)
	if err != nil {
		return err
	}
	if err := g.Directory.DeleteGroup(r.Context(), found.ObjectID); err != nil {
		return wire(err, groupKind(), found.ObjectID)
	}
	return noContent(w)
}

func (g *Graph) listMembers(w http.ResponseWriter, r *azapi.Request) error {
	return g.listOfGroup(w, r, func(o *directory.Group) []string { return o.Members })
}

func (g *Graph) listGroupOwners(w http.ResponseWriter, r *azapi.Request) error {
	return g.listOfGroup(w, r, func(o *directory.Group) []string { return o.Owners })
}

func (g *Graph) listOfGroup(w http.ResponseWriter, r *azapi.Request, of func(*directory.Group) []string) error {
	found, err := g.group(r)
	if err != nil {
		return err
	}
	return g.writeObjects(w, r, of(found))
}

// listTransitiveMembers lists who is in the group or in a group in it, each once.
func (g *Graph) listTransitiveMembers(w http.ResponseWriter, r *azapi.Request) error {
	found, err := g.group(r)
	if err != nil {
		return err
	}
	seen := map[string]bool{found.ObjectID: true}
	var ids []string
	for queue := slices.Clone(found.Members); len(queue) > 0; queue = queue[1:] {
		if seen[queue[0]] {
			continue
		}
		seen[queue[0]] = true
		ids = append(ids, queue[0])
		inner, err := g.Directory.Group(r.Context(), queue[0])
		switch {
		case err == nil:
			queue = append(queue, inner.Members...)
		case !errors.Is(err, directory.ErrGroupNotFound):
			return err
		}
	}
	slices.Sort(ids)
	return g.writeObjects(w, r, ids)
}

// refer adds a reference to an object.
func (g *Graph) refer(r *azapi.Request, to, id, property string, add func(ctx context.Context, to, id string) error) error {
	err := add(r.Context(), to, id)
	switch {
	case errors.Is(err, directory.ErrMemberExists):
		return hasReference.New(property)
	case errors.Is(err, directory.ErrInvalid) && strings.EqualFold(to, id):
		return itself.New()
	}
	return wire(err, groupKind(), id)
}

func (g *Graph) addMember(w http.ResponseWriter, r *azapi.Request) error {
	return g.addTo(w, r, "members", g.Directory.AddMember)
}

func (g *Graph) addGroupOwner(w http.ResponseWriter, r *azapi.Request) error {
	return g.addTo(w, r, "owners", g.Directory.AddOwner)
}

func (g *Graph) addTo(w http.ResponseWriter, r *azapi.Request, property string, add func(ctx context.Context, to, id string) error) error {
	found, err := g.group(r)
	if err != nil {
		return err
	}
	id, err := readReference(r)
	if err != nil {
		return err
	}
	if err := g.refer(r, found.ObjectID, id, property, add); err != nil {
		return err
	}
	return noContent(w)
}

func (g *Graph) removeMember(w http.ResponseWriter, r *azapi.Request) error {
	return g.removeFrom(w, r, g.Directory.RemoveMember)
}

func (g *Graph) removeGroupOwner(w http.ResponseWriter, r *azapi.Request) error {
	return g.removeFrom(w, r, g.Directory.RemoveOwner)
}

func (g *Graph) removeFrom(w http.ResponseWriter, r *azapi.Request, remove func(ctx context.Context, from, id string) error) error {
	found, err := g.group(r)
	if err != nil {
		return err
	}
	if err := remove(r.Context(), found.ObjectID, r.Param("member")); err != nil {
		return wire(err, groupKind(), r.Param("member"))
	}
	return noContent(w)
}
