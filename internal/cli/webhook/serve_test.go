package webhook

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/inject"
)

// TestWebhookGivenCertificates: with a certificate that somebody else makes, it
// is ready once the configuration, which somebody else fills, goes with it.
func TestWebhookGivenCertificates(t *testing.T) {
	api, dir := startAPIServer(t), t.TempDir()
	r := start(t, api.kubeconfig(t), "--webhook-cert-dir", dir, "--disable-cert-rotation", "--webhook-configuration=mine")
	notReady := func(want string) {
		t.Helper()
		deadline := time.Now().Add(20 * time.Second)
		for time.Now().Before(deadline) {
			status, body := get(t, r.health+"/readyz")
			if status == http.StatusServiceUnavailable && strings.Contains(body, want) {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Fatalf("never not ready for %s: %s", want, r.log)
	}
	notReady("certificates are not ready yet")
	bundle := writeGiven(t, dir)
	notReady("no CA bundle is published")
	api.publish(bundle)
	r.waitReady(t)
	api.publish(writeGiven(t, t.TempDir())) // of another authority
	notReady("unknown authority")
	if strings.Contains(r.log.String(), "CA bundle published") {
		t.Errorf("got log %s, want the configuration left alone", r.log)
	}
}

// writeGiven writes a pair as cert-manager does and returns its authority.
func writeGiven(t *testing.T, dir string) []byte {
	t.Helper()
	certificates := inject.NewCertificates(inject.CertificatesConfig{Names: []string{"aksess-webhook.azure-workload-identity-system.svc"}})
	if _, err := certificates.Rotate(context.Background()); err != nil {
		t.Fatal(err)
	}
	pair, err := certificates.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"tls.key": {Type: "PRIVATE KEY", Bytes: key}, "tls.crt": {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificates.Bundle()
}

// publish fills the configuration, as cert-manager's injector does.
func (a *apiServer) publish(bundle []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.bundle = base64.StdEncoding.EncodeToString(bundle)
	close(a.patched)
	a.patched = make(chan struct{})
}

// TestWebhookDrains: told to end, it says that it is not ready, goes on
// answering, and has API servers take other connections.
func TestWebhookDrains(t *testing.T) {
	r := start(t, startAPIServer(t).kubeconfig(t), "--drain-delay=1s")
	r.waitReady(t)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // another test's
	defer client.CloseIdleConnections()
	ask := func() *http.Response {
		t.Helper()
		response, err := client.Post(r.review, "application/json", strings.NewReader(review("wi-demo-sa")))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || !strings.Contains(string(body), "JSONPatch") {
			t.Fatalf("got %s, %v", body, err)
		}
		return response
	}
	if ask().Close {
		t.Error("got the connection closed before it drains")
	}
	r.stop()
	deadline := time.Now().Add(20 * time.Second)
	for {
		status, body := get(t, r.health+"/readyz")
		if status == http.StatusServiceUnavailable && strings.Contains(body, "shutting down") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %d %s, want not ready", status, body)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if !ask().Close {
		t.Error("got the connection kept while it drains")
	}
}
