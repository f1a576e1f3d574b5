package companions

import (
	"fmt"
	"strings"
	"time"
)

// A Run is one run of a container: one that is started again has another ID.
type Run struct{ Name, ID string }

// decision says when all containers have ended for good, from what runs at one
// time after another.
type decision struct {
	containers []*container // at least one
	restarts   bool         // those that fail are started again
}

// container is what has been seen of one.
type container struct {
	name   string
	run    string // the last
	starts int
	runs   bool
	ended  time.Time // when it was first seen not to run any more
}

// The kubelet starts a container that failed at once, then after 10 s, 20 s and
// so on up to five minutes. It looks at a pod again up to half of that later, 30
// s at most (pod_workers.go, completeWork); newer settings make it shorter only.
const (
	firstBackOff = 10 * time.Second
	mostBackOff  = 5 * time.Minute
	mostLate     = 30 * time.Second
	toStart      = 30 * time.Second // to notice the end, ask the registry, create, start
)

// patience is how long nothing may run while a container has yet to be seen that
// may wait for its image. After it the container has run unseen.
const patience = time.Hour

func newDecision(names []string, restarts bool) *decision {
	d := &decision{restarts: restarts}
	for _, name := range names {
		d.containers = append(d.containers, &container{name: name})
	}
	return d
}

// look takes the runs at a time, and whether there are processes of which it is
// not known whose they are, which may be anybody's. It says why the watch is
// over, or nothing.
func (d *decision) look(now time.Time, running []Run, unknown bool) (why string) {
	quiet := !unknown
	var ended time.Time // the last
	for _, c := range d.containers {
		c.look(now, running, unknown)
		quiet = quiet && !c.runs
		if c.ended.After(ended) {
			ended = c.ended
		}
	}
	switch {
	case !quiet || ended.IsZero():
	case d.unseen() == "" && !d.changes(now):
		return "all other containers have ended"
	case d.unseen() != "" && now.Sub(ended) >= patience:
		return fmt.Sprintf("no other container has been running for %s, though not all have been seen", patience)
	}
	return ""
}

func (c *container) look(now time.Time, running []Run, unknown bool) {
	before := c.runs
	c.runs = false
	for _, run := range running {
		if run.Name != c.name {
			continue
		}
		c.runs = true
		if run.ID != c.run {
			c.run = run.ID
			c.starts++
		}
	}
	if !c.runs && c.starts > 0 && (before || unknown) {
		c.ended = now
	}
}

// changes reports whether a container may start at any time: one that has yet to
// be seen, or one that the kubelet may start again.
func (d *decision) changes(now time.Time) bool {
	for _, c := range d.containers {
		if c.starts == 0 || d.restarts && !c.runs && now.Sub(c.ended) < linger(c.starts) {
			return true
		}
	}
	return false
}

// unseen are the names of the containers that have yet to be seen.
func (d *decision) unseen() string {
	var names []string
	for _, c := range d.containers {
		if c.starts == 0 {
			names = append(names, c.name)
		}
	}
	return strings.Join(names, ",")
}

// linger is how long the kubelet may take to start a container again that has
// been seen to start so often. A run that was over at once may have been missed,
// the one after the first above all, for which the kubelet does not wait.
func linger(starts int) time.Duration {
	if starts > 1 {
		starts++
	}
	wait := backOff(starts)
	return wait + min(wait/2, mostLate) + toStart
}

// backOff is the kubelet's delay after so many starts.
func backOff(starts int) time.Duration {
	if starts < 2 {
		return 0
	}
	wait := firstBackOff
	for i := 2; i < starts && wait < mostBackOff; i++ {
		wait *= 2
	}
	return min(wait, mostBackOff)
}
