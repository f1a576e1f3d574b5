package node

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/aksess/aksess/test/e2e"
)

// runtimeFiles is what containerd reads, by its path in the node's folder; $NODE
// stands for that folder, $PROGRAMS for the one of containerd's programs.
//
// The known-good settings of containerd 1.6 (https://github.com/containerd/containerd/tree/release/1.6/docs):
// a node without CAP_SYS_RESOURCE cannot lower anybody's oom_score_adj, and a
// container's user who is not root may listen on port 80 as on AKS.
func runtimeFiles() map[string]string {
	return map[string]string{
		"containerd.toml": `
version = 2
root = "$NODE/containerd"
state = "$NODE/containerd-state"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.opt"]
[grpc]
  address = "$NODE/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "` + pauseImage + `"
  restrict_oom_score_adj = true
  enable_unprivileged_ports = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "$PROGRAMS/runc"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$PROGRAMS/cni"
    conf_dir = "$NODE/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "$NODE/registries"
`,
		// No pod of ours asks for a port of the node, so there is no portmap; nothing
		// leaves the node, so there is no masquerading.
		"cni/10-pods.conflist": `{
  "cniVersion": "1.0.0", "name": "pods",
  "plugins": [{
    "type": "ptp", "mtu": 1500, "ipMasq": false,
    "ipam": {"type": "host-local", "dataDir": "$NODE/addresses", "ranges": [[{"subnet": "` + podRange + `"}]], "routes": [{"dst": "0.0.0.0/0"}]}
  }]
}
`,
		// Every registry is the node's own.
		"registries/_default/hosts.toml": `
[host."http://` + registryAddress() + `"]
  capabilities = ["pull", "resolve"]
`,
	}
}

// startContainerd starts the container runtime with files of its own only.
func (n *Node) startContainerd(t testing.TB) *e2e.Process {
	t.Helper()
	programs := ProgramDir(t, "CONTAINERD_BIN_DIR", "containerd", "runc", "cni/ptp")
	for name, text := range runtimeFiles() {
		n.write(t, name, text, map[string]string{"PROGRAMS": programs})
	}
	socket := n.file("containerd.sock")
	containerd := e2e.StartProcess(t, e2e.Command{
		Name: "containerd", Path: filepath.Join(programs, "containerd"), Args: []string{"--config", n.file("containerd.toml")},
		Env: []string{"PATH=" + programs + ":" + os.Getenv("PATH")},
	})
	e2e.EventuallyRunning(t, startLimit, "containerd listens", func() error {
		if _, err := os.Stat(socket); err != nil {
			return fmt.Errorf("no socket yet: %w", err)
		}
		return nil
	}, containerd)
	return containerd
}
