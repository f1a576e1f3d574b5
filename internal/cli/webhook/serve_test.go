package webhook

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
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
	client := insecure(t)
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

// insecure is a client for what is not about certificates.
func insecure(t *testing.T) *http.Client {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // other tests'
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// TestWebhookEnds on SIGTERM once the reviews under way are answered, with code 0.
func TestWebhookEnds(t *testing.T) {
	api := startAPIServer(t)
	r := start(t, api.kubeconfig(t)) // its end looks at the code
	r.waitReady(t)
	client, answered := insecure(t), make(chan string, 1)
	go func() {
		response, err := client.Post(r.review, "application/json", strings.NewReader(review("slow")))
		if err != nil {
			answered <- err.Error()
			return
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		answered <- fmt.Sprint(response.StatusCode, " ", string(body), err)
	}()
	<-api.slow
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool {
		connection, err := net.Dial("tcp", r.address())
		if err == nil {
			_ = connection.Close()
		}
		return err != nil
	})
	api.slow <- struct{}{}
	if got := <-answered; !strings.HasPrefix(got, "200 ") || !strings.Contains(got, "does not exist") {
		t.Errorf("got %s, want the answer of a review that was under way", got)
	}
}

// TestWebhookIsNotReadyCold: API servers would accept it, but it does not know
// the service accounts yet.
func TestWebhookIsNotReadyCold(t *testing.T) {
	api := startAPIServer(t)
	api.cold = make(chan struct{})
	r := start(t, api.kubeconfig(t), "--webhook-configuration=mine")
	waitFor(t, func() bool { return strings.Contains(r.log.String(), "ready for API servers") })
	waitFor(t, func() bool { // its certificates have to be published first
		status, body := get(t, r.health+"/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "cache is not filled")
	})
	close(api.cold)
	r.waitReady(t)
}

// TestWebhookLeavesNamespacesAlone: kube-system and its own, whatever the
// configuration selects.
func TestWebhookLeavesNamespacesAlone(t *testing.T) {
	r := start(t, startAPIServer(t).kubeconfig(t))
	r.waitReady(t)
	for namespace, want := range map[string]string{"widemo": `"patchType":"JSONPatch"`, "kube-system": "left without an Azure identity", defaultNamespace: "left without an Azure identity"} {
		body := strings.Replace(review("wi-demo-sa"), `"namespace":"widemo"`, `"namespace":"`+namespace+`"`, 1)
		response, err := insecure(t).Post(r.review, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || !strings.Contains(string(answer), want) || !strings.Contains(string(answer), `"allowed":true`) {
			t.Errorf("%s: got %s, %v, want %s", namespace, answer, err, want)
		}
	}
}

// TestWebhookFollowsTheVersion: the proxy is a sidecar container where all nodes
// know them, and where the API server's version says nothing.
func TestWebhookFollowsTheVersion(t *testing.T) {
	asking := strings.Replace(review("wi-demo-sa"), `"labels"`, `"annotations":{"azure.workload.identity/inject-proxy-sidecar":"true"},"labels"`, 1)
	for version, native := range map[string]bool{"31": false, "31+": false, "32-gke.7": true, "private-build": true, "36": true} {
		t.Run(version, func(t *testing.T) {
			api := startAPIServer(t)
			api.version = version
			r := start(t, api.kubeconfig(t), "--log-level=debug")
			r.waitReady(t)
			client := insecure(t)
			waitFor(t, func() bool { // it has asked for the version
				response, err := client.Post(r.review, "application/json", strings.NewReader(asking))
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = response.Body.Close() }()
				var answer struct{ Response struct{ Patch []byte } }
				if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || len(answer.Response.Patch) == 0 {
					t.Fatalf("got %+v, %v, want a patch", answer, err)
				}
				return api.asked.Load() && strings.Contains(string(answer.Response.Patch), `"restartPolicy":"Always"`) == native
			})
		})
	}
}
