package inject

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// KeyPair serves a certificate that somebody else makes and renews: another
// replica, or cert-manager.
type KeyPair struct {
	Changed func()           // called after the served certificate has changed; may be nil
	Now     func() time.Time // time.Now when nil
	Log     *slog.Logger

	served atomic.Pointer[tls.Certificate]
}

// GetCertificate is for [tls.Config].
func (k *KeyPair) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if served := k.served.Load(); served != nil {
		return served, nil
	}
	return nil, errNoCertificate
}

// Ready returns nil when there is a certificate to serve that has not expired.
func (k *KeyPair) Ready() error {
	served, err := k.GetCertificate(nil)
	if err != nil {
		return err
	}
	now := time.Now
	if k.Now != nil {
		now = k.Now
	}
	return readyUntil(served, now())
}

func readyUntil(served *tls.Certificate, now time.Time) error {
	if !now.Before(served.Leaf.NotAfter) {
		return errors.New("the serving certificate has expired")
	}
	return nil
}

// Use serves the pair, PEM, from now on. After an error the certificate served
// so far stays in use.
func (k *KeyPair) Use(certificate, key []byte) error {
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return fmt.Errorf("parsing key pair: %w", err)
	}
	before := k.served.Swap(&pair)
	if before != nil && before.Leaf.Equal(pair.Leaf) {
		return nil
	}
	k.Log.Info("serving certificate", "serial", pair.Leaf.SerialNumber.Text(16), "notAfter", pair.Leaf.NotAfter)
	if k.Changed != nil {
		k.Changed()
	}
	return nil
}

// Pauses between two looks at the files: short against any certificate's life
// and long against the cost of reading two small files; shorter after an error,
// since nothing may be served before.
const (
	keyPairInterval = 10 * time.Second
	keyPairRetry    = time.Second
)

// KeyPairFiles keeps a KeyPair up to date with two files.
type KeyPairFiles struct {
	*KeyPair
	CertFile, KeyFile string
}

// Reload reads the files.
func (f KeyPairFiles) Reload() error {
	certificate, err := os.ReadFile(f.CertFile)
	if err != nil {
		return fmt.Errorf("reading certificate: %w", err)
	}
	key, err := os.ReadFile(f.KeyFile)
	if err != nil {
		return fmt.Errorf("reading key: %w", err)
	}
	if err := f.Use(certificate, key); err != nil {
		return fmt.Errorf("reading certificate %q: %w", f.CertFile, err)
	}
	return nil
}

// Run reloads until the context is done.
func (f KeyPairFiles) Run(ctx context.Context) {
	lastError := ""
	for {
		pause, text := keyPairInterval, ""
		if err := f.Reload(); err != nil {
			pause, text = keyPairRetry, err.Error()
			if text != lastError { // once, not every second
				f.Log.Error("reloading certificate, trying again", "error", err)
			}
		}
		lastError = text
		if !sleepOrLook(ctx, pause, nil) {
			return
		}
	}
}
