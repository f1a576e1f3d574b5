package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// running is a webhook in this process.
type running struct {
	review, health, metrics, pprof string
	stop                           context.CancelFunc
	code                           chan int
	log                            *syncBuffer
}

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func start(t *testing.T, kubeconfig string, args ...string) running {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	r := running{stop: stop, code: make(chan int, 1), log: new(syncBuffer)}
	started := make(chan Addresses, 1)
	env := Env{
		Args:   append([]string{"--listen=127.0.0.1:0", "--health-addr=127.0.0.1:0", "--metrics-addr=127.0.0.1:0", "--pprof-addr=127.0.0.1:0", "--drain-delay=0s", "--kubeconfig", kubeconfig}, args...),
		Getenv: environment("AZURE_TENANT_ID="+tenant, "PROXY_IMAGE=proxy:1"), Stdout: io.Discard, Stderr: r.log, Version: "test",
		Started: func(at Addresses) { started <- at },
	}
	go func() { r.code <- Main(ctx, env) }()
	select {
	case at := <-started:
		r.review, r.health = "https://"+at.Listen.String()+"/mutate-v1-pod", "http://"+at.Health.String()
		r.metrics, r.pprof = "http://"+at.Metrics.String(), "http://"+at.Pprof.String()
	case code := <-r.code:
		t.Fatalf("got exit code %d: %s", code, r.log)
	}
	t.Cleanup(func() {
		stop()
		if code := <-r.code; code != 0 {
			t.Errorf("got exit code %d, want 0: %s", code, r.log)
		}
	})
	return r
}

// waitReady polls the readiness endpoint, as a kubelet does.
func (r running) waitReady(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		if status, _ := get(t, r.health+"/readyz"); status == http.StatusOK {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("never ready: %s", r.log)
}

func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited for 20 s")
		}
	}
}

// address is the host and port of the reviews' listener.
func (r running) address() string {
	return strings.TrimSuffix(strings.TrimPrefix(r.review, "https://"), "/mutate-v1-pod")
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func review(serviceAccount string) string {
	return fmt.Sprintf(`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u","resource":{"version":"v1","resource":"pods"},
"namespace":"widemo","operation":"CREATE","object":{"metadata":{"name":"p","labels":{"azure.workload.identity/use":"true"}},
"spec":{"serviceAccountName":%q,"containers":[{"name":"c"}]}}}}`, serviceAccount)
}

func TestWebhookServes(t *testing.T) {
	api := startAPIServer(t)
	r := start(t, api.kubeconfig(t), "--webhook-configuration=mine")
	r.waitReady(t)
	if status, body := get(t, r.health+"/healthz"); status != http.StatusOK {
		t.Errorf("healthz: got %d %s", status, body)
	}
	// The API server calls a Service by this name.
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
		RootCAs: api.roots(t), ServerName: "aksess-webhook.azure-workload-identity-system.svc", MinVersion: tls.VersionTLS13,
	}}}
	defer client.CloseIdleConnections()
	for account, want := range map[string]string{"wi-demo-sa": `"patchType":"JSONPatch"`, "nobody": "does not exist"} {
		response, err := client.Post(r.review, "application/json", strings.NewReader(review(account)))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
			t.Errorf("%s: got %d %s, %v, want %s", account, response.StatusCode, body, err, want)
		}
	}
	for _, want := range []string{"CA bundle published", `"decision":"mutated"`, "ready for API servers"} {
		if !strings.Contains(r.log.String(), want) {
			t.Errorf("got log %s, want %s", r.log, want)
		}
	}
	_, scraped := get(t, r.metrics+"/metrics")
	for _, want := range []string{
		`aksess_webhook_reviews_total{reason="",result="mutated"} 1`, `aksess_webhook_reviews_total{reason="no-service-account",result="denied"} 1`,
		`aksess_webhook_service_accounts{annotated="true"} 1`, `aksess_webhook_live_reads_total{result="absent"} 1`,
		`aksess_webhook_certificate_expiry_timestamp_seconds{certificate="serving"}`,
	} {
		if !strings.Contains(scraped, want) {
			t.Errorf("got metrics %s, want %s", scraped, want)
		}
	}
	if status, body := get(t, r.pprof+"/debug/pprof/"); status != http.StatusOK || !strings.Contains(body, "goroutine") {
		t.Errorf("pprof: got %d %s", status, body)
	}
}

