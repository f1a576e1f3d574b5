package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/aksess/aksess/test/e2e"
)

const identityPrefix = "azure.workload.identity/"

// extrasManifest has a namespace at the strictest level of Pod Security, and
// service accounts with one identity and with several.
const extrasManifest = `
apiVersion: v1
kind: Namespace
metadata:
  name: restricted
  labels: {pod-security.kubernetes.io/enforce: restricted}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: wi-demo-sa
  namespace: restricted
  annotations:
    azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333
    azure.workload.identity/client-ids: storage=44444444-4444-4444-4444-444444444444,key-vault=55555555-5555-5555-5555-555555555555
`

// restrictedSpec passes at level restricted as it is.
const restrictedSpec = `
serviceAccountName: wi-demo-sa
securityContext: {runAsNonRoot: true, runAsUser: 1000, fsGroup: 2000, seccompProfile: {type: RuntimeDefault}}
initContainers:
- name: migrate
  image: wi-api:dev
  securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
containers:
- name: main
  image: wi-api:dev
  securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`

// testExtras shows that the API server takes what pods are given on request.
func testExtras(t *testing.T, cluster *e2e.Cluster) {
	cluster.Apply(t, []byte(extrasManifest))
	t.Run("restricted_namespace", func(t *testing.T) { testRestrictedNamespace(t, cluster) })
	t.Run("admitted_twice", func(t *testing.T) { testAdmittedTwice(t, cluster) })
	t.Run("resources_of_the_pod", func(t *testing.T) { testResourcesOfThePod(t, cluster) })
	t.Run("warnings", func(t *testing.T) { testWarnings(t, cluster) })
}

// asking is a pod with the label and annotations, by their names after the prefix.
func asking(t *testing.T, namespace, spec string, annotations map[string]string) *unstructured.Unstructured {
	t.Helper()
	var parsed map[string]any
	if err := yaml.Unmarshal([]byte(spec), &parsed); err != nil {
		t.Fatal(err)
	}
	pod := newPod("asking-", parsed)
	pod.SetNamespace(namespace)
	pod.SetLabels(map[string]string{useLabel: "true"})
	full := map[string]string{}
	for name, value := range annotations {
		full[identityPrefix+name] = value
	}
	pod.SetAnnotations(full)
	return pod
}

// testRestrictedNamespace: in mode endpoint the proxy fits where privileges are
// forbidden, with everything else that can be asked for. In mode redirect the
// API server itself refuses the pod, so the test would see a level that is off.
func testRestrictedNamespace(t *testing.T, cluster *e2e.Cluster) {
	ask := map[string]string{"inject-proxy-sidecar": "true", "proxy-sidecar-mode": "endpoint", "use-identity-binding": "true"}
	stored, err := admit(t, cluster, asking(t, "restricted", restrictedSpec, ask))
	if err != nil {
		t.Fatalf("mode endpoint: %v", err)
	}
	names := containerNames(t, stored.Object)
	if want := []string{"azwi-proxy", "migrate", "main"}; !slices.Equal(names, want) {
		t.Errorf("containers: got %v, want %v", names, want)
	}
	main := podSpec(t, stored.Object)["containers"].([]any)[0].(map[string]any)
	for _, want := range []string{"AZURE_CLIENT_ID_STORAGE", "AZURE_CLIENT_ID_KEY_VAULT", "AZURE_KUBERNETES_CA_FILE", "IDENTITY_ENDPOINT", "IDENTITY_HEADER"} {
		if !slices.Contains(strings.Fields(envNames(main)), want) {
			t.Errorf("variables: got %s, want %s among them", envNames(main), want)
		}
	}
	ask["proxy-sidecar-mode"] = "redirect"
	_, err = admit(t, cluster, asking(t, "restricted", restrictedSpec, ask))
	if err == nil || !strings.Contains(err.Error(), `violates PodSecurity "restricted`) || !strings.Contains(err.Error(), "azwi-proxy-init") {
		t.Errorf("mode redirect: got %v, want a refusal for azwi-proxy-init", err)
	}
}

func containerNames(t *testing.T, pod map[string]any) []string {
	t.Helper()
	var names []string
	for _, list := range []string{"initContainers", "containers"} {
		for _, container := range podSpec(t, pod)[list].([]any) {
			names = append(names, container.(map[string]any)["name"].(string))
		}
	}
	return names
}

