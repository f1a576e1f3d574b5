package controlplane_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/cluster"
	"github.com/aksess/aksess/internal/cluster/controlplane"
	"github.com/aksess/aksess/internal/cluster/driver"
	"github.com/aksess/aksess/internal/jose"
)

const (
	clusterID = "0d4b1b8e-6ad0-4c1b-9b5a-4f4e3a2b1c0d"
	audience  = "api://AzureADTokenExchange"
	group     = "b8a1d5f0-3c2e-4e58-9a77-0123456789ab"
)

// binDir is the folder of the programs; without one the test is skipped.
func binDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("KUBE_BIN_DIR")
	if dir == "" {
		t.Skip("KUBE_BIN_DIR names no folder with kube-apiserver and kube-controller-manager (tools/kubernetes/build prints one)")
	}
	return dir
}

func newDriver(t *testing.T, dir string) *controlplane.Driver {
	t.Helper()
	d, err := controlplane.New(controlplane.Options{
		Dir: dir, BinDir: binDir(t), Now: time.Now, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return d
}

func newSpec(t *testing.T, keys ...*jose.SigningKey) driver.Spec {
	t.Helper()
	private, err := keys[0].MarshalPEM()
	if err != nil {
		t.Fatal(err)
	}
	var public []byte
	for _, key := range keys {
		der, err := x509.MarshalPKIXPublicKey(key.Public().Key())
		if err != nil {
			t.Fatal(err)
		}
		public = append(public, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})...)
	}
	return driver.Spec{
		ID: clusterID, Name: "blue", FQDN: "blue-01234567.hcp.westeurope.azmk8s.io", SigningKey: private, PublicKeys: public,
		IssuerURL:   "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/" + clusterID + "/",
		ServiceCIDR: "10.7.0.0/16", AdminGroups: []string{group},
	}
}

func newKey(t *testing.T) *jose.SigningKey {
	t.Helper()
	key, err := jose.NewSigningKey("")
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func connect(t *testing.T, d *controlplane.Driver, spec driver.Spec, groups ...string) (*cluster.Cluster, []byte) {
	t.Helper()
	text, err := d.Kubeconfig(t.Context(), spec, driver.User{Name: "clusterAdmin_rg_blue", Context: "blue-admin", Groups: groups})
	if err != nil {
		t.Fatal(err)
	}
	connected, err := cluster.Connect(cluster.Options{Content: text})
	if err != nil {
		t.Fatal(err)
	}
	return connected, text
}

// token requests a token, holds it against the keys of the issuer, and returns
// the UID of its service account, which is one of the cluster's data.
func token(t *testing.T, c *cluster.Cluster, spec driver.Spec, key *jose.SigningKey) (uid string) {
	t.Helper()
	got, err := c.Token(t.Context(), "default", "default", audience, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	set, err := jose.NewKeySet(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	verified, err := jose.Verify(got.Value, set, jose.Policy{Algorithms: []jose.Algorithm{jose.RS256}})
	if err != nil {
		t.Fatalf("the token does not verify with the issuer's key %s: %v", key.Kid(), err)
	}
	claims, err := jose.ParseClaims(verified.Claims)
	if err != nil {
		t.Fatal(err)
	}
	if claims.Issuer != spec.IssuerURL || claims.Subject != "system:serviceaccount:default:default" || !slices.Equal(claims.Audience, []string{audience}) {
		t.Errorf("claims: got %+v, want the issuer %s", claims, spec.IssuerURL)
	}
	var kubernetes struct {
		Of struct {
			ServiceAccount struct{ UID string }
		} `json:"kubernetes.io"`
	}
	if err := json.Unmarshal(verified.Claims, &kubernetes); err != nil || kubernetes.Of.ServiceAccount.UID == "" {
		t.Errorf("claims: got %s, %v, want the service account's UID", verified.Claims, err)
	}
	return kubernetes.Of.ServiceAccount.UID
}

func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		case <-ticker.C:
		}
	}
}

