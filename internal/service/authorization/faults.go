package authorization

import (
	"errors"
	"net/http"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/fault"
)

var (
	noPrincipal = &fault.Kind{
		Code: "PrincipalNotFound", Status: http.StatusBadRequest, Link: chain.LinkAccess,
		Format: "Principal %s does not exist in the directory %s. Check that you have the correct principal ID. If you are creating this principal and then immediately assigning a role, this error might be related to a replication delay. In this case, set the role assignment principalType property to a value, such as ServicePrincipal, User, or Group. See https://aka.ms/docs-principaltype",
		Why:    "no principal of the directory has that object id; often it is a client id",
		Fix:    "use the identity's principalId, not its clientId",
	}
	otherPrincipalType = &fault.Kind{
		Code: "UnmatchedPrincipalType", Status: http.StatusBadRequest, Link: chain.LinkAccess,
		Format: "The PrincipalId '%s' has type '%s' , which is different from specified PrinciaplType '%.64s'.",
		Why:    "the principal is of another type than the assignment says",
		Fix:    "leave principalType out or send the type in the message",
	}
)

func isMissing(err error) bool {
	return errors.Is(err, access.ErrAssignmentNotFound) || errors.Is(err, access.ErrRoleNotFound)
}
