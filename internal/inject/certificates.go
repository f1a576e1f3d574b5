package inject

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// CertificatesConfig says for whom certificates are made and where they are kept.
type CertificatesConfig struct {
	Names []string         // DNS names and addresses that API servers use, their first choice first; at least one DNS name
	Lives Lives            // DefaultLives when zero
	Store CertificateStore // *MemoryCertificates when nil
	// SharedStore names a store that several replicas use, see [MergeBundle].
	SharedStore string
	// Publish tells API servers to trust the bundle, if they do not yet, and
	// returns nil once that has been confirmed. Nil: somebody else sees to it.
	Publish func(ctx context.Context, bundle []byte) error
	Look    Bell             // rung when the store or what was published may have changed; may be nil
	Changed func()           // called after the served certificate or the bundle has changed; may be nil
	Now     func() time.Time // time.Now when nil
	Log     *slog.Logger     // discarded when nil
}

// Certificates makes the webhook's serving certificate, renews it before it
// expires and changes the authority behind it without a moment in which an API
// server trusts the wrong one. All methods may be called at the same time.
type Certificates struct {
	config CertificatesConfig
	policy policy
	rotate sync.Mutex
	served atomic.Pointer[rotation]
}

// NewCertificates returns certificates that are made at the first [Certificates.Rotate].
func NewCertificates(config CertificatesConfig) *Certificates {
	if config.Store == nil {
		config.Store = new(MemoryCertificates)
	}
	if config.Publish == nil {
		config.Publish = func(context.Context, []byte) error { return nil }
	}
	if config.Changed == nil {
		config.Changed = func() {}
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.Lives == (Lives{}) {
		config.Lives = DefaultLives()
	}
	return &Certificates{
		config: config,
		policy: policy{names: normalize(config.Names), lives: config.Lives, store: config.SharedStore},
	}
}

// GetCertificate is for [tls.Config]: a renewed certificate is served to the next connection.
func (c *Certificates) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if served := c.served.Load(); served != nil && served.leaf != nil {
		return served.leaf, nil
	}
	return nil, errNoCertificate
}

// errNoCertificate is the answer to a client that comes too early.
var errNoCertificate = errors.New("certificates are not ready yet")

// Ready returns nil when there is a certificate to serve that has not expired.
func (c *Certificates) Ready() error {
	leaf, err := c.GetCertificate(nil)
	if err != nil {
		return err
	}
	return readyUntil(leaf, c.config.Now())
}

// Bundle returns what an API server must trust, PEM: the authority in use, the
// one that follows and those that signed before. It is nil before the first Rotate.
func (c *Certificates) Bundle() []byte {
	if served := c.served.Load(); served != nil {
		return served.bundle()
	}
	return nil
}

// Rotate does what is due now and returns when to call it next. It takes over
// what another replica has stored. After an error the certificates served so
// far stay in use; an error of Publish does not keep it from renewing what API
// servers trust already.
func (c *Certificates) Rotate(ctx context.Context) (time.Time, error) {
	c.rotate.Lock()
	defer c.rotate.Unlock()
	const tries = 3
	for try := 1; ; try++ {
		wake, err := c.rotateOnce(ctx)
		if !errors.Is(err, ErrCertificatesChanged) || try == tries {
			return wake, err
		}
	}
}

func (c *Certificates) rotateOnce(ctx context.Context) (time.Time, error) {
	stored, err := c.config.Store.Load(ctx)
	if err != nil && !errors.Is(err, ErrNoCertificates) {
		return time.Time{}, fmt.Errorf("loading certificates: %w", err)
	}
	have, err := decodeRotation(stored.Files)
	if err != nil {
		c.config.Log.Warn("stored certificates are unusable, new ones are made", "error", err)
	}
	next, changed, err := have.prepare(c.policy, c.config.Now())
	if err != nil {
		return time.Time{}, err
	}
	if changed { // before anybody is told to trust it
		if stored, err = c.save(ctx, stored, next); err != nil {
			return time.Time{}, err
		}
	}
	publishErr := c.config.Publish(ctx, next.bundle())
	next, changed, err = next.advance(c.policy, c.config.Now(), publishErr == nil)
	if err != nil {
		return time.Time{}, err
	}
	if changed {
		if _, err = c.save(ctx, stored, next); err != nil {
			return time.Time{}, err
		}
	}
	c.serve(&next)
	if publishErr != nil {
		return time.Time{}, fmt.Errorf("publishing the CA bundle: %w", publishErr)
	}
	return next.wake(c.policy, c.config.Now()), nil
}

func (c *Certificates) save(ctx context.Context, stored StoredCertificates, next rotation) (StoredCertificates, error) {
	var err error
	if stored.Files, err = next.encode(); err != nil {
		return stored, err
	}
	if stored.Version, err = c.config.Store.Save(ctx, stored); err != nil {
		return stored, fmt.Errorf("storing certificates: %w", err)
	}
	return stored, nil
}

func (c *Certificates) serve(next *rotation) {
	before := c.served.Swap(next)
	newLeaf := next.leaf != nil && (before == nil || before.leaf == nil || !before.leaf.Leaf.Equal(next.leaf.Leaf))
	if newLeaf {
		c.config.Log.Info("certificate made", "serial", next.leaf.Leaf.SerialNumber.Text(16),
			"names", c.policy.names, "notAfter", next.leaf.Leaf.NotAfter)
	}
	if newLeaf || before == nil || !bytes.Equal(before.bundle(), next.bundle()) {
		c.config.Changed()
	}
}

// Pauses of Run.
const (
	rotateLongest  = time.Hour // a look at the store even if nothing rings
	rotateRetry    = 2 * time.Second
	rotateShortest = 50 * time.Millisecond // however often it is rung
)

// Run rotates until the context is done: when something is due, when the bell
// rings, and every hour.
func (c *Certificates) Run(ctx context.Context) {
	lastError := ""
	for {
		pause, text := rotateLongest, ""
		wake, err := c.Rotate(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			pause, text = rotateRetry, err.Error()
			if text != lastError { // once, not every two seconds
				c.config.Log.Warn("rotating certificates, trying again", "error", err)
			}
		default:
			pause = max(min(wake.Sub(c.config.Now()), pause), rotateShortest)
		}
		lastError = text
		if !sleepOrLook(ctx, rotateShortest, nil) || !sleepOrLook(ctx, pause-rotateShortest, c.config.Look) {
			return
		}
	}
}

// sleepOrLook waits until the time is over or the bell rings. It returns false
// once the context is done.
func sleepOrLook(ctx context.Context, pause time.Duration, look Bell) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-look:
	case <-timer.C:
	}
	return true
}
