package authorization

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/store"
)

// assignment is a role assignment on the wire
// (https://learn.microsoft.com/rest/api/authorization/role-assignments/get).
type assignment struct {
	ID         string               `json:"id"`
	Name       string               `json:"name"`
	Type       string               `json:"type"`
	Properties assignmentProperties `json:"properties"`
}

type assignmentProperties struct {
	RoleDefinitionID string  `json:"roleDefinitionId"`
	PrincipalID      string  `json:"principalId"`
	PrincipalType    string  `json:"principalType"`
	Scope            string  `json:"scope"`
	Description      *string `json:"description"`
	Condition        *string `json:"condition"`
	ConditionVersion *string `json:"conditionVersion"`
	Delegated        *string `json:"delegatedManagedIdentityResourceId"`
	CreatedOn        string  `json:"createdOn"`
	UpdatedOn        string  `json:"updatedOn"`
	CreatedBy        string  `json:"createdBy"`
	UpdatedBy        string  `json:"updatedBy"`
}

func assignmentOf(a access.Assignment) assignment {
	return assignment{ID: a.ID(), Name: a.Name, Type: typeAssignment, Properties: assignmentProperties{
		RoleDefinitionID: definitionID(a.Scope, a.RoleID), PrincipalID: a.PrincipalID, PrincipalType: a.PrincipalType, Scope: a.Scope,
		Description: optional(a.Description), Condition: optional(a.Condition), ConditionVersion: optional(a.Version), Delegated: optional(a.Delegated),
		CreatedOn: a.CreatedOn, UpdatedOn: a.UpdatedOn, CreatedBy: a.CreatedBy, UpdatedBy: cmp.Or(a.UpdatedBy, a.CreatedBy),
	}}
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// assignmentBody is a role assignment as a client sends it.
type assignmentBody struct {
	Properties struct {
		RoleDefinitionID string `json:"roleDefinitionId"`
		PrincipalID      string `json:"principalId"`
		PrincipalType    string `json:"principalType"`
		Description      string `json:"description"`
		Condition        string `json:"condition"`
		ConditionVersion string `json:"conditionVersion"`
		Delegated        string `json:"delegatedManagedIdentityResourceId"`
	} `json:"properties"`
}

func (h *handlers) putAssignment(w http.ResponseWriter, r *azapi.Request) error {
	var body assignmentBody
	if err := arm.DecodeBody(r, &body); err != nil {
		return err
	}
	scope, err := h.scopeOf(r, 4)
	if err != nil {
		return err
	}
	p := body.Properties
	role, err := roleID(p.RoleDefinitionID)
	if err != nil {
		return err
	}
	if p.PrincipalType, err = h.principalType(r.Context(), p.PrincipalID, p.PrincipalType); err != nil {
		return err
	}
	written, created, err := h.Book.PutAssignment(r.Context(), access.Assignment{
		Name: r.Param("name"), Scope: scope, RoleID: role, PrincipalID: p.PrincipalID, PrincipalType: p.PrincipalType,
		Description: p.Description, Condition: p.Condition, Version: p.ConditionVersion, Delegated: p.Delegated,
		CreatedBy: r.Caller.ObjectID, UpdatedBy: r.Caller.ObjectID,
	}, store.Always())
	if err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	return azapi.WriteJSON(w, status, assignmentOf(written.Value))
}

// roleID takes the GUID out of a role definition's id, with or without a scope in front.
func roleID(id string) (string, error) {
	at := strings.LastIndex(strings.ToLower(id), strings.ToLower(definitions)+"/")
	if at < 0 {
		return "", access.ErrInvalidRoleID.New(id)
	}
	role := id[at+len(definitions)+1:]
	if !chain.IsGUID(role) {
		return "", access.ErrInvalidRoleID.New(id)
	}
	return role, nil
}

// principalType is the type of a principal that the directory knows. One that
// it does not know is taken as it is said when the caller says a type: that is
// how a principal just made is assigned a role before the directory has it everywhere.
func (h *handlers) principalType(ctx context.Context, id, said string) (string, error) {
	if !chain.IsGUID(id) {
		return "", access.ErrInvalidPrincipalID.New()
	}
	found, err := h.Directory.Object(ctx, id)
	switch {
	case errors.Is(err, directory.ErrObjectNotFound) && said == "":
		return "", noPrincipal.New(strings.ReplaceAll(id, "-", ""), h.TenantID)
	case errors.Is(err, directory.ErrObjectNotFound):
		return said, nil
	case err != nil:
		return "", fmt.Errorf("looking up principal %s: %w", id, err)
	}
	kind := typeOf(found)
	if said != "" && !strings.EqualFold(said, kind) {
		return "", otherPrincipalType.New(id, kind, said)
	}
	return kind, nil
}

func typeOf(o directory.Object) string {
	switch {
	case o.User != nil:
		return access.PrincipalUser
	case o.Group != nil:
		return access.PrincipalGroup
	default:
		return access.PrincipalServicePrincipal
	}
}

func (h *handlers) getAssignment(w http.ResponseWriter, r *azapi.Request) error {
	scope, err := h.scopeOf(r, 4)
	if err != nil {
		return err
	}
	found, err := h.Book.Assignment(r.Context(), scope, r.Param("name"))
	if err != nil {
		return err
	}
	return azapi.WriteJSON(w, http.StatusOK, assignmentOf(found.Value))
}

func (h *handlers) deleteAssignment(w http.ResponseWriter, r *azapi.Request) error {
	if _, err := arm.IDOf(r, 4); err != nil {
		return err
	}
	gone, err := h.Book.DeleteAssignment(r.Context(), arm.ScopeOf(r, 4), r.Param("name"), store.Always())
	if isMissing(err) {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if err != nil {
		return err
	}
	return azapi.WriteJSON(w, http.StatusOK, assignmentOf(gone))
}

// listAssignments lists the assignments at, above and below a scope
// (https://learn.microsoft.com/rest/api/authorization/role-assignments/list-for-scope).
func (h *handlers) listAssignments(w http.ResponseWriter, r *azapi.Request) error {
	return h.list(w, r, func(a access.Assignment) arm.Entry { return arm.Entry{ID: a.ID(), Value: assignmentOf(a)} })
}

func (h *handlers) listInstances(w http.ResponseWriter, r *azapi.Request) error {
	return h.list(w, r, func(a access.Assignment) arm.Entry {
		wire := instanceOf(a)
		return arm.Entry{ID: wire.ID, Value: wire}
	})
}

// list answers with the assignments of the request's scope and filter, each as entry makes it.
func (h *handlers) list(w http.ResponseWriter, r *azapi.Request, entry func(access.Assignment) arm.Entry) error {
	scope, err := h.scopeOf(r, 3)
	if err != nil {
		return err
	}
	filter, err := arm.ParseFilter(r.Query("$filter"), arm.Grammar{
		Properties: []string{"principalId", "roleDefinitionId"}, Functions: map[string]int{"atscope": 0, "assignedto": 1, "astarget": 0},
	})
	if err != nil {
		return err
	}
	var entries []arm.Entry
	subject := assignmentSubject{h: h, r: r, scope: scope, groups: map[string][]string{}}
	query := access.AssignmentQuery{Scope: scope}
	for {
		page, next, err := h.Book.Assignments(r.Context(), query)
		if err != nil {
			return err
		}
		for _, a := range page {
			subject.a = a
			if filter.Matches(subject) {
				entries = append(entries, entry(a))
			}
		}
		if next == "" {
			return arm.WriteList(w, r, entries)
		}
		query.After = next
	}
}

// assignmentSubject is an assignment that a filter is held against.
type assignmentSubject struct {
	h      *handlers
	r      *azapi.Request
	a      access.Assignment
	scope  string              // that was asked for
	groups map[string][]string // by member, as far as they were asked for
}

func (s assignmentSubject) Property(name string) string {
	if name == "principalid" {
		return s.a.PrincipalID
	}
	return definitionID(s.a.Scope, s.a.RoleID)
}

// Call decides atScope(): at the scope or above it; and assignedTo('id'): to
// the principal or a group that it is in; and asTarget(): to the caller.
func (s assignmentSubject) Call(name string, args []string) bool {
	switch name {
	case "atscope":
		return chain.Contains(s.a.Scope, s.scope)
	case "astarget":
		return s.assignedTo(s.r.Caller.ObjectID)
	default:
		return s.assignedTo(args[0])
	}
}

func (s assignmentSubject) assignedTo(id string) bool {
	if strings.EqualFold(s.a.PrincipalID, id) {
		return true
	}
	groups, known := s.groups[id]
	if !known {
		// Who is not in the directory is in no group.
		groups, _ = s.h.Directory.MemberOf(s.r.Context(), id)
		s.groups[id] = groups
	}
	return slices.ContainsFunc(groups, func(group string) bool { return strings.EqualFold(group, s.a.PrincipalID) })
}
