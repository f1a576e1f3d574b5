package graph

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/directory"
)

const (
	maxURIs = 50
	maxURI  = 255
)

func (g *Graph) applications(r *azapi.Request) (scan, error) {
	tenant, err := g.Directory.Tenant(r.Context(), r.Caller.TenantID)
	return func(after string, yield func(string, object) bool) error {
		return pages(r.Context(), g.Directory.List, after, func(p *directory.Principal) string { return p.ObjectID }, func(p *directory.Principal) bool {
			return p.Type != directory.TypeApplication || p.TenantID != tenant.ID || yield(p.ObjectID, viewApplication(p, tenant))
		})
	}, err
}

func (g *Graph) listApplications(w http.ResponseWriter, r *azapi.Request) error {
	q, err := readQuery(r, applicationKind())
	if err != nil {
		return err
	}
	find, err := g.applications(r)
	if err != nil {
		return err
	}
	return writeList(w, r, q, find)
}

func (g *Graph) countApplications(w http.ResponseWriter, r *azapi.Request) error {
	find, err := g.applications(r)
	if err != nil {
		return err
	}
	return writeCount(w, r, applicationKind(), find)
}

// application finds the application that the path names, by the object id of
// the registration or by its client id.
func (g *Graph) application(r *azapi.Request) (*directory.Principal, error) {
	named := addressOf(r)
	id := named.key
	if !chain.IsGUID(id) {
		return nil, badID.New(id)
	}
	find := func() (*directory.Principal, error) { return g.Directory.ByAppObjectID(r.Context(), id) }
	if named.appID {
		find = func() (*directory.Principal, error) {
			return g.Directory.Application(r.Context(), r.Caller.TenantID, id)
		}
	}
	p, err := find()
	if err == nil && !strings.EqualFold(p.TenantID, r.Caller.TenantID) {
		err = directory.ErrPrincipalNotFound
	}
	if err != nil {
		return nil, wire(err, applicationKind(), id)
	}
	return p, nil
}

func (g *Graph) writeApplication(w http.ResponseWriter, r *azapi.Request, status int, p *directory.Principal) error {
	tenant, err := g.Directory.Tenant(r.Context(), p.TenantID)
	if err != nil {
		return err
	}
	return writeObject(w, r, applicationKind(), status, viewApplication(p, tenant))
}

func (g *Graph) getApplication(w http.ResponseWriter, r *azapi.Request) error {
	p, err := g.application(r)
	if err != nil {
		return err
	}
	return g.writeApplication(w, r, http.StatusOK, p)
}

// createApplication registers an application; its service principal is made
// apart, and only then it signs in. A user who makes one owns it.
func (g *Graph) createApplication(w http.ResponseWriter, r *azapi.Request) error {
	b, err := readBody(r)
	if err != nil {
		return err
	}
	k := applicationKind()
	if err := b.needs(k, "displayName"); err != nil {
		return err
	}
	owners, err := g.owners(r, b)
	if err != nil {
		return err
	}
	var draft directory.Principal // before anything is written, what would be refused
	if err := g.changeApplication(r, &draft, b); err != nil {
		return err
	}
	made, err := g.Directory.CreateRegistration(r.Context(), r.Caller.TenantID, draft.DisplayName)
	if err != nil {
		return wire(err, k, draft.DisplayName)
	}
	made, err = g.Directory.Update(r.Context(), made.ObjectID, func(p *directory.Principal) error {
		p.IdentifierURIs, p.Registration, p.Certificates, p.AppOwners = draft.IdentifierURIs, draft.Registration, draft.Certificates, owners
		return nil
	})
	if err != nil {
		return wire(err, k, draft.DisplayName)
	}
	w.Header().Set("Location", r.BaseURL()+"/"+version(r)+"/applications/"+made.AppObjectID)
	return g.writeApplication(w, r, http.StatusCreated, made)
}

// owners are those that the body binds, and the user who sends it.
func (g *Graph) owners(r *azapi.Request, b body) ([]string, error) {
	owners, err := b.references("owners")
	if err != nil {
		return nil, err
	}
	for _, owner := range owners {
		if err := g.exists(r, owner); err != nil {
			return nil, err
		}
	}
	o, ok, err := g.object(r, r.Caller.ObjectID)
	if err != nil {
		return nil, err
	}
	if ok && o.User != nil && !slices.Contains(owners, o.User.ObjectID) {
		owners = append(owners, o.User.ObjectID)
	}
	return owners, nil
}

// exists refuses an id that names nothing in the caller's tenant.
func (g *Graph) exists(r *azapi.Request, id string) error {
	_, ok, err := g.object(r, id)
	if err == nil && !ok {
		return notFound.New(id)
	}
	return err
}

