package arm

import (
	"context"
	"encoding/json"
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
		written, created, err := e.attempt(r, p, b, apply)
		var coded *fault.Error
		if errors.Is(err, store.ErrConflict) && !errors.As(err, &coded) {
			continue
		}
		if err != nil {
			return err
		}
		if e.typ.Written != nil && e.typ.Storage == nil {
			if err := e.typ.Written(r.Context(), written); err != nil {
				return fmt.Errorf("after writing %q: %w", written.ID, err)
			}
		}
		return e.answer(w, r, e.status(created), written)
	}
	return Busy.New(p.id(e.typ)).SetHeader("Retry-After", "1")
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
func (e *endpoint) attempt(r *azapi.Request, p place, b *body, apply func(*body, *Resource) error) (*Resource, bool, error) {
	ctx := r.Context()
	c, err := e.above(ctx, p, "write")
	if err != nil {
		return nil, false, err
	}
	old, err := e.load(ctx, p)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, false, err
	}
	if err := CheckConditions(r, old); err != nil {
		return nil, false, err
	}
	if old == nil && r.Method == http.MethodPatch {
		return nil, false, ResourceNotFound.New(p.label(e.typ), p.group)
	}
	if old == nil && IsDeleting(c.group) {
		return nil, false, GroupBeingDeleted.New(p.group)
	}
	next := e.start(r, p, old)
	if err := e.locate(p, b, old, next); err != nil {
		return nil, false, err
	}
	if err := apply(b, next); err != nil {
		return nil, false, err
	}
	return next, old == nil, e.commit(ctx, r, c, Change{Request: r, Old: old, New: next, Parent: c.parent, Sent: b.sent, Now: r.Now})
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
// the presence of what it is in.
func (e *endpoint) commit(ctx context.Context, r *azapi.Request, c container, change Change) error {
	t, next := e.typ, change.New
	if !t.Proxy && !t.Stateless {
		if err := succeed(next); err != nil {
			return err
		}
	}
	var also []store.Op
	change.Also = func(ops ...store.Op) { also = append(also, ops...) }
	if t.Put != nil {
		if err := t.Put(ctx, change); err != nil {
			return err
		}
	}
	if t.Proxy {
		next.Location, next.Tags = "", nil
	}
	if t.Storage != nil {
		err := t.Storage.Put(ctx, c.parent, change)
		if errors.Is(err, ErrNotFound) {
			return noParent.New("write", strings.Join(t.segments(), "/"), c.parent.ID)
		}
		return err
	}
	condition := store.Absent()
	if next.Version != 0 {
		condition = store.At(next.Version)
	} else {
		also = append(also, e.resources.exists(c.group, store.At(c.group.Version)))
	}
	if c.parent != nil && c.parent.Version != 0 && e.parent.typ.Storage == nil {
		also = append(also, e.resources.exists(c.parent, store.Present()))
	}
	created := next.Version == 0
	err := e.resources.Save(ctx, t, next, condition, also...)
	var conflict *store.ConflictError
	if t.Global && created && errors.As(err, &conflict) && conflict.Index == 1 {
		return e.taken(next.Name)
	}
	return err
}

func (e *endpoint) taken(name string) error {
	if e.typ.NameTaken != nil {
		return e.typ.NameTaken(name)
	}
	return nameTaken.New(name, e.typ.Name)
}

// succeed sets properties.provisioningState.
func succeed(r *Resource) error {
	properties := map[string]json.RawMessage{}
	if err := r.Decode(&properties); err != nil {
		return fmt.Errorf("decoding the properties of %q: %w", r.ID, err)
	}
	properties["provisioningState"] = json.RawMessage(`"Succeeded"`)
	return r.SetProperties(properties)
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
	if err := e.remove(r.Context(), p, found); errors.Is(err, ErrNotFound) {
		return e.deleteNothing(w, r, p)
	} else if err != nil {
		return err
	}
	status := http.StatusOK
	if e.typ.DeleteStatus != 0 {
		status = e.typ.DeleteStatus
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
