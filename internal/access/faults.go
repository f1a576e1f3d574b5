package access

import (
	"net/http"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/fault"
)

// What the book refuses to keep, in the words of Microsoft.Authorization
// (https://learn.microsoft.com/azure/role-based-access-control/troubleshooting).
var (
	ErrAssignmentExists = &fault.Kind{
		Code: "RoleAssignmentExists", Status: http.StatusConflict, Link: chain.LinkAccess,
		Format: "The role assignment already exists. The ID of the conflicting role assignment is %s.",
		Why:    "The same role is assigned to the same principal at the same scope under another name.",
		Fix:    "Use the assignment that is there, or import it.",
	}
	ErrAssignmentUpdate = &fault.Kind{
		Code: "RoleAssignmentUpdateNotPermitted", Status: http.StatusBadRequest, Link: chain.LinkAccess,
		Format: "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
		Why:    "An assignment of that name gives another role or names another principal, often a deleted one whose name seed was kept.",
		Fix:    "Delete the assignment first, or use another name.",
	}
	ErrAssignmentNotFound = &fault.Kind{
		Code: "RoleAssignmentNotFound", Status: http.StatusNotFound, Link: chain.LinkAccess,
		Format: "The role assignment '%s' is not found.",
		Why:    "There is no role assignment of that name at that scope.",
		Fix:    "List the assignments of the scope; names are GUIDs and belong to one scope.",
	}
	ErrInvalidAssignmentName = &fault.Kind{
		Code: "InvalidRoleAssignmentId", Status: http.StatusBadRequest, Link: chain.LinkAccess,
		Format: "The role assignment ID '%.64s' is not valid. The role assignment ID must be a GUID.",
		Why:    "The name of a role assignment is a GUID.",
		Fix:    "Use a GUID, or leave the name to the tool.",
	}
	ErrInvalidPrincipalID = &fault.Kind{
		Code: "InvalidPrincipalId", Status: http.StatusBadRequest, Link: chain.LinkAccess,
		Format: "A valid principal ID must be provided for role assignment.",
		Why:    "The principal of a role assignment is named by its object id, a GUID.",
		Fix:    "Use the identity's principalId.",
	}
	ErrInvalidRoleID = &fault.Kind{
		Code: "InvalidRoleDefinitionId", Status: http.StatusBadRequest, Link: chain.LinkAccess,
		Format: "The role definition ID '%.64s' is not valid.",
		Why:    "The id of a role definition is a GUID.",
		Fix:    "Use the id that a list of role definitions gives.",
	}
	ErrRoleNotFound = &fault.Kind{
		Code: "RoleDefinitionDoesNotExist", Status: http.StatusNotFound, Link: chain.LinkAccess,
		Format: "The specified role definition with ID '%.64s' does not exist.",
		Why:    "There is no role of that id that can be assigned there.",
		Fix:    "List the role definitions of the scope; a custom role needs the scope among its assignable scopes.",
	}
	ErrRoleNameExists = &fault.Kind{
		Code: "RoleDefinitionWithSameNameExists", Status: http.StatusConflict, Link: chain.LinkAccess,
		Format: "A custom role with the same name already exists in this directory. Use a different name.",
		Why:    "Names of roles are unique in a tenant.",
		Fix:    "Use another name.",
	}
	ErrRoleLimit = &fault.Kind{
		Code: "RoleDefinitionLimitExceeded", Status: http.StatusBadRequest, Link: chain.LinkAccess,
		Format: "Role definition limit exceeded. No more role definitions can be created (code: RoleDefinitionLimitExceeded).",
		Why:    "A tenant has at most 5000 custom roles.",
		Fix:    "Delete custom roles that are not used.",
	}
	ErrRoleHasAssignments = &fault.Kind{
		Code: "RoleDefinitionHasAssignments", Status: http.StatusConflict, Link: chain.LinkAccess,
		Format: "There are existing role assignments referencing role (code: RoleDefinitionHasAssignments).",
		Why:    "The custom role is still assigned.",
		Fix:    "Delete its assignments first.",
	}
	ErrInvalidCondition = &fault.Kind{
		Code: "InvalidCondition", Status: http.StatusBadRequest, Link: chain.LinkAccess,
		Format: "The given role assignment condition is invalid.",
		Why:    "The condition does not follow the syntax of version 2.0, or its version is another one.",
		Fix:    "Correct the condition; the log says where it breaks.",
	}
	ErrBadRequest = &fault.Kind{
		Code: "BadRequestFormat", Status: http.StatusBadRequest, Link: chain.LinkAccess,
		Format: "The request was incorrectly formatted. %s",
		Why:    "A role definition or assignment breaks a rule.",
		Fix:    "Correct what the message names.",
	}
)
