package kind

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/cluster/driver"
)

const id = "0d4b1b8e-6ad0-4c1b-9b5a-4f4e3a2b1c0d"

func TestConfig(t *testing.T) {
	text, err := config(driver.Spec{ID: id, IssuerURL: "https://issuer.example/t/i/", SigningKey: []byte("secret")}, "/state/c")
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Kind, APIVersion, Name string
		Nodes                  []struct {
			Role        string
			ExtraMounts []struct {
				HostPath, ContainerPath string
				ReadOnly                bool
			}
			KubeadmConfigPatches []string
		}
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Kind != "Cluster" || got.APIVersion != "kind.x-k8s.io/v1alpha4" || got.Name != "aksess-"+id || len(got.Nodes) != 1 {
		t.Fatalf("got %s", text)
	}
	var patch struct {
		Kind      string
		APIServer struct{ ExtraArgs map[string]string }
	}
	if err := json.Unmarshal([]byte(got.Nodes[0].KubeadmConfigPatches[0]), &patch); err != nil {
		t.Fatal(err)
	}
	if patch.Kind != "ClusterConfiguration" || patch.APIServer.ExtraArgs["service-account-issuer"] != "https://issuer.example/t/i/" ||
		patch.APIServer.ExtraArgs["service-account-jwks-uri"] != "https://issuer.example/t/i/openid/v1/jwks" {
		t.Errorf("patch: got %+v", patch)
	}
	for i, name := range []string{"sa.key", "sa.pub"} {
		if mount := got.Nodes[0].ExtraMounts[i]; mount.HostPath != filepath.Join("/state/c", name) || mount.ContainerPath != "/etc/kubernetes/pki/"+name || !mount.ReadOnly {
			t.Errorf("mount: got %+v, want %s", mount, name)
		}
	}
	if strings.Contains(string(text), "secret") {
		t.Errorf("the configuration holds the key itself: %s", text)
	}
}

func TestCreateArgs(t *testing.T) {
	got := createArgs(id, "/state/c")
	want := []string{
		"create", "cluster", "--name", "aksess-" + id, "--config", filepath.Join("/state/c", "kind.json"),
		"--kubeconfig", filepath.Join("/state/c", "kubeconfig"), "--wait", "3m",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := New(t.TempDir()); err == nil || !strings.Contains(err.Error(), "no kind on PATH: install") {
		t.Errorf("got %v, want how to get kind", err)
	}
	d := &Driver{dir: t.TempDir(), kind: "kind"}
	if err := d.Start(t.Context(), driver.Spec{ID: id}); err == nil || !strings.Contains(err.Error(), "kind get clusters") {
		t.Errorf("got %v, want the command that failed", err)
	}
	for _, bad := range []string{"", "..", "a b"} {
		if err := d.Delete(t.Context(), bad); err == nil || !strings.Contains(err.Error(), "GUID") {
			t.Errorf("a cluster with the id %q: got %v", bad, err)
		}
	}
	if err := d.Delete(t.Context(), id); err != nil {
		t.Errorf("deleting what was never made: %v", err)
	}
}
