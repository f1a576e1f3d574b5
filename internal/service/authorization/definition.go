package authorization

import (
	"net/http"
	"strings"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/store"
)

// definition is a role definition on the wire
// (https://learn.microsoft.com/rest/api/authorization/role-definitions/get).
type definition struct {
	ID         string               `json:"id"`
	Name       string               `json:"name"`
	Type       string               `json:"type"`
	Properties definitionProperties `json:"properties"`
}

type definitionProperties struct {
	RoleName         string              `json:"roleName"`
	Type             string              `json:"type"`
	Description      string              `json:"description"`
	AssignableScopes []string            `json:"assignableScopes"`
	Permissions      []access.Permission `json:"permissions"`
	CreatedOn        string              `json:"createdOn,omitempty"`
	UpdatedOn        string              `json:"updatedOn,omitempty"`
	CreatedBy        *string             `json:"createdBy"`
	UpdatedBy        *string             `json:"updatedBy"`
}

func definitionOf(scope string, role access.RoleDefinition) definition {
	return definition{ID: definitionID(scope, role.ID), Name: role.ID, Type: typeDefinition, Properties: definitionProperties{
		RoleName: role.Name, Type: role.Type, Description: role.Description, AssignableScopes: role.AssignableScopes,
		Permissions: role.Permissions, CreatedOn: role.CreatedOn, UpdatedOn: role.UpdatedOn,
		CreatedBy: optional(role.CreatedBy), UpdatedBy: optional(role.UpdatedBy),
	}}
}

// listDefinitions lists the roles that can be assigned at a scope
// (https://learn.microsoft.com/rest/api/authorization/role-definitions/list).
func (h *handlers) listDefinitions(w http.ResponseWriter, r *azapi.Request) error {
	scope, err := h.scopeOf(r, 3)
	if err != nil {
		return err
	}
	filter, err := arm.ParseFilter(r.Query("$filter"), arm.Grammar{
		Properties: []string{"roleName", "type"}, Functions: map[string]int{"atscope": 0, "atscopeandbelow": 0},
	})
	if err != nil {
		return err
	}
	roles, err := h.Book.Roles(r.Context(), access.RoleQuery{})
	if err != nil {
		return err
	}
	below := strings.Contains(strings.ToLower(r.Query("$filter")), "atscopeandbelow()")
	var entries []arm.Entry
	for _, role := range roles {
		if !filter.Matches(definitionSubject(role)) || !listed(role, scope, below) {
			continue
		}
		_, visible, err := visibleAt(r, role)
		if err != nil {
			return err
		}
		if visible {
			wire := definitionOf(scope, role)
			entries = append(entries, arm.Entry{ID: wire.ID, Value: wire})
		}
	}
	return arm.WriteList(w, r, entries)
}

// visibleAt returns a scope at which the caller may read the role. What the
// pipeline did not decide about, the roles of the tenant, it decides here: a
// custom role names scopes that not everyone may know of.
func visibleAt(r *azapi.Request, role access.RoleDefinition) (scope string, visible bool, err error) {
	read := azapi.Control(typeDefinition + "/read")
	if role.Type != access.TypeCustom || r.Operation.Action == read {
		return "/", true, nil
	}
	for _, scope := range role.AssignableScopes {
		verdict, err := r.Allowed(r.Context(), read, scope)
		if err != nil || verdict.Allowed {
			return scope, verdict.Allowed, err
		}
	}
	return "", false, nil
}

// listed reports whether a role can be assigned at the scope or, with below, at
// anything below it.
func listed(role access.RoleDefinition, scope string, below bool) bool {
	for _, assignable := range role.AssignableScopes {
		if chain.Contains(assignable, scope) || below && chain.Contains(scope, assignable) {
			return true
		}
	}
	return false
}

// definitionSubject is a role that a filter is held against.
type definitionSubject access.RoleDefinition

func (s definitionSubject) Property(name string) string {
	if name == "rolename" {
		return s.Name
	}
	return s.Type
}

// Call is true: what the functions ask is decided by listed.
func (s definitionSubject) Call(string, []string) bool { return true }

// getDefinition finds a role that can be assigned at the scope or below it: the
// id of a group's role names the subscription alone, and is what clients read
// after each assignment.
func (h *handlers) getDefinition(w http.ResponseWriter, r *azapi.Request) error {
	scope, err := h.scopeOf(r, 4)
	if err != nil {
		return err
	}
	role, err := h.Book.Role(r.Context(), r.Param("name"))
	if err != nil {
		return err
	}
	if !listed(role, scope, true) {
		return access.ErrRoleNotFound.New(r.Param("name"))
	}
	return azapi.WriteJSON(w, http.StatusOK, definitionOf(scope, role))
}

