package node_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/aksess/aksess/internal/deploy"
	"github.com/aksess/aksess/test/e2e"
	"github.com/aksess/aksess/test/node"
)

const tokenFile = "/var/run/secrets/azure/wi/token/azure-identity-token"

// testNewSigningKey changes the key that signs tokens of service accounts while
// a pod runs. The token in its file is worth nothing then, until the kubelet puts
// a new one there; the proxy must read it again.
func (w *world) testNewSigningKey(t *testing.T) {
	pod := w.node.WaitPod(t, e2e.Namespace, "imds", node.Settled)
	old, before := w.projected(t, pod), w.assertionID(t, pod)

	w.node.RotateSigningKey(t)
	w.node.RestartKubelet(t)
	e2e.Eventually(t, 2*time.Minute, "another token in the pod's file", func() error {
		if after := w.assertionID(t, pod); after == before {
			return fmt.Errorf("the token is still %s", after)
		}
		return nil
	})
	// The local Azure may take a minute to ask for the issuer's keys again. From
	// then on the old token buys nothing.
	fresh := w.projected(t, pod)
	e2e.Eventually(t, 2*time.Minute, "exchange of the new token", func() error {
		_, err := w.azure.Client.Assert(t.Context(), w.scenario.ClientID, fresh, deploy.Storage)
		return err
	})
	_, err := w.azure.Client.Assert(t.Context(), w.scenario.ClientID, old, deploy.Storage)
	var refused *deploy.Error
	if !errors.As(err, &refused) {
		t.Fatalf("exchange of the old token: got error %v, want a refusal", err)
	}
	// The proxy has no token for storage yet, so it must exchange the new one.
	w.checkReading(t, w.read(t, pod, e2e.BlobURL), e2e.Blob)
}

// projected is the token in the file of the pod's program. It is a secret.
func (w *world) projected(t *testing.T, pod *corev1.Pod) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(w.program(t, pod, "/probe")), "root", tokenFile))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// assertionID is the id of the token in the file of the pod's program.
func (w *world) assertionID(t *testing.T, pod *corev1.Pod) string {
	t.Helper()
	var said claims
	if err := w.node.Get(t.Context(), pod, probePort, "assertion", &said); err != nil {
		t.Fatal(err)
	}
	if said.ID == "" {
		t.Fatal("the token in the pod's file has no id")
	}
	return said.ID
}

// program is the process of a program in the pod.
func (w *world) program(t *testing.T, pod *corev1.Pod, path string) int {
	t.Helper()
	pids, err := node.Processes(string(pod.UID))
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		if got, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err == nil && got == path {
			return pid
		}
	}
	t.Fatalf("%s: no process of %s among %v", pod.Name, path, pids)
	return 0
}

// testContainerRestarted ends the pod's programs, its own and the proxy, as a
// crash does, and expects the pod to read again.
func (w *world) testContainerRestarted(t *testing.T) {
	for container, path := range map[string]string{"main": "/probe", "azwi-proxy": "/proxy"} {
		t.Run(container, func(t *testing.T) {
			pod := w.node.WaitPod(t, e2e.Namespace, "imds", node.Settled)
			before := restarts(pod, container)
			kill(t, w.program(t, pod, path))
			w.node.WaitPod(t, e2e.Namespace, "imds", func(pod *corev1.Pod) error {
				if got := restarts(pod, container); got == before {
					return fmt.Errorf("%s has been restarted %d times", container, got)
				}
				return node.Settled(pod)
			})
			w.checkReads(t, pod)
		})
	}
}

func restarts(pod *corev1.Pod, container string) int32 {
	for _, status := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		if status.Name == container {
			return status.RestartCount
		}
	}
	return 0
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// testWebhookKilled kills one replica's program. Until the API server knows, a
// pod may be refused, never admitted as it was; afterwards both replicas serve.
func (w *world) testWebhookKilled(t *testing.T) {
	pods := w.webhookPods(t, 2)
	victim := pods[0]
	kill(t, w.program(t, &victim, "/aksess-webhook"))
	w.node.WaitPod(t, webhookNamespace, victim.Name, func(pod *corev1.Pod) error {
		_ = w.admit(t) // refused or not, but not bare
		if restarts(pod, "webhook") == restarts(&victim, "webhook") {
			return errors.New("it has not been restarted")
		}
		return node.Settled(pod)
	})
	w.checkServes(t)
}

// testWebhookGone kills and deletes all replicas at once. The policy refuses pods without
// them, but not their own: the Deployment comes back by itself.
func (w *world) testWebhookGone(t *testing.T) {
	gone, pods := map[types.UID]bool{}, w.webhookPods(t, 2)
	for _, pod := range pods { // or those that are ending would admit the new ones
		kill(t, w.program(t, &pod, "/aksess-webhook"))
	}
	for _, pod := range pods {
		gone[pod.UID] = true
		now := int64(0)
		err := w.node.Client.CoreV1().Pods(webhookNamespace).Delete(t.Context(), pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.admit(t); err == nil {
		t.Error("labelled pod while all replicas are gone: got it admitted, want it refused")
	}
	e2e.Eventually(t, 2*time.Minute, "webhook replaced", func() error {
		_ = w.admit(t) // refused or not, but not bare
		pods := w.webhookPods(t, 0)
		if len(pods) != len(gone) {
			return fmt.Errorf("got %d pods, want %d", len(pods), len(gone))
		}
		for _, pod := range pods {
			if gone[pod.UID] {
				return fmt.Errorf("%s is still there", pod.Name)
			}
			if err := node.Settled(&pod); err != nil {
				return err
			}
		}
		return nil
	})
	w.checkServes(t)
}

// webhookPods are the webhook's pods, as many as there must be at least.
func (w *world) webhookPods(t *testing.T, least int) []corev1.Pod {
	t.Helper()
	list, err := w.node.Client.CoreV1().Pods(webhookNamespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=aksess-webhook"})
	if err != nil || len(list.Items) < least {
		t.Fatalf("pods of the webhook: got %d, %v, want at least %d", len(list.Items), err, least)
	}
	return list.Items
}

// checkServes waits until all replicas serve and pods get their identity again.
func (w *world) checkServes(t *testing.T) {
	t.Helper()
	e2e.Eventually(t, 2*time.Minute, "webhook back", func() error {
		return errors.Join(w.admit(t), w.webhookAvailable(t.Context()))
	})
	for range 20 {
		if err := w.admit(t); err != nil {
			t.Errorf("pod after the webhook came back: %v", err)
		}
	}
}

// testWebhookLog shows that the webhook has all the rights that it needs and that
// nobody's token went into its log.
func (w *world) testWebhookLog(t *testing.T) {
	for _, pod := range w.webhookPods(t, 2) {
		log := w.node.Log(t, &pod, "webhook")
		for _, unwanted := range []string{"forbidden", "panic", "eyJ"} {
			if strings.Contains(log, unwanted) {
				t.Errorf("log of %s: got %q in it, want none", pod.Name, unwanted)
			}
		}
	}
}
