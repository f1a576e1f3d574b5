package app_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/app"
	"github.com/aksess/aksess/internal/cluster"
	"github.com/aksess/aksess/internal/cluster/driver"
	"github.com/aksess/aksess/internal/deploy"
	"github.com/aksess/aksess/internal/jose"
)

const apiClusters = "2025-10-01"

// fakeCluster is a driver that starts nothing and remembers what it was asked.
type fakeCluster struct {
	issuer string
	hold   chan struct{} // a start waits for it to be closed

	mu     sync.Mutex
	fails  error
	asked  []string
	spec   driver.Spec // of the last start
	user   driver.User // of the last kubeconfig
	closed bool
}

func (f *fakeCluster) note(what string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return errors.New("closed before the others")
	}
	f.asked = append(f.asked, what)
	return f.fails
}

func (f *fakeCluster) Issuer() string { return f.issuer }

func (f *fakeCluster) Start(ctx context.Context, spec driver.Spec) error {
	if f.hold != nil {
		select {
		case <-f.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	f.mu.Lock()
	f.spec = spec
	f.mu.Unlock()
	return f.note("start")
}

func (f *fakeCluster) Stop(context.Context, string) error   { return f.note("stop") }
func (f *fakeCluster) Delete(context.Context, string) error { return f.note("delete") }

func (f *fakeCluster) Kubeconfig(_ context.Context, _ driver.Spec, user driver.User) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.user = user
	return []byte("the kubeconfig of " + user.Name), nil
}

func (f *fakeCluster) Keys(context.Context, string, string) (jose.KeySet, error) {
	return jose.KeySet{}, jose.ErrUnknownIssuer
}

func (f *fakeCluster) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	return nil
}

func (f *fakeCluster) did(what string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Contains(f.asked, what)
}

// config runs clusters with the fake.
func (f *fakeCluster) config(dir string) app.Config {
	return app.Config{Dir: dir, Clusters: app.Clusters{
		Driver: app.ClustersAttach, Attach: func(context.Context, func() time.Time) (app.AttachedCluster, error) { return f, nil },
	}}
}

// managed is a cluster as Resource Manager shows it.
type managed struct {
	Properties struct {
		ProvisioningState string
		PowerState        struct{ Code string }
		OIDCIssuerProfile struct{ IssuerURL string }
	}
}

// azure is a client of a local Azure with a resource group for clusters.
type azure struct {
	*deploy.Client
	group string
}

func newAzure(t *testing.T, a *app.App) azure {
	t.Helper()
	z := azure{client(a, nil), "/subscriptions/" + a.Account.SubscriptionID + "/resourceGroups/rg"}
	if err := z.Manage(t.Context(), http.MethodPut, z.group, "2023-07-01", map[string]any{"location": "westeurope"}, nil); err != nil {
		t.Fatal(err)
	}
	return z
}

func (z azure) cluster() string {
	return z.group + "/providers/Microsoft.ContainerService/managedClusters/blue"
}

func (z azure) put(t *testing.T, more map[string]any) managed {
	t.Helper()
	properties := map[string]any{"dnsPrefix": "blue", "oidcIssuerProfile": map[string]any{"enabled": true}}
	for name, value := range more {
		properties[name] = value
	}
	var got managed
	if err := z.Manage(t.Context(), http.MethodPut, z.cluster(), apiClusters, map[string]any{"location": "westeurope", "properties": properties}, &got); err != nil {
		t.Fatal(err)
	}
	return got
}

// reaches waits for the cluster to come into a state.
func (z azure) reaches(t *testing.T, state string) managed {
	t.Helper()
	var got managed
	eventually(t, "the cluster is "+state, func() error {
		if err := z.Manage(t.Context(), http.MethodGet, z.cluster(), apiClusters, nil, &got); err != nil {
			t.Fatal(err)
		}
		if got.Properties.ProvisioningState != state {
			return fmt.Errorf("it is %s", got.Properties.ProvisioningState)
		}
		return nil
	})
	return got
}

func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
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

func (z azure) kubeconfig(t *testing.T, credential string) string {
	t.Helper()
	var answer struct {
		Kubeconfigs []struct {
			Name  string
			Value []byte
		}
	}
	if err := z.Manage(t.Context(), http.MethodPost, z.cluster()+"/"+credential, apiClusters, nil, &answer); err != nil {
		t.Fatal(err)
	}
	return string(answer.Kubeconfigs[0].Value)
}

