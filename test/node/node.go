package node

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aksess/aksess/test/e2e"
)

// Name is what the node is called.
const Name = "node"

// startLimit is how long a program of the node may take to do its work.
const startLimit = 2 * time.Minute

// A Node is a cluster of one machine whose pods run. Its fields are read-only.
type Node struct {
	*e2e.Cluster

	owner   testing.TB // whose end is that of the processes
	dir     string
	kubelet *e2e.Process
}

// Start starts a control plane, a node and a registry and ends them with the
// test, which runs in [Sandboxed]. When the test fails, it prints what the
// cluster has to say about it.
func Start(t testing.TB) *Node {
	t.Helper()
	startRegistry(t)
	PushProgram(t, filepath.Join(ProgramDir(t, "AKSESS_NODE_BIN", "pause"), "pause"), "pause", "1")
	// Not the test's temporary folder, which the test removes while pods are mounted in it.
	dir, err := os.MkdirTemp("", Name)
	if err != nil {
		t.Fatal(err)
	}
	n := &Node{Cluster: e2e.StartClusterAt(t, Address()), owner: t, dir: dir}
	n.grantKubeProxy(t)
	n.startContainerd(t)
	n.startServiceProxy(t)
	n.kubelet = n.startKubelet(t, "kubelet")
	t.Cleanup(func() {
		if t.Failed() {
			n.diagnose(t)
		}
	})
	return n
}

// grantKubeProxy gives kube-proxy's user the role that Kubernetes has for it.
// kubeadm does the same; a bare API server has the role alone.
func (n *Node) grantKubeProxy(t testing.TB) {
	t.Helper()
	n.Apply(t, []byte(`
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: kube-proxy}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:node-proxier"}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: "system:kube-proxy"}]
`))
}

// RestartKubelet ends the kubelet and starts another. Pods keep running; a new
// kubelet asks for new tokens for them, as an old one does when they get old.
func (n *Node) RestartKubelet(t testing.TB) {
	t.Helper()
	n.kubelet.Stop()
	n.kubelet = n.startKubelet(t, "kubelet-restarted")
}

func (n *Node) file(name string) string { return filepath.Join(n.dir, name) }

// write writes a file of the node with the values in place of their $NAME; $NODE
// is the node's folder.
func (n *Node) write(t testing.TB, name, text string, values map[string]string) {
	t.Helper()
	path := n.file(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	text = os.Expand(text, func(name string) string {
		value, known := values[name]
		if !known && name == "NODE" {
			return n.dir
		}
		if !known {
			t.Fatalf("no value for $%s", name)
		}
		return value
	})
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// ProgramDir is the folder that a variable of test/node/run names. The test fails
// when a program is not there.
func ProgramDir(t testing.TB, variable string, programs ...string) string {
	t.Helper()
	dir := os.Getenv(variable)
	if dir == "" {
		t.Fatalf("%s is not set: run make e2e-node", variable)
	}
	for _, program := range programs {
		if _, err := os.Stat(filepath.Join(dir, program)); err != nil {
			t.Fatalf("no %s in %s=%q: run make e2e-node", program, variable, dir)
		}
	}
	return dir
}
