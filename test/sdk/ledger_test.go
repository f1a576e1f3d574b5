package sdk

import (
	"fmt"
	"slices"
	"sync"
)

// A state is what a key holds: a name from which all its content follows, or
// absent.
const absent = ""

// ledger keeps, for each key, the last state that was acknowledged and the one
// that was asked for since. It lives in the process that is not killed. Each
// key has one writer at a time.
type ledger struct {
	mu      sync.Mutex
	entries map[string]*entry
	acked   int // writes acknowledged in all
}

type entry struct {
	state   string
	pending []string // asked for and neither acknowledged nor refused
	history []string // every state acknowledged
}

func (l *ledger) entry(key string) *entry {
	if l.entries == nil {
		l.entries = map[string]*entry{}
	}
	if l.entries[key] == nil {
		l.entries[key] = &entry{}
	}
	return l.entries[key]
}

func (l *ledger) ask(key, state string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(key)
	e.pending = append(e.pending, state)
}

func (l *ledger) acknowledge(key, state string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(key)
	e.state, e.pending, e.history = state, nil, append(e.history, state)
	l.acked++
}

func (l *ledger) state(key string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.entry(key).state
}

func (l *ledger) keys() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var keys []string
	for key := range l.entries {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// settle compares what a key holds after a restart with what it may hold, and
// takes it for true from then on.
func (l *ledger) settle(key, got string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(key)
	if got != e.state && !slices.Contains(e.pending, got) {
		return fmt.Errorf("%s: got state %q, want the acknowledged %q or one of the pending %q", key, got, e.state, e.pending)
	}
	if got != e.state {
		e.history = append(e.history, got)
	}
	e.state, e.pending = got, nil
	return nil
}

func (l *ledger) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = map[string]*entry{}
}
