package node_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/aksess/aksess/test/e2e"
	"github.com/aksess/aksess/test/node"
)

const (
	webhookNamespace = "aksess-system"
	webhookName      = "aksess-webhook"
	// release is the tag of this repository's images.
	release = "e2e"
)

// admittedAccount is whose pods only go through admission.
const admittedAccount = `
apiVersion: v1
kind: Namespace
metadata: {name: admission}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: admitted, namespace: admission, annotations: {azure.workload.identity/client-id: %s}}
`

// installWebhook applies the chart, with more values of the proxy, and what its
// tests need.
func (w *world) installWebhook(t *testing.T, proxy map[string]any) {
	t.Helper()
	w.applyWebhook(t, proxy)
	w.node.Apply(t, fmt.Appendf(nil, admittedAccount, w.scenario.ClientID))
	// kube-proxy learns of the Service's endpoints by a watch.
	e2e.Eventually(t, time.Minute, "webhook reachable by its Service", func() error { return w.admit(t) })
}

// applyWebhook applies what the chart renders, with more values of the proxy, and
// waits until all replicas serve and no other does.
func (w *world) applyWebhook(t *testing.T, proxy map[string]any) {
	t.Helper()
	ca, err := os.ReadFile(w.azure.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	ofProxy := map[string]any{"image": map[string]any{"release": release}}
	maps.Copy(ofProxy, proxy)
	values, err := yaml.Marshal(map[string]any{
		"azureTenantID": w.azure.TenantID,
		"image":         map[string]any{"release": release},
		"proxy":         ofProxy,
		"localAzure":    map[string]any{"proxyURL": w.azure.ProxyURL, "ca": string(ca)},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.node.Apply(t, render(t, values))
	e2e.Eventually(t, 2*time.Minute, "webhook available", func() error {
		if err := w.webhookAvailable(t.Context()); err != nil {
			return err
		}
		if got := len(w.webhookPods(t, 0)); got != 2 {
			return fmt.Errorf("got %d pods, want those of two replicas", got)
		}
		return nil
	})
}

// render is `helm template` of the chart with the values.
func render(t *testing.T, values []byte) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, values, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	program := filepath.Join(node.ProgramDir(t, "AKSESS_NODE_BIN", "render"), "render")
	var stderr strings.Builder
	command := exec.CommandContext(ctx, program, "template", "-root", "../..", "-n", webhookNamespace, "-create-namespace", "-f", file)
	command.Stderr = &stderr
	manifest, err := command.Output()
	if err != nil {
		t.Fatalf("rendering the chart: %v\n%s", err, stderr.String())
	}
	return manifest
}

// webhookAvailable says how many replicas of the webhook do not serve yet.
func (w *world) webhookAvailable(ctx context.Context) error {
	deployment, err := w.node.Client.AppsV1().Deployments(webhookNamespace).Get(ctx, webhookName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	want, got := *deployment.Spec.Replicas, deployment.Status.AvailableReplicas
	if got != want || want < 2 || deployment.Status.UpdatedReplicas != want || deployment.Status.ObservedGeneration != deployment.Generation {
		return fmt.Errorf("%d of %d replicas are available, want all of at least two", got, want)
	}
	return nil
}

// admit sends a pod through admission. The test fails when it is admitted without
// its identity; that it is refused is the error.
func (w *world) admit(t *testing.T) error {
	t.Helper()
	pod := probePod("dry", nil)
	pod.Namespace, pod.Spec.ServiceAccountName = "admission", "admitted"
	stored, err := w.node.Client.CoreV1().Pods(pod.Namespace).Create(t.Context(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return err
	}
	for _, variable := range stored.Spec.Containers[0].Env {
		if variable.Name == "AZURE_CLIENT_ID" && variable.Value == w.scenario.ClientID {
			return nil
		}
	}
	t.Errorf("labelled pod: got it admitted with variables %v, want AZURE_CLIENT_ID among them", stored.Spec.Containers[0].Env)
	return nil
}
