package e2e

import (
	"path/filepath"
	"strings"
)

func (c *Cluster) etcd(bin, client, peer string) Command {
	return Command{Name: "etcd", Path: filepath.Join(bin, "etcd"), Args: []string{
		"--data-dir=" + c.file("etcd"),
		"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=default=" + peer,
		"--logger=zap", "--log-level=warn",
	}}
}

func (c *Cluster) apiServer(bin, etcd string) Command {
	host, port, _ := strings.Cut(strings.TrimPrefix(c.IssuerURL, "https://"), ":")
	args := []string{
		"--etcd-servers=" + etcd,
		"--bind-address=" + host, "--secure-port=" + port,
		"--tls-cert-file=" + c.file("apiserver.crt"), "--tls-private-key-file=" + c.file("apiserver.key"),
		"--cert-dir=" + c.file("apiserver-generated"),
		"--client-ca-file=" + c.CAFile,
		"--authorization-mode=Node,RBAC",
		"--allow-privileged=true",
		"--service-account-issuer=" + c.IssuerURL,
		"--service-account-jwks-uri=" + c.IssuerURL + "/openid/v1/jwks",
		"--service-account-signing-key-file=" + c.file("sa.key"),
		"--service-account-key-file=" + c.file("sa.pub"),
		"--api-audiences=" + c.IssuerURL + ",https://kubernetes.default.svc",
		"--service-cluster-ip-range=10.96.0.0/24",
	}
	if c.hasNodes() {
		args = append(args,
			"--advertise-address="+host,
			"--kubelet-certificate-authority="+c.CAFile,
			"--kubelet-client-certificate="+c.file("kubelet-client.crt"), "--kubelet-client-key="+c.file("kubelet-client.key"),
			"--kubelet-preferred-address-types=InternalIP",
		)
	} else {
		// There is no network that a pod could reach the API server's endpoint on.
		args = append(args, "--endpoint-reconciler-type=none")
	}
	return Command{Name: "kube-apiserver", Path: filepath.Join(bin, "kube-apiserver"), Args: args}
}

// hasNodes reports whether somebody else than this machine's programs can reach
// the API server.
func (c *Cluster) hasNodes() bool { return !c.address.IsLoopback() }

func (c *Cluster) scheduler(bin string) Command {
	return Command{Name: "kube-scheduler", Path: filepath.Join(bin, "kube-scheduler"), Args: []string{
		"--kubeconfig=" + c.Kubeconfig, "--leader-elect=false", "--secure-port=0",
	}}
}

func (c *Cluster) controllerManager(bin string) Command {
	return Command{Name: "kube-controller-manager", Path: filepath.Join(bin, "kube-controller-manager"), Args: []string{
		"--kubeconfig=" + c.Kubeconfig,
		"--service-account-private-key-file=" + c.file("sa.key"),
		"--root-ca-file=" + c.CAFile,
		"--leader-elect=false",
		"--secure-port=0",
	}}
}
