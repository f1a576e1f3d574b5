package e2e

import (
	"testing"
	"time"
)

// pollInterval is the pause between two looks at a condition.
const pollInterval = 25 * time.Millisecond

// Eventually calls check until it returns nil, and fails the test with what it
// last said when that takes longer than limit.
func Eventually(t testing.TB, limit time.Duration, what string, check func() error) {
	t.Helper()
	eventually(t, limit, what, check, nil)
}

// EventuallyRunning is Eventually for a condition that processes bring about:
// when one of them ends first, the test fails at once.
func EventuallyRunning(t testing.TB, limit time.Duration, what string, check func() error, by ...*Process) {
	t.Helper()
	eventually(t, limit, what, check, by)
}

func eventually(t testing.TB, limit time.Duration, what string, check func() error, by []*Process) {
	t.Helper()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	deadline := time.Now().Add(limit)
	for {
		err := check()
		if err == nil {
			return
		}
		for _, p := range by {
			if ended := p.Exited(); ended != nil {
				t.Fatalf("%s: %v; last seen: %v\n%s", what, ended, err, p.Tail())
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v, last seen: %v", what, limit, err)
		}
		<-ticker.C
	}
}
