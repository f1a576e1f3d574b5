package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/aksess/aksess/test/e2e"
)

const (
	webhookUser          = "aksess-webhook"
	webhookConfiguration = "aksess-webhook"
	webhookNamespace     = "aksess-system"
)

// webhookManifest is what the webhook needs of the cluster: its rights, for a
// user instead of a service account, what it writes, and its registration by
// address instead of by Service.
const webhookManifest = `
apiVersion: v1
kind: Namespace
metadata:
  name: aksess-system
---
apiVersion: v1
kind: Secret
metadata:
  name: aksess-webhook-ca
  namespace: aksess-system
type: Opaque
---
apiVersion: v1
kind: Secret
metadata:
  name: aksess-webhook-tls
  namespace: aksess-system
type: Opaque
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata:
  name: aksess-webhook
  namespace: aksess-system
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: aksess-webhook
  namespace: aksess-system
rules:
- apiGroups: [""]
  resources: [secrets]
  resourceNames: [aksess-webhook-ca, aksess-webhook-tls]
  verbs: [get, list, watch, update]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [aksess-webhook]
  verbs: [get, update]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: aksess-webhook
  namespace: aksess-system
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: aksess-webhook}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: aksess-webhook}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: aksess-webhook
rules:
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [get, list, watch]
- apiGroups: [admissionregistration.k8s.io]
  resources: [mutatingwebhookconfigurations]
  resourceNames: [aksess-webhook]
  verbs: [get, list, watch, patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: aksess-webhook
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: aksess-webhook}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: aksess-webhook}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata:
  name: aksess-webhook
webhooks:
- name: mutation.azure-workload-identity.io
  admissionReviewVersions: [v1]
  clientConfig:
    url: https://%s/mutate-v1-pod
  objectSelector:
    matchLabels: {azure.workload.identity/use: "true"}
  namespaceSelector:
    matchExpressions:
    - {key: kubernetes.io/metadata.name, operator: NotIn, values: [kube-system, aksess-system]}
  rules:
  - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}
  failurePolicy: Fail
  matchPolicy: Equivalent
  reinvocationPolicy: IfNeeded
  sideEffects: NoneOnDryRun
  timeoutSeconds: 5
- name: warning.azure-workload-identity.io
  admissionReviewVersions: [v1]
  clientConfig:
    url: https://%s/warn
  rules:
  - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}
  - {apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [serviceaccounts]}
  - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}
  failurePolicy: Ignore
  sideEffects: NoneOnDryRun
  timeoutSeconds: 5
`

// startWebhook runs the webhook with the rights that it needs and no more, and
// waits until the API server sends it new pods.
func startWebhook(t *testing.T, bin string, cluster *e2e.Cluster, tenant string) *e2e.Process {
	t.Helper()
	listen, health := e2e.FreeAddress(t), e2e.FreeAddress(t)
	cluster.Apply(t, fmt.Appendf(nil, webhookManifest, listen, listen))
	webhook := e2e.StartProcess(t, e2e.Command{
		Name: "aksess-webhook", Path: filepath.Join(bin, "aksess-webhook"),
		Args: []string{
			"--kubeconfig", cluster.User(t, webhookUser), "--webhook-configuration", webhookConfiguration,
			"--cert-source", "secret", "--listen", listen, "--health-addr", health, "--metrics-addr", "0", "--drain-delay", "0s", "--warn-webhook",
		},
		Env: e2e.CleanEnv(t, "AZURE_TENANT_ID="+tenant, "POD_NAMESPACE="+webhookNamespace, "PROXY_IMAGE=aksess-proxy:dev",
			"AZURE_KUBERNETES_TOKEN_PROXY=https://kubernetes.default.svc", "AZURE_KUBERNETES_CA_CONFIGMAP_NAME=kube-root-ca.crt"),
	})
	e2e.EventuallyRunning(t, e2e.StartLimit, "webhook ready", func() error { return ready(t.Context(), health) }, webhook)
	e2e.EventuallyRunning(t, e2e.StartLimit, "CA bundle published", func() error { return bundlePublished(t.Context(), cluster) }, webhook)
	// The API server learns of its own objects by a watch.
	e2e.EventuallyRunning(t, e2e.StartLimit, "pods sent to the webhook", func() error { return reachesWebhook(t, cluster) }, webhook)
	return webhook
}

