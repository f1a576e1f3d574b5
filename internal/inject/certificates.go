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
	Names []string         // DNS names and addresses that API servers use; at least one DNS name
	Store CertificateStore // *MemoryCertificates when nil
	Now   func() time.Time // time.Now when nil
	Log   *slog.Logger     // discarded when nil
}

// Certificates makes the webhook's serving certificate, renews it before it
// expires and changes the authority behind it without a moment in which an API
// server trusts the wrong one. All methods may be called at the same time.
type Certificates struct {
	config  CertificatesConfig
	rotate  sync.Mutex
	served  atomic.Pointer[rotation]
	changed chan struct{}
}

// NewCertificates returns certificates that are made at the first [Certificates.Rotate].
func NewCertificates(config CertificatesConfig) *Certificates {
	if config.Store == nil {
		config.Store = new(MemoryCertificates)
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	config.Names = normalize(config.Names)
	return &Certificates{config: config, changed: make(chan struct{}, 1)}
}

// GetCertificate is for [tls.Config]: a renewed certificate is served to the next connection.
func (c *Certificates) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if served := c.served.Load(); served != nil {
		return served.leaf, nil
	}
	return nil, errors.New("certificates are not ready yet")
}

// Ready returns nil when there is a certificate to serve that has not expired.
func (c *Certificates) Ready() error {
	served := c.served.Load()
	if served == nil {
		return errors.New("certificates are not ready yet")
	}
	if !c.config.Now().Before(served.leaf.Leaf.NotAfter) {
		return errors.New("the serving certificate has expired")
	}
	return nil
}

// Bundle returns what an API server must trust, PEM: the authority in use, the
// one that follows and those that signed before. It is nil before the first Rotate.
func (c *Certificates) Bundle() []byte {
	if served := c.served.Load(); served != nil {
		return served.bundle()
	}
	return nil
}

// Changed receives after the bundle has changed. It holds one signal, so one
// receiver misses nothing.
func (c *Certificates) Changed() <-chan struct{} { return c.changed }

// Rotate does what is due now and returns when to call it next. It takes over
// what another replica has stored. After an error the certificates served so
// far stay in use.
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
	var have rotation
	if err == nil {
		if have, err = decodeRotation(stored.Files); err != nil {
			c.config.Log.Warn("stored certificates are unusable, new ones are made", "error", err)
		}
	}
	next, changed, err := have.step(c.config.Names, c.config.Now())
	if err != nil {
		return time.Time{}, err
	}
	if changed {
		if stored.Files, err = next.encode(); err != nil {
			return time.Time{}, err
		}
		if err := c.config.Store.Save(ctx, stored); err != nil {
			return time.Time{}, fmt.Errorf("storing certificates: %w", err)
		}
	}
	c.serve(&next)
	return next.wake(), nil
}

func (c *Certificates) serve(next *rotation) {
	before := c.served.Swap(next)
	if before == nil || !bytes.Equal(before.leaf.Leaf.Raw, next.leaf.Leaf.Raw) {
		c.config.Log.Info("serving certificate", "serial", next.leaf.Leaf.SerialNumber.Text(16),
			"names", c.config.Names, "notAfter", next.leaf.Leaf.NotAfter)
	}
	if before == nil || !bytes.Equal(before.bundle(), next.bundle()) {
		select {
		case c.changed <- struct{}{}:
		default:
		}
	}
}

// Run rotates until the context is done. It looks at the store every hour at
// the latest, where another replica may have rotated.
func (c *Certificates) Run(ctx context.Context) {
	const longest, retry = time.Hour, 10 * time.Second
	for {
		pause := longest
		wake, err := c.Rotate(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			c.config.Log.Error("rotating certificates", "error", err, "retry", retry.String())
			pause = retry
		case wake.Sub(c.config.Now()) < pause:
			pause = max(wake.Sub(c.config.Now()), time.Second)
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}
