package proxy

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// idleAtLeast is how long a connection has to be idle before another one may take
// its place. A client that has just had its answer may be writing the next request.
const idleAtLeast = time.Second

// idle knows since when connections wait for their next request.
type idle struct {
	now   func() time.Time
	mu    sync.Mutex
	since map[net.Conn]time.Time
}

// note implements http.Server's ConnState.
func (i *idle) note(c net.Conn, state http.ConnState) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if state == http.StateIdle {
		i.since[c] = i.now()
		return
	}
	delete(i.since, c)
}

// end closes the connection that has been idle for longest, and reports whether
// there was one that may be closed.
func (i *idle) end() bool {
	conn := i.longest()
	if conn == nil {
		return false
	}
	_ = conn.Close()
	return true
}

// longest takes out the connection that has been idle for longest; nil if none
// has been for long enough.
func (i *idle) longest() (longest net.Conn) {
	i.mu.Lock()
	defer i.mu.Unlock()
	before := i.now().Add(-idleAtLeast)
	for c, since := range i.since {
		if !since.After(before) {
			longest, before = c, since
		}
	}
	delete(i.since, longest)
	return longest
}
