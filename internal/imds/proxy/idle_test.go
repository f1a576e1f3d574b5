package proxy

import (
	"net"
	"net/http"
	"testing"
	"time"
)

// closing notes that it was closed.
type closing struct {
	net.Conn
	closed int
}

func (c *closing) Close() error {
	c.closed++
	return nil
}

// TestIdle: the longest idle connection is closed, once, unless it is in use or
// was a moment ago.
func TestIdle(t *testing.T) {
	now := time.Unix(1e9, 0)
	idle := idle{now: func() time.Time { return now }, since: map[net.Conn]time.Time{}}
	var conns [4]closing
	for i := range conns {
		idle.note(&conns[i], http.StateIdle)
		now = now.Add(time.Millisecond)
	}
	idle.note(&conns[1], http.StateActive)
	idle.note(&conns[2], http.StateClosed)
	if idle.end() {
		t.Error("one was closed at once")
	}
	now = now.Add(idleAtLeast)
	idle.note(&conns[1], http.StateIdle)
	for _, want := range [][4]int{{1, 0, 0, 0}, {1, 0, 0, 1}} {
		if !idle.end() {
			t.Errorf("none was closed, want %v", want)
		}
		for i := range conns {
			if conns[i].closed != want[i] {
				t.Errorf("connection %d was closed %d times, want %v", i, conns[i].closed, want)
			}
		}
	}
	if idle.end() {
		t.Errorf("one was closed a moment after its answer: %+v", conns)
	}
}
