package federated

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/imds"
)

// Config of a client.
type Config struct {
	TenantID  string // GUID or domain; required
	ClientID  string // of requests that name no identity; those are refused when empty
	TokenFile string // the projected service account token; required
	Authority string // https URL of the token service; required

	Binding *Binding                              // nil: the token service is asked itself
	Proxy   func(*http.Request) (*url.URL, error) // HTTP proxy on the way to it; nil for none
	Now     func() time.Time                      // time.Now when nil
	Jitter  func() float64                        // in [0, 1); random when nil
	Log     *slog.Logger                          // discards when nil
	// Transport is used instead of one of the client's own, and Binding and Proxy
	// do not count; nil as a rule.
	Transport http.RoundTripper
}

// Client gets and keeps tokens. It is safe for concurrent use.
type Client struct {
	config    Config
	authority *url.URL
	http      *http.Client
	cache     *cache
	counters  counters

	mu      sync.Mutex
	flights map[key]*flight
	closed  bool
	running sync.WaitGroup
}

// key is what a token is kept by. The tenant is the client's one.
type key struct{ client, resource string }

// New returns a client that its owner closes.
func New(config Config) (*Client, error) {
	if !chain.IsGUID(config.TenantID) && !chain.IsDomain(config.TenantID) {
		return nil, fmt.Errorf("tenant id %q is neither a GUID nor a domain name", config.TenantID)
	}
	if config.ClientID != "" && !chain.IsGUID(config.ClientID) {
		return nil, fmt.Errorf("client id %q is not a GUID", config.ClientID)
	}
	if config.TokenFile == "" {
		return nil, errors.New("the file with the service account token is not named")
	}
	authority, err := serviceURL(config.Authority)
	if err != nil {
		return nil, fmt.Errorf("authority host: %w", err)
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Jitter == nil {
		config.Jitter = rand.Float64
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	transport, err := newTransport(config)
	if err != nil {
		return nil, err
	}
	return &Client{
		config: config, authority: authority.JoinPath(config.TenantID, "oauth2", "v2.0", "token"), flights: map[key]*flight{}, cache: newCache(),
		http: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}, nil
}

// serviceURL checks an address that assertions are sent to.
func serviceURL(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%q is not an https URL without user, query and fragment", address)
	}
	if u.Path == "" {
		u.Path = "/" // or what is joined to it lacks one
	}
	return u, nil
}

// Close ends the exchanges that are under way and waits for them. Requests
// after it are answered from the cache or refused.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	for _, f := range c.flights {
		f.cancel()
	}
	c.mu.Unlock()
	c.running.Wait()
	c.http.CloseIdleConnections()
}

// Answer answers with a token for a resource; it is the [imds.Source] of a pod.
// Errors are an *imds.Error or the context's.
func (c *Client) Answer(ctx context.Context, selector imds.Selector, resource string) (*imds.Answer, error) {
	client := strings.ToLower(selector.ClientID)
	if client == "" {
		client = strings.ToLower(c.config.ClientID)
	}
	if client == "" {
		c.counters.refused.Add(1)
		return nil, noClient()
	}
	t, err := c.token(ctx, key{client, resource})
	if err != nil {
		return nil, err
	}
	if !t.is(selector) {
		return nil, imds.IdentityNotFound()
	}
	return t.answer, nil
}

// token returns one that is valid for a while, from the cache if it can.
func (c *Client) token(ctx context.Context, k key) (*token, error) {
	now := c.config.Now()
	kept := c.cache.token(k)
	if kept != nil && now.Before(kept.stale) {
		if kept.due(now) {
			_, _ = c.join(k) // nobody waits for it
		}
		c.counters.cached.Add(1)
		return kept, nil
	}
	fresh, err := c.fetch(ctx, k)
	var refusal *imds.Error
	switch {
	case err == nil:
		c.counters.fetched.Add(1)
		return fresh, nil
	case !errors.As(err, &refusal):
		return nil, err // the caller has left
	case kept != nil && now.Before(kept.expires):
		c.counters.stale.Add(1)
		return kept, nil
	}
	c.counters.count(refusal)
	return nil, refusal
}

// fetch waits for an exchange.
func (c *Client) fetch(ctx context.Context, k key) (*token, error) {
	f, err := c.join(k)
	if err != nil {
		return nil, err
	}
	select {
	case <-f.done:
		return f.token, f.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
