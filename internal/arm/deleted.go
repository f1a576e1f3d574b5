package arm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/store"
)

const (
	kindDeleted = "arm.deleted"       // deleted resources by "type/name" in lower case, as in kindName
	kindBelow   = "arm.deleted.below" // what was below them, by that key and their own
)

// ErrProtected: a deleted resource that cannot be purged before its time.
var ErrProtected = errors.New("resource is protected from being purged")

// deletedDocument is how a deleted resource is stored. Its name stays claimed
// until the document goes.
type deletedDocument struct {
	Resource  document  `json:"resource"`
	At        time.Time `json:"at"`
	Until     time.Time `json:"until"`
	Protected bool      `json:"protected,omitempty"`
	Purging   bool      `json:"purging,omitempty"` // its end has begun: it does not come back
}

func (d *deletedDocument) over(now time.Time) bool { return d.Purging || !now.Before(d.Until) }

func (d *deletedDocument) deleted() *Deleted {
	return &Deleted{Resource: d.Resource.resource(0), At: d.At, Until: d.Until, Protected: d.Protected}
}

// Deleted returns the deleted resource of that type and name, or ErrNotFound.
func (rs *Resources) Deleted(ctx context.Context, typ, name string) (*Deleted, error) {
	item, err := rs.buried(ctx, typ, name)
	if err != nil {
		return nil, err
	}
	if item.Value.over(rs.Now()) {
		return nil, ErrNotFound
	}
	return item.Value.deleted(), nil
}

// ListDeleted returns the deleted resources of a type in a subscription, in the order of their names.
func (rs *Resources) ListDeleted(ctx context.Context, subscription, typ string) ([]*Deleted, error) {
	items, err := rs.deleted.All(ctx, nameKey(typ, ""))
	if err != nil {
		return nil, fmt.Errorf("listing deleted %s: %w", typ, err)
	}
	now := rs.Now()
	var found []*Deleted
	for _, item := range items {
		d := &item.Value
		if strings.HasPrefix(key(d.Resource.ID), key("/subscriptions/"+subscription)) && strings.EqualFold(d.Resource.Type, typ) && !d.over(now) {
			found = append(found, d.deleted())
		}
	}
	return found, nil
}

// buried returns the document of a deleted resource, also of one whose time is up.
func (rs *Resources) buried(ctx context.Context, typ, name string) (store.Item[deletedDocument], error) {
	item, err := rs.deleted.Get(ctx, nameKey(typ, name))
	if errors.Is(err, store.ErrNotFound) {
		return item, ErrNotFound
	}
	if err != nil {
		return item, fmt.Errorf("reading deleted %s %q: %w", typ, name, err)
	}
	return item, nil
}

// bury moves a resource with what is below it to the deleted ones, in one write
// as long as that takes it; [Resources.settle] completes a longer one. The error has
// store.ErrConflict in its chain when another writer was faster.
func (rs *Resources) bury(ctx context.Context, t *Type, r *Resource, d deletedDocument) error {
	name := nameKey(t.Name, r.Name)
	d.Resource = documentOf(r)
	put, err := rs.deleted.PutOp(name, d, store.Always())
	if err != nil {
		return err
	}
	below, err := rs.lowered(ctx, name, r.ID)
	if err != nil {
		return err
	}
	ops := []store.Op{rs.docs.DeleteOp(key(r.ID), store.At(r.Version)), put}
	first := min(len(below), store.MaxOps-len(ops))
	first -= first % 2 // a delete and its put stay together
	versions, err := rs.store.Apply(ctx, append(ops, below[:first]...)...)
	if err != nil {
		return err
	}
	return rs.settle(ctx, store.Item[deletedDocument]{Key: name, Version: versions[1], Value: d})
}

// settle moves what is still, or again, below a deleted resource's id to it.
func (rs *Resources) settle(ctx context.Context, item store.Item[deletedDocument]) error {
	below, err := rs.lowered(ctx, item.Key, item.Value.Resource.ID)
	if err != nil {
		return err
	}
	return rs.applyParts(ctx, below, rs.stillDeleted(item))
}

// stillDeleted is an operation that holds a write to a deleted resource being just as it was read.
func (rs *Resources) stillDeleted(item store.Item[deletedDocument]) store.Op {
	return store.Op{Kind: kindDeleted, Key: item.Key, Check: true, If: store.At(item.Version)}
}

// lowered are the operations, in pairs, that move the documents below an id to the deleted ones.
func (rs *Resources) lowered(ctx context.Context, name, id string) ([]store.Op, error) {
	items, err := rs.docs.All(ctx, key(id))
	if err != nil {
		return nil, fmt.Errorf("listing below %q: %w", id, err)
	}
	return moves(items, rs.docs, rs.below, func(item store.Item[document]) string {
		if item.Key == key(id) {
			return ""
		}
		return name + item.Key
	})
}

// raised are the operations, in pairs, that move what was below a deleted resource back.
func (rs *Resources) raised(ctx context.Context, name string) ([]store.Op, error) {
	items, err := rs.below.All(ctx, name+"/")
	if err != nil {
		return nil, fmt.Errorf("listing what was below %q: %w", name, err)
	}
	return moves(items, rs.below, rs.docs, func(item store.Item[document]) string { return strings.TrimPrefix(item.Key, name) })
}

// moves are a delete and a put for each document; target gives the new key, "" to leave one.
func moves(items []store.Item[document], from, to store.Collection[document], target func(store.Item[document]) string) ([]store.Op, error) {
	var ops []store.Op
	for _, item := range items {
		key := target(item)
		if key == "" {
			continue
		}
		put, err := to.PutOp(key, item.Value, store.Always())
		if err != nil {
			return nil, err
		}
		ops = append(ops, from.DeleteOp(item.Key, store.At(item.Version)), put)
	}
	return ops, nil
}

// applyParts applies operations in as few writes as they take, each on the condition of guard.
func (rs *Resources) applyParts(ctx context.Context, ops []store.Op, guard store.Op) error {
	for part := range slices.Chunk(ops, store.MaxOps-2) { // even: pairs stay together
		if _, err := rs.store.Apply(ctx, append([]store.Op{guard}, part...)...); err != nil {
			return err
		}
	}
	return nil
}

// recover makes a deleted resource the live resource next, with what was below
// it. The error has store.ErrConflict in its chain when another writer was faster.
func (rs *Resources) recover(ctx context.Context, item store.Item[deletedDocument], next *Resource, also ...store.Op) error {
	put, err := rs.docs.PutOp(key(next.ID), documentOf(next), store.Absent())
	if err != nil {
		return err
	}
	ops := append([]store.Op{put, rs.deleted.DeleteOp(item.Key, store.At(item.Version))}, also...)
	below, err := rs.raised(ctx, item.Key)
	if err != nil {
		return err
	}
	// What one write cannot take comes back first: while the resource itself is
	// deleted, a crash leaves it to settle to undo that.
	if room := (store.MaxOps - len(ops)) &^ 1; len(below) > room {
		early := below[:len(below)-room]
		if err := rs.applyParts(ctx, early, rs.stillDeleted(item)); err != nil {
			return err
		}
		below = below[len(below)-room:]
	}
	versions, err := rs.store.Apply(ctx, append(ops, below...)...)
	if err != nil {
		return err
	}
	next.Version = versions[0]
	// What a settle at the same moment took back.
	if below, err = rs.raised(ctx, item.Key); err != nil {
		return err
	}
	return rs.applyParts(ctx, below, rs.exists(next, store.Present()))
}
