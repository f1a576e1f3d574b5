package authorization

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/fault"
)

const (
	locks = "/providers/" + arm.LockType

	maxNotes = 512 // characters
)

var (
	noLock = &fault.Kind{
		Code: "LockNotFound", Status: http.StatusNotFound,
		Format: "The lock '%s' could not be found.",
		Why:    "no management lock of that name is at the scope",
		Fix:    "list the locks: one that is inherited is found at its own scope only",
	}
	badLock = &fault.Kind{
		Code: "InvalidLock", Status: http.StatusBadRequest,
		Format: "The lock is invalid: %s.",
		Why:    "a management lock has a level and, where it likes, notes and owners",
		Fix:    "correct the member that the message names",
	}
)

// LockOperations are the rows of management.azure.com's table for management
// locks (https://learn.microsoft.com/rest/api/resources/management-locks). That
// they hold is arm's business.
func LockOperations(resources *arm.Resources, scopes *arm.Scopes) []azapi.Operation {
	h := &lockHandlers{resources: resources, scopes: scopes}
	const one, all = "/{scope...}" + locks + "/{name}", "/{scope...}" + locks
	read := azapi.Control(arm.LockType + "/read")
	above := func(r *azapi.Request) string { return arm.ScopeOf(r, 1) }
	return []azapi.Operation{
		{Name: "ListLocks", Method: http.MethodGet, Pattern: all, Action: read, Scope: above, Handle: h.list},
		{Name: "GetLock", Method: http.MethodGet, Pattern: one, Action: read, Handle: h.get},
		{Name: "PutLock", Method: http.MethodPut, Pattern: one, Action: azapi.Control(arm.LockType + "/write"), Handle: h.put},
		{Name: "DeleteLock", Method: http.MethodDelete, Pattern: one, Action: azapi.Control(arm.LockType + "/delete"), Handle: h.delete},
	}
}

type lockHandlers struct {
	resources *arm.Resources
	scopes    *arm.Scopes
}

// scope is what is in front of the last segments of the path: a subscription or
// something in one.
func (h *lockHandlers) scope(r *azapi.Request, last int) (string, error) {
	id, err := arm.IDOf(r, last)
	if err != nil {
		return "", err
	}
	if err := h.scopes.Check(r.Context(), id); err != nil {
		return "", err
	}
	if id.Subscription == "" {
		return "", badLock.New("a lock is on a subscription, a resource group or a resource")
	}
	return arm.ScopeOf(r, last), nil
}

// lockWire is a lock on the wire.
type lockWire struct {
	ID         string         `json:"id"`
	Name       string         `json:"name"`
	Type       string         `json:"type"`
	Properties lockProperties `json:"properties"`
	SystemData lockSystemData `json:"systemData"`
}

type lockProperties struct {
	Level  string      `json:"level"`
	Notes  string      `json:"notes,omitempty"`
	Owners []lockOwner `json:"owners,omitempty"`
}

type lockOwner struct {
	ApplicationID string `json:"applicationId"`
}

type lockSystemData struct {
	CreatedBy      string    `json:"createdBy,omitempty"`
	CreatedAt      time.Time `json:"createdAt"`
	LastModifiedBy string    `json:"lastModifiedBy,omitempty"`
	LastModifiedAt time.Time `json:"lastModifiedAt"`
}

func lockOf(l arm.Lock) lockWire {
	wire := lockWire{
		ID: l.ID(), Name: l.Name, Type: arm.LockType, Properties: lockProperties{Level: l.Level, Notes: l.Notes},
		SystemData: lockSystemData{CreatedBy: l.CreatedBy, CreatedAt: l.Created.UTC(), LastModifiedBy: l.ChangedBy, LastModifiedAt: l.Changed.UTC()},
	}
	for _, owner := range l.Owners {
		wire.Properties.Owners = append(wire.Properties.Owners, lockOwner{ApplicationID: owner})
	}
	return wire
}

