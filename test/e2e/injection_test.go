package e2e_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/aksess/aksess/test/e2e"
)

const useLabel = "azure.workload.identity/use"

// testScenarioPods shows that the Deployment's pods are stored as they would be
// without the webhook, plus exactly what the webhook says it injects.
func testScenarioPods(t *testing.T, cluster *e2e.Cluster, values map[string]string) {
	for _, pod := range scenarioPods(t, cluster, 2) {
		want := podSpec(t, withoutIdentity(t, cluster, &pod).Object)
		inject(t, want, pod.GetGenerateName(), values)
		diffJSON(t, "spec of "+pod.GetName(), podSpec(t, pod.Object), want)
	}
}

// withoutIdentity is the pod as the API server would store it if it did not ask
// for an identity.
func withoutIdentity(t *testing.T, cluster *e2e.Cluster, pod *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	deployment, err := cluster.Dynamic.Resource(deploymentResource).Namespace(e2e.Namespace).
		Get(t.Context(), "wi-api", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	spec, found, err := unstructured.NestedMap(deployment.Object, "spec", "template", "spec")
	if !found || err != nil {
		t.Fatalf("template of the Deployment: found %t, %v", found, err)
	}
	plain := newPod(pod.GetGenerateName(), spec)
	labels := pod.GetLabels()
	delete(labels, useLabel)
	plain.SetLabels(labels)
	stored, err := admit(t, cluster, plain)
	if err != nil {
		t.Fatalf("admitting the pod without its label: %v", err)
	}
	return stored
}

// inject writes into a pod's spec what the webhook is expected to add to it:
// four variables, and one projected token in two volumes, at the path of today
// and at the one of old, each after what is there.
func inject(t *testing.T, spec map[string]any, generateName string, values map[string]string) {
	t.Helper()
	volume := tokenVolume(generateName)
	container := spec["containers"].([]any)[0].(map[string]any)
	extend(t, container, "env", `
- name: AZURE_CLIENT_ID
  value: `+values["USER_ASSIGNED_CLIENT_ID"]+`
- name: AZURE_TENANT_ID
  value: `+values["AZURE_TENANT_ID"]+`
- name: AZURE_FEDERATED_TOKEN_FILE
  value: /var/run/secrets/azure/wi/token/azure-identity-token
- name: AZURE_AUTHORITY_HOST
  value: https://login.microsoftonline.com/
`)
	extend(t, container, "volumeMounts", `
- name: `+volume+`
  mountPath: /var/run/secrets/azure/wi
  readOnly: true
- name: azure-identity-token
  mountPath: /var/run/secrets/azure/tokens
  readOnly: true
`)
	extend(t, spec, "volumes", `
- name: `+volume+`
  projected:
    defaultMode: 420
    sources:
    - serviceAccountToken:
        audience: api://AzureADTokenExchange
        expirationSeconds: 3600
        path: token/azure-identity-token
- name: azure-identity-token
  projected:
    defaultMode: 420
    sources:
    - serviceAccountToken:
        audience: api://AzureADTokenExchange
        expirationSeconds: 3600
        path: azure-identity-token
`)
}

// tokenVolume is the name that upstream's webhook gives the volume of pods made
// from a template, so that all pods of a ReplicaSet share it.
func tokenVolume(generateName string) string {
	digest := sha256.Sum256([]byte(generateName + " (prefix)"))
	return "azure-workload-identity-reserved-" + hex.EncodeToString(digest[:])[:30]
}

// extend appends the items of a YAML list to the list under the key.
func extend(t *testing.T, object map[string]any, key, items string) {
	t.Helper()
	var added []any
	if err := yaml.Unmarshal([]byte(items), &added); err != nil {
		t.Fatal(err)
	}
	present, _ := object[key].([]any)
	object[key] = append(present, added...)
}

// testSecondAdmission shows that a pod which already has everything is stored
// as it is: a reinvoked webhook changes nothing.
func testSecondAdmission(t *testing.T, cluster *e2e.Cluster) {
	for _, pod := range scenarioPods(t, cluster, 2) {
		again := newPod(pod.GetGenerateName(), pod.Object["spec"].(map[string]any))
		again.SetLabels(pod.GetLabels())
		stored, err := admit(t, cluster, again)
		if err != nil {
			t.Fatalf("admitting %s again: %v", pod.GetName(), err)
		}
		diffJSON(t, "spec of "+pod.GetName()+" admitted again", podSpec(t, stored.Object), podSpec(t, pod.Object))
	}
}

// testUnknownFields shows that fields younger than most client libraries pass
// through the webhook unharmed.
func testUnknownFields(t *testing.T, cluster *e2e.Cluster) {
	const manifest = `
apiVersion: v1
kind: Pod
metadata:
  name: young-fields
  namespace: widemo
  labels: {azure.workload.identity/use: "true"}
spec:
  serviceAccountName: wi-demo-sa
  hostnameOverride: young.widemo.example
  resources:
    requests: {cpu: 100m, memory: 64Mi}
    limits: {cpu: 200m, memory: 128Mi}
  containers:
  - name: main
    image: wi-api:dev
    restartPolicy: Never
    restartPolicyRules:
    - action: Restart
      exitCodes: {operator: In, values: [42]}
`
	stored := cluster.Apply(t, []byte(manifest))[0]
	read, err := cluster.Dynamic.Resource(podResource).Namespace(e2e.Namespace).
		Get(t.Context(), stored.GetName(), metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	spec := podSpec(t, read.Object)
	container := spec["containers"].([]any)[0].(map[string]any)
	if names := envNames(container); !strings.Contains(names, "AZURE_CLIENT_ID") {
		t.Errorf("variables of the pod: got %s, want AZURE_CLIENT_ID among them", names)
	}
	for field, want := range map[string]string{
		"hostnameOverride": `"young.widemo.example"`,
		"resources":        `{"limits":{"cpu":"200m","memory":"128Mi"},"requests":{"cpu":"100m","memory":"64Mi"}}`,
	} {
		checkField(t, spec, field, want)
	}
	checkField(t, container, "restartPolicy", `"Never"`)
	checkField(t, container, "restartPolicyRules", `[{"action":"Restart","exitCodes":{"operator":"In","values":[42]}}]`)
}

// testUnlabelled shows that a pod that does not ask for an identity gets none.
func testUnlabelled(t *testing.T, cluster *e2e.Cluster) {
	for name, labels := range map[string]map[string]string{
		"no_label":    nil,
		"label_false": {useLabel: "false"},
		"label_True":  {useLabel: "True"},
	} {
		t.Run(name, func(t *testing.T) {
			pod := newPod("plain-", simpleSpec())
			pod.SetLabels(labels)
			stored, err := admit(t, cluster, pod)
			if err != nil {
				t.Fatal(err)
			}
			if injected(t, stored) {
				t.Errorf("pod without the label: got %v, want nothing injected", stored.Object)
			}
		})
	}
}

// badAccountManifest has service accounts whose pods must be refused.
const badAccountManifest = `
apiVersion: v1
kind: ServiceAccount
metadata:
  name: bad-client
  namespace: widemo
  annotations: {azure.workload.identity/client-id: wi-demo}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: bad-tenant
  namespace: widemo
  annotations:
    azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333
    azure.workload.identity/tenant-id: not a tenant
`

// testBadAnnotations shows that a pod is refused with a message that names the
// annotation and the value that it cannot have.
func testBadAnnotations(t *testing.T, cluster *e2e.Cluster) {
	cluster.Apply(t, []byte(badAccountManifest))
	for _, c := range []struct {
		name, account     string
		annotation, value string
		onPod             map[string]string // beside the annotation; nil for one of the service account
	}{
		{"expiration_too_short", e2e.ServiceAccount, "service-account-token-expiration", "100", map[string]string{}},
		{"expiration_too_long", e2e.ServiceAccount, "service-account-token-expiration", "86401", map[string]string{}},
		{"expiration_no_number", e2e.ServiceAccount, "service-account-token-expiration", "1h", map[string]string{}},
		{"proxy_neither_true_nor_false", e2e.ServiceAccount, "inject-proxy-sidecar", "perhaps", map[string]string{}},
		{"proxy_port", e2e.ServiceAccount, "proxy-sidecar-port", "70000", map[string]string{"azure.workload.identity/inject-proxy-sidecar": "true"}},
		{"client_id", "bad-client", "client-id", "wi-demo", nil},
		{"tenant_id", "bad-tenant", "tenant-id", "not a tenant", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			annotation := "azure.workload.identity/" + c.annotation
			spec := simpleSpec()
			spec["serviceAccountName"] = c.account
			pod := newPod("bad-", spec)
			pod.SetLabels(map[string]string{useLabel: "true"})
			if c.onPod != nil {
				c.onPod[annotation] = c.value
				pod.SetAnnotations(c.onPod)
			}
			_, err := admit(t, cluster, pod)
			if err == nil {
				t.Fatalf("pod with %s=%q: got admitted, want it denied", annotation, c.value)
			}
			for _, want := range []string{"denied the request", annotation, `"` + c.value + `"`} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("refusal: got %q, want %q in it", err, want)
				}
			}
		})
	}
}

