package server_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/aksess/aksess/test/e2e"
	"github.com/aksess/aksess/test/helm"
)

const (
	namespace = "aksess-system"
	tenant    = "72f988bf-86f1-41af-91ab-2d7cd011db47"
)

var root = filepath.Join("..", "..", "..")

// TestServer runs everything against one control plane, in order.
func TestServer(t *testing.T) {
	cluster := e2e.StartCluster(t)
	installKinds(t, cluster)
	// Of other projects' kinds the plain manifest has none.
	manifest := read(t, filepath.Join(root, "deploy", "manifests", "install.yaml"))
	cluster.Apply(t, []byte(strings.ReplaceAll(string(manifest), "${AZURE_TENANT_ID}", tenant)))

	t.Run("value_sets", func(t *testing.T) { testValueSets(t, cluster) })
	t.Run("manifests", func(t *testing.T) { testManifests(t, cluster) })
	t.Run("handover", func(t *testing.T) { testHandover(t, cluster) })
	t.Run("mistakes", func(t *testing.T) { testMistakes(t, cluster) })
	t.Run("rights", func(t *testing.T) { testRights(t, cluster) })
	t.Run("selectors", func(t *testing.T) { testSelectors(t, cluster) })
	t.Run("choices", func(t *testing.T) { testChoices(t, cluster) })
	t.Run("life", func(t *testing.T) { testLife(t, cluster) })
}

// installKinds makes the API server know other projects' kinds, and waits until
// it serves them.
func installKinds(t *testing.T, cluster *e2e.Cluster) {
	t.Helper()
	cluster.Apply(t, kindsOfCertManager(t))
	cluster.Apply(t, kindOfMonitors(t))
	for _, group := range []string{"cert-manager.io/v1", "monitoring.coreos.com/v1"} {
		e2e.Eventually(t, e2e.StartLimit, group+" served", func() error {
			_, err := cluster.Client.Discovery().ServerResourcesForGroupVersion(group)
			return err
		})
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// rendered is the chart with a set of values from its ci folder.
func rendered(t *testing.T, file string) []byte {
	t.Helper()
	var values map[string]any
	if err := yaml.Unmarshal(read(t, file), &values); err != nil {
		t.Fatal(err)
	}
	return render(t, values)
}

func render(t *testing.T, values map[string]any) []byte {
	t.Helper()
	chart, err := helm.Load(helm.Dir(root))
	if err != nil {
		t.Fatal(err)
	}
	release, err := chart.Render(helm.Release{Values: values})
	if err != nil {
		t.Fatal(err)
	}
	return release.Manifest
}

// testValueSets: the API server takes every object, and a pod of every Deployment.
func testValueSets(t *testing.T, cluster *e2e.Cluster) {
	sets, err := filepath.Glob(filepath.Join(helm.Dir(root), "ci", "*.yaml"))
	if err != nil || len(sets) < 5 {
		t.Fatalf("got %d sets of values, %v", len(sets), err)
	}
	for _, set := range sets {
		t.Run(strings.TrimSuffix(filepath.Base(set), ".yaml"), func(t *testing.T) {
			objects, err := cluster.DryRun(t.Context(), rendered(t, set))
			if err != nil {
				t.Fatal(err)
			}
			if len(objects) < 6 {
				t.Errorf("got %d objects", len(objects))
			}
			checkPod(t, cluster, objects)
		})
	}
}

// checkPod admits a pod of the Deployment to a namespace whose Pod Security is
// restricted, as Helm's users are told to make it. One in the node's network
// fits no level but the one without limits.
func checkPod(t *testing.T, cluster *e2e.Cluster, objects []*unstructured.Unstructured) {
	t.Helper()
	for _, object := range objects {
		if object.GetKind() != "Deployment" {
			continue
		}
		pod := podOf(t, object)
		_, err := cluster.Dynamic.Resource(pods).Namespace(namespace).Create(t.Context(), pod, metav1.CreateOptions{
			DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict,
		})
		hostNetwork, _, _ := unstructured.NestedBool(pod.Object, "spec", "hostNetwork")
		switch {
		case !hostNetwork && err != nil:
			t.Error(err)
		case hostNetwork && (err == nil || !strings.Contains(err.Error(), "host namespaces")):
			t.Errorf("got %v for a pod in the node's network, want it refused in this namespace", err)
		}
		return
	}
	t.Error("got no Deployment")
}

// podOf is the pod that a Deployment would make. Its service account is the one
// that is there: dry runs make none.
func podOf(t *testing.T, deployment *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	template, found, err := unstructured.NestedMap(deployment.Object, "spec", "template")
	if err != nil || !found {
		t.Fatalf("got no template, %v", err)
	}
	pod := &unstructured.Unstructured{Object: template}
	pod.SetAPIVersion("v1")
	pod.SetKind("Pod")
	pod.SetGenerateName("probe-")
	if err := unstructured.SetNestedField(pod.Object, "aksess-webhook", "spec", "serviceAccountName"); err != nil {
		t.Fatal(err)
	}
	return pod
}

func testManifests(t *testing.T, cluster *e2e.Cluster) {
	files, err := filepath.Glob(filepath.Join(root, "deploy", "manifests", "*.yaml"))
	if err != nil || len(files) != 2 {
		t.Fatalf("got %q, %v", files, err)
	}
	for _, file := range files {
		if _, err := cluster.DryRun(t.Context(), read(t, file)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// testHandover: who installed the plain manifests can go on with Helm
// (--take-ownership), which meets no field that it would write otherwise than
// the API server keeps it.
func testHandover(t *testing.T, cluster *e2e.Cluster) {
	if err := cluster.Conflicts(t.Context(), render(t, map[string]any{"azureTenantID": tenant})); err != nil {
		t.Error(err)
	}
	if err := cluster.Conflicts(t.Context(), render(t, map[string]any{"azureTenantID": tenant, "timeoutSeconds": 9})); err == nil || !strings.Contains(err.Error(), "timeoutSeconds") {
		t.Errorf("got %v for another value, want a conflict", err)
	}
}

// testMistakes: the dry run would have noticed.
func testMistakes(t *testing.T, cluster *e2e.Cluster) {
	tests := []struct {
		name, file, right, wrong, want string
	}{
		{"field", "minimal.yaml", "reinvocationPolicy:", "reinvokePolicy:", "reinvokePolicy"},
		{"value", "minimal.yaml", "sideEffects: NoneOnDryRun", "sideEffects: Some", "sideEffects"},
		{"probe", "minimal.yaml", "port: health", "port: not a port", "port"},
		{"certificate", "cert-manager.yaml", "rotationPolicy: Always", "rotationPolicy: Often", "rotationPolicy"},
		{"certificate_field", "cert-manager.yaml", "dnsNames:", "names:", "names"},
		{"monitor", "cert-manager.yaml", "interval: 30s", "interval: often", "interval"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			manifest := string(rendered(t, filepath.Join(helm.Dir(root), "ci", test.file)))
			if !strings.Contains(manifest, test.right) {
				t.Fatalf("got no %q to change", test.right)
			}
			_, err := cluster.DryRun(t.Context(), []byte(strings.ReplaceAll(manifest, test.right, test.wrong)))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q named", err, test.want)
			}
		})
	}
}
