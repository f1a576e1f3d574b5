package node_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aksess/aksess/test/e2e"
	"github.com/aksess/aksess/test/node"
)

const scenarioPort = "80"

// testScenario shows the whole chain: the scenario's application, in two pods of
// its Deployment, reads setting, secret, blob and message with the service
// account's token and nothing else.
func (w *world) testScenario(t *testing.T) {
	for _, pod := range w.scenarioPods(t, 2) {
		t.Run("pod", func(t *testing.T) {
			w.checkAnswers(t, &pod)
			w.checkNoSecret(t, &pod)
		})
	}
}

// scenarioPods waits until the Deployment has as many pods, all of them ready.
func (w *world) scenarioPods(t *testing.T, count int) []corev1.Pod {
	t.Helper()
	var pods []corev1.Pod
	e2e.Eventually(t, 3*time.Minute, "pods of the scenario ready", func() error {
		list, err := w.node.Client.CoreV1().Pods(e2e.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "service=wi-api"})
		if err != nil {
			return err
		}
		if pods = list.Items; len(pods) != count {
			return fmt.Errorf("got %d pods, want %d", len(pods), count)
		}
		for _, pod := range pods {
			err = errors.Join(err, node.Settled(&pod))
		}
		return err
	})
	return pods
}

// checkAnswers compares what the application reads with what is there.
func (w *world) checkAnswers(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	for path, want := range map[string]string{"api/settings": e2e.Settings, "api/blobs": e2e.Blobs, "api/messages": e2e.Messages} {
		var got, expected any
		if err := json.Unmarshal([]byte(want), &expected); err != nil {
			t.Fatal(err)
		}
		if err := w.node.Get(t.Context(), pod, scenarioPort, path, &got); err != nil {
			t.Error(err)
		} else if !reflect.DeepEqual(got, expected) {
			t.Errorf("%s of %s: got %v, want %v", path, pod.Name, got, expected)
		}
	}
}

// checkNoSecret looks for secrets where a pod could keep them: what it was made
// from, the environment of its processes and all their files. Tokens of the
// service account are where Kubernetes mounts them, and nowhere else.
func (w *world) checkNoSecret(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	text, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	w.checkText(t, pod.Name+" as it is stored", text)
	for _, volume := range pod.Spec.Volumes {
		if volume.Secret != nil {
			t.Errorf("%s: volume %q is of a Secret, want none", pod.Name, volume.Name)
		}
	}
	pids, err := node.Processes(string(pod.UID))
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		root := fmt.Sprintf("/proc/%d", pid)
		environment, err := os.ReadFile(filepath.Join(root, "environ"))
		if err != nil {
			t.Fatal(err)
		}
		w.checkText(t, "environment of "+pod.Name, environment)
		w.checkFiles(t, filepath.Join(root, "root"))
	}
}

// checkFiles reads every file of a container.
func (w *world) checkFiles(t *testing.T, root string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(root+"/", func(path string, entry fs.DirEntry, err error) error {
		inside := strings.TrimPrefix(path, root)
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (inside == "/proc" || inside == "/sys"):
			return fs.SkipDir
		case !entry.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		if !strings.HasPrefix(inside, "/var/run/secrets/") {
			w.checkText(t, inside, text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files == 0 {
		t.Errorf("%s: got no files, want at least its program", root)
	}
}

// checkText fails the test when a secret or a token is in the text.
func (w *world) checkText(t *testing.T, where string, text []byte) {
	t.Helper()
	for what, secret := range map[string]string{
		"the vault's secret":    e2e.Canary,
		"the deployer's secret": w.azure.Deployer.ClientSecret,
		"an account's key":      "AccountKey=",
		"a token":               "eyJhbGciOi",
	} {
		if bytes.Contains(text, []byte(secret)) {
			t.Errorf("%s: got %s in it, want none", where, what)
		}
	}
}
