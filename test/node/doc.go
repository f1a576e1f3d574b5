// Package node runs the programs of this repository on a real Kubernetes node.
//
// It owns the node: [Sandboxed] gives the tests a machine of their own within
// this one, [Start] brings up containerd, kubelet, kube-proxy and a registry in
// it, beside the control plane of test/e2e. What is expected of the webhook, the
// proxy and the pods is written in the tests.
//
// All that a node leaves on a machine is in the sandbox and ends with it, also
// when the tests are killed: processes, mounts, network devices, firewall rules.
// Files and cgroups have one name each, aksess-e2e-node, and are removed at the
// end of a run and at the start of the next one.
//
// It needs root on Linux, and the programs of tools/kubernetes, tools/containerd
// and tools/images; make e2e-node gets them.
package node
