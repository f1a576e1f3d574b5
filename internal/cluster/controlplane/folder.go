package controlplane

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/cluster/driver"
)

// Ports of API servers are below the range that systems give to outgoing
// connections, so that a port is free again after a restart.
const (
	firstPort = 16443
	ports     = 2000
)

// record is what a cluster keeps beside its certificates.
type record struct {
	Port int `json:"port"` // of the API server
}

const fileRecord = "cluster.json"

// folder is a cluster's folder.
type folder struct {
	dir string
	now func() time.Time
}

func (f folder) file(name string) string { return filepath.Join(f.dir, filepath.FromSlash(name)) }

// port returns the port of the cluster's API server: the one it had before, or
// a free one that no other cluster beside it has.
func (f folder) port() (int, error) {
	if kept, err := readRecord(f.file(fileRecord)); err == nil {
		return kept.Port, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	taken, err := f.neighbours()
	if err != nil {
		return 0, err
	}
	var random [2]byte
	_, _ = rand.Read(random[:]) // never fails: see crypto/rand.Read
	offset := int(binary.BigEndian.Uint16(random[:]))
	for i := range ports {
		port := firstPort + (offset+i)%ports
		if taken[port] || !free(port) {
			continue
		}
		text, err := json.Marshal(record{Port: port})
		if err != nil {
			return 0, err
		}
		return port, replace(f.file(fileRecord), text)
	}
	return 0, fmt.Errorf("no port of %d to %d is free", firstPort, firstPort+ports-1)
}

func readRecord(path string) (record, error) {
	var kept record
	text, err := os.ReadFile(path)
	if err != nil {
		return kept, err
	}
	if err := json.Unmarshal(text, &kept); err != nil || kept.Port <= 0 || kept.Port > 65535 {
		return kept, fmt.Errorf("%s does not name a port", path)
	}
	return kept, nil
}

// neighbours are the ports of the other clusters, running or not.
func (f folder) neighbours() (map[int]bool, error) {
	records, err := filepath.Glob(filepath.Join(filepath.Dir(f.dir), "*", fileRecord))
	if err != nil {
		return nil, err
	}
	taken := map[int]bool{}
	for _, path := range records {
		if kept, err := readRecord(path); err == nil {
			taken[kept.Port] = true
		}
	}
	return taken, nil
}

func free(port int) bool {
	listener, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}

// freePort returns a port that nobody listens on now.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return 0, fmt.Errorf("finding a free port: %w", err)
	}
	defer listener.Close() //nolint:errcheck // nothing was sent
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// ensure returns the certificate that is kept in a file, made anew when it is
// not there, does not fit its subject or ends soon.
func (f folder) ensure(name string, s subject, by pair) (pair, error) {
	var authority *x509.Certificate
	if by.cert != nil {
		var err error
		if authority, err = by.certificate(); err != nil {
			return pair{}, err
		}
	}
	text, err := os.ReadFile(f.file(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return pair{}, err
	}
	if kept, err := decodePair(text); err == nil && s.serves(kept, authority, f.now()) {
		return kept, nil
	}
	made, err := issue(s, by, f.now())
	if err != nil {
		return pair{}, err
	}
	return made, replace(f.file(name), made.encode())
}

// client returns the certificate of a user in groups.
func (f folder) client(user string, groups []string, ca pair) (pair, error) {
	digest := sha256.Sum256([]byte(user + "\x00" + strings.Join(sorted(groups), "\x00")))
	return f.ensure(folderClients+"/"+hex.EncodeToString(digest[:12])+".pem", subject{
		name: user, groups: groups, usages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, ca)
}

// authority returns the cluster's certificate authority.
func (f folder) authority() (pair, error) {
	return f.ensure(fileCA, subject{name: "aksess cluster"}, pair{})
}

// write makes everything that the processes of a plan read.
func (f folder) write(p plan) error {
	ca, err := f.authority()
	if err != nil {
		return err
	}
	etcdCA, err := f.ensure(fileEtcdCA, subject{name: "aksess etcd"}, pair{})
	if err != nil {
		return err
	}
	serving, err := apiServerSubject(p)
	if err != nil {
		return err
	}
	both := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} // etcd's gateway calls itself
	for name, leaf := range map[string]struct {
		subject subject
		by      pair
	}{
		fileAPIServer:  {serving, ca},
		fileEtcd:       {subject{name: "etcd", addresses: []net.IP{net.ParseIP(loopback)}, usages: both}, etcdCA},
		fileEtcdClient: {subject{name: "kube-apiserver", usages: both[1:]}, etcdCA},
	} {
		if _, err := f.ensure(name, leaf.subject, leaf.by); err != nil {
			return err
		}
	}
	for name, user := range map[string]string{fileControllers: "system:kube-controller-manager", fileScheduler: "system:kube-scheduler"} {
		if err := f.writeKubeconfig(name, p, user, ca); err != nil {
			return err
		}
	}
	for name, text := range map[string][]byte{
		fileCACert: ca.cert, fileEtcdCACert: etcdCA.cert, fileSigningKey: p.spec.SigningKey, filePublicKeys: p.spec.PublicKeys,
	} {
		if err := replace(f.file(name), text); err != nil {
			return err
		}
	}
	return nil
}

func apiServerSubject(p plan) (subject, error) {
	service, err := p.serviceAddress()
	if err != nil {
		return subject{}, fmt.Errorf("the range of services %q: %w", p.serviceCIDR(), err)
	}
	s := subject{
		name:      "kube-apiserver",
		dns:       []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
		addresses: []net.IP{net.ParseIP(loopback), service.AsSlice()},
		usages:    []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if p.spec.FQDN != "" {
		s.dns = append(s.dns, p.spec.FQDN)
	}
	return s, nil
}

func (f folder) writeKubeconfig(name string, p plan, user string, ca pair) error {
	client, err := f.client(user, nil, ca)
	if err != nil {
		return err
	}
	text, err := kubeconfig(p.spec.Name, p.address(), ca.cert, user, p.spec.Name, client)
	if err != nil {
		return err
	}
	return replace(f.file(name), text)
}

// kubeconfig is the file for a user.
func (f folder) kubeconfig(p plan, user driver.User) ([]byte, error) {
	ca, err := f.authority()
	if err != nil {
		return nil, err
	}
	client, err := f.client(user.Name, user.Groups, ca)
	if err != nil {
		return nil, err
	}
	return kubeconfig(p.spec.Name, p.address(), ca.cert, user.Name, user.Context, client)
}

// replace writes a file in one step, for its owner's eyes only.
func replace(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	next, err := os.CreateTemp(filepath.Dir(path), ".next-*") // 0600
	if err != nil {
		return err
	}
	_, err = next.Write(text)
	if err = errors.Join(err, next.Sync(), next.Close()); err == nil {
		err = os.Rename(next.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(next.Name()))
	}
	return nil
}
