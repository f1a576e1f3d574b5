package federated

import (
	"context"
	"errors"
	"time"

	"github.com/aksess/aksess/internal/imds"
)

// Bounds of exchanges.
const (
	maxFlights     = 32               // at the same time
	exchangeWithin = 10 * time.Second // all tries of one
)

// flight is an exchange that several requests may wait for. Its result may be
// read once done is closed.
type flight struct {
	done   chan struct{}
	cancel context.CancelFunc
	token  *token
	err    error
}

// join returns the exchange for a key that is under way, or starts one. One
// that has ended in the meantime counts, and a refusal of a moment ago.
func (c *Client) join(k key) (*flight, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.flights[k]; f != nil {
		return f, nil
	}
	now := c.config.Now()
	if refusal := c.cache.refusal(k, now); refusal != nil {
		return nil, refusal
	}
	if t := c.cache.token(k); t != nil && now.Before(t.stale) && !t.due(now) {
		return landed(t), nil
	}
	if c.closed || len(c.flights) >= maxFlights {
		return nil, busy()
	}
	// Nobody's context: who asked first may leave before the others.
	ctx, cancel := context.WithTimeout(context.Background(), exchangeWithin)
	f := &flight{done: make(chan struct{}), cancel: cancel}
	c.flights[k] = f
	c.running.Go(func() {
		defer cancel()
		f.token, f.err = c.exchange(ctx, k)
		c.land(k, f)
	})
	return f, nil
}

// landed is a flight that has ended with a token.
func landed(t *token) *flight {
	f := &flight{done: make(chan struct{}), token: t}
	close(f.done)
	return f
}

// land keeps a flight's result and tells those who wait.
func (c *Client) land(k key, f *flight) {
	now := c.config.Now()
	var refusal *imds.Error
	switch {
	case f.err == nil:
		c.cache.keep(k, f.token)
	case errors.As(f.err, &refusal):
		hold := holdFor(refusal)
		c.cache.refuse(k, refusal, now.Add(hold))
		c.cache.postpone(k, now.Add(max(hold, refreshAgain)))
	}
	c.mu.Lock()
	delete(c.flights, k)
	c.mu.Unlock()
	close(f.done)
}