func ready(ctx context.Context, address string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := (&http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}

func bundlePublished(ctx context.Context, cluster *e2e.Cluster) error {
	configuration, err := cluster.Client.AdmissionregistrationV1().MutatingWebhookConfigurations().
		Get(ctx, webhookConfiguration, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if len(configuration.Webhooks[0].ClientConfig.CABundle) == 0 {
		return errors.New("no CA bundle in the configuration")
	}
	return nil
}

// reachesWebhook tries a pod of a service account that every cluster has.
func reachesWebhook(t *testing.T, cluster *e2e.Cluster) error {
	pod := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Pod",
		"spec": map[string]any{"containers": []any{map[string]any{"name": "main", "image": "probe"}}},
	}}
	pod.SetGenerateName("probe-")
	pod.SetNamespace(metav1.NamespaceDefault)
	pod.SetLabels(map[string]string{useLabel: "true"})
	stored, err := admit(t, cluster, pod)
	if err != nil {
		return err
	}
	if !injected(t, stored) {
		return errors.New("a pod with the label was admitted as it was")
	}
	return nil
}

// testEvents shows that who did not see the warnings of a request finds them at
// the service account, by the UID that kubectl describe asks for.
func testEvents(t *testing.T, cluster *e2e.Cluster) {
	pod := newPod("suspicious-", simpleSpec())
	pod.SetLabels(map[string]string{useLabel: "true"})
	pod.SetAnnotations(map[string]string{"azure.workload.identity/skip-containers": "nobody"})
	stored, err := cluster.Dynamic.Resource(podResource).Namespace(e2e.Namespace).Create(t.Context(), pod, metav1.CreateOptions{})
	if err != nil || !injected(t, stored) {
		t.Fatalf("got %v, want a pod with an identity", err)
	}
	account, err := cluster.Client.CoreV1().ServiceAccounts(e2e.Namespace).Get(t.Context(), e2e.ServiceAccount, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, cluster, account.UID, `"nobody"`)
}

// testWarnEvents: who was not there when an object was warned about finds it at
// the service account of a new object, which has no UID yet, and at one that is
// not new itself. Nothing is said of a dry run.
func testWarnEvents(t *testing.T, cluster *e2e.Cluster) {
	var object map[string]any
	if err := yaml.Unmarshal(fmt.Appendf(nil, suspectDeployment, e2e.Namespace, "", e2e.ServiceAccount), &object); err != nil {
		t.Fatal(err)
	}
	suspect := &unstructured.Unstructured{Object: object}
	suspect.Object["spec"].(map[string]any)["replicas"] = int64(0) // its pods have an Event of their own
	client := cluster.Dynamic.Resource(deploymentResource).Namespace(e2e.Namespace)
	dry := suspect.DeepCopy()
	dry.SetName("dry")
	if _, err := client.Create(t.Context(), dry, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}); err != nil {
		t.Fatal(err)
	}
	stored, err := client.Create(t.Context(), suspect, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	account, err := cluster.Client.CoreV1().ServiceAccounts(e2e.Namespace).Get(t.Context(), e2e.ServiceAccount, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, cluster, account.UID, `Deployment suspect: Deployment "suspect" runs as`)
	if _, err := client.Patch(t.Context(), "suspect", types.MergePatchType, []byte(`{"metadata":{"labels":{"again":"1"}}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	events := eventually(t, cluster, stored.GetUID(), `Deployment suspect: Deployment "suspect" runs as`)
	for _, event := range events { // those of the dry run would have been first
		if strings.Contains(event.Note, `"dry"`) {
			t.Errorf("got an Event about a dry run: %s", event.Note)
		}
	}
}

// eventually waits for a warning about the object with that UID, which is what
// kubectl describe asks for, and returns all Events.
func eventually(t *testing.T, cluster *e2e.Cluster, uid types.UID, note string) (all []eventsv1.Event) {
	t.Helper()
	e2e.Eventually(t, e2e.StartLimit, "Event with "+note, func() error {
		events, err := cluster.Client.EventsV1().Events(e2e.Namespace).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		all = events.Items
		for _, event := range all {
			if event.Regarding.UID == uid && event.Type == "Warning" && strings.Contains(event.Note, note) {
				return nil
			}
		}
		return fmt.Errorf("got %d Events, none of them about it", len(all))
	})
	return all
}

// testWebhookLog shows that the webhook had all the rights it needs and that
// nobody's token went into its log.
func testWebhookLog(t *testing.T, webhook *e2e.Process) {
	log := webhook.Log()
	for _, unwanted := range []string{"forbidden", `"level":"ERROR"`, "panic", "eyJ"} {
		if strings.Contains(log, unwanted) {
			t.Errorf("log of the webhook: got %q in it, want none\n%s", unwanted, webhook.Tail())
		}
	}
	// The second admission asked the webhook; it did not pass it by.
	for _, want := range []string{`"decision":"mutated"`, `"decision":"unchanged"`, `"decision":"denied"`} {
		if !strings.Contains(log, want) {
			t.Errorf("log of the webhook: got no %s in it\n%s", want, webhook.Tail())
		}
	}
}
