package node_test

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aksess/aksess/test/e2e"
	"github.com/aksess/aksess/test/node"
)

const (
	tokenPath    = "/metadata/identity/oauth2/token"
	instancePath = "/metadata/instance"
	// vaultToken asks for a token for the scenario's vault, as curl would.
	vaultToken = tokenPath + "?api-version=2018-02-01&resource=https://vault.azure.net"
)

// testProxy shows that a program that knows only the metadata service reads the
// secret as its service account's identity, from an init container as well as
// from a container, and that nothing but what may pass reaches the node.
func (w *world) testProxy(t *testing.T) {
	wanted := probePod("imds", withProxy(nil))
	wanted.Spec.InitContainers = []corev1.Container{{Name: "first", Image: probeImage, Args: []string{"once", e2e.SecretURL}}}
	pod := w.node.Run(t, wanted)
	w.checkOnce(t, w.node.Log(t, pod, "first"))
	w.checkReads(t, pod)

	answer := w.ask(t, pod, vaultToken, "true")
	if answer.Status != http.StatusOK || answer.Claims.ClientID != w.scenario.ClientID || answer.Claims.ObjectID != w.scenario.PrincipalID {
		t.Errorf("plain request: got %+v, want 200 and the token of client %s", answer, w.scenario.ClientID)
	}
	if answer := w.ask(t, pod, vaultToken, ""); answer.Status != http.StatusBadRequest || answer.Claims != (claims{}) {
		t.Errorf("request without Metadata: true: got %+v, want 400", answer)
	}
	if answer := w.ask(t, pod, tokenPath+"?api-version=2018-02-01", "true"); answer.Status != http.StatusBadRequest {
		t.Errorf("request without a resource: got %+v, want 400", answer)
	}
	w.checkPassesOnly(t, pod)
}

// checkPassesOnly asks for what may pass to the node's metadata service and
// checks that the pod has reached it for that, once, and for nothing before.
func (w *world) checkPassesOnly(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	if answer := w.ask(t, pod, instancePath+"?api-version=2021-02-01", "true"); !strings.Contains(answer.Body, "the-node") {
		t.Errorf("%s: got %+v, want the node's answer", instancePath, answer)
	}
	if got, want := w.metadata.askedBy(pod.Status.PodIP), []string{instancePath}; !reflect.DeepEqual(got, want) {
		t.Errorf("requests of %s that reached the node: got %q, want %q", pod.Name, got, want)
	}
}

// testPort shows that the annotation moves the proxy to another port.
func (w *world) testPort(t *testing.T) {
	pod := w.node.Run(t, probePod("imds-8081", withProxy(map[string]string{"proxy-sidecar-port": "8081"})))
	if text, _ := json.Marshal(pod.Spec); !strings.Contains(string(text), "--proxy-port=8081") {
		t.Errorf("pod: got no --proxy-port=8081 in %s", text)
	}
	w.checkReads(t, pod)
	w.checkPassesOnly(t, pod)
}

// testOff shows that "false" injects nothing, and by that what the proxy is for:
// the pod's program gets the node's own token. The port has no effect then, which
// the webhook says in an Event.
func (w *world) testOff(t *testing.T) {
	pod := w.node.Run(t, probePod("imds-off", map[string]string{annotationPrefix + "inject-proxy-sidecar": "false", annotationPrefix + "proxy-sidecar-port": "8081"}))
	if len(pod.Spec.InitContainers) != 0 || len(pod.Spec.Containers) != 1 {
		t.Errorf("containers: got %d and %d init containers, want the pod's own", len(pod.Spec.Containers), len(pod.Spec.InitContainers))
	}
	w.ask(t, pod, vaultToken, "true")
	if got, want := w.metadata.askedBy(pod.Status.PodIP), []string{tokenPath}; !reflect.DeepEqual(got, want) {
		t.Errorf("requests that reached the node: got %q, want %q", got, want)
	}
	e2e.Eventually(t, time.Minute, "Event about the port", func() error {
		events, err := w.node.Client.EventsV1().Events(e2e.Namespace).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, event := range events.Items {
			if strings.Contains(event.Note, annotationPrefix+"proxy-sidecar-port has no effect") {
				return nil
			}
		}
		return errNotYet("number of Events", len(events.Items))
	})
}

