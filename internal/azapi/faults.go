package azapi

import "github.com/aksess/aksess/internal/fault"

// Faults of the pipeline itself, for hosts that word no refusal of their own.
var (
	noOperation = &fault.Kind{
		Code: "OperationNotSupported", Status: 501,
		Format: "%s %s is not an operation that is served here.",
		Why:    "aksess does not serve this operation of the real service",
		Fix:    "see the service's list of operations in its README",
	}
	internal = &fault.Kind{
		Code: "InternalServerError", Status: 500,
		Format: "The request could not be completed. Look for the request id in the log.",
		Why:    "something inside aksess failed; the log has the cause under the request id",
		Fix:    "report it with the log line",
	}
)
