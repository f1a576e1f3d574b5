package arm

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/aksess/aksess/internal/azapi"
)

// DeletedCollection serves the deleted resources of a type with SoftDelete as
// Key Vault and App Configuration do: a list of the subscription, one by location
// and name, and its purge. All are decided about at the subscription.
type DeletedCollection struct {
	Resources *Resources
	Type      *Type
	Name      string // "deletedVaults", the segment below the provider and below its locations
	// View is a deleted resource on the wire, under its own id.
	View func(id string, d *Deleted) any
	// Missing words the 404 for a name that no deleted resource of the location has.
	Missing func(name string) error
	// Protected words the refusal to purge what is protected from it.
	Protected func(name string) error
}

// Operations are the collection's rows, to go into its type's Operations.
func (c DeletedCollection) Operations() []azapi.Operation {
	namespace := c.Type.namespace()
	provider := "/subscriptions/{subscription}/providers/" + namespace
	one, located := provider+"/locations/{location}/"+c.Name+"/{name}", namespace+"/locations/"+c.Name
	op := func(name, method, pattern, action string, handle azapi.Handler) azapi.Operation {
		return azapi.Operation{
			Name: c.Type.Name + "." + name, Method: method, Pattern: pattern, Action: azapi.Control(action), Scope: SubscriptionScope, Handle: handle,
		}
	}
	return []azapi.Operation{
		op("ListDeleted", http.MethodGet, provider+"/"+c.Name, namespace+"/"+c.Name+"/read", c.list),
		op("GetDeleted", http.MethodGet, one, located+"/read", c.get),
		op("PurgeDeleted", http.MethodPost, one+"/purge", located+"/purge/action", c.purge),
	}
}

// SubscriptionScope is the subscription that a request's path names: the Scope
// of operations that are decided about there.
func SubscriptionScope(r *azapi.Request) string { return "/subscriptions/" + r.Param("subscription") }

// find reads the deleted resource that the path names. One of another
// subscription or location is not there.
func (c DeletedCollection) find(r *azapi.Request) (*Deleted, error) {
	if _, err := c.Resources.Subscription(r.Context(), r.Param("subscription")); err != nil {
		return nil, err
	}
	name := r.Param("name")
	found, err := c.Resources.Deleted(r.Context(), c.Type.Name, name)
	if errors.Is(err, ErrNotFound) {
		return nil, c.Missing(name)
	}
	if err != nil {
		return nil, err
	}
	within := strings.HasPrefix(key(found.Resource.ID), key(SubscriptionScope(r)))
	if !within || found.Resource.Location != NormalLocation(r.Param("location")) {
		return nil, c.Missing(name)
	}
	return found, nil
}

// id is where a deleted resource is found.
func (c DeletedCollection) id(r *azapi.Request, d *Deleted) string {
	return SubscriptionScope(r) + "/providers/" + c.Type.namespace() + "/locations/" + d.Resource.Location + "/" + c.Name + "/" + d.Resource.Name
}

func (c DeletedCollection) get(w http.ResponseWriter, r *azapi.Request) error {
	found, err := c.find(r)
	if err != nil {
		return err
	}
	return azapi.WriteJSON(w, http.StatusOK, c.View(c.id(r, found), found))
}

func (c DeletedCollection) list(w http.ResponseWriter, r *azapi.Request) error {
	subscription := r.Param("subscription")
	if _, err := c.Resources.Subscription(r.Context(), subscription); err != nil {
		return err
	}
	found, err := c.Resources.ListDeleted(r.Context(), subscription, c.Type.Name)
	if err != nil {
		return err
	}
	entries := make([]Entry, 0, len(found))
	for _, d := range found {
		id := c.id(r, d)
		entries = append(entries, Entry{ID: id, Value: c.View(id, d)})
	}
	return WriteList(w, r, entries)
}

// purge ends a deleted resource. It is done when it is answered, but clients
// take nothing but a long-running operation for an answer.
func (c DeletedCollection) purge(w http.ResponseWriter, r *azapi.Request) error {
	found, err := c.find(r)
	if err != nil {
		return err
	}
	name := found.Resource.Name
	err = c.Resources.Purge(r.Context(), c.Type, name)
	switch {
	case errors.Is(err, ErrProtected):
		return c.Protected(name)
	case errors.Is(err, ErrNotFound):
		return c.Missing(name) // recovered or purged by somebody else
	case err != nil:
		return err
	}
	return c.Resources.Accept(w, r, Accepted{Namespace: c.Type.namespace(), Location: found.Resource.Location})
}

// NameTaken reports whether a resource of a Global type, or a deleted one, has the name.
func (rs *Resources) NameTaken(ctx context.Context, typ, name string) (bool, error) {
	_, err := rs.ByName(ctx, typ, name)
	if errors.Is(err, ErrNotFound) {
		_, err = rs.Deleted(ctx, typ, name)
	}
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
