package arm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/fault"
	"github.com/aksess/aksess/internal/store"
)

// maxAttempts bounds how often a write starts again because another one was faster.
const maxAttempts = 20

func (e *endpoint) put(w http.ResponseWriter, r *azapi.Request) error {
	p, err := e.place(r, 0)
	if err != nil {
		return err
	}
	if check := e.typ.ValidName; check != nil {
		if err := check(p.name()); err != nil {
			return err
		}
	}
	return e.write(w, r, p, (*body).put)
}

func (e *endpoint) patch(w http.ResponseWriter, r *azapi.Request) error {
	p, err := e.place(r, 0)
	if err != nil {
		return err
	}
	return e.write(w, r, p, (*body).patch)
}

// write changes a resource until no other writer interferes, and answers.
func (e *endpoint) write(w http.ResponseWriter, r *azapi.Request, p place, apply func(*body, *Resource) error) error {
	b, err := readBody(r)
	if err != nil {
		return err
	}
	for range maxAttempts {
		done, err := e.attempt(r, p, b, apply)
		var coded *fault.Error
		if errors.Is(err, store.ErrConflict) && !errors.As(err, &coded) {
			continue
		}
		if err != nil {
			return err
		}
		if e.typ.Written != nil && e.typ.Storage == nil {
			if err := e.typ.Written(r.Context(), done.resource); err != nil {
				return e.giveUp(r.Context(), done, err)
			}
		}
		if done.work != nil {
			e.carryOn(w.Header(), r, done.work)
		}
		return e.answer(w, r, e.status(done.created), done.resource)
	}
	return Busy.New(p.id(e.typ)).SetHeader("Retry-After", "1")
}

// outcome is a write that is on disk.
type outcome struct {
	resource *Resource
	created  bool
	work     *operation // what remains to be done, nil for most
}

// giveUp ends the work of a write whose Written hook failed.
func (e *endpoint) giveUp(ctx context.Context, done outcome, failure error) error {
	failure = fmt.Errorf("after writing %q: %w", done.resource.ID, failure)
	if done.work == nil {
		return failure
	}
	defer e.resources.works.release(done.work.ID)
	return errors.Join(failure, e.resources.finish(ctx, *done.work, failure))
}

func (e *endpoint) status(created bool) int {
	switch {
	case created && e.typ.CreateStatus != 0:
		return e.typ.CreateStatus
	case created:
		return http.StatusCreated
	case e.typ.UpdateStatus != 0:
		return e.typ.UpdateStatus
	default:
		return http.StatusOK
	}
}

// attempt looks, changes and writes once.
func (e *endpoint) attempt(r *azapi.Request, p place, b *body, apply func(*body, *Resource) error) (outcome, error) {
	ctx := r.Context()
	c, err := e.above(ctx, p, "write")
	if err != nil {
		return outcome{}, err
	}
	old, err := e.load(ctx, p)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return outcome{}, err
	}
	if err := CheckConditions(r, old); err != nil {
		return outcome{}, err
	}
	switch {
	case old == nil && r.Method == http.MethodPatch:
		return outcome{}, ResourceNotFound.New(p.label(e.typ), p.group)
	case old == nil && IsDeleting(c.group):
		return outcome{}, GroupBeingDeleted.New(p.group)
	case e.typ.underWay(old):
		return outcome{}, underWay.New(old.State(), old.ID).SetHeader("Retry-After", "1")
	}
	var from *store.Item[deletedDocument]
	if old == nil && e.typ.SoftDelete != nil {
		if from, err = e.resources.remains(ctx, e.typ, p.name()); err != nil {
			return outcome{}, err
		}
		if from != nil {
			old = from.Value.deleted().Resource
		}
	}
	next := e.start(r, p, old)
	change := Change{Request: r, Old: old, New: next, Parent: c.parent, Sent: b.sent, Now: r.Now}
	if from != nil && (!strings.EqualFold(old.ID, p.id(e.typ)) || !e.typ.SoftDelete.Recovers(change)) {
		return outcome{}, e.typ.SoftDelete.Taken(from.Value.deleted())
	}
	if err := e.locate(p, b, old, next); err != nil {
		return outcome{}, err
	}
	if err := apply(b, next); err != nil {
		return outcome{}, err
	}
	return e.commit(ctx, c, change, from)
}

// start is the resource before the body is applied.
func (e *endpoint) start(r *azapi.Request, p place, old *Resource) *Resource {
	if old != nil {
		next := old.clone()
		next.Changed = r.Now
		return next
	}
	return &Resource{
		ID: p.id(e.typ), Name: p.name(), Type: e.typ.Name,
		Created: r.Now, Changed: r.Now, CreatedBy: r.Caller.ObjectID,
	}
}

