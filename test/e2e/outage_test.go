package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aksess/aksess/test/e2e"
)

// testStuck stops every replica without ending it, as a network does that
// swallows packets. A pod is refused by the configuration's timeoutSeconds with
// a message that says so, and admitted as soon as a replica moves again.
func testStuck(t *testing.T, cluster *e2e.Cluster, fleet *fleet) {
	pods := cluster.Client.CoreV1().Pods(availNamespace)
	release := fleet.balancer.hold() // it has not noticed yet
	fleet.signal(t, syscall.SIGSTOP)
	_, err := pods.Create(t.Context(), labelledPod("stuck-", availAccount), metav1.CreateOptions{})
	fleet.signal(t, syscall.SIGCONT)
	release()
	if !apierrors.IsInternalError(err) || !strings.Contains(err.Error(), "mutation.azure-workload-identity.io") || !strings.Contains(err.Error(), "deadline exceeded") {
		t.Errorf("got %v, want an error that names the webhook and the time-out", err)
	}
	e2e.Eventually(t, e2e.StartLimit, "pods admitted again", func() error {
		_, err := pods.Create(t.Context(), labelledPod("moving-", availAccount), metav1.CreateOptions{})
		return err
	})
}

// goneManifest are two Deployments with the label: one in the webhook's own
// namespace, as if somebody had labelled the webhook itself, and one elsewhere.
const goneManifest = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: gone, namespace: %s}
spec:
  replicas: 3
  selector: {matchLabels: {app: gone}}
  template:
    metadata: {labels: {app: gone, azure.workload.identity/use: "true"}}
    spec: {containers: [{name: main, image: "main:v1"}]}
`

// testAllGone ends every replica at once. Labelled pods are refused, nothing
// else is, and once there are replicas again what was refused comes about.
func testAllGone(t *testing.T, cluster *e2e.Cluster, fleet *fleet) {
	fleet.kill(t)
	ctx := t.Context()
	pods := cluster.Client.CoreV1().Pods(availNamespace)
	if _, err := pods.Create(ctx, labelledPod("refused-", availAccount), metav1.CreateOptions{}); !apierrors.IsInternalError(err) || !strings.Contains(err.Error(), "mutation.azure-workload-identity.io") {
		t.Errorf("a labelled pod without a webhook: got %v, want an error that names the webhook", err)
	}
	plain := labelledPod("plain-", availAccount)
	plain.Labels = nil
	if _, err := pods.Create(ctx, plain, metav1.CreateOptions{}); err != nil {
		t.Errorf("a pod without the label: got %v, want it admitted", err)
	}
	for _, namespace := range []string{webhookNamespace, availNamespace} {
		cluster.Apply(t, fmt.Appendf(nil, goneManifest, namespace))
	}
	e2e.Eventually(t, e2e.StartLimit, "pods of the webhook's own namespace", func() error { return podsOf(ctx, cluster, webhookNamespace, 3) })
	e2e.Eventually(t, e2e.StartLimit, "the other Deployment refused", func() error { return refused(ctx, cluster) })
	if err := podsOf(ctx, cluster, availNamespace, 0); err != nil {
		t.Error(err)
	}
	fleet.revive(t)
	e2e.Eventually(t, e2e.StartLimit, "pods of the other Deployment", func() error { return podsOf(ctx, cluster, availNamespace, 3) })
	for namespace, want := range map[string]bool{webhookNamespace: false, availNamespace: true} {
		list, err := cluster.Client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: "app=gone"})
		if err != nil {
			t.Fatal(err)
		}
		for _, pod := range list.Items {
			if got := len(pod.Spec.Containers[0].Env) > 0; got != want {
				t.Errorf("pod %s of %s: got injected %t, want %t", pod.Name, namespace, got, want)
			}
		}
	}
}

func podsOf(ctx context.Context, cluster *e2e.Cluster, namespace string, want int) error {
	list, err := cluster.Client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: "app=gone"})
	if err == nil && len(list.Items) != want {
		err = fmt.Errorf("got %d pods in %s, want %d", len(list.Items), namespace, want)
	}
	return err
}

func refused(ctx context.Context, cluster *e2e.Cluster) error {
	deployment, err := cluster.Client.AppsV1().Deployments(availNamespace).Get(ctx, "gone", metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, condition := range deployment.Status.Conditions {
		if condition.Type == "ReplicaFailure" && condition.Reason == "FailedCreate" {
			return nil
		}
	}
	return fmt.Errorf("got conditions %v, want the pods refused", deployment.Status.Conditions)
}