// processes are the ids of the children whose command lines name the folder.
func processes(t *testing.T, program, dir string) []int {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []int
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), dir) || !strings.Contains(filepath.Base(strings.SplitN(string(text), "\x00", 2)[0]), program) {
			continue
		}
		if id, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			found = append(found, id)
		}
	}
	return found
}

// killed kills a program and waits for the cluster to be whole again.
func killed(t *testing.T, d *controlplane.Driver, program, dir string, spec driver.Spec) {
	t.Helper()
	before := processes(t, program, dir)
	if len(before) != 1 {
		t.Fatalf("%s: got processes %v, want one", program, before)
	}
	if err := syscall.Kill(before[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, program+" is started again", func() error {
		after := processes(t, program, dir)
		if len(after) != 1 || after[0] == before[0] {
			return fmt.Errorf("processes %v", after)
		}
		return d.Start(t.Context(), spec)
	})
}

var serverLine = regexp.MustCompile(`https://127\.0\.0\.1:\d+`)

// TestControlPlane runs a real one through its life.
func TestControlPlane(t *testing.T) {
	dir := t.TempDir()
	d := newDriver(t, dir)
	key, next := newKey(t), newKey(t)
	spec := newSpec(t, key)
	began := time.Now()
	if err := d.Start(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	t.Logf("ready after %v", time.Since(began).Round(time.Millisecond))
	admin, config := connect(t, d, spec, driver.SystemMasters)
	address := serverLine.FindString(string(config))
	uid := token(t, admin, spec, key)
	if _, err := admin.ServiceAccount(t.Context(), "kube-system", "default"); err != nil {
		t.Error(err)
	}
	attached, err := cluster.Attach(t.Context(), cluster.Options{Content: config}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if set, err := attached.Keys(t.Context(), spec.IssuerURL, key.Kid()); err != nil || !slices.Equal(set.Kids(), []string{key.Kid()}) {
		t.Errorf("what the API server says of %s: got keys %v, %v, want %s", spec.IssuerURL, set.Kids(), err, key.Kid())
	}
	members, _ := connect(t, d, spec, group)
	if _, err := members.ServiceAccount(t.Context(), "default", "default"); err != nil {
		t.Errorf("a member of the administrators' group: %v", err)
	}
	strangers, _ := connect(t, d, spec, "another-group")
	if _, err := strangers.ServiceAccount(t.Context(), "default", "default"); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("a user of no group with rights: got %v, want 403", err)
	}

	for _, program := range []string{"kube-apiserver", "etcd"} {
		killed(t, d, program, dir, spec)
		token(t, admin, spec, key)
	}

	if err := d.Stop(t.Context(), clusterID); err != nil {
		t.Fatal(err)
	}
	if left := processes(t, "", dir); len(left) != 0 {
		t.Errorf("after a stop: processes %v are left", left)
	}
	if _, err := admin.ServiceAccount(t.Context(), "default", "default"); err == nil {
		t.Error("a stopped cluster answers")
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}

	second := newDriver(t, dir)
	rotated := newSpec(t, next, key)
	if err := second.Start(t.Context(), rotated); err != nil {
		t.Fatal(err)
	}
	again, other := connect(t, second, rotated, driver.SystemMasters)
	if got := serverLine.FindString(string(other)); got != address {
		t.Errorf("address after a restart: got %s, want %s", got, address)
	}
	if string(other) != string(config) {
		t.Error("the kubeconfig is another one after a restart")
	}
	if got := token(t, again, rotated, next); got != uid {
		t.Errorf("service account after a restart: got %s, want %s: the data are others", got, uid)
	}
	token(t, admin, rotated, next) // the old connection's certificate
	if err := second.Start(t.Context(), newSpec(t, key, next)); err != nil {
		t.Fatalf("with another key: %v", err)
	}
	token(t, again, rotated, key)
	if err := second.Delete(t.Context(), clusterID); err != nil {
		t.Fatal(err)
	}
	if left := processes(t, "", dir); len(left) != 0 {
		t.Errorf("after a delete: processes %v are left", left)
	}
	if _, err := os.Stat(filepath.Join(dir, clusterID)); !os.IsNotExist(err) {
		t.Errorf("the folder after a delete: got %v, want that it is gone", err)
	}
}
