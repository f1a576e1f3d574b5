package arm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/store"
)

const kindOperation = "arm.operation" // by GUID

// operationKept is how long the end of an operation can be looked up.
const operationKept = 24 * time.Hour

// States of an operation and of the resource that it is about
// (https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations).
const (
	stateRunning   = "InProgress"
	stateSucceeded = "Succeeded"
	stateFailed    = "Failed"
	stateCanceled  = "Canceled"
	stateCreating  = "Creating"
	stateUpdating  = "Updating"
	stateDeleting  = "Deleting"
)

// operation is a long-running operation as it is stored: what is known of it
// must outlive the process that began it.
type operation struct {
	ID           string          `json:"id"` // GUID
	Subscription string          `json:"subscription"`
	Namespace    string          `json:"namespace"`
	Location     string          `json:"location"`
	Resource     string          `json:"resource,omitempty"` // id of the resource that work is done on; "" for what was done when it was answered
	Type         string          `json:"type,omitempty"`     // of that resource
	TenantID     string          `json:"tenantId"`           // of the caller
	CallerID     string          `json:"callerId"`           // object id of the caller
	State        string          `json:"state"`
	Started      time.Time       `json:"started"`
	Ended        time.Time       `json:"ended,omitzero"`
	Error        *operationError `json:"error,omitempty"`
}

type operationError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (o *operation) running() bool { return o.State == stateRunning }

// Accepted is a long-running operation that was accepted.
type Accepted struct {
	Namespace string // "Microsoft.KeyVault"
	Location  string // "westeurope"
}

// Accept answers 202 for something that is done, with the Location and
// Azure-AsyncOperation under which clients that expect a long-running operation
// find its end. Both are kept for a while, over restarts.
// (https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations)
func (rs *Resources) Accept(w http.ResponseWriter, r *azapi.Request, op Accepted) error {
	o := rs.newOperation(r, op)
	o.State, o.Ended = stateSucceeded, r.Now
	if _, err := rs.operations.Put(r.Context(), o.ID, o, store.Absent()); err != nil {
		return fmt.Errorf("writing operation %s: %w", o.ID, err)
	}
	pointTo(w.Header(), r, &o)
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// newOperation is an operation that the request begins.
func (rs *Resources) newOperation(r *azapi.Request, op Accepted) operation {
	parts := segments(r)
	o := operation{
		ID: strings.ToLower(rs.NewID()), Namespace: op.Namespace, Location: op.Location,
		TenantID: r.Caller.TenantID, CallerID: r.Caller.ObjectID, State: stateRunning, Started: r.Now,
	}
	if len(parts) > 1 {
		o.Subscription = parts[1]
	}
	if o.Location == "" {
		o.Location = "global" // of what has none
	}
	return o
}

// path is where the operation is found, under one of the names that Azure's providers use.
func (o *operation) path(kind string) string {
	return "/subscriptions/" + o.Subscription + "/providers/" + o.Namespace + "/locations/" + o.Location + "/" + kind + "/" + o.ID
}

// pointTo sets the headers by which a client finds the operation's end.
func pointTo(h http.Header, r *azapi.Request, o *operation) {
	url := func(kind string) string { return r.BaseURL() + o.path(kind) + "?api-version=" + r.Version }
	h.Set("Azure-AsyncOperation", url("operationStatuses"))
	h.Set("Location", url("operationResults"))
	pace(h, o.running())
}

// pace tells a poller when to look again. While something is running it must
// not be told to skip its delay: it would ask without a pause.
func pace(h http.Header, running bool) {
	if running {
		h.Del(skipDelay)
		h.Set("Retry-After", "1")
		return
	}
	h.Set("Retry-After", "0")
}

// Operation statuses are served to the caller that began the operation and to
// those who may read operations of the provider in the subscription.
func operationOperations(rs *Resources) []azapi.Operation {
	const pattern = "/subscriptions/{subscription}/providers/{namespace}/locations/{location}/"
	action := azapi.Authenticated("the caller that began the operation may read it; of others, the handler asks for the provider's locations/operations/read")
	status := func(w http.ResponseWriter, r *azapi.Request) error { return rs.operationStatus(w, r) }
	return []azapi.Operation{
		{Name: "GetOperationStatus", Method: http.MethodGet, Pattern: pattern + "operationStatuses/{operation}", Action: action, Handle: status},
		{Name: "GetOperation", Method: http.MethodGet, Pattern: pattern + "operations/{operation}", Action: action, Handle: status},
		{Name: "GetOperationResult", Method: http.MethodGet, Pattern: pattern + "operationResults/{operation}", Action: action, Handle: rs.operationResult},
	}
}

// findOperation returns the operation that the path names to those who may read it.
func (rs *Resources) findOperation(r *azapi.Request) (*operation, error) {
	item, err := rs.operations.Get(r.Context(), strings.ToLower(r.Param("operation")))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("reading an operation: %w", err)
	}
	o := &item.Value
	found := err == nil && strings.EqualFold(o.Subscription, r.Param("subscription")) &&
		strings.EqualFold(o.Namespace, r.Param("namespace")) && strings.EqualFold(o.Location, r.Param("location"))
	if found && r.Caller.ObjectID != "" && strings.EqualFold(o.CallerID, r.Caller.ObjectID) && strings.EqualFold(o.TenantID, r.Caller.TenantID) {
		return o, nil
	}
	action := azapi.Control(r.Param("namespace") + "/locations/operations/read")
	verdict, err := r.Allowed(r.Context(), action, ScopeOf(r, 0))
	if err != nil {
		return nil, err
	}
	if !verdict.Allowed {
		return nil, Forbidden(r, action, ScopeOf(r, 0))
	}
	if !found {
		return nil, noOperationStatus.New(fmt.Sprintf("%.60s", r.Param("operation")))
	}
	return o, nil
}

