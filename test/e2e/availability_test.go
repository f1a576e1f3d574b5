package e2e_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/aksess/aksess/test/e2e"
)

const (
	fleetTenant    = "22222222-2222-2222-2222-222222222222"
	availNamespace = "availability"
	availAccount   = "steady"
	availClient    = "33333333-3333-3333-3333-333333333333"
)

// How much of everything. They run side by side.
const (
	rollingRestarts      = 50
	certificateRotations = 100
	podsPerSecond        = 25
	bornTogether         = 1000
)

const availManifest = `
apiVersion: v1
kind: Namespace
metadata: {name: availability}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: steady
  namespace: availability
  annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}
`

// TestAvailability runs several replicas of the webhook with failurePolicy Fail
// through what happens to them in a cluster. At no time may a labelled pod be
// stored without its identity, or be refused.
func TestAvailability(t *testing.T) {
	bin := programs(t)
	cluster := e2e.StartCluster(t)
	fleet := startFleet(t, bin, cluster)
	cluster.Apply(t, []byte(availManifest))

	t.Run("restarts_and_rotations", func(t *testing.T) { testRestartsAndRotations(t, cluster, fleet) })
	t.Run("born_together", func(t *testing.T) { testBornTogether(t, cluster) })
	t.Run("stuck", func(t *testing.T) { testStuck(t, cluster, fleet) })
	t.Run("all_gone", func(t *testing.T) { testAllGone(t, cluster, fleet) })
}

// testRestartsAndRotations creates pods at a steady rate while every replica is
// replaced 50 times and the certificate authority 100 times.
func testRestartsAndRotations(t *testing.T, cluster *e2e.Cluster, fleet *fleet) {
	ctx, stop := context.WithCancel(t.Context())
	refusedBefore := fleet.balancer.refusals() // while the first replicas started
	creator := &creator{cluster: cluster}
	var creating, rotating sync.WaitGroup
	creating.Go(func() { creator.run(ctx) })
	rotator := &rotator{cluster: cluster, fleet: fleet}
	rotating.Go(func() { rotator.run(ctx) })
	defer func() { stop(); creating.Wait(); rotating.Wait() }()

	for range rollingRestarts {
		for _, old := range fleet.roll(t) {
			if code := old.ExitCode(t, e2e.StartLimit); code != 0 {
				t.Errorf("a replica that was told to end: got exit code %d, want 0\n%s", code, old.Tail())
			}
		}
	}
	restarted := time.Now()
	rotating.Wait()
	t.Logf("rotations went on for %s after the restarts", time.Since(restarted).Round(time.Second))
	stop()
	creating.Wait()
	creator.report(t)
	rotator.report(t)
	if refused := fleet.balancer.refusals() - refusedBefore; refused > 0 {
		t.Errorf("got %d connections while no replica was ready, want none", refused)
	}
}

// creator creates labelled pods, one every tick.
type creator struct {
	cluster *e2e.Cluster

	mu        sync.Mutex
	created   int
	unmutated int
	failed    []string
	took      []time.Duration
}

func (c *creator) run(ctx context.Context) {
	ticker := time.NewTicker(time.Second / podsPerSecond)
	defer ticker.Stop()
	var underWay sync.WaitGroup
	defer underWay.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			underWay.Go(func() { c.create(context.WithoutCancel(ctx)) })
		}
	}
}

func (c *creator) create(ctx context.Context) {
	began := time.Now()
	pod, err := c.cluster.Client.CoreV1().Pods(availNamespace).Create(ctx, labelledPod("steady-", availAccount), metav1.CreateOptions{})
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err != nil:
		c.failed = append(c.failed, err.Error())
	case clientIDOf(pod) != availClient:
		c.unmutated++
	default:
		c.created++
		c.took = append(c.took, time.Since(began))
	}
}

func (c *creator) report(t *testing.T) {
	t.Helper()
	slices.Sort(c.took)
	if len(c.took) > 0 {
		t.Logf("%d pods created, p50 %s, p99 %s, slowest %s", c.created, c.took[len(c.took)/2], c.took[len(c.took)*99/100], c.took[len(c.took)-1])
	}
	if c.unmutated > 0 {
		t.Errorf("got %d labelled pods without an identity, want none", c.unmutated)
	}
	if len(c.failed) > 0 {
		t.Errorf("got %d failures beside %d pods, want none:\n%s", len(c.failed), c.created, strings.Join(c.failed[:min(len(c.failed), 5)], "\n"))
	}
	if least := podsPerSecond * rollingRestarts / 4; c.created < least {
		t.Errorf("got %d pods, want the rate kept up: at least %d", c.created, least)
	}
}

func labelledPod(prefix, account string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: prefix, Labels: map[string]string{useLabel: "true"}},
		Spec:       corev1.PodSpec{ServiceAccountName: account, Containers: []corev1.Container{{Name: "main", Image: "main:v1"}}},
	}
}