// locate sets the location, which does not change once the resource is there.
func (e *endpoint) locate(p place, b *body, old, next *Resource) error {
	if e.typ.Proxy {
		return nil
	}
	sent := b.location()
	switch {
	case old != nil && (sent == "" || sent == old.Location):
		return nil
	case old != nil:
		return movedLocation.New(old.Name, old.Location, p.group, sent)
	case sent == "":
		return LocationRequired.New()
	case !KnownLocation(sent):
		return badLocation.New(fmt.Sprintf("%.60s", sent), e.typ.Name, locationNames())
	}
	next.Location = sent
	return nil
}

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
	if done.work != nil {
		op, err := e.resources.operations.PutOp(done.work.ID, *done.work, store.Absent())
		if err != nil {
			return done, err
		}
		also = append(also, op)
		e.resources.works.hold(done.work.ID, next.ID)
	}
	var err error
	if from != nil {
		err = e.resources.recover(ctx, *from, next, also...)
	} else {
		err = e.save(ctx, next, condition, also)
	}
	if err != nil && done.work != nil {
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
	if t.Proxy {
		next.Location, next.Tags = "", nil
	}
	return nil
}

// save writes the resource, and words it when its name is another one's.
func (e *endpoint) save(ctx context.Context, next *Resource, condition store.Condition, also []store.Op) error {
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

// CheckConditions holds If-Match and If-None-Match (RFC 9110, section 13.1)
// against what is there, nil when nothing is.
func CheckConditions(r *azapi.Request, current *Resource) error {
	tag := ""
	if current != nil {
		tag = current.ETag()
	}
	if want := r.Header.Get("If-Match"); want != "" && (current == nil || !tagListed(want, tag)) {
		return stale.New(want, "If-Match", tag)
	}
	if unwanted := r.Header.Get("If-None-Match"); unwanted != "" && current != nil && tagListed(unwanted, tag) {
		return stale.New(unwanted, "If-None-Match", tag)
	}
	return nil
}

func tagListed(list, tag string) bool {
	if strings.TrimSpace(list) == "*" {
		return true
	}
	for one := range strings.SplitSeq(list, ",") {
		if strings.Trim(strings.TrimPrefix(strings.TrimSpace(one), "W/"), `"`) == strings.Trim(tag, `"`) && tag != "" {
			return true
		}
	}
	return false
}

func (e *endpoint) delete(w http.ResponseWriter, r *azapi.Request) error {
	p, err := e.place(r, 0)
	if err != nil {
		return err
	}
	found, err := e.load(r.Context(), p)
	if errors.Is(err, ErrNotFound) {
		return e.deleteNothing(w, r, p)
	}
	if err != nil {
		return err
	}
	if err := CheckConditions(r, found); err != nil {
		return err
	}
	if e.typ.underWay(found) {
		return underWay.New(found.State(), found.ID).SetHeader("Retry-After", "1")
	}
	if err := e.remove(r.Context(), p, found); errors.Is(err, ErrNotFound) {
		return e.deleteNothing(w, r, p)
	} else if err != nil {
		return err
	}
	if e.typ.Ended != nil {
		if err := e.typ.Ended(r, found); err != nil {
			return err
		}
	}
	status := http.StatusOK
	if e.typ.DeleteStatus != 0 {
		status = e.typ.DeleteStatus
	}
	if status == http.StatusAccepted { // whoever takes it for long-running finds its end
		return e.resources.Accept(w, r, Accepted{Namespace: e.typ.namespace(), Location: found.Location})
	}
	w.WriteHeader(status)
	return nil
}

// deleteNothing answers 204, unless the subscription or group is not there either.
func (e *endpoint) deleteNothing(w http.ResponseWriter, r *azapi.Request, p place) error {
	if r.Header.Get("If-Match") != "" {
		return stale.New(r.Header.Get("If-Match"), "If-Match", "")
	}
	if _, err := e.resources.Group(r.Context(), p.subscription, p.group); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (e *endpoint) remove(ctx context.Context, p place, found *Resource) error {
	if e.typ.Storage == nil {
		return e.resources.Destroy(ctx, e.types, found)
	}
	parent, err := e.parent.load(ctx, p.above(e))
	if err != nil {
		return err
	}
	if e.typ.Delete != nil {
		if err := e.typ.Delete(ctx, found); err != nil {
			return err
		}
	}
	return e.typ.Storage.Delete(ctx, parent, found)
}
