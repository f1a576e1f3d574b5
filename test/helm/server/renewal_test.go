package server_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/aksess/aksess/test/e2e"
)

// issuerName is the issuer of the chart's example, and the name of its authority.
const issuerName = "internal"

const issuerManifest = `
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: {name: self-signed, namespace: cert-manager}
spec: {selfSigned: {}}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: internal, namespace: cert-manager}
spec:
  isCA: true
  commonName: internal
  secretName: internal
  privateKey: {algorithm: ECDSA, size: 256}
  issuerRef: {kind: Issuer, name: self-signed}
---
apiVersion: cert-manager.io/v1
kind: ClusterIssuer
metadata: {name: internal}
spec: {ca: {secretName: internal}}
`

const appClient = "33333333-3333-3333-3333-333333333333"

const appManifest = `
apiVersion: v1
kind: ServiceAccount
metadata:
  name: app
  namespace: default
  annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}
`

// tryApp asks for a labelled pod and returns why there is none with an identity.
func (s *site) tryApp(t *testing.T) error {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "app-", Labels: map[string]string{"azure.workload.identity/use": "true"}},
		Spec:       corev1.PodSpec{ServiceAccountName: "app", Containers: []corev1.Container{{Name: "main", Image: "app"}}},
	}
	pod, err := s.cluster.Client.CoreV1().Pods(metav1.NamespaceDefault).Create(t.Context(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return err
	}
	for _, variable := range pod.Spec.Containers[0].Env {
		if variable.Name == "AZURE_CLIENT_ID" && variable.Value == appClient {
			return nil
		}
	}
	return errors.New("a labelled pod was admitted without its identity")
}

// underLoad creates labelled pods one after the other while something happens,
// each on a connection of its own, so that the API server looks at certificate
// and trust each time. All must get their identity, and the webhook stay ready.
func (s *site) underLoad(t *testing.T, happens func()) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var creating sync.WaitGroup
	var pods int
	var failed []string
	before := s.door.renew()
	creating.Go(func() {
		for ctx.Err() == nil {
			if err := errors.Join(s.tryApp(t), ready(t.Context(), s.health)); err != nil {
				failed = append(failed, err.Error())
			}
			pods++
			s.door.renew()
		}
	})
	defer func() {
		stop()
		creating.Wait()
		connections := s.door.renew() - before
		t.Logf("%d pods on %d connections", pods, connections)
		if connections < pods {
			t.Errorf("got %d connections for %d pods, want one each", connections, pods)
		}
		if len(failed) > 0 {
			t.Errorf("got %d of %d pods wrong, want none:\n%s", len(failed), pods, strings.Join(failed[:min(len(failed), 5)], "\n"))
		}
	}()
	happens()
}

// renews has something make cert-manager issue the serving certificate anew,
// and waits until the webhook serves one that the API server trusts.
func (s *site) renews(t *testing.T, by string, happens func()) {
	t.Helper()
	before, err := s.served(t)
	if err != nil {
		t.Fatal(err)
	}
	happens()
	e2e.EventuallyRunning(t, e2e.StartLimit, "another certificate by "+by, func() error {
		now, err := s.served(t)
		if err != nil {
			return err
		}
		if now.Equal(before) || now.Issuer.CommonName != by {
			return fmt.Errorf("got certificate %x of %q", now.SerialNumber, now.Issuer.CommonName)
		}
		return nil
	}, s.webhook, s.controller, s.cainjector)
}

// served is the certificate of the webhook, as an API server sees it: under the
// Service's name, trusting what the configuration holds.
func (s *site) served(t *testing.T) (*x509.Certificate, error) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(s.bundle(t)))
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	connection, err := tls.DialWithDialer(dialer, "tcp", s.listen, &tls.Config{RootCAs: roots, ServerName: serviceName, MinVersion: tls.VersionTLS13})
	if err != nil {
		return nil, err
	}
	defer func() { _ = connection.Close() }()
	return connection.ConnectionState().PeerCertificates[0], nil
}

// checkTrust: the certificate is of the authority by that name and of that one
// alone; it is the last of as many as cert-manager has published so far, and
// pods get their identity.
func (s *site) checkTrust(t *testing.T, authority string, published int) {
	t.Helper()
	served, err := s.served(t)
	if err != nil {
		t.Fatal(err)
	}
	issuer, roots := s.secret(t, account+"-cert", "ca.crt"), x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(issuer))
	if _, err := served.Verify(x509.VerifyOptions{Roots: roots, DNSName: serviceName}); err != nil || served.Issuer.CommonName != authority {
		t.Errorf("got %v for a certificate of %q, want one of %q", err, served.Issuer.CommonName, authority)
	}
	bundle := s.bundle(t)
	if got := strings.Count(bundle, "BEGIN CERTIFICATE"); got != published || !strings.HasSuffix(bundle, issuer) {
		t.Errorf("got %d authorities published, want %d, the last of them\n%s\ngot\n%s", got, published, issuer, bundle)
	}
	e2e.Eventually(t, e2e.StartLimit, "labelled pod with its identity", func() error { return s.tryApp(t) })
}

func (s *site) bundle(t *testing.T) string {
	t.Helper()
	configuration, err := s.cluster.Client.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(t.Context(), account, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return string(configuration.Webhooks[0].ClientConfig.CABundle)
}

func (s *site) secret(t *testing.T, name, key string) string {
	t.Helper()
	secret, err := s.cluster.Client.CoreV1().Secrets(namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return string(secret.Data[key])
}

// renew asks for a new certificate the way `cmctl renew` does.
func (s *site) renew(t *testing.T, name string) {
	t.Helper()
	patch, err := json.Marshal([]any{map[string]any{"op": "add", "path": "/status/conditions/-", "value": map[string]any{
		"type": "Issuing", "status": "True", "reason": "ManuallyTriggered", "message": "asked for by a test", "lastTransitionTime": time.Now().UTC().Format(time.RFC3339),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.cluster.Dynamic.Resource(certificates).Namespace(namespace).Patch(t.Context(), name, types.JSONPatchType, patch, metav1.PatchOptions{}, "status"); err != nil {
		t.Fatal(err)
	}
}

// deleteSecret takes the serving certificate away, which cert-manager makes good.
func (s *site) deleteSecret(t *testing.T) {
	t.Helper()
	if err := s.cluster.Client.CoreV1().Secrets(namespace).Delete(t.Context(), account+"-cert", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}
