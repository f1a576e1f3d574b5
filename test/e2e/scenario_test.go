package e2e_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/aksess/aksess/test/e2e"
)

// manifestDir holds the scenario's manifests.
const manifestDir = "../../examples/widemo/k8s"

var (
	podResource        = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	deploymentResource = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
)

// scenarioPods waits until the Deployment's pods are stored and returns them.
func scenarioPods(t *testing.T, cluster *e2e.Cluster, count int) []unstructured.Unstructured {
	t.Helper()
	var pods []unstructured.Unstructured
	e2e.Eventually(t, 30*time.Second, "pods of the Deployment stored", func() error {
		list, err := cluster.Dynamic.Resource(podResource).Namespace(e2e.Namespace).
			List(t.Context(), metav1.ListOptions{LabelSelector: "service=wi-api"})
		if err != nil {
			return err
		}
		if pods = list.Items; len(pods) != count {
			return fmt.Errorf("got %d pods, want %d; %s", len(pods), count, deploymentConditions(t, cluster))
		}
		return nil
	})
	return pods
}

// deploymentConditions says why a Deployment has no pods, for instance a denied admission.
func deploymentConditions(t *testing.T, cluster *e2e.Cluster) string {
	deployment, err := cluster.Dynamic.Resource(deploymentResource).Namespace(e2e.Namespace).
		Get(t.Context(), "wi-api", metav1.GetOptions{})
	if err != nil {
		return err.Error()
	}
	conditions, _, _ := unstructured.NestedSlice(deployment.Object, "status", "conditions")
	text, err := json.Marshal(conditions)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// podSpec is what a pod asks for, as generic JSON. The random part of the name
// of the volume that Kubernetes itself adds for its own token is taken out.
func podSpec(t *testing.T, pod map[string]any) map[string]any {
	t.Helper()
	text, err := json.Marshal(pod["spec"])
	if err != nil {
		t.Fatal(err)
	}
	text = regexp.MustCompile(`"kube-api-access-[a-z0-9]{5}"`).ReplaceAll(text, []byte(`"kube-api-access"`))
	var spec map[string]any
	if err := json.Unmarshal(text, &spec); err != nil {
		t.Fatal(err)
	}
	return spec
}

// admit sends a pod through admission without storing it and returns what would
// have been stored.
func admit(t *testing.T, cluster *e2e.Cluster, pod *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	t.Helper()
	return cluster.Dynamic.Resource(podResource).Namespace(pod.GetNamespace()).
		Create(t.Context(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
}