// injected reports whether a pod has anything of ours.
func injected(t *testing.T, pod *unstructured.Unstructured) bool {
	t.Helper()
	text, err := json.Marshal(pod.Object)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(text), "AZURE_") || strings.Contains(string(text), "azure-identity-token")
}

func newPod(generateName string, spec map[string]any) *unstructured.Unstructured {
	pod := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Pod", "spec": spec}}
	pod.SetGenerateName(generateName)
	pod.SetNamespace(e2e.Namespace)
	return pod
}

func simpleSpec() map[string]any {
	return map[string]any{
		"serviceAccountName": e2e.ServiceAccount,
		"containers":         []any{map[string]any{"name": "main", "image": "wi-api:dev"}},
	}
}

func envNames(container map[string]any) string {
	var names []string
	env, _ := container["env"].([]any)
	for _, variable := range env {
		names = append(names, variable.(map[string]any)["name"].(string))
	}
	return strings.Join(names, " ")
}

func checkField(t *testing.T, object map[string]any, field, want string) {
	t.Helper()
	got, err := json.Marshal(object[field])
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s: got %s, want %s", field, got, want)
	}
}

// diffJSON compares two trees and shows both in full, line by line, if they differ.
func diffJSON(t *testing.T, what string, got, want map[string]any) {
	t.Helper()
	if reflect.DeepEqual(got, want) {
		return
	}
	gotText, _ := yaml.Marshal(got)
	wantText, _ := yaml.Marshal(want)
	t.Errorf("%s:\ngot\n%s\nwant\n%s", what, gotText, wantText)
}
