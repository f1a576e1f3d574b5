package federated

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aksess/aksess/internal/imds"
)

// Bounds of the cache. Tokens and refusals have room of their own: whoever asks
// for a thousand resources that do not exist drives out no token.
const (
	maxTokens   = 128
	maxRefusals = 256
)

// token is one that is kept.
type token struct {
	answer     *imds.Answer
	objectID   string // what it says of its identity; "" if nothing
	resourceID string
	expires    time.Time
	stale      time.Time    // from when on it is too short for clients, which renew five minutes early
	refresh    atomic.Int64 // Unix nanoseconds from when on it is refreshed
	used       atomic.Int64 // the cache's count of look-ups at the last use
}

// due reports whether it is time to refresh.
func (t *token) due(now time.Time) bool { return now.UnixNano() >= t.refresh.Load() }

// is reports whether the token is of the identity that the selector names. A
// client id needs no comparison: the exchange was for that client.
func (t *token) is(s imds.Selector) bool {
	switch {
	case s.ObjectID != "":
		return strings.EqualFold(s.ObjectID, t.objectID)
	case s.ResourceID != "":
		return t.resourceID != "" && strings.EqualFold(strings.TrimSuffix(s.ResourceID, "/"), t.resourceID)
	}
	return true
}

// claims are what a token says of its identity. It comes from the token service
// over TLS and goes to programs that may use it anyway, so its signature does
// not matter here.
type claims struct {
	ObjectID   string  `json:"oid"`
	ResourceID string  `json:"xms_mirid"`
	NotBefore  float64 `json:"nbf"`
}

// readClaims returns none for a token that is no JWT.
func readClaims(value string) claims {
	var c claims
	_, rest, _ := strings.Cut(value, ".")
	payload, _, ok := strings.Cut(rest, ".")
	if !ok {
		return claims{}
	}
	text, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil || json.Unmarshal(text, &c) != nil {
		return claims{}
	}
	return c
}

// cache keeps tokens and, for a short while, refusals.
type cache struct {
	mu       sync.RWMutex
	tokens   map[key]*token
	refusals map[key]held
	lookups  atomic.Int64
}

// held is a refusal that is repeated for a while.
type held struct {
	refusal *imds.Error
	until   time.Time
}

func newCache() *cache {
	return &cache{tokens: map[key]*token{}, refusals: map[key]held{}}
}

// token returns what is kept, nil if nothing is.
func (c *cache) token(k key) *token {
	c.mu.RLock()
	defer c.mu.RUnlock()
	t := c.tokens[k]
	if t != nil {
		t.used.Store(c.lookups.Add(1))
	}
	return t
}

// keep keeps a token, at the cost of the one that was not used for longest.
func (c *cache) keep(k key, t *token) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.refusals, k)
	if _, ok := c.tokens[k]; !ok && len(c.tokens) >= maxTokens {
		delete(c.tokens, c.oldest())
	}
	t.used.Store(c.lookups.Add(1))
	c.tokens[k] = t
}

func (c *cache) oldest() (oldest key) {
	least := int64(-1)
	for k, t := range c.tokens {
		if used := t.used.Load(); least < 0 || used < least {
			least, oldest = used, k
		}
	}
	return oldest
}

// postpone puts off the refresh of a token after one that was refused.
func (c *cache) postpone(k key, until time.Time) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if t := c.tokens[k]; t != nil {
		t.refresh.Store(until.UnixNano())
	}
}

// refuse repeats a refusal until a time.
func (c *cache) refuse(k key, refusal *imds.Error, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.refusals) >= maxRefusals {
		for other := range c.refusals { // any: they end within seconds
			delete(c.refusals, other)
			break
		}
	}
	c.refusals[k] = held{refusal, until}
}

// refusal returns the one that is repeated at a time, with what is left of its
// Retry-After; nil if there is none.
func (c *cache) refusal(k key, now time.Time) *imds.Error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	h, ok := c.refusals[k]
	if !ok || !now.Before(h.until) {
		return nil
	}
	again := *h.refusal
	if again.RetryAfter > 0 {
		again.RetryAfter = h.until.Sub(now)
	}
	return &again
}