func clientIDOf(pod *corev1.Pod) string {
	for _, variable := range pod.Spec.Containers[0].Env {
		if variable.Name == "AZURE_CLIENT_ID" {
			return variable.Value
		}
	}
	return ""
}

// rotator has the leader make a new authority, again and again, the way an
// operator does: by emptying the Secret of the one before.
type rotator struct {
	cluster *e2e.Cluster
	fleet   *fleet

	rotations int
	failure   error
	bundle    int // certificates published, most at a time
}

func (r *rotator) run(ctx context.Context) {
	ticker := time.NewTicker(readinessInterval)
	defer ticker.Stop()
	for r.rotations < certificateRotations && r.failure == nil {
		old, err := r.serving(ctx)
		if err == nil {
			_, err = r.cluster.Client.CoreV1().Secrets(webhookNamespace).
				Patch(ctx, "aksess-webhook-ca", types.JSONPatchType, []byte(`[{"op":"remove","path":"/data"}]`), metav1.PatchOptions{})
		}
		if err != nil {
			r.failure = err
			return
		}
		deadline := time.Now().Add(e2e.StartLimit)
		for {
			now, err := r.serving(ctx)
			if err == nil && now != old && r.everywhere(now) {
				break
			}
			if time.Now().After(deadline) {
				r.failure = fmt.Errorf("rotation %d did not come about: %v", r.rotations+1, err)
				return
			}
			select {
			case <-ctx.Done():
				r.failure = ctx.Err()
				return
			case <-ticker.C:
			}
		}
		r.rotations++
		r.measure(ctx)
	}
}

// serving is the certificate in the serving Secret.
func (r *rotator) serving(ctx context.Context) (string, error) {
	secret, err := r.cluster.Client.CoreV1().Secrets(webhookNamespace).Get(ctx, "aksess-webhook-tls", metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	return string(secret.Data["tls.crt"]), nil
}

// everywhere reports whether every replica that is not on its way out serves
// the certificate.
func (r *rotator) everywhere(certificate string) bool {
	block, _ := pem.Decode([]byte(certificate))
	if block == nil {
		return false
	}
	for _, replica := range r.fleet.current() {
		served, err := replica.served()
		if err != nil || string(served.Raw) != string(block.Bytes) {
			return false
		}
	}
	return true
}

func (r *rotator) measure(ctx context.Context) {
	configuration, err := r.cluster.Client.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(ctx, webhookConfiguration, metav1.GetOptions{})
	if err == nil {
		r.bundle = max(r.bundle, strings.Count(string(configuration.Webhooks[0].ClientConfig.CABundle), "BEGIN CERTIFICATE"))
	}
}

func (r *rotator) report(t *testing.T) {
	t.Helper()
	if r.failure != nil || r.rotations != certificateRotations {
		t.Errorf("got %d rotations, %v, want %d", r.rotations, r.failure, certificateRotations)
	}
	// One that is published before it signs, one that signs, and those before it
	// whose certificates may still be served.
	if most := 4; r.bundle == 0 || r.bundle > most {
		t.Errorf("got a bundle of %d certificates, want at most %d", r.bundle, most)
	}
}

// testBornTogether creates a service account and at once a pod that runs as it,
// as one kubectl apply does.
func testBornTogether(t *testing.T, cluster *e2e.Cluster) {
	const workers = 8
	numbers := make(chan int)
	failures := make(chan error, bornTogether)
	var working sync.WaitGroup
	for range workers {
		working.Go(func() {
			for i := range numbers {
				failures <- bear(t.Context(), cluster, i)
			}
		})
	}
	for i := range bornTogether {
		numbers <- i
	}
	close(numbers)
	working.Wait()
	close(failures)
	var failed []error
	for err := range failures {
		if err != nil {
			failed = append(failed, err)
		}
	}
	if len(failed) > 0 {
		t.Errorf("got %d of %d pods wrong, want none: %v", len(failed), bornTogether, errors.Join(failed[:min(len(failed), 5)]...))
	}
}

func bear(ctx context.Context, cluster *e2e.Cluster, i int) error {
	name, clientID := fmt.Sprintf("born-%04d", i), fmt.Sprintf("44444444-4444-4444-4444-%012d", i)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
		Name: name, Annotations: map[string]string{"azure.workload.identity/client-id": clientID},
	}}
	if _, err := cluster.Client.CoreV1().ServiceAccounts(availNamespace).Create(ctx, account, metav1.CreateOptions{}); err != nil {
		return err
	}
	pod, err := cluster.Client.CoreV1().Pods(availNamespace).Create(ctx, labelledPod(name+"-", name), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	if got := clientIDOf(pod); got != clientID {
		return fmt.Errorf("pod of %s: got client id %q, want %s", name, got, clientID)
	}
	return nil
}
