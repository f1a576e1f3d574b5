package demo

import (
	"errors"
	"strings"
	"sync"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/fault"
)

// trail remembers what the local Azure decided about the requests of a run.
type trail struct {
	mu     sync.Mutex
	events []azapi.Event
	result seen
}

// Observe is given to the local Azure.
func (t *trail) observe(e azapi.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events = append(t.events, e)
}

func (t *trail) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events = nil
}

// allowed says for each service what allowed its requests.
func (t *trail) allowed() map[string]string {
	t.mu.Lock()
	defer t.mu.Unlock()
	by := map[string]string{}
	for _, e := range t.events {
		if e.Verdict.Allowed && e.Verdict.By != "" {
			by[e.Service] = e.Verdict.By
		}
	}
	return by
}

// refusal is the last request that was refused for a reason of the chain. The
// question for a token that every vault answers 401 at first is none.
func (t *trail) refusal() *fault.Error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := len(t.events) - 1; i >= 0; i-- {
		var coded *fault.Error
		if errors.As(t.events[i].Err, &coded) && t.events[i].Verdict.Reason != "" {
			if coded.Explain == "" {
				coded.Explain = t.events[i].Verdict.Nearest
			}
			return coded
		}
		if errors.As(t.events[i].Err, &coded) && strings.HasPrefix(coded.Kind.Code, "AADSTS") {
			return coded
		}
	}
	return nil
}
