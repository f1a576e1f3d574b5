package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aksess/aksess/internal/store"
)

// maxCached bounds the principals whose grants are kept in memory; past it the
// cache starts anew.
const maxCached = 1 << 15

// Book keeps custom roles and role assignments in a store. It is safe for
// concurrent use.
//
// An assignment is two documents, always written together: one under its scope
// and name, by which Resource Manager finds it, and one under its principal,
// role and scope, which makes that triple unique and is what a decision reads.
// A decision therefore costs the assignments of its principal, however many
// others there are, and nothing but a look at the store's generation while
// nothing was written.
type Book struct {
	now   func() time.Time
	store store.Store

	assignments store.Collection[Assignment]     // by scope and name
	byPrincipal store.Collection[Assignment]     // by principal, role and scope
	roles       store.Collection[RoleDefinition] // custom ones, by id
	roleNames   store.Collection[string]         // name → id of custom ones

	kinds []string // what Grants depends on
	mu    sync.RWMutex
	cache map[string]grantsEntry // by principal id
}

type grantsEntry struct {
	generation uint64
	grants     []Grant
}

// NewBook returns the book that is in the store. now nil means time.Now.
func NewBook(s store.Store, now func() time.Time) *Book {
	if now == nil {
		now = time.Now
	}
	b := &Book{
		now:         now,
		store:       s,
		assignments: store.Collection[Assignment]{Store: s, Kind: "access.assignment"},
		byPrincipal: store.Collection[Assignment]{Store: s, Kind: "access.grant"},
		roles:       store.Collection[RoleDefinition]{Store: s, Kind: "access.role"},
		roleNames:   store.Collection[string]{Store: s, Kind: "access.rolename"},
		cache:       map[string]grantsEntry{},
	}
	b.kinds = []string{b.byPrincipal.Kind, b.roles.Kind}
	return b
}

// Grants returns the assignments of the principal, of its groups and, so that
// a refusal can name the mistake, those made to its client id; DecideRole
// tells them apart. The result is shared and must not be modified.
func (b *Book) Grants(ctx context.Context, p Principal) ([]Grant, error) {
	grants, err := b.grantsOf(ctx, p.ObjectID)
	if err != nil {
		return nil, err
	}
	shared := true // grants is a slice of the cache
	for i := range len(p.Groups) + 1 {
		id := p.AppID
		if i < len(p.Groups) {
			id = p.Groups[i]
		}
		more, err := b.grantsOf(ctx, id)
		if err != nil {
			return nil, err
		}
		switch {
		case len(more) == 0:
		case len(grants) == 0:
			grants = more
		default:
			if shared {
				grants, shared = slices.Clone(grants), false
			}
			grants = append(grants, more...)
		}
	}
	return grants, nil
}

// grantsOf returns the assignments that name one id.
func (b *Book) grantsOf(ctx context.Context, id string) ([]Grant, error) {
	if id == "" {
		return nil, nil
	}
	id = strings.ToLower(id)
	// Before the read: a write in between makes the entry look older than it is, never newer.
	generation := b.store.Generation(b.kinds...)
	b.mu.RLock()
	entry, found := b.cache[id]
	b.mu.RUnlock()
	if found && entry.generation == generation {
		return entry.grants, nil
	}
	grants, err := b.readGrants(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("reading the role assignments of principal %.64q: %w", id, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.cache) >= maxCached {
		b.cache = map[string]grantsEntry{}
	}
	b.cache[id] = grantsEntry{generation: generation, grants: grants}
	return grants, nil
}

func (b *Book) readGrants(ctx context.Context, id string) ([]Grant, error) {
	items, err := b.byPrincipal.All(ctx, id+"/")
	if err != nil {
		return nil, err
	}
	grants := make([]Grant, len(items))
	for i := range items {
		grants[i].Assignment = items[i].Value
		grants[i].Role, err = b.Role(ctx, items[i].Value.RoleID)
		if errors.Is(err, ErrRoleNotFound) {
			// A custom role deleted at the same moment as it was assigned: it grants nothing.
			grants[i].Role = RoleDefinition{ID: items[i].Value.RoleID, Name: items[i].Value.RoleID}
		} else if err != nil {
			return nil, err
		}
		grants[i].by, grants[i].conditions = grants[i].text(), grants[i].compileConditions()
	}
	return grants, nil
}

// scopeKey is how scopes compare and are stored; the root is "".
func scopeKey(scope string) string { return strings.ToLower(strings.TrimSuffix(scope, "/")) }

// assignmentKey keeps the assignments of a scope together and apart from those
// below it: no id has an empty segment.
func assignmentKey(scope, name string) string { return scopeKey(scope) + "//" + strings.ToLower(name) }

func grantKey(a *Assignment) string {
	return strings.ToLower(a.PrincipalID) + "/" + strings.ToLower(a.RoleID) + scopeKey(a.Scope)
}

// timestamp is how Resource Manager writes times.
func (b *Book) timestamp() string { return b.now().UTC().Format("2006-01-02T15:04:05.0000000Z") }