func TestClusterLife(t *testing.T) {
	dir, f := t.TempDir(), &fakeCluster{hold: make(chan struct{})}
	a, err := app.Open(t.Context(), f.config(dir))
	if err != nil {
		t.Fatal(err)
	}
	z := newAzure(t, a)
	created := z.put(t, nil)
	if created.Properties.ProvisioningState != "Creating" {
		t.Errorf("created: got %+v, want that it is being created", created)
	}
	if err := z.Manage(t.Context(), http.MethodPut, z.cluster()+"/agentPools/a", apiClusters, map[string]any{"properties": map[string]any{"count": 1, "mode": "System"}}, nil); err == nil || !strings.Contains(err.Error(), "OperationNotAllowed") {
		t.Errorf("a pool of a cluster that is being created: got %v", err)
	}
	close(f.hold)
	ready := z.reaches(t, "Succeeded")
	if issuer := ready.Properties.OIDCIssuerProfile.IssuerURL; f.spec.IssuerURL != issuer || !strings.HasSuffix(issuer, f.spec.ID+"/") || issuer == "" {
		t.Errorf("started %+v, want the issuer %s", f.spec, issuer)
	}
	if !strings.Contains(string(f.spec.SigningKey), "PRIVATE KEY") || !strings.Contains(string(f.spec.PublicKeys), "PUBLIC KEY") || f.spec.ServiceCIDR != "10.0.0.0/16" {
		t.Errorf("started with the keys %q, services %q", f.spec.PublicKeys, f.spec.ServiceCIDR)
	}
	if got := z.kubeconfig(t, "listClusterAdminCredential"); got != "the kubeconfig of clusterAdmin_rg_blue" || f.user.Context != "blue" || !slices.Equal(f.user.Groups, []string{driver.SystemMasters}) {
		t.Errorf("administrator: got %q for %+v", got, f.user)
	}
	for _, step := range [][2]string{{"stop", "Stopped"}, {"start", "Running"}} { // a stopped one takes no keys
		what, state := step[0], step[1]
		if err := z.Manage(t.Context(), http.MethodPost, z.cluster()+"/"+what, apiClusters, nil, nil); err != nil {
			t.Fatal(err)
		}
		if got := z.reaches(t, "Succeeded"); got.Properties.PowerState.Code != state || !f.did(what) {
			t.Errorf("%s: got %+v", what, got)
		}
	}
	if err := z.Manage(t.Context(), http.MethodPost, z.cluster()+"/rotateServiceAccountSigningKeys", apiClusters, nil, nil); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(f.spec.PublicKeys), "BEGIN"); n != 2 {
		t.Errorf("after a rotation: the cluster knows %d keys, want the next one as well", n)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	again := &fakeCluster{}
	second := open(t, again.config(dir))
	if err := newAzure(t, second).Manage(t.Context(), http.MethodPost, z.cluster()+"/start", apiClusters, nil, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the cluster of before is started", func() error {
		if !again.did("start") {
			return errors.New("not yet")
		}
		return nil
	})
	if again.spec.ID != f.spec.ID || string(again.spec.SigningKey) != string(f.spec.SigningKey) {
		t.Errorf("after a restart: got cluster %s, want %s with the same key", again.spec.ID, f.spec.ID)
	}
	if err := newAzure(t, second).Manage(t.Context(), http.MethodDelete, z.cluster(), apiClusters, nil, nil); err != nil || !again.did("delete") {
		t.Errorf("delete: got %v, asked %v", err, again.asked)
	}
}

// TestInterruptedCreation: a stop in the middle is no failure; the next start
// completes the cluster.
func TestInterruptedCreation(t *testing.T) {
	dir, f := t.TempDir(), &fakeCluster{hold: make(chan struct{})}
	a, err := app.Open(t.Context(), f.config(dir))
	if err != nil {
		t.Fatal(err)
	}
	z := newAzure(t, a)
	z.put(t, nil)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	again := &fakeCluster{}
	second := newAzure(t, open(t, again.config(dir)))
	second.reaches(t, "Succeeded")
	if !again.did("start") {
		t.Errorf("asked %v, want a start", again.asked)
	}
}

func TestClusterThatDoesNotStart(t *testing.T) {
	f := &fakeCluster{fails: errors.New("no etcd in /opt/secret")}
	z := newAzure(t, open(t, f.config("")))
	z.put(t, nil)
	z.reaches(t, "Failed")
	f.mu.Lock()
	f.fails = nil
	f.mu.Unlock()
	z.put(t, nil)
	z.reaches(t, "Succeeded")
}

// TestAttachedIssuer: the issuer is the cluster's own, as it stands.
func TestAttachedIssuer(t *testing.T) {
	f := &fakeCluster{issuer: "https://kubernetes.default.svc.cluster.local"}
	z := newAzure(t, open(t, f.config("")))
	z.put(t, nil)
	if got := z.reaches(t, "Succeeded").Properties.OIDCIssuerProfile.IssuerURL; got != f.issuer {
		t.Errorf("issuer: got %s, want %s", got, f.issuer)
	}
}

