package federated

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/aksess/aksess/internal/imds"
)

// Stats count since the start.
type Stats struct {
	// Requests for a token by how they ended.
	Cached, Fetched, Stale, Refused, Throttled, Unavailable int64
	// Exchanges with the token service, and the time they took together.
	Exchanges    int64
	ExchangeTime time.Duration
}

type counters struct {
	cached, fetched, stale, refused, throttled, unavailable atomic.Int64
	exchanges, exchangeTime                                 atomic.Int64
}

func (c *counters) count(refusal *imds.Error) {
	switch {
	case refusal.Status == http.StatusTooManyRequests:
		c.throttled.Add(1)
	case refusal.Status >= http.StatusInternalServerError:
		c.unavailable.Add(1)
	default:
		c.refused.Add(1)
	}
}

func (c *counters) exchanged(took time.Duration) {
	c.exchanges.Add(1)
	c.exchangeTime.Add(int64(took))
}

// Stats returns the counts of now.
func (c *Client) Stats() Stats {
	n := &c.counters
	return Stats{
		Cached: n.cached.Load(), Fetched: n.fetched.Load(), Stale: n.stale.Load(), Refused: n.refused.Load(),
		Throttled: n.throttled.Load(), Unavailable: n.unavailable.Load(),
		Exchanges: n.exchanges.Load(), ExchangeTime: time.Duration(n.exchangeTime.Load()),
	}
}
