package server_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aksess/aksess/test/e2e"
)

// certificateVolume is the Secret that a Deployment mounts where the webhook is
// told to look for its certificate.
func certificateVolume(t *testing.T, deployment *appsv1.Deployment) *corev1.SecretVolumeSource {
	t.Helper()
	container := deployment.Spec.Template.Spec.Containers[0]
	for _, mount := range container.VolumeMounts {
		if !strings.Contains(strings.Join(container.Args, " "), "--webhook-cert-dir="+mount.MountPath) {
			continue
		}
		for _, volume := range deployment.Spec.Template.Spec.Volumes {
			if volume.Name == mount.Name && volume.Secret != nil {
				return volume.Secret
			}
		}
	}
	t.Fatalf("got no Secret that is mounted where the certificate is to be: %v %v", container.Args, container.VolumeMounts)
	return nil
}

// mount waits for the volume's Secret, as a kubelet does before it starts a
// container, and gives a folder that follows it from then on.
func mount(t *testing.T, cluster *e2e.Cluster, volume *corev1.SecretVolumeSource, by ...*e2e.Process) string {
	t.Helper()
	f := &follower{dir: t.TempDir(), volume: volume, cluster: cluster}
	e2e.EventuallyRunning(t, e2e.StartLimit, "Secret "+volume.SecretName, func() error { return f.look(t.Context()) }, by...)
	if err := f.write(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var following sync.WaitGroup
	following.Go(func() { f.follow(ctx) })
	t.Cleanup(func() { stop(); following.Wait() })
	return f.dir
}

// followInterval is between two looks at the Secret. A kubelet's is a minute.
const followInterval = time.Second

// A follower writes files as a kubelet does: each is a link through ..data,
// which leads to a folder that is replaced as a whole. They are one look late, as
// a kubelet is later than who watches the Secret, and stay when it goes away.
type follower struct {
	dir     string
	volume  *corev1.SecretVolumeSource
	cluster *e2e.Cluster
	seen    *corev1.Secret
	written string // its resourceVersion
}

func (f *follower) follow(ctx context.Context) {
	ticker := time.NewTicker(followInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			// What goes wrong goes wrong again with the next tick, and nothing changes.
			if f.write() == nil {
				_ = f.look(ctx)
			}
		}
	}
}

func (f *follower) look(ctx context.Context) error {
	secret, err := f.cluster.Client.CoreV1().Secrets(namespace).Get(ctx, f.volume.SecretName, metav1.GetOptions{})
	if err == nil {
		f.seen = secret
	}
	return err
}

func (f *follower) write() error {
	if f.seen.ResourceVersion == f.written {
		return nil
	}
	fresh, err := os.MkdirTemp(f.dir, "..")
	if err != nil {
		return err
	}
	for _, item := range f.volume.Items {
		content, found := f.seen.Data[item.Key]
		if !found {
			return fmt.Errorf("secret %s has no %s", f.seen.Name, item.Key)
		}
		if err := os.WriteFile(filepath.Join(fresh, item.Path), content, 0o600); err != nil {
			return err
		}
		link := filepath.Join(f.dir, item.Path)
		if err := os.Symlink(filepath.Join("..data", item.Path), link); err != nil && !os.IsExist(err) {
			return err
		}
	}
	next := filepath.Join(f.dir, "..data_tmp")
	if err := os.Symlink(filepath.Base(fresh), next); err != nil {
		return err
	}
	f.written = f.seen.ResourceVersion
	return os.Rename(next, filepath.Join(f.dir, "..data"))
}
