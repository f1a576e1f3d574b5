package node

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// logLines is how much of the end of a container's log a failed test shows.
const logLines = 30

// diagnose prints what the cluster knows: its pods, why they do not run, what
// happened, and what their containers said last. Programs of ours log no tokens.
func (n *Node) diagnose(t testing.TB) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
	defer cancel()
	pods, err := n.Client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Logf("listing the pods: %v", err)
		return
	}
	var text strings.Builder
	for _, pod := range pods.Items {
		n.describe(ctx, &text, &pod)
	}
	events, err := n.Client.CoreV1().Events(metav1.NamespaceAll).List(ctx, metav1.ListOptions{FieldSelector: "type=Warning"})
	if err != nil {
		t.Logf("listing the events: %v", err)
		return
	}
	for _, event := range events.Items {
		fmt.Fprintf(&text, "event %s/%s %s ×%d: %s\n", event.Namespace, event.InvolvedObject.Name, event.Reason, event.Count, event.Message)
	}
	t.Logf("the cluster's side\n%s", text.String())
}

func (n *Node) describe(ctx context.Context, text *strings.Builder, pod *corev1.Pod) {
	fmt.Fprintf(text, "pod %s/%s %s %s %s\n", pod.Namespace, pod.Name, pod.Status.Phase, pod.Status.PodIP, pod.Status.Message)
	for _, condition := range pod.Status.Conditions {
		if condition.Status != corev1.ConditionTrue {
			fmt.Fprintf(text, "  not %s: %s %s\n", condition.Type, condition.Reason, condition.Message)
		}
	}
	for _, status := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		fmt.Fprintf(text, "  container %s ready=%t restarts=%d %s\n", status.Name, status.Ready, status.RestartCount, stateOf(status))
		lines := int64(logLines)
		log, err := n.Client.CoreV1().Pods(pod.Namespace).
			GetLogs(pod.Name, &corev1.PodLogOptions{Container: status.Name, TailLines: &lines}).DoRaw(ctx)
		if err != nil {
			log = []byte(err.Error())
		}
		for line := range strings.Lines(string(log)) {
			fmt.Fprintf(text, "    %s\n", strings.TrimRight(line, "\n"))
		}
	}
}

// stateOf is what a container does or why it does not.
func stateOf(status corev1.ContainerStatus) string {
	for _, state := range []corev1.ContainerState{status.State, status.LastTerminationState} {
		switch {
		case state.Waiting != nil:
			return "waits: " + state.Waiting.Reason + " " + state.Waiting.Message
		case state.Terminated != nil:
			return fmt.Sprintf("ended with %d: %s %s", state.Terminated.ExitCode, state.Terminated.Reason, state.Terminated.Message)
		}
	}
	return "runs"
}