// changeApplication puts the body into the record.
func (g *Graph) changeApplication(r *azapi.Request, p *directory.Principal, b body) (err error) {
	k := applicationKind()
	for _, property := range b.names() {
		raw := b[property]
		switch property {
		case "displayName":
			p.DisplayName, err = name(k, property, raw)
		case "identifierUris":
			err = g.setURIs(r, p, raw)
		case "keyCredentials":
			err = g.setKeys(p, raw, false)
		default:
			err = k.take(&p.Registration, property, raw)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// setURIs takes identifier URIs that no other application of the tenant has.
func (g *Graph) setURIs(r *azapi.Request, p *directory.Principal, raw json.RawMessage) error {
	var uris []string
	if json.Unmarshal(raw, &uris) != nil || len(uris) > maxURIs {
		return badProperty.New("identifierUris", applicationKind().name)
	}
	for _, uri := range uris {
		if scheme, rest, found := strings.Cut(uri, ":"); !found || scheme == "" || rest == "" || len(uri) > maxURI || strings.ContainsAny(uri, " \t\r\n") {
			return badProperty.New("identifierUris", applicationKind().name)
		}
	}
	clash := false
	err := pages(r.Context(), g.Directory.List, "", func(p *directory.Principal) string { return p.ObjectID }, func(other *directory.Principal) bool {
		clash = other.ObjectID != p.ObjectID && strings.EqualFold(other.TenantID, r.Caller.TenantID) &&
			slices.ContainsFunc(other.IdentifierURIs, func(uri string) bool { return slices.Contains(uris, uri) })
		return !clash
	})
	if err != nil {
		return err
	}
	if clash {
		return taken.New("identifierUris")
	}
	p.IdentifierURIs = uris
	return nil
}

func (g *Graph) updateApplication(w http.ResponseWriter, r *azapi.Request) error {
	p, err := g.application(r)
	if err != nil {
		return err
	}
	b, err := readBody(r)
	if err != nil {
		return err
	}
	_, err = g.Directory.Update(r.Context(), p.ObjectID, func(p *directory.Principal) error { return g.changeApplication(r, p, b) })
	if err != nil {
		return wire(err, applicationKind(), p.AppObjectID)
	}
	return noContent(w)
}

// deleteApplication deletes the service principal too, as Azure does.
func (g *Graph) deleteApplication(w http.ResponseWriter, r *azapi.Request) error {
	p, err := g.application(r)
	if err != nil {
		return err
	}
	if err := g.Directory.DeletePrincipal(r.Context(), p.ObjectID); err != nil {
		return wire(err, applicationKind(), p.AppObjectID)
	}
	return noContent(w)
}

func (g *Graph) listApplicationOwners(w http.ResponseWriter, r *azapi.Request) error {
	p, err := g.application(r)
	if err != nil {
		return err
	}
	return g.writeObjects(w, r, p.AppOwners)
}

func appOwners(p *directory.Principal) *[]string { return &p.AppOwners }
func owners(p *directory.Principal) *[]string    { return &p.Owners }

func (g *Graph) addApplicationOwner(w http.ResponseWriter, r *azapi.Request) error {
	p, err := g.application(r)
	if err != nil {
		return err
	}
	return g.addOwner(w, r, p, appOwners)
}

func (g *Graph) removeApplicationOwner(w http.ResponseWriter, r *azapi.Request) error {
	p, err := g.application(r)
	if err != nil {
		return err
	}
	return g.removeOwner(w, r, p, appOwners)
}

func (g *Graph) addOwner(w http.ResponseWriter, r *azapi.Request, p *directory.Principal, of func(*directory.Principal) *[]string) error {
	owner, err := readReference(r)
	if err != nil {
		return err
	}
	if err := g.exists(r, owner); err != nil {
		return err
	}
	_, err = g.Directory.Update(r.Context(), p.ObjectID, func(p *directory.Principal) error {
		list := of(p)
		switch {
		case slices.Contains(*list, owner):
			return hasReference.New("owners")
		case len(*list) >= maxIDs:
			return tooMany.New("owners")
		}
		*list = append(*list, owner)
		return nil
	})
	if err != nil {
		return wire(err, principalKind(), p.ObjectID)
	}
	return noContent(w)
}

func (g *Graph) removeOwner(w http.ResponseWriter, r *azapi.Request, p *directory.Principal, of func(*directory.Principal) *[]string) error {
	owner := strings.ToLower(r.Param("member"))
	_, err := g.Directory.Update(r.Context(), p.ObjectID, func(p *directory.Principal) error {
		list := of(p)
		at := slices.Index(*list, owner)
		if at < 0 {
			return notFound.New(owner)
		}
		*list = slices.Delete(*list, at, at+1)
		return nil
	})
	if err != nil {
		return wire(err, principalKind(), p.ObjectID)
	}
	return noContent(w)
}
