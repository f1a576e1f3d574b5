package controlplane

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/cluster/driver"
)

const id = "0d4b1b8e-6ad0-4c1b-9b5a-4f4e3a2b1c0d"

var noon = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)

func spec() driver.Spec {
	return driver.Spec{
		ID: id, Name: "blue", FQDN: "blue-01234567.hcp.westeurope.azmk8s.io", IssuerURL: "https://issuer.example/tenant/id/",
		SigningKey: []byte("private"), PublicKeys: []byte("public"), ServiceCIDR: "10.7.0.0/16",
	}
}

// TestFlags: what decides whose tokens are issued and who gets in.
func TestFlags(t *testing.T) {
	p := plan{dir: "/state/c", spec: spec(), port: 16443, etcdPort: 2379}
	for name, c := range map[string]struct {
		flags []string
		want  []string
	}{
		"etcd": {p.etcdFlags(), []string{
			"--client-cert-auth=true", "--trusted-ca-file=/state/c/pki/etcd-ca.crt", "--listen-client-urls=https://127.0.0.1:2379", "--data-dir=/state/c/etcd",
		}},
		"apiserver": {p.apiServerFlags(), []string{
			"--service-account-issuer=https://issuer.example/tenant/id/", "--service-account-jwks-uri=https://issuer.example/tenant/id/openid/v1/jwks",
			"--service-account-signing-key-file=/state/c/pki/sa.key", "--service-account-key-file=/state/c/pki/sa.pub", "--secure-port=16443",
			"--bind-address=127.0.0.1", "--client-ca-file=/state/c/pki/ca.crt", "--authorization-mode=Node,RBAC", "--service-cluster-ip-range=10.7.0.0/16",
			"--etcd-servers=https://127.0.0.1:2379", "--etcd-cafile=/state/c/pki/etcd-ca.crt",
		}},
		"controllers": {p.controllerFlags(), []string{"--service-account-private-key-file=/state/c/pki/sa.key", "--root-ca-file=/state/c/pki/ca.crt"}},
		"scheduler":   {p.schedulerFlags(), []string{"--kubeconfig=/state/c/scheduler.kubeconfig"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, want := range c.want {
				if filepath.Separator == '/' && !slices.Contains(c.flags, want) {
					t.Errorf("got %q, want %s among them", c.flags, want)
				}
			}
			if slices.ContainsFunc(c.flags, func(flag string) bool { return strings.Contains(flag, "0.0.0.0") || strings.Contains(flag, "http://") }) {
				t.Errorf("got %q, want nothing but TLS on loopback", c.flags)
			}
		})
	}
}

func newFolder(t *testing.T) (folder, *time.Time) {
	now := noon
	return folder{dir: filepath.Join(t.TempDir(), id), now: func() time.Time { return now }}, &now
}

func written(t *testing.T, f folder) plan {
	t.Helper()
	port, err := f.port()
	if err != nil {
		t.Fatal(err)
	}
	p := plan{dir: f.dir, spec: spec(), port: port, etcdPort: 1}
	if err := f.write(p); err != nil {
		t.Fatal(err)
	}
	return p
}