// testAdmittedTwice: a pod that has been stored, defaults and all, is not
// changed by a second admission.
func testAdmittedTwice(t *testing.T, cluster *e2e.Cluster) {
	for name, ask := range map[string]map[string]string{
		"redirect": {"inject-proxy-sidecar": "true", "proxy-sidecar-port": "8081"},
		"endpoint": {"inject-proxy-sidecar": "true", "proxy-sidecar-mode": "endpoint"},
		"binding":  {"use-identity-binding": "true"},
		"all":      {"inject-proxy-sidecar": "true", "use-identity-binding": "true"},
	} {
		t.Run(name, func(t *testing.T) {
			pod := asking(t, e2e.Namespace, restrictedSpec, ask)
			first, err := admit(t, cluster, pod)
			if err != nil {
				t.Fatal(err)
			}
			again := pod.DeepCopy()
			again.Object["spec"] = first.DeepCopy().Object["spec"]
			again.SetAnnotations(first.GetAnnotations())
			second, err := admit(t, cluster, again)
			if err != nil {
				t.Fatalf("admitted again: %v", err)
			}
			diffJSON(t, "spec admitted again", podSpec(t, second.Object), podSpec(t, first.Object))
		})
	}
}

// testResourcesOfThePod: a pod with resources as a whole has room for the proxy,
// whatever they are.
func testResourcesOfThePod(t *testing.T, cluster *e2e.Cluster) {
	spec := restrictedSpec + "resources: {limits: {memory: 32Mi}, requests: {memory: 8Mi}}\n"
	if _, err := admit(t, cluster, asking(t, e2e.Namespace, spec, map[string]string{"inject-proxy-sidecar": "true"})); err != nil {
		t.Error(err)
	}
}

// suspectDeployment needs a namespace, further labels of its pods and a service account.
const suspectDeployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: suspect, namespace: %s}
spec:
  selector: {matchLabels: {app: suspect}}
  template:
    metadata: {labels: {app: suspect%s}}
    spec: {serviceAccountName: %s, containers: [{name: main, image: none}]}
`

// testWarnings: whoever applies an object that looks as if it meant to take part
// is told so, and nothing is refused.
func testWarnings(t *testing.T, cluster *e2e.Cluster) {
	accounts := schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}
	for _, c := range []struct {
		name, manifest string
		resource       schema.GroupVersionResource
		want           string // "" for none
	}{
		{"no_label", fmt.Sprintf(suspectDeployment, e2e.Namespace, "", e2e.ServiceAccount), deploymentResource,
			`Deployment "suspect" runs as service account "` + e2e.ServiceAccount + `", which has an identity, without the label: add azure.workload.identity/use: "true" to spec.template.metadata.labels`},
		{"label", fmt.Sprintf(suspectDeployment, e2e.Namespace, `, azure.workload.identity/use: "true"`, e2e.ServiceAccount), deploymentResource, ""},
		{"other_account", fmt.Sprintf(suspectDeployment, e2e.Namespace, "", "default"), deploymentResource, ""},
		{"label_of_account", "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: labelled, namespace: " + e2e.Namespace + `, labels: {azure.workload.identity/use: "true"}}`, accounts,
			`label azure.workload.identity/use does nothing on ServiceAccount "labelled": add azure.workload.identity/use: "true" to the labels of its pods`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var heard e2e.Warnings
			config := rest.CopyConfig(cluster.Config)
			config.WarningHandler = &heard
			client, err := dynamic.NewForConfig(config)
			if err != nil {
				t.Fatal(err)
			}
			var object map[string]any
			if err := yaml.Unmarshal([]byte(c.manifest), &object); err != nil {
				t.Fatal(err)
			}
			_, err = client.Resource(c.resource).Namespace(e2e.Namespace).
				Create(t.Context(), &unstructured.Unstructured{Object: object}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			if err != nil {
				t.Fatalf("got %v, want it admitted", err)
			}
			var want []string
			if c.want != "" {
				want = []string{c.want}
			}
			if !slices.Equal(heard.Texts(), want) {
				t.Errorf("warnings: got %q, want %q", heard.Texts(), want)
			}
		})
	}
}
