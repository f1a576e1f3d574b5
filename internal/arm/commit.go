package arm

import (
	"context"
	"errors"
	"strings"

	"github.com/aksess/aksess/internal/store"
)

// commit lets the type complete the resource and writes it, in one step with
// the presence of what it is in. A resource that is recovered comes from where
// deleted ones are.
func (e *endpoint) commit(ctx context.Context, c container, change Change, from *store.Item[deletedDocument]) (outcome, error) {
	t, next := e.typ, change.New
	done := outcome{resource: next, created: change.Old == nil, work: e.begin(change.Request, change)}
	var also []store.Op
	change.Also = func(ops ...store.Op) { also = append(also, ops...) }
	if err := e.prepare(ctx, change, done.work); err != nil {
		return done, err
	}
	if t.Storage != nil {
		err := t.Storage.Put(ctx, c.parent, change)
		if errors.Is(err, ErrNotFound) {
			return done, noParent.New("write", strings.Join(t.segments(), "/"), c.parent.ID)
		}
		return done, err
	}
	condition := store.At(next.Version)
	if next.Version == 0 {
		condition = store.Absent()
		also = append(also, e.resources.exists(c.group, store.At(c.group.Version)))
	}
	if c.parent != nil && c.parent.Version != 0 && e.parent.typ.Storage == nil {
		also = append(also, e.resources.exists(c.parent, store.Present()))
	}
	if done.work == nil {
		return done, e.keep(ctx, next, from, condition, also)
	}
	op, err := e.resources.operations.PutOp(done.work.ID, *done.work, store.Absent())
	if err != nil {
		return done, err
	}
	e.resources.works.hold(done.work.ID, next.ID)
	err = e.keep(ctx, next, from, condition, append(also, op))
	if err != nil {
		e.resources.works.release(done.work.ID)
	}
	return done, err
}

// prepare completes the resource: its state, what the type computes, what a
// proxy does not have.
func (e *endpoint) prepare(ctx context.Context, change Change, work *operation) error {
	t, next := e.typ, change.New
	if !t.Proxy && !t.Stateless {
		state := stateSucceeded
		switch {
		case work != nil && change.Old == nil:
			state = stateCreating
		case work != nil:
			state = stateUpdating
		}
		if err := setState(next, state); err != nil {
			return err
		}
	}
	if t.Put != nil {
		if err := t.Put(ctx, change); err != nil {
			return err
		}
	}
	if err := checkSpelling(next); err != nil {
		return err
	}
	if t.Proxy {
		next.Location, next.Tags = "", nil
	}
	return nil
}

// keep writes the resource, and words it when its name is another one's.
func (e *endpoint) keep(ctx context.Context, next *Resource, from *store.Item[deletedDocument], condition store.Condition, also []store.Op) error {
	if from != nil {
		return e.resources.recover(ctx, *from, next, also...)
	}
	created := next.Version == 0
	err := e.resources.Save(ctx, e.typ, next, condition, also...)
	var conflict *store.ConflictError
	if e.typ.Global && created && errors.As(err, &conflict) && conflict.Index == 1 {
		return e.taken(ctx, next.Name)
	}
	return err
}

// taken refuses a name that another resource has, live or deleted.
func (e *endpoint) taken(ctx context.Context, name string) error {
	if e.typ.SoftDelete != nil {
		from, err := e.resources.remains(ctx, e.typ, name)
		if err != nil {
			return err
		}
		if from != nil {
			return e.typ.SoftDelete.Taken(from.Value.deleted())
		}
	}
	if e.typ.NameTaken != nil {
		return e.typ.NameTaken(name)
	}
	return nameTaken.New(name, e.typ.Name)
}