// parseLock is the lock that a body asks for.
func parseLock(p *lockProperties) (arm.Lock, error) {
	if p == nil || p.Level == "" {
		return arm.Lock{}, badLock.New("'properties.level' is required: CanNotDelete or ReadOnly")
	}
	levels := []string{arm.LockCanNotDelete, arm.LockReadOnly}
	at := slices.IndexFunc(levels, func(level string) bool { return strings.EqualFold(level, p.Level) })
	if at < 0 {
		return arm.Lock{}, badLock.New(fmt.Sprintf("'properties.level' is '%.60s', not CanNotDelete or ReadOnly", p.Level))
	}
	if utf8.RuneCountInString(p.Notes) > maxNotes {
		return arm.Lock{}, badLock.New(fmt.Sprintf("'properties.notes' is longer than %d characters", maxNotes))
	}
	l := arm.Lock{Level: levels[at], Notes: p.Notes}
	for _, owner := range p.Owners {
		if !chain.IsGUID(owner.ApplicationID) {
			return arm.Lock{}, badLock.New("'properties.owners.applicationId' is not a GUID")
		}
		l.Owners = append(l.Owners, owner.ApplicationID)
	}
	return l, nil
}

func (h *lockHandlers) put(w http.ResponseWriter, r *azapi.Request) error {
	var body struct {
		Properties *lockProperties `json:"properties"`
	}
	if err := arm.DecodeBody(r, &body); err != nil {
		return err
	}
	if err := arm.CheckName(r.Param("name")); err != nil {
		return err
	}
	scope, err := h.scope(r, 4)
	if err != nil {
		return err
	}
	l, err := parseLock(body.Properties)
	if err != nil {
		return err
	}
	l.Name, l.Scope, l.Created, l.Changed = r.Param("name"), scope, r.Now, r.Now
	l.CreatedBy, l.ChangedBy = r.Caller.ObjectID, r.Caller.ObjectID
	written, created, err := h.resources.PutLock(r.Context(), l)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	return azapi.WriteJSON(w, status, lockOf(written))
}

func (h *lockHandlers) get(w http.ResponseWriter, r *azapi.Request) error {
	scope, err := h.scope(r, 4)
	if err != nil {
		return err
	}
	found, err := h.resources.Lock(r.Context(), scope, r.Param("name"))
	if errors.Is(err, arm.ErrNotFound) {
		return noLock.New(fmt.Sprintf("%.260s", r.Param("name")))
	}
	if err != nil {
		return err
	}
	return azapi.WriteJSON(w, http.StatusOK, lockOf(found))
}

func (h *lockHandlers) delete(w http.ResponseWriter, r *azapi.Request) error {
	scope, err := h.scope(r, 4)
	if err != nil {
		return err
	}
	switch err := h.resources.DeleteLock(r.Context(), scope, r.Param("name")); {
	case errors.Is(err, arm.ErrNotFound):
		w.WriteHeader(http.StatusNoContent)
	case err != nil:
		return err
	default:
		w.WriteHeader(http.StatusOK)
	}
	return nil
}

// list gives the locks that a scope has, inherits, and holds below itself; with
// $filter=atScope() only those that bear on the scope itself.
func (h *lockHandlers) list(w http.ResponseWriter, r *azapi.Request) error {
	scope, err := h.scope(r, 3)
	if err != nil {
		return err
	}
	filter, err := arm.ParseFilter(r.Query("$filter"), arm.Grammar{Functions: map[string]int{"atscope": 0}})
	if err != nil {
		return err
	}
	id, err := arm.IDOf(r, 3)
	if err != nil {
		return err
	}
	all, err := h.resources.Locks(r.Context(), "/subscriptions/"+id.Subscription)
	if err != nil {
		return err
	}
	var entries []arm.Entry
	for _, l := range all {
		inherited := chain.Contains(l.Scope, scope)
		if (inherited || chain.Contains(scope, l.Scope)) && filter.Matches(lockSubject{atScope: inherited}) {
			entries = append(entries, arm.Entry{ID: l.ID(), Value: lockOf(l)})
		}
	}
	return arm.WriteList(w, r, entries)
}

// lockSubject is a lock that a filter is held against.
type lockSubject struct{ atScope bool }

func (s lockSubject) Property(string) string { return "" }

func (s lockSubject) Call(string, []string) bool { return s.atScope }
