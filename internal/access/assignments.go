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

// Principal types of an assignment.
const (
	PrincipalUser             = "User"
	PrincipalGroup            = "Group"
	PrincipalServicePrincipal = "ServicePrincipal"
)

// conditionVersion is the only one there is.
const conditionVersion = "2.0"

// maxListed bounds a page of assignments when the query says nothing.
const maxListed = 1000

// PutAssignment writes a role assignment under its scope and name and reports
// whether it is new. The condition is about the assignment of that name. An
// existing one can change its description and condition only. Without a
// principal type it is a service principal's; the times are set here.
//
// Errors: ErrInvalidAssignmentName, ErrInvalidPrincipalID, ErrInvalidRoleID,
// ErrRoleNotFound, ErrInvalidCondition, ErrBadRequest, ErrAssignmentExists, ErrAssignmentUpdate, and
// store.ErrConflict when the condition does not hold.
func (b *Book) PutAssignment(ctx context.Context, a Assignment, condition store.Condition) (item store.Item[Assignment], created bool, err error) {
	role, err := b.checkAssignment(ctx, &a)
	if err != nil {
		return item, false, err
	}
	for {
		item, created, err = b.putAssignment(ctx, a, role, condition)
		if !errors.Is(err, errRaced) {
			return item, created, err
		}
	}
}

// errRaced: another writer was faster, look again.
var errRaced = errors.New("raced")

// checkAssignment validates and completes what does not depend on what is stored.
func (b *Book) checkAssignment(ctx context.Context, a *Assignment) (RoleDefinition, error) {
	if !chain.IsGUID(a.Name) {
		return RoleDefinition{}, ErrInvalidAssignmentName.New(a.Name)
	}
	if !chain.IsGUID(a.PrincipalID) {
		return RoleDefinition{}, ErrInvalidPrincipalID.New()
	}
	scope, err := chain.ParseID(a.Scope)
	if err != nil || scope.IsCollection() {
		return RoleDefinition{}, ErrBadRequest.New(fmt.Sprintf("The scope '%.256s' is not valid.", a.Scope)).With(err)
	}
	if len(a.Scope) > 1 {
		a.Scope = strings.TrimSuffix(a.Scope, "/")
	}
	if a.PrincipalType == "" {
		a.PrincipalType = PrincipalServicePrincipal
	}
	if !slices.Contains([]string{PrincipalUser, PrincipalGroup, PrincipalServicePrincipal, "ForeignGroup", "Device"}, a.PrincipalType) {
		return RoleDefinition{}, ErrBadRequest.New(fmt.Sprintf("The principal type '%.64s' is not valid.", a.PrincipalType))
	}
	if err := checkCondition(a.Condition, &a.Version); err != nil {
		return RoleDefinition{}, err
	}
	return b.assignableRole(ctx, a)
}

// checkCondition validates a condition and completes its version: 2.0 when it
// is not said, "" without a condition.
func checkCondition(condition string, version *string) error {
	if condition == "" {
		*version = ""
		return nil
	}
	if *version == "" {
		*version = conditionVersion
	}
	if *version != conditionVersion {
		return ErrInvalidCondition.New().Because(fmt.Sprintf("the version of the condition is %.16q; there is %q only", *version, conditionVersion))
	}
	_, err := ParseCondition(condition)
	return err
}

// assignableRole returns the role if it can be assigned at the scope.
func (b *Book) assignableRole(ctx context.Context, a *Assignment) (RoleDefinition, error) {
	role, err := b.Role(ctx, a.RoleID)
	if err != nil {
		return role, err
	}
	if !slices.ContainsFunc(role.AssignableScopes, func(scope string) bool { return contains(scope, a.Scope) }) {
		return role, ErrRoleNotFound.New(a.RoleID).Because(fmt.Sprintf("role %q can be assigned at %s only, not at %s",
			role.Name, strings.Join(role.AssignableScopes, ", "), a.Scope))
	}
	return role, nil
}

