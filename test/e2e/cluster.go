package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// readyLimit is how long the control plane may take to be ready. It takes about
// 4 s on an idle machine; a build beside it makes that much longer.
const readyLimit = 2 * time.Minute

// serviceAddress is the first of --service-cluster-ip-range: the address of the
// Service that pods reach the API server by.
const serviceAddress = "10.96.0.1"

// A Cluster is a running control plane: an API server, its store and its
// controllers, reachable on one address of this machine. Its fields are read-only.
type Cluster struct {
	// Config and Kubeconfig, the path of a file, both belong to an administrator.
	Config     *rest.Config
	Kubeconfig string
	// IssuerURL is the issuer of the cluster's service account tokens, which is
	// the API server itself: its discovery document and keys are public.
	IssuerURL string
	// CAPEM and CAFile are the authority that signed the API server's certificate.
	CAPEM  []byte
	CAFile string
	// Client and Dynamic are the administrator's clients.
	Client  kubernetes.Interface
	Dynamic dynamic.Interface

	ca        *authority
	dir       string
	address   net.IP
	owner     testing.TB // whose end is that of the processes
	commands  []Command  // what the processes were started by
	processes []*Process // in the same order
}

// The place of the API server among the processes.
const placeOfAPIServer = 1

// StartCluster starts a control plane on loopback and ends it with the test. It
// needs the programs that tools/kubernetes/build makes, in KUBE_BIN_DIR or in
// the cache.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	return StartClusterAt(t, net.IPv4(127, 0, 0, 1))
}

// StartClusterAt is [StartCluster] on another address of this machine. Nodes can
// join such a cluster: its API server finds kubelets, pods find its API server,
// and there is a scheduler.
func StartClusterAt(t testing.TB, address net.IP) *Cluster {
	t.Helper()
	bin := BinDir(t, "etcd", "kube-apiserver", "kube-controller-manager")
	c, err := newCluster(t.TempDir(), address)
	if err != nil {
		t.Fatalf("preparing the control plane: %v", err)
	}
	c.owner = t
	etcd := "http://" + FreeAddress(t)
	c.start(t, c.etcd(bin, etcd, "http://"+FreeAddress(t)), c.apiServer(bin, etcd))
	c.waitServing(t)
	// The controllers wait ten seconds for the API server and no longer.
	c.start(t, c.controllerManager(bin))
	if c.hasNodes() {
		c.start(t, c.scheduler(BinDir(t, "kube-scheduler")))
	}
	EventuallyRunning(t, readyLimit, "controllers at work", func() error {
		_, err := c.Client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(t.Context(), "default", metav1.GetOptions{})
		return err
	}, c.processes...)
	c.publishIssuer(t)
	return c
}

func (c *Cluster) start(t testing.TB, commands ...Command) {
	t.Helper()
	for _, command := range commands {
		c.commands = append(c.commands, command)
		c.processes = append(c.processes, StartProcess(t, command))
	}
}

// waitServing waits until the API server serves.
func (c *Cluster) waitServing(t testing.TB) {
	t.Helper()
	EventuallyRunning(t, readyLimit, "API server ready", func() error {
		_, err := c.Client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(t.Context())
		return err
	}, c.processes...)
}

// newCluster makes the keys, certificates and clients of a control plane that
// keeps its files in dir.
func newCluster(dir string, host net.IP) (*Cluster, error) {
	ca, err := newAuthority("aksess-e2e")
	if err != nil {
		return nil, err
	}
	address, err := freeAddress(host)
	if err != nil {
		return nil, err
	}
	c := &Cluster{
		IssuerURL: "https://" + address,
		CAPEM:     ca.pem,
		CAFile:    filepath.Join(dir, "ca.crt"),
		ca:        ca,
		dir:       dir,
		address:   host,
	}
	if err := c.writeKeys(); err != nil {
		return nil, err
	}
	if c.Kubeconfig, err = c.writeKubeconfig("admin", "system:masters"); err != nil {
		return nil, err
	}
	return c, c.connect()
}

// writeKeys puts the authority, the API server's certificate and the key of the
// service account tokens where the programs read them.
func (c *Cluster) writeKeys() error {
	serving, err := c.ca.server("kube-apiserver",
		[]string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}, c.address, net.ParseIP(serviceAddress))
	if err != nil {
		return err
	}
	if err := serving.write(c.file("apiserver")); err != nil {
		return err
	}
	kubelets, err := c.ca.client("kube-apiserver-kubelet-client", "system:masters")
	if err != nil {
		return err
	}
	if err := kubelets.write(c.file("kubelet-client")); err != nil {
		return err
	}
	if err := os.WriteFile(c.CAFile, c.CAPEM, 0o600); err != nil {
		return err
	}
	return c.writeSigningKey()
}

func (c *Cluster) writeSigningKey() error {
	private, public, err := newSigningKey()
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.file("sa.key"), private, 0o600); err != nil {
		return err
	}
	return os.WriteFile(c.file("sa.pub"), public, 0o600)
}

// RotateSigningKey restarts the API server with another key for tokens of service
// accounts and without the one before: what was signed until then is worth
// nothing any more, to it and to whoever reads its keys.
func (c *Cluster) RotateSigningKey(t testing.TB) {
	t.Helper()
	if err := c.writeSigningKey(); err != nil {
		t.Fatal(err)
	}
	c.processes[placeOfAPIServer].Stop()
	command := c.commands[placeOfAPIServer]
	command.Name += "-rotated"
	c.processes[placeOfAPIServer] = StartProcess(c.owner, command)
	c.waitServing(t)
}

// publishIssuer lets anyone read the discovery document and the keys, as a
// managed cluster's public issuer does.
func (c *Cluster) publishIssuer(t testing.TB) {
	t.Helper()
	_, err := c.Client.RbacV1().ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "public-issuer"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "system:service-account-issuer-discovery"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: "system:unauthenticated"}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("publishing the issuer: %v", err)
	}
}

func (c *Cluster) file(name string) string { return filepath.Join(c.dir, name) }

// BinDir finds the folder with the programs that tools/kubernetes/build makes
// and fails the test when one of these is not there.
func BinDir(t testing.TB, programs ...string) string {
	t.Helper()
	dir := os.Getenv("KUBE_BIN_DIR")
	if dir == "" {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		out, err := exec.CommandContext(ctx, filepath.Join("..", "..", "tools", "kubernetes", "build"), "-n").Output()
		if err != nil {
			t.Fatalf("asking tools/kubernetes/build for its folder: %v", err)
		}
		dir = strings.TrimSpace(string(out))
	}
	for _, program := range programs {
		if _, err := os.Stat(filepath.Join(dir, program)); err != nil {
			t.Fatalf("no %s in %s: run tools/kubernetes/build %s first", program, dir, program)
		}
	}
	return dir
}

// FreeAddress returns a loopback address with a port that is free now.
func FreeAddress(t testing.TB) string {
	t.Helper()
	address, err := freeAddress(net.IPv4(127, 0, 0, 1))
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func freeAddress(host net.IP) (string, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(host.String(), "0"))
	if err != nil {
		return "", fmt.Errorf("finding a free port: %w", err)
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}
