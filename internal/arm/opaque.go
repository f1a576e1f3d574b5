package arm

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/store"
)

// OpaqueHeader is on every answer about resources that have no meaning here:
// what was sent is what comes back, and nothing computes or validates it.
const OpaqueHeader = "Aksess-Opaque"

// opaque serves the types that nobody serves, for Options.AcceptUnknown. Its rows
// match any path that no other row does; what they cannot be asked for they
// refuse as if they were not there.
type opaque struct {
	resources *Resources
	endpoints map[string]*endpoint // of the types that are served, by name in lower case
	refusals  *refusals
}

// opaqueID is what an opaque request is about.
type opaqueID struct {
	chain.ID
	action azapi.Action
	scope  string // what the action is decided at
}

func (o *opaque) operations() []azapi.Operation {
	action := azapi.Authenticated("the path names the action and the scope: the handler asks for a role that grants TYPE/read, write, delete or an action")
	var operations []azapi.Operation
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodPost} {
		operations = append(operations, azapi.Operation{
			Name: "Opaque" + method, Method: method, Pattern: "/{path...}", Action: action, MaxBody: maxBody, Handle: o.serve,
		})
	}
	return operations
}

// serve decides about the request as the pipeline does about those with a row
// of their own, locks included, and handles it.
func (o *opaque) serve(w http.ResponseWriter, r *azapi.Request) error {
	id, err := o.parse(r)
	if err != nil {
		return err
	}
	verdict, err := r.Allowed(r.Context(), id.action, id.scope)
	if err != nil {
		return err
	}
	r.Verdict = verdict
	if !verdict.Allowed {
		return o.refusals.forbidden(r, id.action, id.scope)
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		if err := o.resources.checkLocks(r, id.action.Access().Name, id.scope); err != nil {
			return err
		}
	}
	w.Header().Set(OpaqueHeader, "true")
	switch {
	case r.Method == http.MethodPost:
		return noMeaning.New(strings.TrimSuffix(id.action.Access().Name, "/action"))
	case id.IsCollection():
		return o.list(w, r, id)
	case r.Method == http.MethodDelete:
		return o.delete(w, r, id)
	case r.Method == http.MethodPut:
		return o.write(w, r, id, (*body).put)
	case r.Method == http.MethodPatch:
		return o.write(w, r, id, (*body).patch)
	default:
		return o.read(w, r, id)
	}
}

var (
	opaqueNamespace = regexp.MustCompile(`^[A-Za-z0-9]+(\.[A-Za-z0-9]+)+$`)
	opaqueType      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)
)

// meaningful are the types that would mean something to Azure's own control
// plane: stored without a meaning they would be believed to hold.
func meaningful(typ string) bool {
	for _, one := range []string{
		"Microsoft.Authorization/roleAssignments", "Microsoft.Authorization/roleDefinitions", "Microsoft.Authorization/denyAssignments",
		LockType, "Microsoft.Resources",
	} {
		if chain.Contains(one, typ) {
			return true
		}
	}
	return false
}

// parse reads the resource and the action out of the path, or says what is not
// served there.
func (o *opaque) parse(r *azapi.Request) (opaqueID, error) {
	id, err := IDOf(r, 0)
	if err != nil {
		return opaqueID{}, err
	}
	if id.Subscription == "" || len(id.Providers) == 0 || o.endpoints[strings.ToLower(id.Type())] != nil || meaningful(id.Type()) {
		return opaqueID{}, o.refusals.noOperation(r, nil)
	}
	for _, provider := range id.Providers {
		if !opaqueNamespace.MatchString(provider.Namespace) || slices.ContainsFunc(provider.Types, func(t string) bool { return !opaqueType.MatchString(t) }) {
			return opaqueID{}, badPath.New("a namespace or type has characters that no provider has")
		}
		for _, name := range provider.Names {
			if err := CheckName(name); err != nil {
				return opaqueID{}, err
			}
		}
	}
	parsed := opaqueID{ID: id, scope: ScopeOf(r, 0)}
	verb := map[string]string{
		http.MethodGet: "read", http.MethodHead: "read", http.MethodPut: "write", http.MethodPatch: "write", http.MethodDelete: "delete",
	}[r.Method]
	collection := id.IsCollection()
	if collection {
		parsed.scope = ScopeOf(r, 1)
	}
	switch {
	case collection && r.Method == http.MethodPost:
		verb = "action"
	case r.Method == http.MethodPost, collection && verb != "read":
		return opaqueID{}, badMethod.New(r.Method).SetHeader("Allow", "GET")
	}
	parsed.action = azapi.Control(id.Type() + "/" + verb)
	return parsed, nil
}