// putAssignment is one try.
func (b *Book) putAssignment(ctx context.Context, a Assignment, role RoleDefinition, condition store.Condition) (item store.Item[Assignment], created bool, err error) {
	key := assignmentKey(a.Scope, a.Name)
	have, err := b.assignments.Get(ctx, key)
	created = errors.Is(err, store.ErrNotFound)
	if err != nil && !created {
		return item, false, fmt.Errorf("reading role assignment %s: %w", a.Name, err)
	}
	if !condition.Holds(!created, have.Version) {
		return item, false, &store.ConflictError{Exists: !created, Have: have.Version}
	}
	a.UpdatedOn = b.timestamp()
	own, other := store.At(have.Version), store.Present()
	if created {
		own, other = store.Absent(), store.Absent()
		a.CreatedOn = a.UpdatedOn
	} else {
		if !strings.EqualFold(a.PrincipalID, have.Value.PrincipalID) || !strings.EqualFold(a.RoleID, have.Value.RoleID) {
			return item, false, ErrAssignmentUpdate.New()
		}
		// What cannot change keeps its spelling.
		a.Name, a.Scope, a.RoleID, a.PrincipalID, a.PrincipalType = have.Value.Name, have.Value.Scope, have.Value.RoleID, have.Value.PrincipalID, have.Value.PrincipalType
		a.CreatedOn, a.CreatedBy = have.Value.CreatedOn, have.Value.CreatedBy
	}
	version, err := b.writeAssignment(ctx, a, role, own, other)
	return store.Item[Assignment]{Key: key, Version: version, Value: a}, created, err
}

// writeAssignment writes both documents. A custom role must still be there.
func (b *Book) writeAssignment(ctx context.Context, a Assignment, role RoleDefinition, own, other store.Condition) (int64, error) {
	first, err := b.assignments.PutOp(assignmentKey(a.Scope, a.Name), a, own)
	if err != nil {
		return 0, err
	}
	second, err := b.byPrincipal.PutOp(grantKey(&a), a, other)
	if err != nil {
		return 0, err
	}
	ops := []store.Op{first, second}
	if role.Type == TypeCustom {
		ops = append(ops, store.Op{Kind: b.roles.Kind, Key: strings.ToLower(role.ID), Check: true, If: store.Present()})
	}
	versions, err := b.store.Apply(ctx, ops...)
	var conflict *store.ConflictError
	switch {
	case err == nil:
		return versions[0], nil
	case !errors.As(err, &conflict):
		return 0, fmt.Errorf("writing role assignment %s: %w", a.Name, err)
	case conflict.Index == 2:
		return 0, ErrRoleNotFound.New(role.ID)
	case conflict.Index == 1:
		return 0, b.existing(ctx, &a)
	default:
		return 0, errRaced
	}
}

// existing names the assignment that gives the same role to the same principal at the same scope.
func (b *Book) existing(ctx context.Context, a *Assignment) error {
	have, err := b.byPrincipal.Get(ctx, grantKey(a))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return errRaced
	case err != nil:
		return fmt.Errorf("reading role assignment %s: %w", a.Name, err)
	case strings.EqualFold(have.Value.Name, a.Name):
		return errRaced
	}
	return ErrAssignmentExists.New(strings.ReplaceAll(have.Value.Name, "-", ""))
}

// Assignment returns the assignment of that name at that scope, or ErrAssignmentNotFound.
func (b *Book) Assignment(ctx context.Context, scope, name string) (store.Item[Assignment], error) {
	item, err := b.assignments.Get(ctx, assignmentKey(scope, name))
	if errors.Is(err, store.ErrNotFound) {
		return item, ErrAssignmentNotFound.New(name)
	}
	return item, err
}

