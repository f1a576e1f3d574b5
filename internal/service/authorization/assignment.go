package authorization

import (
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
	Description      *string `json:"description,omitempty"`
	Condition        *string `json:"condition"`
	ConditionVersion *string `json:"conditionVersion"`
	CreatedOn        string  `json:"createdOn"`
	UpdatedOn        string  `json:"updatedOn"`
	CreatedBy        string  `json:"createdBy"`
	UpdatedBy        string  `json:"updatedBy"`
}

func assignmentOf(a access.Assignment) assignment {
	return assignment{ID: a.ID(), Name: a.Name, Type: typeAssignment, Properties: assignmentProperties{
		RoleDefinitionID: definitionID(a.Scope, a.RoleID), PrincipalID: a.PrincipalID, PrincipalType: a.PrincipalType, Scope: a.Scope,
		Description: optional(a.Description), Condition: optional(a.Condition), ConditionVersion: optional(a.Version),
		CreatedOn: a.CreatedOn, UpdatedOn: a.UpdatedOn, CreatedBy: a.CreatedBy, UpdatedBy: a.CreatedBy,
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
		Description: p.Description, Condition: p.Condition, Version: p.ConditionVersion, CreatedBy: r.Caller.ObjectID,
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
	_, err := h.Directory.ByObjectID(ctx, id)
	switch {
	case errors.Is(err, directory.ErrPrincipalNotFound) && said == "":
		return "", noPrincipal.New(strings.ReplaceAll(id, "-", ""), h.TenantID)
	case errors.Is(err, directory.ErrPrincipalNotFound):
		return said, nil
	case err != nil:
		return "", fmt.Errorf("looking up principal %s: %w", id, err)
	case said != "" && !strings.EqualFold(said, access.PrincipalServicePrincipal):
		return "", otherPrincipalType.New(id, access.PrincipalServicePrincipal, said)
	}
	return access.PrincipalServicePrincipal, nil
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
	scope, err := h.scopeOf(r, 3)
	if err != nil {
		return err
	}
	filter, err := arm.ParseFilter(r.Query("$filter"), arm.Grammar{
		Properties: []string{"principalId", "roleDefinitionId"}, Functions: map[string]int{"atscope": 0, "assignedto": 1},
	})
	if err != nil {
		return err
	}
	var entries []arm.Entry
	query := access.AssignmentQuery{Scope: scope}
	for {
		page, next, err := h.Book.Assignments(r.Context(), query)
		if err != nil {
			return err
		}
		for _, a := range page {
			if filter.Matches(assignmentSubject{h: h, r: r, a: a, scope: scope}) {
				entries = append(entries, arm.Entry{ID: a.ID(), Value: assignmentOf(a)})
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
	h     *handlers
	r     *azapi.Request
	a     access.Assignment
	scope string // that was asked for
}

func (s assignmentSubject) Property(name string) string {
	if name == "principalid" {
		return s.a.PrincipalID
	}
	return definitionID(s.a.Scope, s.a.RoleID)
}

// Call decides atScope(): at the scope or above it; and assignedTo('id'): to
// the principal or a group that it is in.
func (s assignmentSubject) Call(name string, args []string) bool {
	if name == "atscope" {
		return chain.Contains(s.a.Scope, s.scope)
	}
	if strings.EqualFold(s.a.PrincipalID, args[0]) {
		return true
	}
	principal, err := s.h.Directory.ByObjectID(s.r.Context(), args[0])
	return err == nil && slices.ContainsFunc(principal.Groups, func(group string) bool { return strings.EqualFold(group, s.a.PrincipalID) })
}
