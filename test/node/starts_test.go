package node_test

import (
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aksess/aksess/test/e2e"
)

// Pods that are started by a Job, and at the same time.
const (
	starts       = 20
	startsAtOnce = 10
)

// testStarts shows that programs that ask as soon as they run get a token from
// their first request on, when the node is busy starting pods: nothing is tried
// again, neither a request nor a container nor a pod.
func (w *world) testStarts(t *testing.T) {
	template := probePod("starts", withProxy(nil))
	first := reader("once")
	first.Name = "first"
	template.Spec.InitContainers, template.Spec.Containers = []corev1.Container{first}, []corev1.Container{reader("once")}
	template.Spec.RestartPolicy = corev1.RestartPolicyNever
	wanted, atOnce, failures := int32(starts), int32(startsAtOnce), int32(0)
	_, err := w.node.Client.BatchV1().Jobs(e2e.Namespace).Create(t.Context(), &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: "starts"},
		Spec: batchv1.JobSpec{Completions: &wanted, Parallelism: &atOnce, BackoffLimit: &failures, Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: template.Labels, Annotations: template.Annotations}, Spec: template.Spec,
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	e2e.Eventually(t, 3*time.Minute, "Job of many pods ended", func() error {
		job, err := w.node.Client.BatchV1().Jobs(e2e.Namespace).Get(t.Context(), "starts", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if job.Status.Failed == 0 && job.Status.Succeeded < starts {
			return errNotYet("Job", job.Status)
		}
		return nil
	})
	pods := w.podsOf(t, "starts")
	if len(pods) != starts {
		t.Errorf("pods: got %d, want %d, none of them for want of another", len(pods), starts)
	}
	for _, pod := range pods {
		for _, container := range []string{"first", "main"} {
			w.checkOnce(t, w.node.Log(t, &pod, container))
		}
		if got := w.metadata.askedBy(pod.Status.PodIP); len(got) > 0 {
			t.Errorf("requests of %s that reached the node: got %q, want none", pod.Name, got)
		}
	}
}
