package authorization

import (
	"context"
	"net/http"
	"strings"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/store"
)

// Options is what the operations need.
type Options struct {
	Book      *access.Book
	Directory *directory.Directory
	Scopes    *arm.Scopes
	TenantID  string
}

const (
	assignments = "/providers/Microsoft.Authorization/roleAssignments"
	definitions = "/providers/Microsoft.Authorization/roleDefinitions"
	instances   = "/providers/Microsoft.Authorization/roleAssignmentScheduleInstances"
	denials     = "/providers/Microsoft.Authorization/denyAssignments"
	permissions = "/providers/Microsoft.Authorization/permissions"
	classic     = "/providers/Microsoft.Authorization/classicAdministrators"

	typeAssignment = "Microsoft.Authorization/roleAssignments"
	typeDefinition = "Microsoft.Authorization/roleDefinitions"
	typeInstance   = "Microsoft.Authorization/roleAssignmentScheduleInstances"
)

// Operations are the rows of management.azure.com's table that this package serves.
func Operations(o Options) []azapi.Operation {
	h := &handlers{Options: o}
	readRoles := azapi.Control(typeDefinition + "/read")
	// Every provider and tool looks roles up by name without a scope.
	anyone := azapi.Authenticated("built-in roles are the same for everyone; a custom role is decided about at its scopes")
	above := func(r *azapi.Request) string { return arm.ScopeOf(r, 1) }
	return []azapi.Operation{
		{Name: "ListRoleAssignments", Method: http.MethodGet, Pattern: "/{scope...}" + assignments, Action: azapi.Control(typeAssignment + "/read"), Scope: above, Handle: h.listAssignments},
		{Name: "GetRoleAssignment", Method: http.MethodGet, Pattern: "/{scope...}" + assignments + "/{name}", Action: azapi.Control(typeAssignment + "/read"), Handle: h.getAssignment},
		{Name: "PutRoleAssignment", Method: http.MethodPut, Pattern: "/{scope...}" + assignments + "/{name}", Action: azapi.Control(typeAssignment + "/write"), Attributes: h.written, Handle: h.putAssignment},
		{Name: "DeleteRoleAssignment", Method: http.MethodDelete, Pattern: "/{scope...}" + assignments + "/{name}", Action: azapi.Control(typeAssignment + "/delete"), Attributes: h.deleted, Handle: h.deleteAssignment},
		{Name: "ListRoleDefinitionsOfTenant", Method: http.MethodGet, Pattern: definitions, Action: anyone, Handle: h.listDefinitions},
		{Name: "GetRoleDefinitionOfTenant", Method: http.MethodGet, Pattern: definitions + "/{name}", Action: anyone, Handle: h.getDefinitionOfTenant},
		{Name: "ListRoleDefinitions", Method: http.MethodGet, Pattern: "/{scope...}" + definitions, Action: readRoles, Scope: above, Handle: h.listDefinitions},
		{Name: "GetRoleDefinition", Method: http.MethodGet, Pattern: "/{scope...}" + definitions + "/{name}", Action: readRoles, Handle: h.getDefinition},
		{Name: "PutRoleDefinition", Method: http.MethodPut, Pattern: "/{scope...}" + definitions + "/{name}", Action: azapi.Control(typeDefinition + "/write"), Handle: h.putDefinition},
		{Name: "DeleteRoleDefinition", Method: http.MethodDelete, Pattern: "/{scope...}" + definitions + "/{name}", Action: azapi.Control(typeDefinition + "/delete"), Handle: h.deleteDefinition},
		{Name: "ListRoleAssignmentScheduleInstances", Method: http.MethodGet, Pattern: "/{scope...}" + instances, Action: azapi.Control(typeInstance + "/read"), Scope: above, Handle: h.listInstances},
		{Name: "ListDenyAssignments", Method: http.MethodGet, Pattern: "/{scope...}" + denials, Action: azapi.Control("Microsoft.Authorization/denyAssignments/read"), Scope: above, Handle: h.listNothing},
		{Name: "ListPermissions", Method: http.MethodGet, Pattern: "/{scope...}" + permissions, Action: azapi.Control("Microsoft.Authorization/permissions/read"), Scope: above, Handle: h.listPermissions},
		{Name: "ListClassicAdministrators", Method: http.MethodGet, Pattern: "/{scope...}" + classic, Action: azapi.Control("Microsoft.Authorization/classicAdministrators/read"), Scope: above, Handle: h.listNothing},
	}
}

// Forget removes the assignments at and below a scope that is gone, so that a
// resource made anew under the same id starts without any.
func Forget(book *access.Book) func(ctx context.Context, scope string) error {
	return func(ctx context.Context, scope string) error {
		query := access.AssignmentQuery{Scope: scope}
		for {
			page, next, err := book.Assignments(ctx, query)
			if err != nil {
				return err
			}
			for _, a := range page {
				if !chain.Contains(scope, a.Scope) {
					continue // from above
				}
				if _, err := book.DeleteAssignment(ctx, a.Scope, a.Name, store.Always()); err != nil && !isMissing(err) {
					return err
				}
			}
			if next == "" {
				return nil
			}
			query.After = next
		}
	}
}

type handlers struct{ Options }

// scopeOf is the scope in front of the last segments of the path, as requested.
func (h *handlers) scopeOf(r *azapi.Request, last int) (string, error) {
	id, err := arm.IDOf(r, last)
	if err != nil {
		return "", err
	}
	if err := h.Scopes.Check(r.Context(), id); err != nil {
		return "", err
	}
	return arm.ScopeOf(r, last), nil
}

// definitionID is the id of a role as it is written at a scope: in its
// subscription, or in none for the root.
func definitionID(scope, role string) string {
	parts := strings.Split(scope, "/")
	if len(parts) > 2 && strings.EqualFold(parts[1], "subscriptions") {
		return "/subscriptions/" + parts[2] + definitions + "/" + role
	}
	return definitions + "/" + role
}
