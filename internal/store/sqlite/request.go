package sqlite

import (
	"bytes"
	"slices"
	"sync/atomic"

	"github.com/aksess/aksess/internal/store"
)

// request is one call waiting for the writer.
type request struct {
	ops   []store.Op
	drop  int64 // a small content to delete, when not 0
	flush bool  // write the staged contents, whatever else there is
	size  int   // bytes of values

	state    atomic.Int32 // who has it: see begin and abandon
	versions []int64
	err      error
	done     chan struct{} // closed when versions or err is set
}

const (
	requestWaiting = iota
	requestBegun
	requestAbandoned
)

// newRequest copies the values: the caller may leave before the writer is done.
func newRequest(ops []store.Op) *request {
	r := &request{ops: slices.Clone(ops), done: make(chan struct{})}
	for i := range r.ops {
		r.ops[i].Value = bytes.Clone(r.ops[i].Value)
		r.size += len(r.ops[i].Value)
	}
	return r
}

func newFlush() *request { return &request{flush: true, done: make(chan struct{})} }

func newDrop(id int64) *request { return &request{drop: id, done: make(chan struct{})} }

// begin is the writer's claim: from here on the caller's context ends nothing.
func (r *request) begin() bool { return r.state.CompareAndSwap(requestWaiting, requestBegun) }

// abandon is the caller's: true means that nothing was and nothing will be written.
func (r *request) abandon() bool { return r.state.CompareAndSwap(requestWaiting, requestAbandoned) }

func (r *request) finish(err error) {
	if err != nil {
		r.versions, r.err = nil, err
	}
	close(r.done)
}
