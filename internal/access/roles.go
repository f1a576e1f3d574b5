package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/store"
)

// Limits of a custom role
// (https://learn.microsoft.com/azure/role-based-access-control/custom-roles).
const (
	maxRoles            = 5000 // custom ones of a tenant
	maxRoleName         = 512  // characters
	maxRoleDescription  = 2048 // characters
	maxAssignableScopes = 2000
	maxPatterns         = 2048 // in all lists of a role together
	maxPattern          = 512  // bytes of one
)

// Role returns a built-in or custom role by its GUID, or ErrRoleNotFound. The
// lists inside are shared and must not be modified.
func (b *Book) Role(ctx context.Context, id string) (RoleDefinition, error) {
	key := strings.ToLower(id)
	if role, found := builtins().byID[key]; found {
		return *role, nil
	}
	if !chain.IsGUID(id) {
		return RoleDefinition{}, ErrInvalidRoleID.New(id)
	}
	item, err := b.roles.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return RoleDefinition{}, ErrRoleNotFound.New(id)
	}
	return item.Value, err
}

// RoleQuery selects role definitions.
type RoleQuery struct {
	Name  string // only the role of that name, compared without case; "" for any
	Type  string // TypeBuiltIn or TypeCustom; "" for both
	Scope string // only roles that can be assigned at this scope; "" for any
}

// Roles returns the role definitions that the query selects: built-in ones
// first, then custom ones in the order of their ids.
func (b *Book) Roles(ctx context.Context, q RoleQuery) ([]RoleDefinition, error) {
	var roles []RoleDefinition
	for _, role := range builtins().roles {
		if q.selects(&role) {
			roles = append(roles, role)
		}
	}
	custom, err := b.roles.All(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("listing custom roles: %w", err)
	}
	for i := range custom {
		if q.selects(&custom[i].Value) {
			roles = append(roles, custom[i].Value)
		}
	}
	return roles, nil
}

func (q *RoleQuery) selects(role *RoleDefinition) bool {
	return (q.Name == "" || strings.EqualFold(q.Name, role.Name)) &&
		(q.Type == "" || strings.EqualFold(q.Type, role.Type)) &&
		(q.Scope == "" || slices.ContainsFunc(role.AssignableScopes, func(scope string) bool { return contains(scope, q.Scope) }))
}

// PutRole writes a custom role under its GUID and reports whether it is new.
// Type and times are set here.
// Errors: ErrInvalidRoleID, ErrBadRequest, ErrInvalidCondition, ErrRoleNameExists, ErrRoleLimit, and
// store.ErrConflict when the condition, which is about the role of that id, does not hold.
func (b *Book) PutRole(ctx context.Context, role RoleDefinition, condition store.Condition) (item store.Item[RoleDefinition], created bool, err error) {
	if err := checkRole(&role); err != nil {
		return item, false, err
	}
	role.ID, role.Type = strings.ToLower(role.ID), TypeCustom
	role.normalize()
	for {
		item, created, err = b.putRole(ctx, role, condition)
		if !errors.Is(err, errRaced) {
			return item, created, err
		}
	}
}

// putRole is one try.
func (b *Book) putRole(ctx context.Context, role RoleDefinition, condition store.Condition) (item store.Item[RoleDefinition], created bool, err error) {
	have, err := b.roles.Get(ctx, role.ID)
	created = errors.Is(err, store.ErrNotFound)
	if err != nil && !created {
		return item, false, fmt.Errorf("reading role %s: %w", role.ID, err)
	}
	if !condition.Holds(!created, have.Version) {
		return item, false, &store.ConflictError{Exists: !created, Have: have.Version}
	}
	if created {
		if err := b.checkRoom(ctx); err != nil {
			return item, false, err
		}
	}
	role.UpdatedOn = b.timestamp()
	role.CreatedOn = role.UpdatedOn
	own := store.Absent()
	if !created {
		own, role.CreatedOn, role.CreatedBy = store.At(have.Version), have.Value.CreatedOn, have.Value.CreatedBy
	}
	write, err := b.roles.PutOp(role.ID, role, own)
	if err != nil {
		return item, false, err
	}
	ops := []store.Op{write}
	name, old := strings.ToLower(role.Name), strings.ToLower(have.Value.Name)
	if name != old {
		claim, err := b.roleNames.PutOp(name, role.ID, store.Absent())
		if err != nil {
			return item, false, err
		}
		ops = append(ops, claim)
		if !created {
			ops = append(ops, b.roleNames.DeleteOp(old, store.Always()))
		}
	}
	versions, err := b.store.Apply(ctx, ops...)
	var conflict *store.ConflictError
	switch {
	case errors.As(err, &conflict) && conflict.Index == 1:
		return item, false, ErrRoleNameExists.New()
	case conflict != nil:
		return item, false, errRaced
	case err != nil:
		return item, false, fmt.Errorf("writing role %s: %w", role.ID, err)
	}
	return store.Item[RoleDefinition]{Key: role.ID, Version: versions[0], Value: role}, created, nil
}

