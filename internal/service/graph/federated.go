package graph

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/federation"
	"github.com/aksess/aksess/internal/store"
)

// credentialKind (https://learn.microsoft.com/graph/api/resources/federatedidentitycredential).
func credentialKind() *kind {
	return &kind{
		name: "FederatedIdentityCredential", odata: "federatedIdentityCredential", set: "federatedIdentityCredentials",
		properties: map[string]form{},
		filters:    map[string]operand{"name": text, "id": text, "issuer": text, "subject": text},
	}
}

// credential finds a federated credential by its id or its name.
func (g *Graph) credential(r *azapi.Request) (*directory.Principal, directory.FederatedCredential, error) {
	p, err := g.application(r)
	if err != nil {
		return nil, directory.FederatedCredential{}, err
	}
	asked := r.Param("credential")
	at := slices.IndexFunc(p.Federated, func(c directory.FederatedCredential) bool {
		return strings.EqualFold(c.ID, asked) || strings.EqualFold(c.Name, asked)
	})
	if at < 0 {
		return nil, directory.FederatedCredential{}, notFound.New(asked)
	}
	return p, p.Federated[at], nil
}

func (g *Graph) listCredentials(w http.ResponseWriter, r *azapi.Request) error {
	p, err := g.application(r)
	if err != nil {
		return err
	}
	q, err := readQuery(r, credentialKind())
	if err != nil {
		return err
	}
	all := map[string]object{}
	for _, c := range p.Federated {
		all[c.ID] = viewCredential(c)
	}
	return writeList(w, r, q, ordered(all))
}

func (g *Graph) getCredential(w http.ResponseWriter, r *azapi.Request) error {
	_, c, err := g.credential(r)
	if err != nil {
		return err
	}
	return writeObject(w, r, credentialKind(), http.StatusOK, viewCredential(c))
}

func (g *Graph) createCredential(w http.ResponseWriter, r *azapi.Request) error {
	p, err := g.application(r)
	if err != nil {
		return err
	}
	b, err := readBody(r)
	if err != nil {
		return err
	}
	k := credentialKind()
	if err := b.needs(k, "name", "issuer", "subject", "audiences"); err != nil {
		return err
	}
	c := directory.FederatedCredential{}
	if c.Name, err = name(k, "name", b["name"]); err != nil {
		return err
	}
	delete(b, "name")
	if err := changeCredential(&c, b); err != nil {
		return err
	}
	made, _, err := g.Directory.PutCredential(r.Context(), p.ObjectID, c, store.Absent())
	if err != nil {
		return wireCredential(err, c.Name)
	}
	w.Header().Set("Location", r.BaseURL()+r.URL.EscapedPath()+"/"+made.ID)
	return writeObject(w, r, k, http.StatusCreated, viewCredential(made))
}

func (g *Graph) updateCredential(w http.ResponseWriter, r *azapi.Request) error {
	p, c, err := g.credential(r)
	if err != nil {
		return err
	}
	b, err := readBody(r)
	if err != nil {
		return err
	}
	if _, renames := b["name"]; renames {
		said, err := name(credentialKind(), "name", b["name"])
		if err != nil || !strings.EqualFold(said, c.Name) {
			return readOnly.New("name")
		}
		delete(b, "name")
	}
	if err := changeCredential(&c, b); err != nil {
		return err
	}
	if _, _, err := g.Directory.PutCredential(r.Context(), p.ObjectID, c, store.Present()); err != nil {
		return wireCredential(err, c.Name)
	}
	return noContent(w)
}

func changeCredential(c *directory.FederatedCredential, b body) (err error) {
	k := credentialKind()
	for _, property := range b.names() {
		raw := b[property]
		switch property {
		case "issuer":
			c.Issuer, err = name(k, property, raw)
		case "subject":
			c.Subject, err = name(k, property, raw)
		case "description":
			c.Description, err = optional(k, property, raw)
		case "audiences":
			c.Audiences = nil
			if json.Unmarshal(raw, &c.Audiences) != nil {
				err = badProperty.New(property, k.name)
			}
		case "id":
			err = readOnly.New(property)
		case "claimsMatchingExpression", "trustedIssuer":
			if string(raw) != "null" {
				err = noProperty.New(property, k.odata)
			}
		default:
			if !annotation(property) {
				err = noProperty.New(property, k.odata)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (g *Graph) deleteCredential(w http.ResponseWriter, r *azapi.Request) error {
	p, c, err := g.credential(r)
	if err != nil {
		return err
	}
	if err := g.Directory.DeleteCredential(r.Context(), p.ObjectID, c.Name); err != nil {
		return wireCredential(err, c.Name)
	}
	return noContent(w)
}

// wireCredential words what the rules of federated credentials refuse.
func wireCredential(err error, name string) error {
	var broken *federation.Error
	switch {
	case errors.Is(err, directory.ErrCredentialExists):
		return hasCredential.New(name)
	case !errors.As(err, &broken):
		return wire(err, credentialKind(), name)
	case errors.Is(broken.Rule, federation.ErrNotUnique):
		return taken.New("issuer and subject")
	case errors.Is(broken.Rule, federation.ErrTooMany):
		return tooManyCredentials.New(broken.Message)
	default:
		return badCredential.New(broken.Message)
	}
}