// above checks what the resource is in: its subscription and group and, where
// that is of a type that is served, the nearest resource above it.
func (o *opaque) above(ctx context.Context, id opaqueID) (*Resource, error) {
	if _, err := o.resources.Subscription(ctx, id.Subscription); err != nil {
		return nil, err
	}
	var group *Resource
	if id.ResourceGroup != "" {
		var err error
		if group, err = o.resources.Group(ctx, id.Subscription, id.ResourceGroup); err != nil {
			return nil, err
		}
	}
	for parent := id.Parent(); len(parent.Providers) > 0; parent = parent.Parent() {
		e := o.endpoints[strings.ToLower(parent.Type())]
		if e == nil || len(parent.Providers) > 1 || group == nil {
			continue
		}
		p := place{subscription: id.Subscription, group: id.ResourceGroup, names: parent.Providers[0].Names}
		_, err := e.load(ctx, p)
		if errors.Is(err, ErrNotFound) {
			return nil, noParent.New("write", id.Type(), parent.String())
		}
		return group, err
	}
	return group, nil
}

// find returns the resource, or the 404 for it.
func (o *opaque) find(ctx context.Context, id opaqueID) (*Resource, error) {
	found, err := o.resources.Get(ctx, id.String())
	if !errors.Is(err, ErrNotFound) {
		return found, err
	}
	if _, err := o.above(ctx, id); err != nil {
		return nil, err
	}
	return nil, o.missing(id)
}

func (o *opaque) missing(id opaqueID) error {
	last := id.Providers[len(id.Providers)-1]
	return ResourceNotFound.New(last.Namespace+"/"+interleave(last.Types, last.Names), id.ResourceGroup)
}

func (o *opaque) read(w http.ResponseWriter, r *azapi.Request, id opaqueID) error {
	found, err := o.find(r.Context(), id)
	if err != nil {
		return err
	}
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return o.answer(w, found)
}

// answer is 200 for creates, too: of the statuses that clients of one type or
// another accept for a PUT it is the one that nearly all have.
func (o *opaque) answer(w http.ResponseWriter, found *Resource) error {
	w.Header().Set("ETag", found.ETag())
	return azapi.WriteJSON(w, http.StatusOK, found)
}

// list gives the resources of a type directly in what the path names; those of
// a subscription with those of its groups, as Azure's providers do.
func (o *opaque) list(w http.ResponseWriter, r *azapi.Request, id opaqueID) error {
	if _, err := o.above(r.Context(), id); err != nil {
		return err
	}
	parent := id.Parent()
	all, err := o.resources.List(r.Context(), parent.String(), id.Type())
	if err != nil {
		return err
	}
	var entries []Entry
	for _, one := range all {
		at := one.parsed()
		below := len(parent.Providers) == 0 && parent.ResourceGroup == "" && len(at.Providers) == 1
		if below || at.Parent().Key() == parent.Key() {
			entries = append(entries, Entry{ID: one.ID, Value: one})
		}
	}
	return WriteList(w, r, entries)
}

func (o *opaque) write(w http.ResponseWriter, r *azapi.Request, id opaqueID, apply func(*body, *Resource) error) error {
	b, err := readBody(r)
	if err != nil {
		return err
	}
	for range maxAttempts {
		next, created, err := o.attempt(r, id, b, apply)
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			return err
		}
		if created {
			o.resources.Log.Warn("resource stored without meaning", "id", next.ID, "type", next.Type)
		}
		return o.answer(w, next)
	}
	return Busy.New(id.String()).SetHeader("Retry-After", "1")
}

// attempt looks, changes and writes once.
func (o *opaque) attempt(r *azapi.Request, id opaqueID, b *body, apply func(*body, *Resource) error) (_ *Resource, created bool, err error) {
	group, err := o.above(r.Context(), id)
	if err != nil {
		return nil, false, err
	}
	old, err := o.resources.Get(r.Context(), id.String())
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, false, err
	}
	if err := CheckConditions(r, old); err != nil {
		return nil, false, err
	}
	sent := b.location()
	switch {
	case old == nil && r.Method == http.MethodPatch:
		return nil, false, o.missing(id)
	case old == nil && group != nil && IsDeleting(group):
		return nil, false, GroupBeingDeleted.New(group.Name)
	case old != nil && sent != "" && sent != old.Location:
		return nil, false, movedLocation.New(old.Name, old.Location, id.ResourceGroup, sent)
	}
	next, condition := &Resource{ID: id.String(), Name: id.Name(), Type: id.Type(), Location: sent, Created: r.Now, CreatedBy: r.Caller.ObjectID}, store.Absent()
	if old != nil {
		next, condition = old.clone(), store.At(old.Version)
	}
	next.Changed = r.Now
	if err := apply(b, next); err != nil {
		return nil, false, err
	}
	if err := setState(next, stateSucceeded); err != nil {
		return nil, false, err
	}
	var also []store.Op
	if old == nil && group != nil {
		also = append(also, o.resources.exists(group, store.At(group.Version)))
	}
	return next, old == nil, o.resources.Save(r.Context(), &Type{Name: next.Type}, next, condition, also...)
}

func (o *opaque) delete(w http.ResponseWriter, r *azapi.Request, id opaqueID) error {
	found, err := o.resources.Get(r.Context(), id.String())
	if err == nil {
		if err = CheckConditions(r, found); err != nil {
			return err
		}
		err = o.resources.Destroy(r.Context(), o.resources.types, found)
	}
	if errors.Is(err, ErrNotFound) {
		if _, err := o.above(r.Context(), id); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}
