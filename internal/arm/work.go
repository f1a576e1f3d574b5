package arm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/fault"
	"github.com/aksess/aksess/internal/store"
)

// works are the goroutines that do the work of types. Each is there under its
// operation's id until it ended.
type works struct {
	mu      sync.Mutex
	closed  bool
	running map[string]*work
}

// work is one goroutine, or the place kept for it while its write is under way.
type work struct {
	resource string // key of the resource
	cancel   context.CancelFunc
	done     chan struct{}
}

// hold keeps a place, so that nobody else takes the operation for an
// interrupted one. It returns nil when there is one already, or after Close.
func (ws *works) hold(id, resource string) *work {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.closed || ws.running[id] != nil {
		return nil
	}
	if ws.running == nil {
		ws.running = map[string]*work{}
	}
	held := &work{resource: key(resource), cancel: func() {}, done: make(chan struct{})}
	ws.running[id] = held
	return held
}

// release gives a place back.
func (ws *works) release(id string) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if held := ws.running[id]; held != nil {
		delete(ws.running, id)
		close(held.done)
	}
}

// launch starts the goroutine of a held place.
func (ws *works) launch(id string, do func(ctx context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	ws.mu.Lock()
	held := ws.running[id]
	if held == nil || ws.closed {
		ws.mu.Unlock()
		cancel()
		ws.release(id)
		return
	}
	held.cancel = cancel
	ws.mu.Unlock()
	go func() {
		defer ws.release(id)
		defer cancel()
		do(ctx)
	}()
}

// stop cancels the work on what is at or below a key and waits for its end.
func (ws *works) stop(prefix string) {
	ws.mu.Lock()
	var stopped []*work
	for _, one := range ws.running {
		if strings.HasPrefix(one.resource, prefix) {
			one.cancel()
			stopped = append(stopped, one)
		}
	}
	ws.mu.Unlock()
	for _, one := range stopped {
		<-one.done
	}
}

// Close cancels the work that is running and waits for its end; the next Resume
// over the same store runs it again. No work is started afterwards.
func (rs *Resources) Close() {
	rs.works.mu.Lock()
	rs.works.closed = true
	rs.works.mu.Unlock()
	rs.works.stop("")
}

// Resume runs again the work of types that a stop interrupted, and ends deleted
// resources whose time is up. Call it at start and now and then.
func (rs *Resources) Resume(ctx context.Context) error {
	overdue := rs.endOverdue(ctx)
	all, err := rs.operations.All(ctx, "")
	if err != nil {
		return errors.Join(overdue, fmt.Errorf("listing operations: %w", err))
	}
	for _, item := range all {
		if item.Value.running() {
			rs.start(item.Value)
		}
	}
	return errors.Join(overdue, rs.forgetOperations(ctx, all))
}

// start does an operation's work in the background, unless it is being done.
func (rs *Resources) start(o operation) {
	if rs.works.hold(o.ID, o.Resource) != nil {
		rs.works.launch(o.ID, func(ctx context.Context) { rs.perform(ctx, o) })
	}
}

// perform does the work and writes its end. Work that was cancelled stays as it
// is: whoever cancelled it decides what becomes of it.
func (rs *Resources) perform(ctx context.Context, o operation) {
	r, err := rs.Get(ctx, o.Resource)
	gone := errors.Is(err, ErrNotFound)
	if err == nil {
		err = rs.do(ctx, o, r)
	}
	if ctx.Err() != nil {
		return
	}
	ctx = context.WithoutCancel(ctx)
	if gone {
		err = rs.cancelled(ctx, o)
	} else {
		err = rs.finish(ctx, o, err)
	}
	if err != nil {
		rs.Log.Error("writing the end of an operation", "operation", o.ID, "resource", o.Resource, "error", err)
	}
}

// do runs the type's Work. A panic in it is an error, not the end of the process.
func (rs *Resources) do(ctx context.Context, o operation, r *Resource) (err error) {
	defer func() {
		if p := recover(); p != nil {
			rs.Log.Error("work panicked", "operation", o.ID, "resource", o.Resource, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	if t := typeOf(rs.types, r); t.Work != nil {
		return t.Work(ctx, r)
	}
	return nil
}

// finish writes the end of an operation together with the resource's state.
func (rs *Resources) finish(ctx context.Context, o operation, failure error) error {
	o.State, o.Ended = stateSucceeded, rs.Now()
	if failure != nil {
		o.State, o.Error = stateFailed, rs.explain(o, failure)
	}
	for range maxAttempts {
		r, err := rs.Get(ctx, o.Resource)
		if errors.Is(err, ErrNotFound) {
			return rs.cancelled(ctx, o)
		}
		if err != nil {
			return err
		}
		if err := setState(r, o.State); err != nil {
			return err
		}
		end, err := rs.operations.PutOp(o.ID, o, store.Always())
		if err != nil {
			return err
		}
		if err := rs.Save(ctx, typeOf(rs.types, r), r, store.At(r.Version), end); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("too many writers of %q", o.Resource)
}

// cancelled writes the end of an operation whose resource is gone.
func (rs *Resources) cancelled(ctx context.Context, o operation) error {
	o.State, o.Ended = stateCanceled, rs.Now()
	o.Error = &operationError{Code: "OperationCanceled", Message: "The resource was deleted while the operation was in progress."}
	_, err := rs.operations.Put(ctx, o.ID, o, store.Always())
	return err
}

// explain is what a client reads of a failure: a coded error as it is, of any
// other no more than that it happened.
func (rs *Resources) explain(o operation, failure error) *operationError {
	rs.Log.Error("work failed", "operation", o.ID, "resource", o.Resource, "error", failure)
	var coded *fault.Error
	if errors.As(failure, &coded) {
		return &operationError{Code: coded.Kind.Code, Message: coded.Message}
	}
	return &operationError{Code: "InternalServerError", Message: "The operation failed. The log of the local Azure says why."}
}

// interrupt stops the work on a resource that is to be deleted, and on all below it.
func (rs *Resources) interrupt(ctx context.Context, types map[string]*Type, r *Resource) error {
	prefix, worked := key(r.Type), false
	for name, t := range types {
		worked = worked || t.Work != nil && strings.HasPrefix(name+"/", prefix)
	}
	if !worked {
		return nil
	}
	rs.works.stop(key(r.ID))
	all, err := rs.operations.All(ctx, "")
	if err != nil {
		return fmt.Errorf("listing operations: %w", err)
	}
	for _, item := range all {
		if o := item.Value; o.running() && strings.HasPrefix(key(o.Resource), key(r.ID)) {
			if err := rs.cancelled(ctx, o); err != nil {
				return err
			}
		}
	}
	return nil
}

// State is the resource's properties.provisioningState, "" when it has none.
func (r *Resource) State() string {
	var state groupState
	_ = r.Decode(&state) // what is no object has no state
	return state.ProvisioningState
}

// setState sets properties.provisioningState.
func setState(r *Resource, state string) error {
	properties := map[string]json.RawMessage{}
	if err := r.Decode(&properties); err != nil {
		return fmt.Errorf("decoding the properties of %q: %w", r.ID, err)
	}
	encoded, err := json.Marshal(state)
	if err != nil {
		return err
	}
	properties["provisioningState"] = encoded
	return r.SetProperties(properties)
}

// underWay reports that work is being done on a resource.
func (t *Type) underWay(r *Resource) bool {
	if t.Work == nil || r == nil {
		return false
	}
	switch r.State() {
	case stateCreating, stateUpdating, stateDeleting:
		return true
	}
	return false
}

// begin prepares the work of a write: the state that the resource is written
// with, and the operation that is written with it. nil for types without Work.
func (e *endpoint) begin(r *azapi.Request, c Change) *operation {
	if e.typ.Work == nil {
		return nil
	}
	o := e.resources.newOperation(r, Accepted{Namespace: e.typ.namespace(), Location: c.New.Location})
	o.Resource, o.Type = c.New.ID, e.typ.Name
	return &o
}

// carryOn starts the work of a write that is on disk and points the client to it.
func (e *endpoint) carryOn(h http.Header, r *azapi.Request, o *operation) {
	rs := e.resources
	pointTo(h, r, o)
	rs.works.launch(o.ID, func(ctx context.Context) { rs.perform(ctx, *o) })
}
