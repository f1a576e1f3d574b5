package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aksess/aksess/test/e2e"
)

// account is who the webhook's pods are.
const account = "aksess-webhook"

// testLife runs two replicas with the command line and the environment of the
// installed Deployment, as its service account, until both are ready: they have
// then written and read everything that they are to write and read.
func testLife(t *testing.T, cluster *e2e.Cluster) {
	binary := program(t, root, "aksess-webhook", "./cmd/aksess-webhook")
	kubeconfig := kubeconfigOf(t, cluster, namespace, account)
	var replicas []*e2e.Process
	var metrics []string
	for i := range 2 {
		health := e2e.FreeAddress(t)
		metrics = append(metrics, e2e.FreeAddress(t))
		args, env := commandLine(t, cluster)
		// The last of two flags counts; addresses are those of this machine.
		args = append(args, "--kubeconfig="+kubeconfig, "--listen="+e2e.FreeAddress(t), "--health-addr="+health, "--metrics-addr="+metrics[i], "--drain-delay=0s")
		replica := e2e.StartProcess(t, e2e.Command{
			Name: fmt.Sprintf("webhook-%d", i), Path: binary, Args: args, Env: e2e.CleanEnv(t, append(env, fmt.Sprintf("POD_NAME=webhook-%d", i))...),
		})
		replicas = append(replicas, replica)
		e2e.EventuallyRunning(t, e2e.StartLimit, "replica ready", func() error { return ready(t.Context(), health) }, replicas...)
	}
	testMetrics(t, metrics)
	before := filled(t, cluster)
	testUpgrade(t, cluster, before)
	for _, replica := range replicas {
		if log := replica.Log(); strings.Contains(log, "forbidden") || strings.Contains(log, `"level":"ERROR"`) {
			t.Errorf("got a right missing or an error\n%s", replica.Tail())
		}
	}
}

// testMetrics: one of the replicas leads, and each knows how long its certificate
// and the authority's are good, and the service accounts there are.
func testMetrics(t *testing.T, addresses []string) {
	t.Helper()
	leaders := 0
	for _, address := range addresses {
		scraped := scrape(t, address)
		leaders += strings.Count(scraped, "\naksess_webhook_leader 1\n")
		for _, want := range []string{`_certificate_expiry_timestamp_seconds{certificate="serving"} `, `_certificate_expiry_timestamp_seconds{certificate="ca"} `, `_service_accounts{annotated="false"} `} {
			if _, value, found := strings.Cut(scraped, "\naksess_webhook"+want); !found || strings.HasPrefix(value, "0\n") {
				t.Errorf("got no aksess_webhook%s above 0 in\n%s", want, scraped)
			}
		}
	}
	if leaders != 1 {
		t.Errorf("got %d leaders of %d replicas, want 1", leaders, len(addresses))
	}
}

func scrape(t *testing.T, address string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("got %s %s, %v", response.Status, body, err)
	}
	return string(body)
}

// program is a program that make built below AKSESS_BIN, or is built for this
// test from the package of a module.
func program(t *testing.T, module, name, from string) string {
	t.Helper()
	if dir := os.Getenv("AKSESS_BIN"); dir != "" {
		return filepath.Join(dir, name)
	}
	to := filepath.Join(t.TempDir(), filepath.Base(name))
	build := exec.CommandContext(t.Context(), "go", "build", "-o", to, from)
	build.Dir = module
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", name, err, out)
	}
	return to
}

// kubeconfigOf signs in as a service account.
func kubeconfigOf(t *testing.T, cluster *e2e.Cluster, namespace, account string) string {
	t.Helper()
	config := map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "c",
		"clusters": []any{map[string]any{"name": "c", "cluster": map[string]any{"server": cluster.Config.Host, "certificate-authority": cluster.CAFile}}},
		"users":    []any{map[string]any{"name": "c", "user": map[string]any{"token": cluster.Token(t, namespace, account, cluster.IssuerURL)}}},
		"contexts": []any{map[string]any{"name": "c", "context": map[string]any{"cluster": "c", "user": "c"}}},
	}
	raw, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// commandLine is what the installed Deployment starts.
func commandLine(t *testing.T, cluster *e2e.Cluster) (args, env []string) {
	t.Helper()
	deployment, err := cluster.Client.AppsV1().Deployments(namespace).Get(t.Context(), account, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	container := deployment.Spec.Template.Spec.Containers[0]
	for _, variable := range container.Env {
		switch {
		case variable.ValueFrom == nil:
			env = append(env, variable.Name+"="+variable.Value)
		case variable.ValueFrom.FieldRef.FieldPath == "metadata.namespace":
			env = append(env, variable.Name+"="+namespace)
		}
	}
	return container.Args, env
}

func ready(ctx context.Context, address string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10))
		return fmt.Errorf("got %s: %s", response.Status, body)
	}
	return nil
}

// testRights asks the API server's authorizer what the service account may do.
func testRights(t *testing.T, cluster *e2e.Cluster) {
	const secrets, configurations = "/secrets", "admissionregistration.k8s.io/mutatingwebhookconfigurations"
	tests := []struct {
		verb, resource, namespace, name string
		allowed                         bool
	}{
		{"watch", "/serviceaccounts", "", "", true},
		{"update", "/serviceaccounts", "default", "default", false},
		{"create", "/serviceaccounts", "default", "", false},
		{"patch", configurations, "", account, true},
		{"update", configurations, "", account, false},
		{"patch", configurations, "", "another", false},
		{"list", configurations, "", "", false},
		{"create", configurations, "", "", false},
		{"get", secrets, namespace, account + "-ca", true},
		{"update", secrets, namespace, account + "-tls", true},
		{"get", secrets, namespace, "another", false},
		{"list", secrets, namespace, "", false},
		{"create", secrets, namespace, "", false},
		{"delete", secrets, namespace, account + "-ca", false},
		{"get", secrets, "default", account + "-ca", false},
		{"update", "coordination.k8s.io/leases", namespace, account, true},
		{"update", "coordination.k8s.io/leases", "kube-system", account, false},
		{"create", "events.k8s.io/events", "default", "", true},
		{"get", "/pods", "default", "", false},
		{"create", "/pods", namespace, "", false},
		{"get", "/configmaps", "default", "", false},
	}
	for _, test := range tests {
		group, resource, _ := strings.Cut(test.resource, "/")
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User:   "system:serviceaccount:" + namespace + ":" + account,
			Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"},
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Verb: test.verb, Group: group, Resource: resource, Namespace: test.namespace, Name: test.name,
			},
		}}
		answer, err := cluster.Client.AuthorizationV1().SubjectAccessReviews().Create(t.Context(), review, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if answer.Status.Allowed != test.allowed {
			t.Errorf("%s %s %s/%s: got allowed %t, want %t", test.verb, test.resource, test.namespace, test.name, answer.Status.Allowed, test.allowed)
		}
	}
}
