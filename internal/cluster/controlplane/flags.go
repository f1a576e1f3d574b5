package controlplane

import (
	"net/netip"
	"path/filepath"
	"strconv"

	"github.com/aksess/aksess/internal/cluster/driver"
)

const (
	loopback           = "127.0.0.1"
	defaultServiceCIDR = "10.0.0.0/16"
	// maxTokenLife is how long a token of a service account may live, as AKS
	// bounds it; a retired signing key stays published longer than that.
	maxTokenLife = "24h"
)

// Names of the files in a cluster's folder. A .pem holds a certificate and its
// key, a .crt a certificate alone.
const (
	fileCA               = "pki/ca.pem"
	fileCACert           = "pki/ca.crt"
	fileEtcdCA           = "pki/etcd-ca.pem"
	fileEtcdCACert       = "pki/etcd-ca.crt"
	fileEtcd             = "pki/etcd.pem"
	fileEtcdClient       = "pki/etcd-client.pem"
	fileAPIServer        = "pki/apiserver.pem"
	fileSigningKey       = "pki/sa.key"
	filePublicKeys       = "pki/sa.pub"
	fileControllers      = "controller-manager.kubeconfig"
	fileScheduler        = "scheduler.kubeconfig"
	folderEtcd           = "etcd"
	folderLogs           = "logs"
	folderClients        = "pki/clients"
	folderGeneratedCerts = "pki/generated"
)

// plan is everything that the command lines of a cluster are made of.
type plan struct {
	dir      string // the cluster's folder
	spec     driver.Spec
	port     int // of the API server
	etcdPort int
}

func (p plan) file(name string) string { return filepath.Join(p.dir, filepath.FromSlash(name)) }

func (p plan) address() string { return "https://" + loopback + ":" + strconv.Itoa(p.port) }

func (p plan) etcdAddress() string { return "https://" + loopback + ":" + strconv.Itoa(p.etcdPort) }

func (p plan) serviceCIDR() string {
	if p.spec.ServiceCIDR == "" {
		return defaultServiceCIDR
	}
	return p.spec.ServiceCIDR
}

// serviceAddress is the address of the service "kubernetes", the first of the range.
func (p plan) serviceAddress() (netip.Addr, error) {
	prefix, err := netip.ParsePrefix(p.serviceCIDR())
	if err != nil {
		return netip.Addr{}, err
	}
	return prefix.Masked().Addr().Next(), nil
}

// etcdFlags make a store of one member that talks to holders of its own
// authority's certificates only. Nothing dials the peers' address of a single
// member, so its port is any.
func (p plan) etcdFlags() []string {
	peer := "https://" + loopback + ":0"
	return []string{
		"--name=aksess",
		"--data-dir=" + p.file(folderEtcd),
		"--listen-client-urls=" + p.etcdAddress(), "--advertise-client-urls=" + p.etcdAddress(),
		"--cert-file=" + p.file(fileEtcd), "--key-file=" + p.file(fileEtcd),
		"--client-cert-auth=true", "--trusted-ca-file=" + p.file(fileEtcdCACert),
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=aksess=" + peer,
		"--peer-cert-file=" + p.file(fileEtcd), "--peer-key-file=" + p.file(fileEtcd),
		"--peer-client-cert-auth=true", "--peer-trusted-ca-file=" + p.file(fileEtcdCACert),
		"--heartbeat-interval=50", "--election-timeout=250", // ms; there is nobody to wait for
		"--logger=zap", "--log-level=warn",
	}
}

// apiServerFlags make the API server the issuer's. jwks-uri is said because the
// API server would otherwise name its own address in a document that has to
// agree with the issuer's.
func (p plan) apiServerFlags() []string {
	issuer := p.spec.IssuerURL
	return []string{
		"--etcd-servers=" + p.etcdAddress(),
		"--etcd-cafile=" + p.file(fileEtcdCACert), "--etcd-certfile=" + p.file(fileEtcdClient), "--etcd-keyfile=" + p.file(fileEtcdClient),
		"--bind-address=" + loopback, "--secure-port=" + strconv.Itoa(p.port), "--advertise-address=" + loopback,
		"--tls-cert-file=" + p.file(fileAPIServer), "--tls-private-key-file=" + p.file(fileAPIServer),
		"--cert-dir=" + p.file(folderGeneratedCerts),
		"--client-ca-file=" + p.file(fileCACert),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
		"--service-account-issuer=" + issuer,
		"--service-account-jwks-uri=" + issuer + "openid/v1/jwks",
		"--service-account-signing-key-file=" + p.file(fileSigningKey),
		"--service-account-key-file=" + p.file(filePublicKeys),
		"--service-account-max-token-expiration=" + maxTokenLife,
		"--api-audiences=" + issuer + ",https://kubernetes.default.svc",
		"--service-cluster-ip-range=" + p.serviceCIDR(),
		// There is no network that a pod could reach the API server's endpoint on.
		"--endpoint-reconciler-type=none",
		"--profiling=false",
	}
}

func (p plan) controllerFlags() []string {
	return []string{
		"--kubeconfig=" + p.file(fileControllers),
		"--authentication-kubeconfig=" + p.file(fileControllers), "--authorization-kubeconfig=" + p.file(fileControllers),
		"--service-account-private-key-file=" + p.file(fileSigningKey),
		"--root-ca-file=" + p.file(fileCACert),
		"--cluster-signing-cert-file=" + p.file(fileCA), "--cluster-signing-key-file=" + p.file(fileCA),
		"--use-service-account-credentials=true",
		"--leader-elect=false",
		"--secure-port=0",
		"--profiling=false",
	}
}

func (p plan) schedulerFlags() []string {
	return []string{
		"--kubeconfig=" + p.file(fileScheduler),
		"--authentication-kubeconfig=" + p.file(fileScheduler), "--authorization-kubeconfig=" + p.file(fileScheduler),
		"--leader-elect=false",
		"--secure-port=0",
		"--profiling=false",
	}
}
