package node_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/aksess/aksess/test/e2e"
)

// reader is a container whose program reads the secret once.
func reader(args ...string) corev1.Container {
	return corev1.Container{Name: "main", Image: probeImage, Args: append(args, e2e.SecretURL)}
}

// ender is one whose program ends at once.
func ender(name string) corev1.Container {
	return corev1.Container{Name: name, Image: probeImage, Args: []string{"end"}}
}

// startJob starts a Job of one pod that asks for the proxy.
func (w *world) startJob(t *testing.T, name string, policy corev1.RestartPolicy, containers ...corev1.Container) {
	t.Helper()
	template := probePod(name, withProxy(nil))
	template.Spec.RestartPolicy, template.Spec.Containers = policy, containers
	template.Spec.Volumes = []corev1.Volume{{Name: "scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	failures := int32(0) // of pods
	if policy == corev1.RestartPolicyOnFailure {
		failures = 5 // of containers
	}
	_, err := w.node.Client.BatchV1().Jobs(e2e.Namespace).Create(t.Context(), &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: batchv1.JobSpec{BackoffLimit: &failures, Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: template.Labels, Annotations: template.Annotations}, Spec: template.Spec,
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

// checkJob waits for the end of a Job, checks that one pod has done it and that
// its program has read the secret, and returns the pod.
func (w *world) checkJob(t *testing.T, name string) *corev1.Pod {
	t.Helper()
	var job *batchv1.Job
	e2e.Eventually(t, 2*time.Minute, "Job ended", func() (err error) {
		if job, err = w.node.Client.BatchV1().Jobs(e2e.Namespace).Get(t.Context(), name, metav1.GetOptions{}); err != nil {
			return err
		}
		if job.Status.CompletionTime == nil && job.Status.Failed == 0 {
			return errNotYet("Job", job.Status)
		}
		return nil
	})
	pods := w.podsOf(t, name)
	if len(pods) != 1 {
		t.Fatalf("pods of the Job: got %d, want one", len(pods))
	}
	pod := &pods[0]
	log := w.node.Log(t, pod, "main")
	if job.Status.Succeeded != 1 {
		t.Fatalf("Job: got %+v, want it complete\n%s", job.Status, log)
	}
	w.checkOnce(t, log)
	return pod
}

func (w *world) podsOf(t *testing.T, job string) []corev1.Pod {
	t.Helper()
	pods, err := w.node.Client.CoreV1().Pods(e2e.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "job-name=" + job})
	if err != nil {
		t.Fatal(err)
	}
	return pods.Items
}

// testJob shows that a Job whose pod has the proxy comes to its end.
func (w *world) testJob(t *testing.T) {
	w.startJob(t, "imds", corev1.RestartPolicyNever, reader("once"))
	w.checkJob(t, "imds")
}

// testClassic shows that a Job whose pod has the proxy as nodes without sidecars
// need it comes to its end all the same, with containers that the proxy could
// miss. It leaves behind a Job whose container has been started again and has
// ended well, and whose proxy waits in case there is a next time.
func (w *world) testClassic(t *testing.T) {
	again := reader("second", "/scratch/first")
	again.VolumeMounts = []corev1.VolumeMount{{Name: "scratch", MountPath: "/scratch"}}
	w.startJob(t, "classic-again", corev1.RestartPolicyOnFailure, ender("end"), again)
	w.startJob(t, "classic", corev1.RestartPolicyNever, ender("end"), reader("once"), ender("end-too"))
	pod := w.checkJob(t, "classic")
	w.checkEndsAfter(t, pod)
	w.checkWarnings(t)
	e2e.Eventually(t, time.Minute, "container started again and ended well", func() error {
		for _, pod := range w.podsOf(t, "classic-again") {
			for _, status := range pod.Status.ContainerStatuses {
				if ended := status.State.Terminated; status.Name == "main" && ended != nil && ended.ExitCode == 0 {
					return nil
				}
			}
		}
		return errors.New("it has not")
	})
}

// testClassicAgain shows that the proxy is there for a container that is started
// again, and that the Job comes to its end then.
func (w *world) testClassicAgain(t *testing.T) {
	pod := w.checkJob(t, "classic-again")
	if got := restarts(pod, "main"); got != 1 {
		t.Errorf("restarts of the container that fails once: got %d, want 1", got)
	}
	w.checkEndsAfter(t, pod)
}

// checkEndsAfter checks that the proxy of a pod has ended by itself, once and
// after all others.
func (w *world) checkEndsAfter(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	ended := map[string]*corev1.ContainerStateTerminated{}
	for _, status := range pod.Status.ContainerStatuses {
		if ended[status.Name] = status.State.Terminated; status.State.Terminated == nil {
			t.Fatalf("container %s: got %+v, want it ended", status.Name, status.State)
		}
	}
	proxy := ended["azwi-proxy"]
	if proxy == nil || proxy.ExitCode != 0 || restarts(pod, "azwi-proxy") != 0 {
		t.Fatalf("proxy among the containers: got %+v after %d restarts, want an orderly end", proxy, restarts(pod, "azwi-proxy"))
	}
	for name, other := range ended {
		if other.FinishedAt.After(proxy.FinishedAt.Time) {
			t.Errorf("end of %s: got %s, want it before that of the proxy, %s", name, other.FinishedAt, proxy.FinishedAt)
		}
	}
	if log := w.node.Log(t, pod, "azwi-proxy"); strings.Count(log, `"the proxy ends: all other containers have ended`) != 1 {
		t.Errorf("log of the proxy: got\n%s\nwant one line that says why it ends", log)
	}
}

// checkWarnings checks that whoever creates such a pod is told what it costs.
func (w *world) checkWarnings(t *testing.T) {
	t.Helper()
	var heard e2e.Warnings
	config := rest.CopyConfig(w.node.Config)
	config.WarningHandler = &heard
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	pod := probePod("classic-warned", withProxy(nil))
	pod.Spec.RestartPolicy, pod.Spec.InitContainers = corev1.RestartPolicyNever, []corev1.Container{ender("first")}
	stored, err := client.CoreV1().Pods(pod.Namespace).Create(t.Context(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		t.Fatal(err)
	}
	if shared := stored.Spec.ShareProcessNamespace; shared == nil || !*shared {
		t.Errorf("shareProcessNamespace: got %v, want true", shared)
	}
	for _, want := range []string{`init container "first" runs before the proxy`, "they share a process namespace"} {
		if !slices.ContainsFunc(heard.Texts(), func(text string) bool { return strings.Contains(text, want) }) {
			t.Errorf("warnings: got %q, want one with %q", heard.Texts(), want)
		}
	}
}
