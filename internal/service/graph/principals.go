package graph

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/store"
)

// principals runs through the service principals of the caller's tenant, Graph's
// own at its place among them.
func (g *Graph) principals(r *azapi.Request) scan {
	return func(after string, yield func(string, object) bool) error {
		own := graphID(r.Caller.TenantID)
		stopped := false
		before := func(key string) bool { // yields Graph's own before the first that is behind it
			if own == "" || own > key {
				return true
			}
			id := own
			own = ""
			stopped = id > after && !yield(id, viewGraph(r.Caller.TenantID))
			return !stopped
		}
		list := func(ctx context.Context, q store.Query) ([]*directory.Principal, bool, error) {
			return g.Directory.List(ctx, q)
		}
		err := pages(r.Context(), list, after, func(p *directory.Principal) string { return p.ObjectID }, func(p *directory.Principal) bool {
			if !before(p.ObjectID) {
				return false
			}
			if !p.NoService && strings.EqualFold(p.TenantID, r.Caller.TenantID) {
				stopped = !yield(p.ObjectID, viewPrincipal(p))
			}
			return !stopped
		})
		if err == nil && !stopped {
			before("~") // behind every GUID
		}
		return err
	}
}

func (g *Graph) listPrincipals(w http.ResponseWriter, r *azapi.Request) error {
	q, err := readQuery(r, principalKind())
	if err != nil {
		return err
	}
	return writeList(w, r, q, g.principals(r))
}

func (g *Graph) countPrincipals(w http.ResponseWriter, r *azapi.Request) error {
	return writeCount(w, r, principalKind(), g.principals(r))
}

// principal finds the service principal that the path names, by its object id
// or by its client id.
func (g *Graph) principal(r *azapi.Request) (*directory.Principal, error) {
	named := addressOf(r)
	id := named.key
	if !chain.IsGUID(id) {
		return nil, badID.New(id)
	}
	find := func() (*directory.Principal, error) { return g.Directory.ByObjectID(r.Context(), id) }
	if named.appID {
		find = func() (*directory.Principal, error) { return g.Directory.ByAppID(r.Context(), r.Caller.TenantID, id) }
	}
	p, err := find()
	if err == nil && !strings.EqualFold(p.TenantID, r.Caller.TenantID) {
		err = directory.ErrPrincipalNotFound
	}
	if err != nil {
		return nil, wire(err, principalKind(), id)
	}
	return p, nil
}

// writable is principal without managed identities, which are their resource's.
func (g *Graph) writable(r *azapi.Request) (*directory.Principal, error) {
	p, err := g.principal(r)
	if err == nil && p.Type != directory.TypeApplication {
		return nil, managed.New()
	}
	return p, err
}

func (g *Graph) getPrincipal(w http.ResponseWriter, r *azapi.Request) error {
	if named := addressOf(r); strings.EqualFold(named.key, graphID(r.Caller.TenantID)) && !named.appID || named.appID && named.key == appID {
		return writeObject(w, r, principalKind(), http.StatusOK, viewGraph(r.Caller.TenantID))
	}
	p, err := g.principal(r)
	if err != nil {
		return err
	}
	return writeObject(w, r, principalKind(), http.StatusOK, viewPrincipal(p))
}

func (g *Graph) createPrincipal(w http.ResponseWriter, r *azapi.Request) error {
	b, err := readBody(r)
	if err != nil {
		return err
	}
	k := principalKind()
	if err := b.needs(k, "appId"); err != nil {
		return err
	}
	of, err := name(k, "appId", b["appId"])
	if err != nil {
		return err
	}
	delete(b, "appId")
	owners, err := g.owners(r, b)
	if err != nil {
		return err
	}
	if err := g.changePrincipal(&directory.Principal{}, b); err != nil { // before anything is written
		return err
	}
	made, err := g.Directory.CreateServicePrincipal(r.Context(), r.Caller.TenantID, of)
	switch {
	case errors.Is(err, directory.ErrPrincipalExists):
		return hasService.New(of)
	case errors.Is(err, directory.ErrPrincipalNotFound):
		return noApplication.New(of)
	case err != nil:
		return wire(err, k, of)
	}
	made, err = g.Directory.Update(r.Context(), made.ObjectID, func(p *directory.Principal) error {
		p.Owners = owners
		return g.changePrincipal(p, b)
	})
	if err != nil {
		return wire(err, k, of)
	}
	w.Header().Set("Location", r.BaseURL()+"/"+version(r)+"/servicePrincipals/"+made.ObjectID)
	return writeObject(w, r, k, http.StatusCreated, viewPrincipal(made))
}

func (g *Graph) changePrincipal(p *directory.Principal, b body) (err error) {
	k := principalKind()
	for _, property := range b.names() {
		raw := b[property]
		switch property {
		case "accountEnabled":
			var on bool
			on, err = enabled(k, property, raw)
			p.Disabled = !on
		case "keyCredentials":
			err = g.setKeys(p, raw, true)
		default:
			err = k.take(&p.Service, property, raw)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// updatePrincipal changes a service principal. One of a managed identity can
// only be disabled and enabled.
func (g *Graph) updatePrincipal(w http.ResponseWriter, r *azapi.Request) error {
	p, err := g.principal(r)
	if err != nil {
		return err
	}
	b, err := readBody(r)
	if err != nil {
		return err
	}
	if _, enables := b["accountEnabled"]; p.Type != directory.TypeApplication && (!enables || len(b) != 1) {
		return managed.New()
	}
	_, err = g.Directory.Update(r.Context(), p.ObjectID, func(p *directory.Principal) error { return g.changePrincipal(p, b) })
	if err != nil {
		return wire(err, principalKind(), p.ObjectID)
	}
	return noContent(w)
}

func (g *Graph) deletePrincipal(w http.ResponseWriter, r *azapi.Request) error {
	p, err := g.writable(r)
	if err != nil {
		return err
	}
	if err := g.Directory.DeleteServicePrincipal(r.Context(), p.ObjectID); err != nil {
		return wire(err, principalKind(), p.ObjectID)
	}
	return noContent(w)
}

func (g *Graph) listPrincipalOwners(w http.ResponseWriter, r *azapi.Request) error {
	p, err := g.principal(r)
	if err != nil {
		return err
	}
	return g.writeObjects(w, r, p.Owners)
}

func (g *Graph) addPrincipalOwner(w http.ResponseWriter, r *azapi.Request) error {
	p, err := g.writable(r)
	if err != nil {
		return err
	}
	return g.addOwner(w, r, p, owners)
}

func (g *Graph) removePrincipalOwner(w http.ResponseWriter, r *azapi.Request) error {
	p, err := g.writable(r)
	if err != nil {
		return err
	}
	return g.removeOwner(w, r, p, owners)
}