// testHostNetwork shows that a pod in the node's network cannot have the proxy,
// which would redirect the node's own requests.
func (w *world) testHostNetwork(t *testing.T) {
	pod := probePod("imds-host", withProxy(nil))
	pod.Spec.HostNetwork = true
	_, err := w.node.Client.CoreV1().Pods(e2e.Namespace).Create(t.Context(), pod, metav1.CreateOptions{})
	if err == nil {
		t.Fatal("pod with hostNetwork: got admitted, want it denied")
	}
	for _, want := range []string{"azure.workload.identity/inject-proxy-sidecar", "hostNetwork is set to true, cannot inject proxy sidecar"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("refusal: got %q, want %q in it", err, want)
		}
	}
}

// testUser shows that a user for the whole pod does not become the proxy's:
// upstream's then sends its own requests to itself, for ever.
func (w *world) testUser(t *testing.T) {
	wanted := probePod("imds-user", withProxy(nil))
	user, yes := int64(1000), true
	wanted.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: &user, RunAsGroup: &user, RunAsNonRoot: &yes}
	pod := w.node.Run(t, wanted)
	w.checkReads(t, pod)
	w.checkPassesOnly(t, pod)
}

// testInitAgain shows that an init step that runs twice leaves what one leaves.
func (w *world) testInitAgain(t *testing.T) {
	once := w.node.Run(t, probePod("imds-once", withProxy(nil)))
	wanted := probePod("imds-twice", withProxy(nil))
	step := once.Spec.InitContainers[0]
	if step.Name != "azwi-proxy-init" {
		t.Fatalf("first init container: got %q, want azwi-proxy-init", step.Name)
	}
	step.Name, step.VolumeMounts = "again", nil
	wanted.Spec.InitContainers = []corev1.Container{step}
	twice := w.node.Run(t, wanted)
	got, want := rules(t, twice), rules(t, once)
	if !strings.Contains(want, "redirect to :8000") {
		t.Errorf("rules of a pod with the proxy: got no redirection in\n%s", want)
	}
	if got != want {
		t.Errorf("rules after two init steps: got\n%s\nwant those after one\n%s", got, want)
	}
	w.checkReads(t, twice)
	w.checkPassesOnly(t, twice)
}

// rules are all the rules in a pod's network namespace, without counts.
func rules(t *testing.T, pod *corev1.Pod) string {
	t.Helper()
	pids, err := node.Processes(string(pod.UID))
	if err != nil {
		t.Fatal(err)
	}
	var text []byte
	err = node.InNetworkOf(pids[0], func() (err error) {
		text, err = exec.CommandContext(t.Context(), "nft", "--stateless", "list", "ruleset").CombinedOutput()
		return err
	})
	if err != nil {
		t.Fatalf("listing the rules of %s: %v: %s", pod.Name, err, text)
	}
	return string(text)
}

// testEndpoint shows the proxy in a namespace that permits no privilege: programs
// are told where it is, and nothing is redirected.
func (w *world) testEndpoint(t *testing.T) {
	const namespace = "restricted"
	w.node.Apply(t, []byte(`
apiVersion: v1
kind: Namespace
metadata: {name: restricted, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: `+e2e.ServiceAccount+`
  namespace: restricted
  annotations: {azure.workload.identity/client-id: `+w.scenario.ClientID+`}
`))
	w.scenario.Federate(t, w.issuer, namespace)
	wanted := probePod("imds-endpoint", withProxy(map[string]string{"proxy-sidecar-mode": "endpoint"}))
	wanted.Namespace = namespace
	user, yes, no := int64(1000), true, false
	wanted.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{
		RunAsUser: &user, RunAsNonRoot: &yes, AllowPrivilegeEscalation: &no,
		Capabilities:   &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	pod := w.node.Run(t, wanted)
	w.checkReads(t, pod)
	if got := rules(t, pod); got != "" {
		t.Errorf("rules of the pod: got\n%s\nwant none", got)
	}
	if got := w.metadata.askedBy(pod.Status.PodIP); len(got) != 0 {
		t.Errorf("requests that reached the node: got %q, want none", got)
	}
}
