package inject

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// KeyPair serves a certificate that somebody else makes and renews, such as
// cert-manager. The files are read again every few seconds.
type KeyPair struct {
	CertFile, KeyFile string
	Now               func() time.Time // time.Now when nil
	Log               *slog.Logger

	served atomic.Pointer[tls.Certificate]
}

// keyPairInterval is short against any certificate's life and long against
// the cost of reading two small files.
const keyPairInterval = 10 * time.Second

// GetCertificate is for [tls.Config].
func (k *KeyPair) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if served := k.served.Load(); served != nil {
		return served, nil
	}
	return nil, errors.New("certificates are not ready yet")
}

// Ready returns nil when there is a certificate to serve that has not expired.
func (k *KeyPair) Ready() error {
	served := k.served.Load()
	if served == nil {
		return errors.New("certificates are not ready yet")
	}
	now := time.Now
	if k.Now != nil {
		now = k.Now
	}
	if !now().Before(served.Leaf.NotAfter) {
		return errors.New("the serving certificate has expired")
	}
	return nil
}

// Bundle returns nil: who makes the certificate also publishes its authority.
func (k *KeyPair) Bundle() []byte { return nil }

// Changed never receives.
func (k *KeyPair) Changed() <-chan struct{} { return nil }

// Reload reads the files. After an error the certificate served so far stays in use.
func (k *KeyPair) Reload() error {
	pair, err := tls.LoadX509KeyPair(k.CertFile, k.KeyFile)
	if err != nil {
		return fmt.Errorf("reading certificate %q: %w", k.CertFile, err)
	}
	before := k.served.Swap(&pair)
	if before == nil || !before.Leaf.Equal(pair.Leaf) {
		k.Log.Info("serving certificate", "file", k.CertFile, "serial", pair.Leaf.SerialNumber.Text(16), "notAfter", pair.Leaf.NotAfter)
	}
	return nil
}

// Run reloads until the context is done.
func (k *KeyPair) Run(ctx context.Context) {
	ticker := time.NewTicker(keyPairInterval)
	defer ticker.Stop()
	for {
		if err := k.Reload(); err != nil {
			k.Log.Error("reloading certificate", "error", err, "retry", keyPairInterval.String())
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
