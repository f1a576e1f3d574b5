package node

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aksess/aksess/test/e2e"
)

// kubeletConfig is the kubelet's configuration file; $NODE stands for the node's
// folder, $CA, $CERT and $ADDRESS for what they say. A pod's volumes are looked at
// with each synchronisation of the pod, so that its frequency decides how soon a
// new token is in the file. Disks that are full are the machine's affair.
const kubeletConfig = `
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $ADDRESS
readOnlyPort: 0
tlsCertFile: $CERT.crt
tlsPrivateKeyFile: $CERT.key
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $CA}}
authorization: {mode: Webhook}
containerRuntimeEndpoint: unix://$NODE/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: ` + cgroupRoot + `
failCgroupV1: false
failSwapOn: false
localStorageCapacityIsolation: false
protectKernelDefaults: true
makeIPTablesUtilChains: false
oomScoreAdj: 0
clusterDomain: cluster.local
resolvConf: $NODE/resolv.conf
podLogsDir: $NODE/pod-logs
volumePluginDir: $NODE/volume-plugins
serializeImagePulls: false
syncFrequency: 3s
evictionHard: {memory.available: "0%", nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%", imagefs.inodesFree: "0%"}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
`

// startKubelet starts the kubelet, under a name for its log, and waits until its
// node takes pods.
func (n *Node) startKubelet(t testing.TB, name string) *e2e.Process {
	t.Helper()
	certificate := n.ServerCertificate(t, "kubelet", Address())
	n.write(t, "resolv.conf", "", nil)
	n.write(t, "kubelet.yaml", kubeletConfig, map[string]string{"CA": n.CAFile, "CERT": certificate, "ADDRESS": Address().String()})
	kubelet := e2e.StartProcess(n.owner, e2e.Command{
		Name: name, Path: filepath.Join(e2e.BinDir(t, "kubelet"), "kubelet"), Args: []string{
			"--config=" + n.file("kubelet.yaml"), "--kubeconfig=" + n.User(t, "system:node:"+Name, "system:nodes"),
			"--root-dir=" + n.file("kubelet"), "--cert-dir=" + n.file("kubelet-pki"),
			"--hostname-override=" + Name, "--node-ip=" + Address().String(),
		},
	})
	e2e.EventuallyRunning(t, startLimit, "node ready", func() error { return n.ready(t.Context()) }, kubelet)
	return kubelet
}

// ready says why the node takes no pods.
func (n *Node) ready(ctx context.Context) error {
	node, err := n.Client.CoreV1().Nodes().Get(ctx, Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type != corev1.NodeReady {
			continue
		}
		if condition.Status != corev1.ConditionTrue {
			return fmt.Errorf("%s: %s", condition.Reason, condition.Message)
		}
		return nil
	}
	return errors.New("the node has no condition Ready")
}

// proxyConfig is kube-proxy's configuration file. The settings of conntrack
// belong to the whole machine and stay as they are.
const proxyConfig = `
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clientConnection: {kubeconfig: $KUBECONFIG}
hostnameOverride: ` + Name + `
clusterCIDR: ` + podRange + `
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
nftables: {minSyncPeriod: 0s, syncPeriod: 10s}
`

// startServiceProxy starts kube-proxy: Services have addresses from then on, for
// pods and for the node itself.
func (n *Node) startServiceProxy(t testing.TB) *e2e.Process {
	t.Helper()
	n.write(t, "kube-proxy.yaml", proxyConfig, map[string]string{"KUBECONFIG": n.User(t, "system:kube-proxy")})
	return e2e.StartProcess(t, e2e.Command{
		Name: "kube-proxy", Path: filepath.Join(e2e.BinDir(t, "kube-proxy"), "kube-proxy"),
		Args: []string{"--config=" + n.file("kube-proxy.yaml")},
	})
}