// TestUserCredential: with Entra's groups the certificate has the groups of the
// caller, and those of the administrators for callers who could be one anyway.
func TestUserCredential(t *testing.T) {
	const group = "b8a1d5f0-3c2e-4e58-9a77-0123456789ab"
	f := &fakeCluster{}
	z := newAzure(t, open(t, f.config("")))
	for _, c := range []struct {
		name string
		more map[string]any
		want []string
	}{
		{"no_entra", nil, []string{driver.SystemMasters}},
		{"entra", map[string]any{"aadProfile": map[string]any{"managed": true, "adminGroupObjectIDs": []string{group}}}, []string{group}},
		{"entra_without_local_accounts", map[string]any{"disableLocalAccounts": true, "aadProfile": map[string]any{"managed": true, "adminGroupObjectIDs": []string{group}}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			z.put(t, c.more)
			z.reaches(t, "Succeeded")
			z.kubeconfig(t, "listClusterUserCredential")
			if !slices.Equal(f.user.Groups, c.want) || f.user.Name != "clusterUser_rg_blue" || f.user.Context != "blue" {
				t.Errorf("got %+v, want groups %q", f.user, c.want)
			}
		})
	}
	z.kubeconfig(t, "listClusterMonitoringUserCredential")
	if slices.Contains(f.user.Groups, driver.SystemMasters) || f.user.Name != "clusterMonitoringUser_rg_blue" {
		t.Errorf("monitoring user: got %+v", f.user)
	}
}

func TestClustersConfig(t *testing.T) {
	for name, c := range map[string]struct {
		clusters app.Clusters
		want     string
	}{
		"unknown":     {app.Clusters{Driver: "minikube"}, `"minikube" is none of issuer-only, control-plane, attach, kind`},
		"no_config":   {app.Clusters{Driver: app.ClustersAttach}, "no kubeconfig"},
		"no_programs": {app.Clusters{Driver: app.ClustersControlPlane, BinDir: t.TempDir()}, "tools/kubernetes/build"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := app.Open(t.Context(), app.Config{Clusters: c.clusters}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

// TestControlPlane is the chain with a real API server: its token is exchanged
// for the identity's. It is skipped without Kubernetes' programs.
func TestControlPlane(t *testing.T) {
	bin := os.Getenv("KUBE_BIN_DIR")
	if bin == "" {
		t.Skip("KUBE_BIN_DIR names no folder with kube-apiserver and kube-controller-manager (tools/kubernetes/build prints one)")
	}
	config := app.Config{Dir: filepath.Join(t.TempDir(), "state"), Clusters: app.Clusters{Driver: app.ClustersControlPlane, BinDir: bin}}
	a, err := app.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	z := newAzure(t, a)
	z.put(t, nil)
	issuer := z.reaches(t, "Succeeded").Properties.OIDCIssuerProfile.IssuerURL
	identity := z.group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/uai"
	var made struct{ Properties struct{ ClientID string } }
	if err := z.Manage(t.Context(), http.MethodPut, identity, "2024-11-30", map[string]any{"location": "westeurope"}, &made); err != nil {
		t.Fatal(err)
	}
	credential := map[string]any{"properties": map[string]any{
		"issuer": issuer, "subject": "system:serviceaccount:default:default", "audiences": []string{"api://AzureADTokenExchange"},
	}}
	if err := z.Manage(t.Context(), http.MethodPut, identity+"/federatedIdentityCredentials/fic", "2024-11-30", credential, nil); err != nil {
		t.Fatal(err)
	}
	kubeconfig := z.kubeconfig(t, "listClusterUserCredential")
	exchange := func(z azure) {
		t.Helper()
		from, err := cluster.Connect(cluster.Options{Content: []byte(kubeconfig)})
		if err != nil {
			t.Fatal(err)
		}
		token, err := from.Token(t.Context(), "default", "default", "api://AzureADTokenExchange", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := z.Assert(t.Context(), made.Properties.ClientID, token.Value, deploy.ResourceManager); err != nil {
			t.Errorf("exchanging the API server's token: %v", err)
		}
	}
	exchange(z)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	second := newAzure(t, open(t, config))
	eventually(t, "the cluster is back at its address", func() error {
		from, err := cluster.Connect(cluster.Options{Content: []byte(kubeconfig)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = from.ServiceAccount(t.Context(), "default", "default")
		return err
	})
	exchange(second)
	if err := second.Manage(t.Context(), http.MethodDelete, z.cluster(), apiClusters, nil, nil); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(config.Dir, "clusters", "*")); err != nil || len(left) != 0 {
		t.Errorf("after the delete: %v, %v are left", left, err)
	}
}