// operationStatus is the answer at Azure-AsyncOperation.
type operationStatus struct {
	ID         string          `json:"id"`
	Name       string          `json:"name"`
	ResourceID string          `json:"resourceId,omitempty"`
	Status     string          `json:"status"`
	StartTime  time.Time       `json:"startTime"`
	EndTime    *time.Time      `json:"endTime,omitempty"`
	Error      *operationError `json:"error,omitempty"`
}

func (rs *Resources) operationStatus(w http.ResponseWriter, r *azapi.Request) error {
	o, err := rs.findOperation(r)
	if err != nil {
		return err
	}
	status := operationStatus{
		ID: ScopeOf(r, 0), Name: o.ID, ResourceID: o.Resource, Status: o.State, StartTime: o.Started.UTC(), Error: o.Error,
	}
	if !o.running() {
		end := o.Ended.UTC()
		status.EndTime = &end
	}
	pace(w.Header(), o.running())
	return azapi.WriteJSON(w, http.StatusOK, status)
}

// operationResult is the answer at Location: 202 while the operation runs, then
// the resource that it was about, or nothing, as 200: azurerm refuses a 204 here.
func (rs *Resources) operationResult(w http.ResponseWriter, r *azapi.Request) error {
	o, err := rs.findOperation(r)
	if err != nil {
		return err
	}
	if o.running() {
		pointTo(w.Header(), r, o)
		w.WriteHeader(http.StatusAccepted)
		return nil
	}
	if o.Error != nil {
		return operationFailed.New(o.Error.Code, o.Error.Message)
	}
	found, err := rs.resultOf(r, o)
	if err != nil {
		return err
	}
	pace(w.Header(), false)
	if found == nil {
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(http.StatusOK)
		return nil
	}
	return azapi.WriteJSON(w, http.StatusOK, found)
}

// resultOf is the resource of an operation for those who may read it, nil when there is none.
func (rs *Resources) resultOf(r *azapi.Request, o *operation) (*Resource, error) {
	if o.Resource == "" {
		return nil, nil
	}
	action := azapi.Control(o.Type + "/read")
	verdict, err := r.Allowed(r.Context(), action, o.Resource)
	if err != nil {
		return nil, err
	}
	if !verdict.Allowed {
		return nil, Forbidden(r, action, o.Resource)
	}
	found, err := rs.Get(r.Context(), o.Resource)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	e := &endpoint{typ: typeOf(rs.types, found)}
	return e.complete(r.Context(), found)
}

// forgetOperations removes the operations that ended long ago.
func (rs *Resources) forgetOperations(ctx context.Context, all []store.Item[operation]) error {
	var ops []store.Op
	for _, item := range all {
		if !item.Value.running() && rs.Now().Sub(item.Value.Ended) > operationKept {
			ops = append(ops, rs.operations.DeleteOp(item.Key, store.Always()))
		}
	}
	for len(ops) > 0 {
		n := min(len(ops), store.MaxOps)
		if _, err := rs.store.Apply(ctx, ops[:n]...); err != nil {
			return fmt.Errorf("removing old operations: %w", err)
		}
		ops = ops[n:]
	}
	return nil
}
