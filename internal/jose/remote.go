package jose

import (
	"container/list"
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Defaults of [RemoteConfig], and bounds that are not for setting.
const (
	DefaultFetchTimeout    = 5 * time.Second
	DefaultRefetchInterval = time.Minute
	DefaultMaxIssuers      = 256

	// A key set lives as long as its max-age says, within these bounds, and
	// defaultLifetime when it says nothing.
	minLifetime     = time.Minute
	maxLifetime     = 24 * time.Hour
	defaultLifetime = 10 * time.Minute

	// failureInterval is how long a failed fetch is the answer before the next one.
	failureInterval = 5 * time.Second
)

// RemoteConfig says how issuers are reached. The zero value uses the system's
// roots and resolver and refuses private addresses.
type RemoteConfig struct {
	AllowPrivate    bool                                                                  // loopback, link-local, private and reserved addresses too
	RootCAs         *x509.CertPool                                                        // nil: the system's
	DialContext     func(ctx context.Context, network, address string) (net.Conn, error)  // nil: net.Dialer; address is always IP:PORT
	LookupIP        func(ctx context.Context, network, host string) ([]netip.Addr, error) // nil: net.DefaultResolver
	Transport       http.RoundTripper                                                     // nil: one with the policy for addresses; another replaces that policy
	Timeout         time.Duration                                                         // for discovery document and key set together; 0: 5 s
	RefetchInterval time.Duration                                                         // between fetches for unknown kids; 0: 1 min
	MaxIssuers      int                                                                   // remembered; 0: 256
	Now             func() time.Time                                                      // nil: time.Now
}

// Remote fetches the key sets of issuers by OpenID Connect discovery and keeps
// them. At most one fetch per issuer runs at a time; the others wait for it.
// A set is fetched again when its lifetime is over, and for a kid that it lacks
// at most once per RefetchInterval. A key that is gone from the new set is gone
// here; a set whose lifetime is over is not used when it cannot be renewed.
type Remote struct {
	config RemoteConfig
	client *http.Client

	mu      sync.Mutex
	issuers map[string]*list.Element // of *remoteIssuer
	recent  *list.List               // most recently used first
}

// remoteIssuer is what is known of one issuer; Remote's mutex guards it.
type remoteIssuer struct {
	name    string
	last    fetched   // of the last fetch that succeeded
	expires time.Time // of last
	err     error     // of the last fetch; nil when it succeeded
	asked   time.Time // end of the last fetch; zero before the first
	flight  *flight   // the running fetch; nil when none runs
}

// flight is a running fetch. Its outcome may be read once done is closed.
type flight struct {
	done chan struct{}
	got  fetched
	err  error
}

// NewRemote returns a source that has fetched nothing yet. Close it.
func NewRemote(config RemoteConfig) *Remote {
	if config.Timeout <= 0 {
		config.Timeout = DefaultFetchTimeout
	}
	if config.RefetchInterval <= 0 {
		config.RefetchInterval = DefaultRefetchInterval
	}
	if config.MaxIssuers <= 0 {
		config.MaxIssuers = DefaultMaxIssuers
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	return &Remote{config: config, client: newClient(config), issuers: make(map[string]*list.Element), recent: list.New()}
}

// Close closes idle connections. Fetches under way end by themselves.
func (r *Remote) Close() { r.client.CloseIdleConnections() }

// Keys implements [KeySource]. A fetch goes on for the others that wait for it
// when the caller that started it gives up, but no longer than the time limit.
func (r *Remote) Keys(ctx context.Context, issuer, kid string) (KeySet, error) {
	r.mu.Lock()
	known := r.remember(issuer)
	if keys, ok, err := r.answer(known, kid); ok || err != nil {
		r.mu.Unlock()
		return keys, err
	}
	running, mine := known.flight, false
	if running == nil {
		running, mine = &flight{done: make(chan struct{})}, true
		known.flight = running
	}
	r.mu.Unlock()
	if mine {
		r.refresh(ctx, known, running)
	}
	select {
	case <-running.done:
	case <-ctx.Done():
		return KeySet{}, &FetchError{Reason: ErrUnreachable, Issuer: issuer, Err: ctx.Err()}
	}
	if running.err != nil {
		return KeySet{}, running.err
	}
	return running.got.find(issuer, kid)
}

// answer decides from what is known; without keys and error a fetch is due or running.
func (r *Remote) answer(known *remoteIssuer, kid string) (keys KeySet, ok bool, err error) {
	now := r.config.Now()
	current := now.Before(known.expires)
	if current && known.last.keys.has(kid) {
		return known.last.keys, true, nil
	}
	if known.flight != nil || known.asked.IsZero() {
		return KeySet{}, false, nil
	}
	since := now.Sub(known.asked)
	asked := since < failureInterval || current && since < r.config.RefetchInterval
	switch {
	case asked && known.err != nil:
		return KeySet{}, false, known.err
	case asked && current:
		keys, err := known.last.find(known.name, kid)
		return keys, err == nil, err
	}
	return KeySet{}, false, nil
}

// find returns the keys when the token's is among them.
func (f fetched) find(issuer, kid string) (KeySet, error) {
	if !f.keys.has(kid) {
		return KeySet{}, &FetchError{Reason: ErrUnknownKey, Issuer: issuer, URL: f.url, Status: http.StatusOK, Err: errors.New(f.keys.lacks(kid))}
	}
	return f.keys, nil
}

// refresh fetches the keys and ends the flight, whatever happens.
func (r *Remote) refresh(ctx context.Context, known *remoteIssuer, running *flight) {
	running.err = &FetchError{Reason: ErrUnreachable, Issuer: known.name, Err: errors.New("the fetch ended early")}
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		known.asked, known.err, known.flight = r.config.Now(), running.err, nil
		if running.err == nil {
			known.last, known.expires = running.got, known.asked.Add(running.got.lifetime)
		}
		close(running.done)
	}()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.config.Timeout)
	defer cancel()
	running.got, running.err = r.fetch(ctx, known.name)
}

// remember returns the entry of an issuer as the most recently used, and
// forgets the least recently used beyond MaxIssuers.
func (r *Remote) remember(issuer string) *remoteIssuer {
	if element, ok := r.issuers[issuer]; ok {
		r.recent.MoveToFront(element)
		return element.Value.(*remoteIssuer)
	}
	known := &remoteIssuer{name: issuer}
	r.issuers[issuer] = r.recent.PushFront(known)
	if r.recent.Len() > r.config.MaxIssuers {
		oldest := r.recent.Remove(r.recent.Back()).(*remoteIssuer)
		delete(r.issuers, oldest.name)
	}
	return known
}
