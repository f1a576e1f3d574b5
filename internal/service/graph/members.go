package graph

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/directory"
)

// maxIDs is how many ids one request may ask about
// (https://learn.microsoft.com/graph/api/directoryobject-getbyids).
const maxIDs = 1000

// object finds what an id names in the caller's tenant; it is not ok when that
// is nothing.
func (g *Graph) object(r *azapi.Request, id string) (o directory.Object, ok bool, err error) {
	o, err = g.Directory.Object(r.Context(), id)
	if errors.Is(err, directory.ErrObjectNotFound) || err == nil && !strings.EqualFold(o.TenantID(), r.Caller.TenantID) {
		return directory.Object{}, false, nil
	}
	return o, err == nil, err
}

// writeObjects answers with a list of the objects that the ids name; ids of
// those deleted since are left out.
func (g *Graph) writeObjects(w http.ResponseWriter, r *azapi.Request, ids []string) error {
	q, err := readQuery(r, referenceKind())
	if err != nil {
		return err
	}
	return writeList(w, r, q, func(after string, yield func(string, object) bool) error {
		for _, id := range slices.Sorted(slices.Values(ids)) {
			if id <= after {
				continue
			}
			o, ok, err := g.object(r, id)
			if err != nil {
				return err
			}
			if ok && !yield(id, viewObject(o)) {
				return nil
			}
		}
		return nil
	})
}

// member is the id of the object whose memberships are asked for.
func (g *Graph) member(r *azapi.Request) (string, error) {
	named := addressOf(r)
	switch strings.ToLower(named.set) {
	case "me":
		u, err := g.me(r)
		if err != nil {
			return "", err
		}
		return u.ObjectID, nil
	case "users":
		u, err := g.user(r, named.key)
		if err != nil {
			return "", err
		}
		return u.ObjectID, nil
	case "groups":
		group, err := g.group(r)
		if err != nil {
			return "", err
		}
		return group.ObjectID, nil
	case "serviceprincipals":
		p, err := g.principal(r)
		if err != nil {
			return "", err
		}
		return p.ObjectID, nil
	}
	_, ok, err := g.object(r, named.key)
	if err == nil && !ok {
		err = notFound.New(named.key)
	}
	return strings.ToLower(named.key), err
}

func (g *Graph) listMemberOf(w http.ResponseWriter, r *azapi.Request) error {
	member, err := g.member(r)
	if err != nil {
		return err
	}
	groups, err := g.Directory.GroupsOf(r.Context(), member)
	if err != nil {
		return err
	}
	return g.writeObjects(w, r, groups)
}

func (g *Graph) listTransitiveMemberOf(w http.ResponseWriter, r *azapi.Request) error {
	member, err := g.member(r)
	if err != nil {
		return err
	}
	groups, err := g.Directory.AllGroupsOf(r.Context(), member)
	if err != nil {
		return err
	}
	return g.writeObjects(w, r, groups)
}

// ids is the form of the answers that are ids only.
type ids struct {
	Context string   `json:"@odata.context"`
	Value   []string `json:"value"`
}

func writeIDs(w http.ResponseWriter, r *azapi.Request, values []string) error {
	return azapi.WriteJSON(w, http.StatusOK, ids{Context: contextURL(r, "Collection(Edm.String)"), Value: list(values)})
}

// getMemberGroups is getMemberObjects too: directory roles and administrative
// units, which the latter would add, are not served.
func (g *Graph) getMemberGroups(w http.ResponseWriter, r *azapi.Request) error {
	var asked struct{ SecurityEnabledOnly bool }
	if err := readInto(r, &asked); err != nil {
		return err
	}
	member, err := g.member(r)
	if err != nil {
		return err
	}
	groups, err := g.Directory.AllGroupsOf(r.Context(), member)
	if asked.SecurityEnabledOnly {
		groups, err = g.Directory.MemberOf(r.Context(), member)
	}
	if err != nil {
		return err
	}
	return writeIDs(w, r, groups)
}