// checkRoom refuses one custom role too many. Writers at the same moment may
// exceed the limit by their number, as they may in Azure.
func (b *Book) checkRoom(ctx context.Context) error {
	page, err := b.store.List(ctx, b.roleNames.Kind, store.Query{Limit: maxRoles})
	if err != nil {
		return fmt.Errorf("counting custom roles: %w", err)
	}
	if len(page.Docs) >= maxRoles {
		return ErrRoleLimit.New()
	}
	return nil
}

// checkRole validates what a client may say about a custom role.
func checkRole(role *RoleDefinition) error {
	switch {
	case !chain.IsGUID(role.ID):
		return ErrInvalidRoleID.New(role.ID)
	case builtins().byID[strings.ToLower(role.ID)] != nil:
		return ErrBadRequest.New("A built-in role cannot be changed.")
	case role.Name == "" || len(role.Name) > maxRoleName:
		return ErrBadRequest.New(fmt.Sprintf("The name of a role has 1 to %d characters.", maxRoleName))
	case builtins().byName[strings.ToLower(role.Name)] != nil:
		return ErrRoleNameExists.New()
	case len(role.Description) > maxRoleDescription:
		return ErrBadRequest.New(fmt.Sprintf("The description of a role has at most %d characters.", maxRoleDescription))
	case len(role.AssignableScopes) == 0 || len(role.AssignableScopes) > maxAssignableScopes:
		return ErrBadRequest.New(fmt.Sprintf("A custom role has 1 to %d assignable scopes.", maxAssignableScopes))
	}
	for _, scope := range role.AssignableScopes {
		// The root is for built-in roles alone.
		if id, err := chain.ParseID(scope); err != nil || id.IsCollection() || id.String() == "/" {
			return ErrBadRequest.New(fmt.Sprintf("The assignable scope '%.256s' is not valid.", scope))
		}
	}
	return checkPermissions(role.Permissions)
}

func checkPermissions(permissions []Permission) error {
	patterns := 0
	for i := range permissions {
		p := &permissions[i]
		if err := checkCondition(p.Condition, &p.ConditionVersion); err != nil {
			return err
		}
		for _, list := range [][]string{p.Actions, p.NotActions, p.DataActions, p.NotDataActions} {
			patterns += len(list)
			for _, pattern := range list {
				if pattern == "" || len(pattern) > maxPattern {
					return ErrBadRequest.New(fmt.Sprintf("The action '%.64s' has %d characters; 1 to %d are possible.", pattern, len(pattern), maxPattern))
				}
			}
		}
	}
	if patterns == 0 || patterns > maxPatterns {
		return ErrBadRequest.New(fmt.Sprintf("A role has 1 to %d actions, this one %d.", maxPatterns, patterns))
	}
	return nil
}

// DeleteRole removes a custom role.
// Errors: ErrRoleNotFound, ErrBadRequest for a built-in one, ErrRoleHasAssignments.
func (b *Book) DeleteRole(ctx context.Context, id string) error {
	role, err := b.Role(ctx, id)
	if err != nil {
		return err
	}
	if role.Type == TypeBuiltIn {
		return ErrBadRequest.New("A built-in role cannot be deleted.")
	}
	assigned, err := b.assigned(ctx, strings.ToLower(id))
	if err != nil {
		return fmt.Errorf("listing assignments of role %s: %w", id, err)
	}
	if assigned {
		return ErrRoleHasAssignments.New()
	}
	_, err = b.store.Apply(ctx, b.roles.DeleteOp(strings.ToLower(id), store.Always()), b.roleNames.DeleteOp(strings.ToLower(role.Name), store.Always()))
	return err
}

// assigned reports whether any assignment gives the role. It reads them all:
// roles are deleted rarely, and an index would cost every assignment.
func (b *Book) assigned(ctx context.Context, id string) (bool, error) {
	after := ""
	for {
		page, err := b.store.List(ctx, b.byPrincipal.Kind, store.Query{After: after})
		if err != nil {
			return false, err
		}
		for _, doc := range page.Docs {
			after = doc.Key
			if _, rest, _ := strings.Cut(doc.Key, "/"); strings.HasPrefix(rest, id) {
				return true, nil
			}
		}
		if !page.More {
			return false, nil
		}
	}
}
