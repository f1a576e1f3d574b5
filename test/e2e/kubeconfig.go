package e2e

import (
	"fmt"
	"net"
	"path/filepath"
	"testing"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// clientQPS lifts client-go's own throttle, which is slower than the tests.
const clientQPS = 200

// User writes a kubeconfig for a user in the groups, identified by a client
// certificate, and returns its path. What the user may do is RBAC's decision.
func (c *Cluster) User(t testing.TB, user string, groups ...string) string {
	t.Helper()
	path, err := c.writeKubeconfig(user, groups...)
	if err != nil {
		t.Fatalf("making user %q: %v", user, err)
	}
	return path
}

// ServerCertificate issues a certificate of the cluster's authority for a server
// at the address, and returns its path without the endings .crt and .key.
func (c *Cluster) ServerCertificate(t testing.TB, name string, address net.IP) string {
	t.Helper()
	pair, err := c.ca.server(name, nil, address)
	if err == nil {
		err = pair.write(c.file(name))
	}
	if err != nil {
		t.Fatalf("making the certificate of %q: %v", name, err)
	}
	return c.file(name)
}

func (c *Cluster) writeKubeconfig(user string, groups ...string) (string, error) {
	pair, err := c.ca.client(user, groups...)
	if err != nil {
		return "", err
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["e2e"] = &clientcmdapi.Cluster{Server: c.IssuerURL, CertificateAuthorityData: c.CAPEM}
	config.AuthInfos[user] = &clientcmdapi.AuthInfo{ClientCertificateData: pair.cert, ClientKeyData: pair.key}
	config.Contexts["e2e"] = &clientcmdapi.Context{Cluster: "e2e", AuthInfo: user}
	config.CurrentContext = "e2e"
	path := filepath.Join(c.dir, user+".kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		return "", fmt.Errorf("writing the kubeconfig of %q: %w", user, err)
	}
	return path, nil
}

// Connect returns a cluster that something else runs, by its kubeconfig file.
func Connect(t testing.TB, kubeconfig string) *Cluster {
	t.Helper()
	c := &Cluster{Kubeconfig: kubeconfig}
	if err := c.connect(); err != nil {
		t.Fatalf("connecting by %s: %v", kubeconfig, err)
	}
	return c
}

func (c *Cluster) connect() (err error) {
	if c.Config, err = restConfig(c.Kubeconfig); err != nil {
		return err
	}
	if c.Client, err = kubernetes.NewForConfig(c.Config); err != nil {
		return err
	}
	c.Dynamic, err = dynamic.NewForConfig(c.Config)
	return err
}

func restConfig(kubeconfig string) (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = clientQPS, clientQPS
	return config, nil
}