func (g *Graph) checkMemberGroups(w http.ResponseWriter, r *azapi.Request) error {
	var asked struct{ GroupIDs []string }
	if err := readInto(r, &asked); err != nil {
		return err
	}
	return g.writeMemberships(w, r, asked.GroupIDs)
}

func (g *Graph) checkMemberObjects(w http.ResponseWriter, r *azapi.Request) error {
	var asked struct{ IDs []string }
	if err := readInto(r, &asked); err != nil {
		return err
	}
	return g.writeMemberships(w, r, asked.IDs)
}

// writeMemberships answers with those of the groups that the member is in.
func (g *Graph) writeMemberships(w http.ResponseWriter, r *azapi.Request, asked []string) error {
	if err := checkIDs(asked); err != nil {
		return err
	}
	member, err := g.member(r)
	if err != nil {
		return err
	}
	groups, err := g.Directory.AllGroupsOf(r.Context(), member)
	if err != nil {
		return err
	}
	return writeIDs(w, r, slices.DeleteFunc(asked, func(id string) bool {
		_, in := slices.BinarySearch(groups, strings.ToLower(id))
		return !in
	}))
}

// readInto decodes the body of an action, which may be empty.
func readInto(r *azapi.Request, v any) error {
	content, err := r.ReadBody()
	if err != nil {
		return badBody.New(err)
	}
	if len(content) > 0 && json.Unmarshal(content, v) != nil {
		return badBody.New("the body is not what the action takes")
	}
	return nil
}

func checkIDs(asked []string) error {
	if len(asked) > maxIDs {
		return tooMany.New("ids")
	}
	for _, id := range asked {
		if !chain.IsGUID(id) {
			return badID.New(id)
		}
	}
	return nil
}

// getByIDs returns the objects of those ids that name one of the wanted types.
func (g *Graph) getByIDs(w http.ResponseWriter, r *azapi.Request) error {
	var asked struct{ IDs, Types []string }
	if err := readInto(r, &asked); err != nil {
		return err
	}
	if err := checkIDs(asked.IDs); err != nil {
		return err
	}
	found := page{Context: contextURL(r, "directoryObjects"), Value: []object{}}
	for _, id := range asked.IDs {
		o, ok, err := g.objectOrApplication(r, id)
		if err != nil {
			return err
		}
		if ok && wanted(o, asked.Types) {
			found.Value = append(found.Value, o)
		}
	}
	return azapi.WriteJSON(w, http.StatusOK, found)
}

// wanted reports whether an object is of one of the types; no types want all.
func wanted(o object, types []string) bool {
	of, _ := o["@odata.type"].(string)
	return len(types) == 0 || slices.ContainsFunc(types, func(name string) bool {
		return strings.EqualFold(name, "directoryObject") || strings.EqualFold("#microsoft.graph."+name, of)
	})
}

func (g *Graph) objectOrApplication(r *azapi.Request, id string) (object, bool, error) {
	o, ok, err := g.object(r, id)
	if err != nil || ok {
		if !ok {
			return nil, false, err
		}
		return viewObject(o), true, nil
	}
	p, err := g.Directory.ByAppObjectID(r.Context(), id)
	if errors.Is(err, directory.ErrPrincipalNotFound) || err == nil && !strings.EqualFold(p.TenantID, r.Caller.TenantID) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	tenant, err := g.Directory.Tenant(r.Context(), r.Caller.TenantID)
	return viewApplication(p, tenant), err == nil, err
}

func (g *Graph) getObject(w http.ResponseWriter, r *azapi.Request) error {
	o, ok, err := g.objectOrApplication(r, id(r))
	if err != nil {
		return err
	}
	if !ok {
		return notFound.New(id(r))
	}
	return writeObject(w, r, referenceKind(), http.StatusOK, o)
}