// content is a folder's files by name.
func content(t *testing.T, f folder) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(f.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: got mode %v, want it closed to others", path, info.Mode())
		}
		text, err := os.ReadFile(path)
		found[strings.TrimPrefix(path, f.dir)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestFolderStays: a restart finds the same certificates and port; they are made
// anew when they are about to end or the cluster's name changed.
func TestFolderStays(t *testing.T) {
	f, now := newFolder(t)
	p := written(t, f)
	first := content(t, f)
	*now = noon.Add(365 * 24 * time.Hour)
	if again := written(t, f); again.port != p.port {
		t.Errorf("port: got %d, want %d", again.port, p.port)
	}
	for name, text := range content(t, f) {
		if first[name] != text {
			t.Errorf("%s changed with a restart", name)
		}
	}
	*now = noon.Add(certificateLife - renewBefore + time.Hour)
	written(t, f)
	for name, text := range content(t, f) {
		renewed := strings.HasSuffix(name, ".pem") && !strings.HasSuffix(name, "ca.pem") || strings.HasSuffix(name, ".kubeconfig")
		if (first[name] != text) != renewed {
			t.Errorf("%s before its end: got changed %t, want %t", name, first[name] != text, renewed)
		}
	}
}

// TestCertificates checks each leaf as the other side does.
func TestCertificates(t *testing.T) {
	f, _ := newFolder(t)
	p := written(t, f)
	text, err := f.kubeconfig(p, driver.User{Name: "clusterAdmin_rg_blue", Context: "blue-admin", Groups: []string{driver.SystemMasters}})
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Current  string `json:"current-context"`
		Clusters []struct {
			Cluster struct {
				Server string
				CA     []byte `json:"certificate-authority-data"`
			}
		}
		Users []struct {
			Name string
			User struct {
				Cert []byte `json:"client-certificate-data"`
				Key  []byte `json:"client-key-data"`
			}
		}
	}
	if err := json.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	if config.Current != "blue-admin" || config.Users[0].Name != "clusterAdmin_rg_blue" || config.Clusters[0].Cluster.Server != "https://127.0.0.1:"+strconv.Itoa(p.port) {
		t.Errorf("kubeconfig: got %s", text)
	}
	for _, word := range []string{"exec", "apiserver-id:"} {
		if strings.Contains(string(text), word) {
			t.Errorf("the kubeconfig has the word %q, by which clients take it for one of Entra's", word)
		}
	}
	client := verify(t, config.Users[0].User.Cert, config.Clusters[0].Cluster.CA, x509.ExtKeyUsageClientAuth)
	if client.Subject.CommonName != "clusterAdmin_rg_blue" || !slices.Equal(client.Subject.Organization, []string{driver.SystemMasters}) {
		t.Errorf("client: got %v", client.Subject)
	}
	files := content(t, f)
	server := verify(t, []byte(files["/"+fileAPIServer]), config.Clusters[0].Cluster.CA, x509.ExtKeyUsageServerAuth)
	for _, name := range []string{"127.0.0.1", "10.7.0.1", "kubernetes.default.svc", "blue-01234567.hcp.westeurope.azmk8s.io"} {
		if err := server.VerifyHostname(name); err != nil {
			t.Errorf("API server: %v", err)
		}
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(files["/"+fileEtcdCACert]))
	if _, err := client.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err == nil {
		t.Error("etcd would let a user of the cluster in")
	}
}

func verify(t *testing.T, text, ca []byte, usage x509.ExtKeyUsage) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatalf("no certificate in %q", text)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: noon, KeyUsages: []x509.ExtKeyUsage{usage}}); err != nil {
		t.Errorf("%s: %v", cert.Subject, err)
	}
	return cert
}