// getDefinitionOfTenant finds a role by its GUID alone. A custom role is shown
// to those who may read it at one of its scopes; others do not learn which.
func (h *handlers) getDefinitionOfTenant(w http.ResponseWriter, r *azapi.Request) error {
	role, err := h.Book.Role(r.Context(), r.Param("name"))
	if err != nil {
		return err
	}
	scope, visible, err := visibleAt(r, role)
	if err != nil {
		return err
	}
	if !visible {
		return arm.Forbidden(r, azapi.Control(typeDefinition+"/read"), r.Scope())
	}
	return azapi.WriteJSON(w, http.StatusOK, definitionOf(scope, role))
}

// definitionBody is a custom role as a client sends it.
type definitionBody struct {
	Properties struct {
		RoleName         string              `json:"roleName"`
		Description      string              `json:"description"`
		AssignableScopes []string            `json:"assignableScopes"`
		Permissions      []access.Permission `json:"permissions"`
	} `json:"properties"`
}

// putDefinition writes a custom role. Azure answers 201 on update as well.
func (h *handlers) putDefinition(w http.ResponseWriter, r *azapi.Request) error {
	var body definitionBody
	if err := arm.DecodeBody(r, &body); err != nil {
		return err
	}
	scope, err := h.scopeOf(r, 4)
	if err != nil {
		return err
	}
	p := body.Properties
	role := access.RoleDefinition{
		ID: r.Param("name"), Name: p.RoleName, Description: p.Description, AssignableScopes: p.AssignableScopes, Permissions: p.Permissions,
		CreatedBy: r.Caller.ObjectID, UpdatedBy: r.Caller.ObjectID,
	}
	if err := h.checkScopes(r, p.AssignableScopes); err != nil {
		return err
	}
	if err := h.mayChange(r, role.ID, azapi.Control(typeDefinition+"/write")); err != nil && !isMissing(err) {
		return err
	}
	written, _, err := h.Book.PutRole(r.Context(), role, store.Always())
	if err != nil {
		return err
	}
	return azapi.WriteJSON(w, http.StatusCreated, definitionOf(scope, written.Value))
}

// checkScopes wants every scope that a role is to be assignable at to be there,
// and the caller to be allowed to write roles at it: otherwise an owner of one
// group could make a role known to another.
func (h *handlers) checkScopes(r *azapi.Request, scopes []string) error {
	for _, scope := range scopes {
		id, err := chain.ParseID(scope)
		if err != nil {
			return access.ErrBadRequest.New("An assignable scope is not a resource id.").With(err)
		}
		if err := h.Scopes.Check(r.Context(), id); err != nil {
			return err
		}
	}
	return allowedAtAll(r, azapi.Control(typeDefinition+"/write"), scopes)
}

// mayChange wants the caller to be allowed an action at every scope of a role that is there.
func (h *handlers) mayChange(r *azapi.Request, id string, action azapi.Action) error {
	role, err := h.Book.Role(r.Context(), id)
	if err != nil || role.Type == access.TypeBuiltIn { // which Book refuses to change
		return err
	}
	return allowedAtAll(r, action, role.AssignableScopes)
}

func allowedAtAll(r *azapi.Request, action azapi.Action, scopes []string) error {
	for _, scope := range scopes {
		verdict, err := r.Allowed(r.Context(), action, scope)
		if err != nil {
			return err
		}
		if !verdict.Allowed {
			return arm.Forbidden(r, action, scope)
		}
	}
	return nil
}

func (h *handlers) deleteDefinition(w http.ResponseWriter, r *azapi.Request) error {
	scope, err := h.scopeOf(r, 4)
	if err != nil {
		return err
	}
	role, err := h.Book.Role(r.Context(), r.Param("name"))
	if err == nil {
		err = h.mayChange(r, role.ID, azapi.Control(typeDefinition+"/delete"))
	}
	if err == nil {
		err = h.Book.DeleteRole(r.Context(), role.ID)
	}
	if isMissing(err) {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if err != nil {
		return err
	}
	return azapi.WriteJSON(w, http.StatusOK, definitionOf(scope, role))
}
