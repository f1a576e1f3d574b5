package node

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aksess/aksess/test/e2e"
)

// podLimit is how long a pod may take to be ready or to end: that of the
// reference scenario waits half a minute before its first probe.
const podLimit = 3 * time.Minute

// Run creates a pod and waits until it is ready or has ended well.
func (n *Node) Run(t testing.TB, pod *corev1.Pod) *corev1.Pod {
	t.Helper()
	created, err := n.Client.CoreV1().Pods(pod.Namespace).Create(t.Context(), pod, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return n.WaitPod(t, created.Namespace, created.Name, Settled)
}

// WaitPod waits until a pod is as it should be: until settled says nothing more.
func (n *Node) WaitPod(t testing.TB, namespace, name string, settled func(*corev1.Pod) error) *corev1.Pod {
	t.Helper()
	var pod *corev1.Pod
	e2e.Eventually(t, podLimit, "pod "+namespace+"/"+name, func() (err error) {
		if pod, err = n.Client.CoreV1().Pods(namespace).Get(t.Context(), name, metav1.GetOptions{}); err != nil {
			return err
		}
		return settled(pod)
	})
	return pod
}

// Settled says why a pod is neither ready nor has ended well.
func Settled(pod *corev1.Pod) error {
	if pod.Status.Phase == corev1.PodSucceeded {
		return nil
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
			return nil
		}
	}
	return fmt.Errorf("%s: %s", pod.Status.Phase, strings.Join(states(pod), "; "))
}

func states(pod *corev1.Pod) []string {
	var all []string
	for _, status := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		all = append(all, fmt.Sprintf("%s %s restarts %d", status.Name, stateOf(status), status.RestartCount))
	}
	return all
}

// Get asks a pod for a path through the API server and decodes the JSON answer;
// an answer that is no success is an error.
func (n *Node) Get(ctx context.Context, pod *corev1.Pod, port, pathAndQuery string, into any) error {
	address, err := url.Parse(pathAndQuery)
	if err != nil {
		return err
	}
	request := n.Client.CoreV1().RESTClient().Get().Namespace(pod.Namespace).Resource("pods").
		Name("http:" + pod.Name + ":" + port).SubResource("proxy").Suffix(address.Path)
	for name, values := range address.Query() {
		for _, value := range values {
			request.Param(name, value)
		}
	}
	text, err := request.DoRaw(ctx)
	if err != nil {
		return fmt.Errorf("asking %s for %s: %w: %s", pod.Name, pathAndQuery, err, text)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

// Log is all that a container has printed.
func (n *Node) Log(t testing.TB, pod *corev1.Pod, container string) string {
	t.Helper()
	text, err := n.Client.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{Container: container}).DoRaw(t.Context())
	if err != nil {
		t.Fatalf("reading the log of %s in %s: %v", container, pod.Name, err)
	}
	return string(text)
}
