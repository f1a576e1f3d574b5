package arm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/store"
)

const kindLock = "arm.lock" // by lower-case id of the lock

// LockType is the type of management locks.
const LockType = "Microsoft.Authorization/locks"

// Levels of a lock (https://learn.microsoft.com/azure/azure-resource-manager/management/lock-resources).
const (
	LockCanNotDelete = "CanNotDelete" // nothing at or below the scope is deleted
	LockReadOnly     = "ReadOnly"     // nothing at or below the scope is written, deleted or acted upon
)

// Lock is a management lock.
type Lock struct {
	Name      string    `json:"name"`
	Scope     string    `json:"scope"` // id of what is locked, as first written
	Level     string    `json:"level"`
	Notes     string    `json:"notes,omitempty"`
	Owners    []string  `json:"owners,omitempty"` // application ids
	Created   time.Time `json:"created"`
	Changed   time.Time `json:"changed"`
	CreatedBy string    `json:"createdBy,omitempty"` // object id
	ChangedBy string    `json:"changedBy,omitempty"` // object id
}

// ID is the lock's own id.
func (l *Lock) ID() string {
	return strings.TrimSuffix(l.Scope, "/") + "/providers/" + LockType + "/" + l.Name
}

// Locks returns the locks at and below a scope, in the order of their ids.
func (rs *Resources) Locks(ctx context.Context, scope string) ([]Lock, error) {
	items, err := rs.locks.All(ctx, key(scope))
	if err != nil {
		return nil, fmt.Errorf("listing locks of %q: %w", scope, err)
	}
	locks := make([]Lock, 0, len(items))
	for _, item := range items {
		locks = append(locks, item.Value)
	}
	return locks, nil
}

// Lock returns the lock of that name at a scope, or ErrNotFound.
func (rs *Resources) Lock(ctx context.Context, scope, name string) (Lock, error) {
	l := Lock{Scope: scope, Name: name}
	item, err := rs.locks.Get(ctx, key(l.ID()))
	if errors.Is(err, store.ErrNotFound) {
		return l, ErrNotFound
	}
	if err != nil {
		return l, fmt.Errorf("reading lock %q: %w", l.ID(), err)
	}
	return item.Value, nil
}

// PutLock writes a lock and reports whether it is new. One that was there keeps
// its spelling and the time it was made at.
func (rs *Resources) PutLock(ctx context.Context, l Lock) (_ Lock, created bool, err error) {
	item, err := rs.locks.Update(ctx, key(l.ID()), func(kept *Lock, exists bool) error {
		created = !exists
		if exists {
			l.Name, l.Scope, l.Created, l.CreatedBy = kept.Name, kept.Scope, kept.Created, kept.CreatedBy
		}
		*kept = l
		return nil
	})
	if err != nil {
		return l, false, fmt.Errorf("writing lock %q: %w", l.ID(), err)
	}
	return item.Value, created, nil
}

// DeleteLock removes a lock, or returns ErrNotFound.
func (rs *Resources) DeleteLock(ctx context.Context, scope, name string) error {
	l := Lock{Scope: scope, Name: name}
	err := rs.locks.Delete(ctx, key(l.ID()), store.Present())
	if errors.Is(err, store.ErrConflict) {
		return ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("deleting lock %q: %w", l.ID(), err)
	}
	return nil
}

// forgetLocks removes the locks at and below a scope that is gone.
func (rs *Resources) forgetLocks(ctx context.Context, scope string) error {
	locks, err := rs.Locks(ctx, scope)
	if err != nil {
		return err
	}
	for _, l := range locks {
		if err := rs.DeleteLock(ctx, l.Scope, l.Name); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return nil
}

// lockedBy returns the scopes whose locks forbid a method at a scope: those at
// or above it, and for a delete those below it, which would go with it.
func lockedBy(locks []Lock, method, scope string) []string {
	var scopes []string
	for _, l := range locks {
		inherited := chain.Contains(l.Scope, scope)
		below := method == http.MethodDelete && chain.Contains(scope, l.Scope)
		forbids := l.Level == LockReadOnly || l.Level == LockCanNotDelete && method == http.MethodDelete
		if forbids && (inherited || below) {
			scopes = append(scopes, l.Scope)
		}
	}
	return scopes
}

// checkLocks refuses a request that a lock forbids. What only reads by POST is
// no write.
func (rs *Resources) checkLocks(r *azapi.Request, action, scope string) error {
	parts := strings.Split(scope, "/") // of a scope that is no id, too
	if len(parts) < 3 || !strings.EqualFold(parts[1], "subscriptions") || strings.HasSuffix(strings.ToLower(action), "/read") {
		return nil // no lock is above the subscriptions; who may not be there is refused elsewhere
	}
	locks, err := rs.Locks(r.Context(), "/subscriptions/"+parts[2])
	if err != nil {
		return err
	}
	if scopes := lockedBy(locks, r.Method, scope); scopes != nil {
		verb := "write"
		if r.Method == http.MethodDelete {
			verb = "delete"
		}
		return scopeLocked.New(scope, verb, strings.Join(scopes, ","))
	}
	return nil
}

// locked makes an operation that locks forbid refuse when one does. It is the
// one place where locks are enforced, for the rows of every service.
func (rs *Resources) locked(operation azapi.Operation) azapi.Operation {
	action := operation.Action.Access().Name
	reads := operation.Method == http.MethodGet || operation.Method == http.MethodHead
	if reads || action == "" || strings.HasPrefix(action, LockType+"/") {
		return operation
	}
	handle := operation.Handle
	operation.Handle = func(w http.ResponseWriter, r *azapi.Request) error {
		if err := rs.checkLocks(r, action, r.Scope()); err != nil {
			return err
		}
		return handle(w, r)
	}
	return operation
}