func TestDamagedFiles(t *testing.T) {
	f, _ := newFolder(t)
	p := written(t, f)
	for name, text := range map[string]string{"empty": "", "text": "x", "half": string(mustPair(t, f).cert)} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(f.file(fileAPIServer), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := f.write(p); err != nil {
				t.Fatal(err)
			}
			verify(t, []byte(content(t, f)["/"+fileAPIServer]), mustPair(t, f).cert, x509.ExtKeyUsageServerAuth)
		})
	}
	if err := os.WriteFile(f.file(fileRecord), []byte(`{"port":70000}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.port(); err == nil || !strings.Contains(err.Error(), fileRecord) {
		t.Errorf("a port that is none: got %v, want an error that names the file", err)
	}
}

func mustPair(t *testing.T, f folder) pair {
	t.Helper()
	ca, err := f.authority()
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// TestPortsOfNeighbours: a cluster that does not run keeps its port.
func TestPortsOfNeighbours(t *testing.T) {
	dir, seen := t.TempDir(), map[int]bool{}
	for i := range 20 {
		port, err := folder{dir: filepath.Join(dir, strconv.Itoa(i)), now: time.Now}.port()
		if err != nil {
			t.Fatal(err)
		}
		if seen[port] || port < firstPort || port >= firstPort+ports {
			t.Errorf("got port %d, want one of its own", port)
		}
		seen[port] = true
	}
}

func TestMissingPrograms(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	_, err := New(Options{Dir: dir, BinDir: filepath.Join(dir, "bin"), Now: time.Now})
	for _, want := range []string{"no etcd", "etcd-server", "no kube-apiserver in " + filepath.Join(dir, "bin"), "no kube-controller-manager", "tools/kubernetes/build"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
	if _, err := New(Options{Dir: dir, Now: time.Now}); err == nil || !strings.Contains(err.Error(), "on PATH") {
		t.Errorf("without a folder: got %v, want where it looked", err)
	}
}

// scripted is a driver whose programs are scripts that end at once.
func scripted(t *testing.T, script string) *Driver {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the scripts are the shell's")
	}
	bin := t.TempDir()
	for _, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	d, err := New(Options{Dir: t.TempDir(), BinDir: bin, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// TestHopeless: programs that keep ending are an error that says what they said.
func TestHopeless(t *testing.T) {
	d := scripted(t, "echo unknown flag; exit 3")
	err := d.Start(t.Context(), spec())
	for _, want := range []string{"keeps ending", "exit status 3", "unknown flag", ".log"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}

// TestPortInUse: the port that kubeconfigs name is not given up.
func TestPortInUse(t *testing.T) {
	d := scripted(t, "sleep 60")
	port, err := folder{dir: filepath.Join(d.options.Dir, id), now: time.Now}.port()
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // of the test
	if err := d.Start(t.Context(), spec()); err == nil || !strings.Contains(err.Error(), strconv.Itoa(port)) {
		t.Errorf("got %v, want an error that names the port", err)
	}
}

// TestStopInterruptsStart: a start under way gives up when the cluster is
// stopped, deleted or the local Azure ends.
func TestStopInterruptsStart(t *testing.T) {
	for name, end := range map[string]func(*Driver) error{
		"stop":   func(d *Driver) error { return d.Stop(context.Background(), id) },
		"delete": func(d *Driver) error { return d.Delete(context.Background(), id) },
		"close":  (*Driver).Close,
	} {
		t.Run(name, func(t *testing.T) {
			d := scripted(t, "exec sleep 60")
			failed := make(chan error, 1)
			go func() { failed <- d.Start(t.Context(), spec()) }()
			for path := filepath.Join(d.options.Dir, id, filepath.FromSlash(filePublicKeys)); ; {
				if _, err := os.Stat(path); err == nil {
					break
				}
				select {
				case err := <-failed:
					t.Fatalf("the start ended early: %v", err)
				case <-time.After(time.Millisecond):
				}
			}
			if err := end(d); err != nil {
				t.Fatal(err)
			}
			if err := <-failed; !errors.Is(err, context.Canceled) {
				t.Errorf("start: got %v, want that it was interrupted", err)
			}
		})
	}
}

func TestGone(t *testing.T) {
	d := scripted(t, "exec sleep 60")
	if err := d.Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := d.Start(t.Context(), spec()); err == nil || !strings.Contains(err.Error(), "deleted") {
		t.Errorf("starting what was deleted: got %v", err)
	}
	for _, bad := range []string{"", "..", "../../etc", "a/b"} {
		s := spec()
		s.ID = bad
		if err := d.Start(t.Context(), s); err == nil {
			t.Errorf("a cluster with the id %q was started", bad)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.Start(t.Context(), spec()); !errors.Is(err, errClosed) {
		t.Errorf("after Close: got %v, want %v", err, errClosed)
	}
}

func TestBoundedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "logs", "x.log")
	b := newBoundedFile(path, 100)
	for range 55 {
		if n, err := b.Write([]byte("0123456789\n")); n != 11 || err != nil {
			t.Fatalf("got %d, %v", n, err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, path + ".1"} {
		info, err := os.Stat(name)
		if err != nil || info.Size() > 111 {
			t.Errorf("%s: got %v, %v, want at most 111 bytes", name, info, err)
		}
	}
	if !strings.HasSuffix(b.tail(), "0123456789\n") || len(b.tail()) > tailSize {
		t.Errorf("tail: got %q", b.tail())
	}
}