// DeleteAssignment removes an assignment and returns what it was.
// Errors: ErrAssignmentNotFound, store.ErrConflict when the condition does not hold.
func (b *Book) DeleteAssignment(ctx context.Context, scope, name string, condition store.Condition) (Assignment, error) {
	for {
		item, err := b.Assignment(ctx, scope, name)
		if err != nil {
			return Assignment{}, err
		}
		if !condition.Holds(true, item.Version) {
			return Assignment{}, &store.ConflictError{Exists: true, Have: item.Version}
		}
		_, err = b.store.Apply(ctx, b.assignments.DeleteOp(item.Key, store.At(item.Version)), b.byPrincipal.DeleteOp(grantKey(&item.Value), store.Always()))
		if !errors.Is(err, store.ErrConflict) {
			return item.Value, err
		}
	}
}

// AssignmentQuery selects role assignments.
type AssignmentQuery struct {
	Scope       string   // "/" for all
	AtScope     bool     // only at and above the scope, not below: $filter=atScope()
	PrincipalID []string // only of these: $filter=principalId eq, or a principal with its groups for assignedTo()
	After       string   // the continuation of an earlier page
	Limit       int      // assignments in a page, 1000 when 0; those above the scope come on top of the first page
}

// Assignments returns one page of the assignments at, above and below a scope,
// and the continuation of the next page, "" on the last.
func (b *Book) Assignments(ctx context.Context, q AssignmentQuery) (page []Assignment, next string, err error) {
	scope, err := chain.ParseID(q.Scope)
	if err != nil {
		return nil, "", ErrBadRequest.New(fmt.Sprintf("The scope '%.256s' is not valid.", q.Scope)).With(err)
	}
	if q.Limit <= 0 {
		q.Limit = maxListed
	}
	if len(q.PrincipalID) > 0 {
		return b.assignmentsOf(ctx, q)
	}
	if q.After == "" {
		if page, err = b.assignmentsAbove(ctx, scope); err != nil {
			return nil, "", err
		}
	}
	prefix := scopeKey(q.Scope) + "/"
	if q.AtScope {
		prefix += "/"
	}
	items, more, err := b.assignments.List(ctx, store.Query{Prefix: prefix, After: q.After, Limit: q.Limit})
	if err != nil {
		return nil, "", fmt.Errorf("listing role assignments at %s: %w", q.Scope, err)
	}
	for i := range items {
		page = append(page, items[i].Value)
		next = items[i].Key
	}
	if !more {
		next = ""
	}
	return page, next, nil
}

func (b *Book) assignmentsAbove(ctx context.Context, scope chain.ID) ([]Assignment, error) {
	var above []Assignment
	for scope.String() != "/" {
		scope = scope.Parent()
		items, err := b.assignments.All(ctx, scopeKey(scope.String())+"//")
		if err != nil {
			return nil, fmt.Errorf("listing role assignments at %s: %w", scope, err)
		}
		for i := range items {
			above = append(above, items[i].Value)
		}
	}
	return above, nil
}

// assignmentsOf lists by principal: those have few, so they are sorted here.
func (b *Book) assignmentsOf(ctx context.Context, q AssignmentQuery) (page []Assignment, next string, err error) {
	found := map[string]Assignment{}
	for _, id := range q.PrincipalID {
		grants, err := b.grantsOf(ctx, id)
		if err != nil {
			return nil, "", err
		}
		for i := range grants {
			a := grants[i].Assignment
			if contains(a.Scope, q.Scope) || !q.AtScope && contains(q.Scope, a.Scope) {
				found[assignmentKey(a.Scope, a.Name)] = a
			}
		}
	}
	for _, key := range sortedKeys(found) {
		if key <= q.After {
			continue
		}
		if len(page) == q.Limit {
			return page, next, nil
		}
		page, next = append(page, found[key]), key
	}
	return page, "", nil
}

func sortedKeys(of map[string]Assignment) []string {
	keys := make([]string, 0, len(of))
	for key := range of {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
