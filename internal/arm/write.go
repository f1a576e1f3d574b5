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
	change := Change{Request: r, Old: old, New: e.start(r, p, old), Parent: c.parent, Sent: b.sent, Now: r.Now}
	var from *store.Item[deletedDocument]
	if old == nil && e.typ.SoftDelete != nil {
		if from, err = e.takeUp(&change, p); err != nil {
			return outcome{}, err
		}
	}
	if err := e.locate(p, b, change.Old, change.New); err != nil {
		return outcome{}, err
	}
	if err := apply(b, change.New); err != nil {
		return outcome{}, err
	}
	return e.commit(ctx, c, change, from)
}

// takeUp makes a change one of the deleted resource that has the name, if there
// is one and the change asks for it; otherwise the name is taken.
func (e *endpoint) takeUp(change *Change, p place) (*store.Item[deletedDocument], error) {
	from, err := e.resources.remains(change.Request.Context(), e.typ, p.name())
	if err != nil || from == nil {
		return nil, err
	}
	d := from.Value.deleted()
	change.Old, change.New = d.Resource, e.start(change.Request, p, d.Resource)
	if !strings.EqualFold(d.Resource.ID, p.id(e.typ)) || !e.typ.SoftDelete.Recovers(*change) {
		return nil, e.typ.SoftDelete.Taken(d)
	}
	return from, nil
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
