package arm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/aksess/aksess/internal/azapi"
)

// endpoint makes and serves the operations of one type.
type endpoint struct {
	resources *Resources
	typ       *Type
	parent    *endpoint        // nil for a top-level type
	types     map[string]*Type // all types, for what is below
}

func nameParam(i int) string { return "n" + strconv.Itoa(i) }

// pattern is the path of a resource of the type; collection leaves out its name.
func (e *endpoint) pattern(collection bool) string {
	var b strings.Builder
	b.WriteString("/subscriptions/{subscription}/resourceGroups/{group}/providers/" + e.typ.namespace())
	segments := e.typ.segments()
	for i, segment := range segments {
		b.WriteString("/" + segment)
		if !collection || i < len(segments)-1 {
			b.WriteString("/{" + nameParam(i) + "}")
		}
	}
	return b.String()
}

// operations are the rows of the host's table that the type gives.
func (e *endpoint) operations() []azapi.Operation {
	t := e.typ
	read, write := azapi.Control(t.Name+"/read"), azapi.Control(t.Name+"/write")
	resource, collection := e.pattern(false), e.pattern(true)
	ops := []azapi.Operation{
		{Name: t.Name + ".Get", Method: http.MethodGet, Pattern: resource, Action: read, Handle: e.get},
		{Name: t.Name + ".Exists", Method: http.MethodHead, Pattern: resource, Action: read, Handle: e.head},
		{Name: t.Name + ".Put", Method: http.MethodPut, Pattern: resource, Action: write, MaxBody: maxBody, Handle: e.put},
		{Name: t.Name + ".Delete", Method: http.MethodDelete, Pattern: resource, Action: azapi.Control(t.Name + "/delete"), Handle: e.delete},
		{Name: t.Name + ".List", Method: http.MethodGet, Pattern: collection, Action: read, Scope: scope(1), Handle: e.list},
	}
	if !t.NoPatch {
		ops = append(ops, azapi.Operation{Name: t.Name + ".Patch", Method: http.MethodPatch, Pattern: resource, Action: write, MaxBody: maxBody, Handle: e.patch})
	}
	if t.topLevel() {
		ops = append(ops, azapi.Operation{
			Name: t.Name + ".ListBySubscription", Method: http.MethodGet, Pattern: "/subscriptions/{subscription}/providers/" + t.Name,
			Action: read, Scope: scope(1), Handle: e.listAll,
		})
	}
	for _, action := range t.Actions {
		ops = append(ops, azapi.Operation{
			Name: t.Name + "." + action.Name, Method: http.MethodPost, Pattern: resource + "/" + action.Name,
			Action: azapi.Control(t.Name + "/" + action.Name + "/action"), Scope: scope(1), MaxBody: maxBody, Handle: e.action(action),
		})
	}
	return append(ops, t.Operations...)
}

// load returns the resource at a place as it is stored, or ErrNotFound.
func (e *endpoint) load(ctx context.Context, p place) (*Resource, error) {
	if e.typ.Storage == nil {
		found, err := e.resources.Get(ctx, p.id(e.typ))
		if !errors.Is(err, ErrNotFound) || e.typ.Default == nil {
			return found, err
		}
	}
	parent, err := e.parent.load(ctx, p.above(e))
	if err != nil {
		return nil, err
	}
	if e.typ.Storage != nil {
		found, err := e.typ.Storage.Get(ctx, parent, p.name())
		return e.named(found, p), err
	}
	found, err := e.typ.Default(ctx, parent, p.name())
	if err == nil && found == nil {
		return nil, ErrNotFound
	}
	return e.named(found, p), err
}

// named fills what a resource that is no document has from its place.
func (e *endpoint) named(r *Resource, p place) *Resource {
	if r == nil {
		return nil
	}
	r.Type = e.typ.Name
	if r.Name == "" {
		r.Name = p.name()
	}
	if r.ID == "" {
		r.ID = p.id(e.typ)
	}
	return r
}

// find loads a resource for an answer, or returns the 404 that Azure gives.
func (e *endpoint) find(ctx context.Context, p place) (*Resource, error) {
	found, err := e.load(ctx, p)
	if errors.Is(err, ErrNotFound) {
		return nil, e.missing(ctx, p, "read")
	}
	return found, err
}

// missing is the 404 for a place where nothing is: it names the first part
// that is missing.
func (e *endpoint) missing(ctx context.Context, p place, verb string) error {
	if _, err := e.above(ctx, p, verb); err != nil {
		return err
	}
	return ResourceNotFound.New(p.label(e.typ), p.group)
}

// container is what a resource is in: its group and, for a child, its parent.
type container struct {
	group, parent *Resource
}

// above returns what a place is in, or the coded 404 or 409 for what keeps a
// resource from being there.
func (e *endpoint) above(ctx context.Context, p place, verb string) (container, error) {
	group, err := e.resources.Group(ctx, p.subscription, p.group)
	if err != nil {
		return container{}, err
	}
	c := container{group: group}
	if e.parent == nil {
		return c, nil
	}
	above := p.above(e)
	c.parent, err = e.parent.load(ctx, above)
	if errors.Is(err, ErrNotFound) {
		return c, noParent.New(verb, strings.Join(e.typ.segments(), "/"), above.id(e.parent.typ))
	}
	return c, err
}

// answer writes a resource with its computed members.
func (e *endpoint) answer(w http.ResponseWriter, r *azapi.Request, status int, found *Resource) error {
	complete, err := e.complete(r.Context(), found)
	if err != nil {
		return err
	}
	if tag := found.ETag(); tag != "" {
		w.Header().Set("ETag", tag)
	}
	if e.typ.underWay(complete) {
		pace(w.Header(), true)
	}
	return azapi.WriteJSON(w, status, complete)
}

// complete is the resource with what its type computes at each read.
func (e *endpoint) complete(ctx context.Context, found *Resource) (*Resource, error) {
	if e.typ.Read == nil {
		return found, nil
	}
	found = found.clone()
	if err := e.typ.Read(ctx, found); err != nil {
		return nil, fmt.Errorf("completing %q: %w", found.ID, err)
	}
	return found, nil
}

func (e *endpoint) get(w http.ResponseWriter, r *azapi.Request) error {
	p, err := e.place(r, 0)
	if err != nil {
		return err
	}
	found, err := e.find(r.Context(), p)
	if err != nil {
		return err
	}
	return e.answer(w, r, http.StatusOK, found)
}

// head is Azure's check of existence
// (https://learn.microsoft.com/rest/api/resources/resources/check-existence-by-id).
func (e *endpoint) head(w http.ResponseWriter, r *azapi.Request) error {
	p, err := e.place(r, 0)
	if err != nil {
		return err
	}
	if _, err := e.find(r.Context(), p); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (e *endpoint) action(action PostAction) azapi.Handler {
	return func(w http.ResponseWriter, r *azapi.Request) error {
		p, err := e.place(r, 0)
		if err != nil {
			return err
		}
		found, err := e.find(r.Context(), p)
		if err != nil {
			return err
		}
		complete, err := e.complete(r.Context(), found)
		if err != nil {
			return err
		}
		return action.Handle(w, r, complete)
	}
}