// TestWebhookIsNotReadyUnpublished: it serves, and its cache is warm, but no
// API server would accept it.
func TestWebhookIsNotReadyUnpublished(t *testing.T) {
	r := start(t, startAPIServer(t).kubeconfig(t), "--webhook-configuration=other")
	deadline := time.Now().Add(20 * time.Second)
	for !strings.Contains(r.log.String(), "cache filled") && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if status, body := get(t, r.health+"/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("got %d %s, want not ready", status, body)
	}
}

func TestWebhookRefusesOldTLS(t *testing.T) {
	for flag, lowest := range map[string]uint16{"--cert-source=memory": tls.VersionTLS13, "--tls-min-version=1.2": tls.VersionTLS12} {
		r := start(t, startAPIServer(t).kubeconfig(t), flag)
		r.waitReady(t)
		for version := uint16(tls.VersionTLS11); version <= tls.VersionTLS13; version++ {
			// What is asked here is the version; the certificate is another test's.
			connection, err := tls.Dial("tcp", r.address(), &tls.Config{MinVersion: version, MaxVersion: version, InsecureSkipVerify: true}) //nolint:gosec
			if (err == nil) != (version >= lowest) {
				t.Errorf("%s, %s: got %v, want %s and above", flag, tls.VersionName(version), err, tls.VersionName(lowest))
			}
			if connection != nil {
				_ = connection.Close()
			}
		}
	}
}

// TestWebhookWithoutCluster: not ready, but alive, until the API server answers.
func TestWebhookWithoutCluster(t *testing.T) {
	api := startAPIServer(t)
	kubeconfig := api.kubeconfig(t)
	api.CloseClientConnections()
	listener := api.Listener.Addr().String()
	_ = api.Listener.Close()
	r := start(t, kubeconfig, "--webhook-configuration=mine")
	deadline := time.Now().Add(20 * time.Second)
	for !strings.Contains(r.log.String(), "publishing the CA bundle") && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if status, body := get(t, r.health+"/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "not ready") {
		t.Errorf("readyz: got %d %s, want 503: nothing is published", status, body)
	}
	if status, _ := get(t, r.health+"/healthz"); status != http.StatusOK {
		t.Errorf("healthz: got %d, want alive without %s", status, listener)
	}
}

func TestWebhookOwnCertificates(t *testing.T) {
	dir := t.TempDir()
	r := start(t, startAPIServer(t).kubeconfig(t), "--webhook-cert-dir", dir)
	r.waitReady(t)
	if _, err := os.Stat(filepath.Join(dir, "ca.crt")); err != nil {
		t.Error(err)
	}
}

func TestMainExitCodes(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	kubeconfig := startAPIServer(t).kubeconfig(t)
	tests := []struct {
		name string
		args []string
		code int
		want string
	}{
		{"version", []string{"--version"}, 0, `"version":"v9"`},
		{"help", []string{"--help"}, 0, "-listen"},
		{"flag", []string{"--nope"}, 2, "nope"},
		{"no_cluster", nil, 1, "kubeconfig"},
		{"port_taken", []string{"--kubeconfig", kubeconfig, "--listen", taken.Addr().String()}, 1, "opening --listen"},
		{"health_port_taken", []string{"--kubeconfig", kubeconfig, "--listen=127.0.0.1:0", "--health-addr", taken.Addr().String()}, 1, "opening --health-addr"},
		{"metrics_port_taken", []string{"--kubeconfig", kubeconfig, "--listen=127.0.0.1:0", "--health-addr=127.0.0.1:0", "--metrics-addr", taken.Addr().String()}, 1, "opening --metrics-addr"},
	}
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			code := Main(t.Context(), Env{Args: test.args, Getenv: environment("AZURE_TENANT_ID=" + tenant), Stdout: &out, Stderr: &out, Version: "v9"})
			if code != test.code || !strings.Contains(out.String(), test.want) {
				t.Errorf("got %d %s, want %d, %q", code, &out, test.code, test.want)
			}
		})
	}
}
