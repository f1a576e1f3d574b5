package authorization

import (
	"net/http"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
)

// listNothing answers with an empty list for what only Azure's own services or
// its past make: deny assignments and classic administrators. The scope must be there.
func (h *handlers) listNothing(w http.ResponseWriter, r *azapi.Request) error {
	if _, err := h.scopeOf(r, 3); err != nil {
		return err
	}
	return arm.WriteList(w, r, nil)
}

// listPermissions lists what the caller may do at a scope
// (https://learn.microsoft.com/rest/api/authorization/permissions).
func (h *handlers) listPermissions(w http.ResponseWriter, r *azapi.Request) error {
	scope, err := h.scopeOf(r, 3)
	if err != nil {
		return err
	}
	grants, err := h.Book.Grants(r.Context(), r.Caller.Principal)
	if err != nil {
		return err
	}
	held := access.Held(r.Caller.Principal, scope, grants)
	if held == nil {
		held = []access.Permission{}
	}
	return azapi.WriteJSON(w, http.StatusOK, map[string]any{"value": held})
}

// instance is a role assignment as a schedule that is in force
// (https://learn.microsoft.com/rest/api/authorization/role-assignment-schedule-instances).
type instance struct {
	ID         string             `json:"id"`
	Name       string             `json:"name"`
	Type       string             `json:"type"`
	Properties instanceProperties `json:"properties"`
}

type instanceProperties struct {
	Scope                  string  `json:"scope"`
	RoleDefinitionID       string  `json:"roleDefinitionId"`
	PrincipalID            string  `json:"principalId"`
	PrincipalType          string  `json:"principalType"`
	OriginRoleAssignmentID string  `json:"originRoleAssignmentId"`
	Status                 string  `json:"status"`
	StartDateTime          string  `json:"startDateTime"`
	EndDateTime            *string `json:"endDateTime"`
	MemberType             string  `json:"memberType"`
	AssignmentType         string  `json:"assignmentType"`
	Condition              *string `json:"condition"`
	ConditionVersion       *string `json:"conditionVersion"`
	CreatedOn              string  `json:"createdOn"`
}

func instanceOf(a access.Assignment) instance {
	base := a.ID()[:len(a.ID())-len(assignments)-1-len(a.Name)]
	return instance{ID: base + instances + "/" + a.Name, Name: a.Name, Type: typeInstance, Properties: instanceProperties{
		Scope: a.Scope, RoleDefinitionID: definitionID(a.Scope, a.RoleID), PrincipalID: a.PrincipalID, PrincipalType: a.PrincipalType,
		OriginRoleAssignmentID: a.ID(), Status: "Provisioned", StartDateTime: a.CreatedOn, MemberType: "Direct", AssignmentType: "Assigned",
		Condition: optional(a.Condition), ConditionVersion: optional(a.Version), CreatedOn: a.CreatedOn,
	}}
}
