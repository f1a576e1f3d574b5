package e2e_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aksess/aksess/test/e2e"
)

// replica is one webhook behind the balancer.
type replica struct {
	*e2e.Process
	listen, health string
}

// fleet is a Deployment of the webhook, played by hand.
type fleet struct {
	owner      testing.TB // the test that the replicas live as long as
	bin        string
	kubeconfig string
	tenant     string
	balancer   *balancer

	mu       sync.Mutex
	replicas []*replica
	started  int
}

// Settings of the replicas that make an hour's work of rotations fit a test.
const (
	fleetSize     = 2 // as in the chart
	drainDelay    = 500 * time.Millisecond
	caOverlap     = time.Second
	leaseDuration = 4 * time.Second
)

// startFleet registers the webhook with the address of a balancer and starts
// the replicas.
func startFleet(t *testing.T, bin string, cluster *e2e.Cluster) *fleet {
	t.Helper()
	f := &fleet{owner: t, bin: bin, kubeconfig: cluster.User(t, webhookUser), tenant: fleetTenant, balancer: startBalancer(t)}
	cluster.Apply(t, fmt.Appendf(nil, webhookManifest, f.balancer.address(), f.balancer.address()))
	for range fleetSize {
		f.replicas = append(f.replicas, f.start(t))
	}
	for _, r := range f.replicas {
		f.waitReady(t, r)
	}
	e2e.Eventually(t, e2e.StartLimit, "pods sent to the webhook", func() error { return reachesWebhook(t, cluster) })
	return f
}

// start begins a replica and has the balancer look at it. It chooses its own
// ports, so that nothing else can take them.
func (f *fleet) start(t *testing.T) *replica {
	t.Helper()
	f.started++
	r := &replica{Process: e2e.StartProcess(f.owner, e2e.Command{
		Name: fmt.Sprintf("aksess-webhook-%03d", f.started), Path: filepath.Join(f.bin, "aksess-webhook"),
		Args: []string{
			"--kubeconfig", f.kubeconfig, "--webhook-configuration", webhookConfiguration, "--cert-source", "secret",
			"--ca-overlap", caOverlap.String(), "--lease-duration", leaseDuration.String(), "--drain-delay", drainDelay.String(),
			"--listen", "127.0.0.1:0", "--health-addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0", "--warn-webhook",
		},
		Env:   e2e.CleanEnv(t, "AZURE_TENANT_ID="+f.tenant, "POD_NAMESPACE="+webhookNamespace),
		Quiet: true, // there are a hundred of them
	})}
	e2e.EventuallyRunning(t, e2e.StartLimit, "replica listening", func() error {
		r.listen, r.health = addresses(r.Log())
		if r.health == "" {
			return errors.New("no addresses in its log")
		}
		return nil
	}, r.Process)
	f.balancer.add(r)
	return r
}

// addresses reads where a webhook listens out of its log.
func addresses(log string) (listen, health string) {
	for line := range strings.Lines(log) {
		var entry struct{ Msg, Listen, Health string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "webhook started" {
			return entry.Listen, entry.Health
		}
	}
	return "", ""
}

func (f *fleet) waitReady(t *testing.T, r *replica) {
	t.Helper()
	e2e.EventuallyRunning(t, e2e.StartLimit, "replica ready", func() error {
		if f.balancer.isReady(r) {
			return nil
		}
		return errors.New("not ready: " + r.Tail())
	}, r.Process)
}

// roll replaces every replica by a new one, one more at a time, as a Deployment
// with maxSurge 1 does. It returns those that are on their way out.
func (f *fleet) roll(t *testing.T) []*replica {
	t.Helper()
	var leaving []*replica
	for i := range f.current() {
		fresh := f.start(t)
		f.waitReady(t, fresh)
		f.mu.Lock()
		old := f.replicas[i]
		f.replicas[i] = fresh
		f.mu.Unlock()
		f.balancer.remove(old)
		if err := old.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		leaving = append(leaving, old)
	}
	return leaving
}

func (f *fleet) current() []*replica {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]*replica(nil), f.replicas...)
}

// signal sends a signal to all replicas.
func (f *fleet) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	for _, r := range f.current() {
		if err := r.Signal(sig); err != nil {
			t.Fatal(err)
		}
	}
}

// kill ends all replicas without warning.
func (f *fleet) kill(t *testing.T) {
	t.Helper()
	for _, r := range f.current() {
		f.balancer.remove(r)
		if err := r.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if code := r.ExitCode(t, e2e.StartLimit); code != -1 {
			t.Errorf("got exit code %d, want a signal's", code)
		}
	}
}

// revive starts as many again.
func (f *fleet) revive(t *testing.T) {
	t.Helper()
	var fresh []*replica
	for range fleetSize {
		fresh = append(fresh, f.start(t))
	}
	f.mu.Lock()
	f.replicas = fresh
	f.mu.Unlock()
}

// served is the certificate that the replica gives to a client of the Service.
func (r *replica) served() (*x509.Certificate, error) {
	// Who it is good for is asked elsewhere.
	config := &tls.Config{ServerName: "aksess-webhook." + webhookNamespace + ".svc", InsecureSkipVerify: true} //nolint:gosec
	connection, err := tls.DialWithDialer(&net.Dialer{Timeout: time.Second}, "tcp", r.listen, config)
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	return connection.ConnectionState().PeerCertificates[0], nil
}
