package arm

import (
	"context"
	"encoding/json"

	"github.com/aksess/aksess/internal/azapi"
)

// actionAssign is what giving a user-assigned identity to a resource needs at the identity
// (https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-assign-access-azure-resource#prerequisites).
const actionAssign = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"

// MayAssign wants whoever writes a resource to be allowed to assign the identity
// with that resource id, unless the resource has it already: who acts as the
// resource acts as the identity. The error is the 403 LinkedAuthorizationFailed.
func MayAssign(ctx context.Context, c Change, identity string) error {
	if c.Old != nil && assigned(c.Old, identity) {
		return nil
	}
	verdict, err := c.Request.Allowed(ctx, azapi.Control(actionAssign), identity)
	if err != nil || verdict.Allowed {
		return err
	}
	caller := c.Request.Caller
	return notLinked.New(caller.Name(), caller.ObjectID, c.Request.Operation.Action.Access().Name, c.New.ID, actionAssign, identity).Because(verdict.Nearest)
}

// assigned reports whether a resource has a user-assigned identity.
func assigned(r *Resource, identity string) bool {
	var have struct {
		UserAssigned map[string]json.RawMessage `json:"userAssignedIdentities"`
	}
	_ = json.Unmarshal(r.Identity, &have) // what is no identity has none
	for id := range have.UserAssigned {
		if key(id) == key(identity) {
			return true
		}
	}
	return false
}
