package server_test

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/aksess/aksess/test/e2e"
)

var pods = schema.GroupVersionResource{Version: "v1", Resource: "pods"}

// testSelectors creates pods while no webhook answers: those that the installed
// configuration selects are refused, and no others.
func testSelectors(t *testing.T, cluster *e2e.Cluster) {
	const label = "azure.workload.identity/use"
	tests := []struct {
		namespace string
		labels    map[string]string
		refused   bool
	}{
		{metav1.NamespaceDefault, map[string]string{label: "true"}, true},
		{metav1.NamespaceDefault, map[string]string{label: "false"}, false},
		{metav1.NamespaceDefault, map[string]string{label: "True"}, false},
		{metav1.NamespaceDefault, nil, false},
		{metav1.NamespaceSystem, map[string]string{label: "true"}, false},
		{namespace, map[string]string{label: "true"}, false},
	}
	// The API server learns of the configuration by a watch.
	e2e.Eventually(t, e2e.StartLimit, "configuration in force", func() error {
		if err := tryPod(t, cluster, tests[0].namespace, tests[0].labels); err == nil {
			return fmt.Errorf("a labelled pod was admitted without the webhook")
		}
		return nil
	})
	for _, test := range tests {
		err := tryPod(t, cluster, test.namespace, test.labels)
		switch {
		case !test.refused && err != nil:
			t.Errorf("%s %v: got %v, want the pod admitted", test.namespace, test.labels, err)
		case test.refused && (err == nil || !strings.Contains(err.Error(), `failed calling webhook "mutation.azure-workload-identity.io"`)):
			t.Errorf("%s %v: got %v, want it refused for want of the webhook", test.namespace, test.labels, err)
		}
	}
}

// testChoices are values that let a labelled pod start while no webhook answers,
// each put over the default, which does not.
func testChoices(t *testing.T, cluster *e2e.Cluster) {
	labelled := map[string]string{"azure.workload.identity/use": "true"}
	for name, values := range map[string]map[string]any{
		"failurePolicy":                    {"failurePolicy": "Ignore", "warnWebhook": map[string]any{"enabled": true}},
		"excludedNamespaces":               {"excludedNamespaces": []any{metav1.NamespaceDefault}},
		"mutatingWebhookNamespaceSelector": {"mutatingWebhookNamespaceSelector": map[string]any{"matchLabels": map[string]any{"team": "payments"}}},
	} {
		values["azureTenantID"] = tenant
		cluster.Apply(t, render(t, values))
		e2e.Eventually(t, e2e.StartLimit, name+" in force", func() error { return tryPod(t, cluster, metav1.NamespaceDefault, labelled) })
		cluster.Apply(t, render(t, map[string]any{"azureTenantID": tenant}))
		e2e.Eventually(t, e2e.StartLimit, name+" taken back", func() error {
			if err := tryPod(t, cluster, metav1.NamespaceDefault, labelled); err == nil {
				return fmt.Errorf("a labelled pod was admitted without the webhook")
			}
			return nil
		})
	}
}

// tryPod asks for a pod that every level of Pod Security admits.
func tryPod(t *testing.T, cluster *e2e.Cluster, namespace string, labels map[string]string) error {
	t.Helper()
	yes, no := true, false
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "selected-", Labels: labels},
		Spec: corev1.PodSpec{
			SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: &yes, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			Containers: []corev1.Container{{Name: "main", Image: "probe", SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			}}},
		},
	}
	_, err := cluster.Client.CoreV1().Pods(namespace).Create(t.Context(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}
