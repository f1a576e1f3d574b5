package azapi

import "github.com/aksess/aksess/internal/fault"

// Faults of the pipeline itself, for hosts that word no refusal of their own.
var (
	noOperation = &fault.Kind{
		Code: "OperationNotSupported", Status: 501,
		Format: "%.20s %.500s is not an operation that is served here.",
		Why:    "aksess does not serve this operation of the real service",
		Fix:    "see the service's list of operations in its README",
	}
	badQuery = &fault.Kind{
		Code: "InvalidUri", Status: 400,
		Format: "The requested URI does not represent any resource on the server: its query cannot be read.",
		Why:    "the query has a malformed escape or more parameters than are read; guessing at the rest could choose another operation",
		Fix:    "percent-encode each name and value of the query",
	}
	internal = &fault.Kind{
		Code: "InternalServerError", Status: 500,
		Format: "The request could not be completed. Look for the request id in the log.",
		Why:    "something inside aksess failed; the log has the cause under the request id",
		Fix:    "report it with the log line",
	}
)
