package inject

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Acceptance knows whether an API server would accept this webhook's answers:
// it has a small pod reviewed through its own listener, under the name that API
// servers use, trusting nothing but what they have been told to trust. That is
// done again whenever the certificate or the trust has changed.
type Acceptance struct {
	Address    string                           // of the own listener; its host may be unspecified
	ServerName string                           // of the webhook's Service
	Published  func() ([][]byte, error)         // the CA bundles that API servers have, PEM
	Serving    func() (*tls.Certificate, error) // what the listener serves
	Look       Bell                             // rung when one of the two may have changed
	Log        *slog.Logger

	mu       sync.Mutex
	accepted [sha256.Size]byte // digest of certificate and bundles that went together
	ready    bool
	why      error // of not ready
	chain    []*x509.Certificate
}

// Pauses and bounds of Acceptance.
const (
	acceptRetry   = 500 * time.Millisecond
	acceptLook    = time.Minute // even if nothing rings
	acceptTimeout = 5 * time.Second
)

// Ready returns nil once such a call has succeeded, and until one fails.
func (a *Acceptance) Ready() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.ready:
		return nil
	case a.why == nil:
		return errors.New("no admission call through the published CA bundle has been made yet")
	}
	return a.why
}

// Chain returns the certificates of the last call that succeeded, the serving
// certificate first, the authority last. It is empty before.
func (a *Acceptance) Chain() []*x509.Certificate {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.chain
}

// Run makes calls until the context is done.
func (a *Acceptance) Run(ctx context.Context) {
	for {
		pause := acceptLook
		if err := a.check(ctx); err != nil {
			pause = acceptRetry
		}
		if !sleepOrLook(ctx, pause, a.Look) {
			return
		}
	}
}

// check makes a call if certificate or bundles have changed, and takes down
// what came of it.
func (a *Acceptance) check(ctx context.Context) error {
	digest, bundles, err := a.state()
	a.mu.Lock()
	known := a.ready && a.accepted == digest
	a.mu.Unlock()
	if err == nil && known {
		return nil
	}
	var chain []*x509.Certificate
	for i := 0; err == nil && i < len(bundles); i++ {
		chain, err = a.call(ctx, bundles[i])
	}
	if ctx.Err() != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		err = fmt.Errorf("an API server would not accept this webhook: %w", err)
		if a.ready || a.why == nil || a.why.Error() != err.Error() {
			a.Log.Warn("not ready for API servers", "error", err)
		}
		a.ready, a.why = false, err
		return err
	}
	if !a.ready {
		a.Log.Info("ready for API servers", "name", a.ServerName)
	}
	a.ready, a.why, a.accepted, a.chain = true, nil, digest, chain
	return nil
}

func (a *Acceptance) state() (digest [sha256.Size]byte, bundles [][]byte, err error) {
	served, err := a.Serving()
	if err != nil {
		return digest, nil, err
	}
	if bundles, err = a.Published(); err != nil {
		return digest, nil, err
	}
	if len(bundles) == 0 {
		return digest, nil, errors.New("no CA bundle is published")
	}
	h := sha256.New()
	for _, part := range append([][]byte{served.Certificate[0]}, bundles...) {
		sum := sha256.Sum256(part)
		h.Write(sum[:])
	}
	return [sha256.Size]byte(h.Sum(nil)), bundles, nil
}

// ownReview is of a pod without the label.
const ownReview = `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"own-call",
"resource":{"group":"","version":"v1","resource":"pods"},"operation":"CREATE","dryRun":true,
"object":{"metadata":{"name":"aksess-webhook-own-call"},"spec":{"containers":[{"name":"none"}]}}}}`

// call has the pod reviewed and returns the chain of the connection.
func (a *Acceptance) call(ctx context.Context, bundle []byte) ([]*x509.Certificate, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(bundle) {
		return nil, errors.New("no CA bundle is published")
	}
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: a.ServerName, MinVersion: tls.VersionTLS12}}
	client := &http.Client{Timeout: acceptTimeout, Transport: transport}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+a.Address+MutatePath, strings.NewReader(ownReview))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	if err != nil {
		return nil, err
	}
	var answer reviewAnswer
	if response.StatusCode != http.StatusOK || json.Unmarshal(body, &answer) != nil || !answer.Response.Allowed {
		return nil, fmt.Errorf("own review answered with %d %s", response.StatusCode, quote(string(bytes.TrimSpace(body))))
	}
	return response.TLS.VerifiedChains[0], nil
}
