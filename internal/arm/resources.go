package arm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/aksess/aksess/internal/store"
)

const (
	kindResource = "arm.resource" // by lower-case id
	kindName     = "arm.name"     // global names: "type/name" in lower case → id
)

// ErrNotFound: no resource under that id or name.
var ErrNotFound = errors.New("resource not found")

// document is how a resource is stored: the members that are never sent beside it.
type document struct {
	wire
	Extra     map[string]json.RawMessage `json:"extra,omitempty"`
	Private   json.RawMessage            `json:"private,omitempty"`
	Created   time.Time                  `json:"created"`
	Changed   time.Time                  `json:"changed"`
	CreatedBy string                     `json:"createdBy,omitempty"`
}

func documentOf(r *Resource) document {
	return document{
		wire: wire(*r), Extra: r.Extra, Private: r.Private,
		Created: r.Created, Changed: r.Changed, CreatedBy: r.CreatedBy,
	}
}

func (d document) resource(version int64) *Resource {
	r := Resource(d.wire)
	r.Extra, r.Private, r.Created, r.Changed, r.CreatedBy, r.Version = d.Extra, d.Private, d.Created, d.Changed, d.CreatedBy, version
	return &r
}

// Resources keeps all resources, resource groups and subscriptions. It is the
// only writer of their documents.
type Resources struct {
	// Forget is called after a resource or group is deleted, with its id, so that
	// role assignments at or below the scope go with it. Set before the first
	// request; nil for none.
	Forget func(ctx context.Context, id string) error
	// Now, NewID and Log are the clock, the source of GUIDs and the log; they
	// have working values and are set, if at all, before the first request.
	Now   func() time.Time
	NewID func() string
	Log   *slog.Logger

	store      store.Store
	docs       store.Collection[document]
	names      store.Collection[string]
	deleted    store.Collection[deletedDocument]
	below      store.Collection[document]
	operations store.Collection[operation]
	locks      store.Collection[Lock]

	types map[string]*Type // those that are served, by name in lower case
	works works
}

// NewResources returns the resources kept in s. Whoever serves types with Work
// calls Close before the store is closed.
func NewResources(s store.Store) *Resources {
	return &Resources{
		Now: time.Now, NewID: uuid.NewString, Log: slog.New(slog.DiscardHandler),
		store:      s,
		docs:       store.Collection[document]{Store: s, Kind: kindResource},
		names:      store.Collection[string]{Store: s, Kind: kindName},
		deleted:    store.Collection[deletedDocument]{Store: s, Kind: kindDeleted},
		below:      store.Collection[document]{Store: s, Kind: kindBelow},
		operations: store.Collection[operation]{Store: s, Kind: kindOperation},
		locks:      store.Collection[Lock]{Store: s, Kind: kindLock},
	}
}

// key is the stored key of an id. The trailing slash makes the children of an
// id, and nothing else, share its key as a prefix.
func key(id string) string { return strings.ToLower(strings.TrimSuffix(id, "/")) + "/" }

func nameKey(typ, name string) string { return strings.ToLower(typ + "/" + name) }

// Get returns the resource with that id, or ErrNotFound.
func (rs *Resources) Get(ctx context.Context, id string) (*Resource, error) {
	item, err := rs.docs.Get(ctx, key(id))
	if errors.Is(err, store.ErrNotFound) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("reading resource %q: %w", id, err)
	}
	return item.Value.resource(item.Version), nil
}

// ByName returns the resource of a Global type by its name alone, or ErrNotFound.
func (rs *Resources) ByName(ctx context.Context, typ, name string) (*Resource, error) {
	item, err := rs.names.Get(ctx, nameKey(typ, name))
	if errors.Is(err, store.ErrNotFound) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("looking up %s %q: %w", typ, name, err)
	}
	return rs.Get(ctx, item.Value)
}

// List returns the resources under a scope, of one type or, with typ "", of
// all, in the order of their ids: parents before their children, subscriptions
// and resource groups among them.
func (rs *Resources) List(ctx context.Context, scope, typ string) ([]*Resource, error) {
	items, err := rs.docs.All(ctx, key(scope))
	if err != nil {
		return nil, fmt.Errorf("listing resources under %q: %w", scope, err)
	}
	var found []*Resource
	for _, item := range items {
		if typ == "" || strings.EqualFold(item.Value.Type, typ) {
			found = append(found, item.Value.resource(item.Version))
		}
	}
	return found, nil
}

// Save writes a resource on a condition, in one step with further operations.
// A Global type's name is claimed with it. The error is a *store.ConflictError
// when the condition does not hold, store.ErrConflict being in its chain;
// index 1 of it means, for a Global type's create, that the name is taken.
func (rs *Resources) Save(ctx context.Context, t *Type, r *Resource, condition store.Condition, also ...store.Op) error {
	op, err := rs.docs.PutOp(key(r.ID), documentOf(r), condition)
	if err != nil {
		return err
	}
	ops := []store.Op{op}
	if t.Global && r.Version == 0 {
		claim, err := rs.names.PutOp(nameKey(t.Name, r.Name), r.ID, store.Absent())
		if err != nil {
			return err
		}
		ops = append(ops, claim)
	}
	versions, err := rs.store.Apply(ctx, append(ops, also...)...)
	if err != nil {
		return err
	}
	r.Version = versions[0]
	return nil
}

// exists is an operation that holds a write to a resource's presence: in the
// version that r was read in, or in any.
func (rs *Resources) exists(r *Resource, condition store.Condition) store.Op {
	return store.Op{Kind: kindResource, Key: key(r.ID), Check: true, If: condition}
}

// Remove deletes a resource with everything below it. The resource goes first:
// from then on nothing can be created below it. Of a type with Work it must be
// as it was read, or work that has just begun would find it gone.
func (rs *Resources) Remove(ctx context.Context, t *Type, r *Resource, also ...store.Op) error {
	condition := store.Always()
	if t.Work != nil {
		condition = store.At(r.Version)
	}
	ops := []store.Op{rs.docs.DeleteOp(key(r.ID), condition)}
	if t.Global {
		ops = append(ops, rs.names.DeleteOp(nameKey(t.Name, r.Name), store.Always()))
	}
	below, err := rs.deletesBelow(ctx, r.ID)
	if err != nil {
		return err
	}
	if len(below)+len(ops)+len(also) <= store.MaxOps {
		ops, below = append(ops, below...), nil
	}
	if _, err := rs.store.Apply(ctx, append(ops, also...)...); err != nil {
		return err
	}
	// What was written between the look and the delete, and what is too much for one write.
	if below, err = rs.deletesBelow(ctx, r.ID); err != nil {
		return err
	}
	for part := range slices.Chunk(below, store.MaxOps) {
		if _, err := rs.store.Apply(ctx, part...); err != nil {
			return err
		}
	}
	return nil
}

// deletesBelow are the deletes of everything under an id, not the id itself.
func (rs *Resources) deletesBelow(ctx context.Context, id string) ([]store.Op, error) {
	items, err := rs.docs.All(ctx, key(id))
	if err != nil {
		return nil, fmt.Errorf("listing below %q: %w", id, err)
	}
	var ops []store.Op
	for _, item := range items {
		if item.Key != key(id) {
			ops = append(ops, rs.docs.DeleteOp(item.Key, store.Always()))
		}
	}
	return ops, nil
}
