package arm

import (
	"context"
	"errors"
	"net/http"

	"github.com/aksess/aksess/internal/azapi"
)

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
	if err := e.typ.Storage.Delete(ctx, parent, found); err != nil {
		return err
	}
	return e.resources.forget(ctx, found.ID)
}
