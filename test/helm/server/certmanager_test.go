package server_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/aksess/aksess/test/e2e"
	"github.com/aksess/aksess/test/helm"
)

const serviceName = account + "." + namespace + ".svc"

var certificates = schema.GroupVersionResource{Group: "cert-manager.io", Version: "v1", Resource: "certificates"}

// TestCertManager runs the webhook with certificates of cert-manager: its
// controllers and its cainjector, with the rights that its own chart gives them.
// Only what a node does is played: the Secret's volume and the way from the
// Service to the pod.
func TestCertManager(t *testing.T) {
	cluster := e2e.StartCluster(t)
	cluster.Apply(t, helm.Namespace(namespace))
	cluster.Apply(t, helm.Namespace(managerNamespace))
	installKinds(t, cluster)
	cluster.Apply(t, manifestOf(t, chartOfCertManager(t)))
	cluster.Apply(t, []byte(appManifest))
	s := &site{cluster: cluster, listen: e2e.FreeAddress(t), health: e2e.FreeAddress(t)}
	s.door = openDoor(t, s.listen)
	s.install(t, ownAuthority())
	s.start(t)
	t.Run("own_authority", func(t *testing.T) { s.testOwnAuthority(t) })
	t.Run("issuer_of_yours", func(t *testing.T) { s.testIssuerOfYours(t) })
	for _, process := range []*e2e.Process{s.controller, s.cainjector, s.webhook} {
		if log := process.Log(); strings.Contains(log, "forbidden") || strings.Contains(log, `"level":"ERROR"`) {
			t.Errorf("got a right missing or an error\n%s", process.Tail())
		}
	}
}

func ownAuthority() map[string]any {
	return map[string]any{"azureTenantID": tenant, "certificates": map[string]any{"source": "cert-manager"}}
}

// site is the webhook in a cluster with cert-manager.
type site struct {
	cluster                         *e2e.Cluster
	door                            *door
	listen, health                  string
	controller, cainjector, webhook *e2e.Process
}

// install applies the chart, with a Service that leads to the door.
func (s *site) install(t *testing.T, values map[string]any) {
	t.Helper()
	values["service"] = map[string]any{"port": s.door.port(t)}
	objects := objectsOf(t, render(t, values))
	for _, object := range objects {
		if object.GetKind() == "Service" && object.GetName() == account {
			s.door.lead(t, object)
		}
	}
	s.cluster.Apply(t, manifestOf(t, objects))
}

// start runs the programs one by one: the certificate comes from cert-manager's
// controllers, the trust in it from its cainjector, and before both are there
// the webhook is not ready and labelled pods are refused.
func (s *site) start(t *testing.T) {
	t.Helper()
	deployment, err := s.cluster.Client.AppsV1().Deployments(namespace).Get(t.Context(), account, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s.controller = s.manager(t, "controller", "cert-manager")
	certs := mount(t, s.cluster, certificateVolume(t, deployment), s.controller)
	args, env := commandLine(t, s.cluster)
	s.webhook = e2e.StartProcess(t, e2e.Command{
		Name: "webhook", Path: program(t, root, "aksess-webhook", "./cmd/aksess-webhook"), Env: e2e.CleanEnv(t, env...),
		Args: append(args, "--kubeconfig="+kubeconfigOf(t, s.cluster, namespace, account), "--webhook-cert-dir="+certs,
			"--listen="+s.listen, "--health-addr="+s.health, "--metrics-addr=0", "--drain-delay=0s"),
	})
	e2e.EventuallyRunning(t, e2e.StartLimit, "webhook with a certificate that nobody trusts", func() error {
		if err := ready(t.Context(), s.health); err == nil || !strings.Contains(err.Error(), "no CA bundle is published") {
			return fmt.Errorf("readiness: got %v", err)
		}
		return nil
	}, s.webhook)
	e2e.EventuallyRunning(t, e2e.StartLimit, "labelled pods refused while nobody trusts the webhook", func() error {
		if err := s.tryApp(t); err == nil || !strings.Contains(err.Error(), "failed to verify certificate") {
			return fmt.Errorf("got %v", err)
		}
		return nil
	}, s.webhook)
	s.cainjector = s.manager(t, "cainjector", "cert-manager-cainjector")
	e2e.EventuallyRunning(t, e2e.StartLimit, "webhook ready", func() error { return ready(t.Context(), s.health) }, s.webhook, s.cainjector)
}

// manager starts one of cert-manager's programs as its service account.
func (s *site) manager(t *testing.T, name, as string) *e2e.Process {
	t.Helper()
	return e2e.StartProcess(t, e2e.Command{
		Name: name, Path: program(t, operators, filepath.Join("operators", name), "./"+name), Env: e2e.CleanEnv(t),
		Args: []string{"--kubeconfig=" + kubeconfigOf(t, s.cluster, managerNamespace, as)},
	})
}

// testOwnAuthority: the chart's own authority vouches for the webhook. Neither
// a new certificate nor a new authority, nor the chart applied once more, is
// noticed by anybody.
func (s *site) testOwnAuthority(t *testing.T) {
	s.checkTrust(t, account, 1)
	s.underLoad(t, func() {
		s.renews(t, account, func() { s.renew(t, account) })
		s.renews(t, account, func() { s.deleteSecret(t) })
		s.install(t, ownAuthority())
		before := s.secret(t, account+"-authority", "tls.crt")
		s.renew(t, account+"-authority")
		e2e.EventuallyRunning(t, e2e.StartLimit, "another authority", func() error {
			if s.secret(t, account+"-authority", "tls.crt") == before {
				return errors.New("got the same")
			}
			return nil
		}, s.controller)
		s.renews(t, account, func() { s.renew(t, account) })
	})
	s.checkTrust(t, account, 2)
}

// testIssuerOfYours goes over to an issuer that is there already, with the
// values of the chart's example.
func (s *site) testIssuerOfYours(t *testing.T) {
	s.cluster.Apply(t, []byte(issuerManifest))
	var values map[string]any
	if err := yaml.Unmarshal(read(t, filepath.Join(helm.Dir(root), "ci", "cert-manager-issuer.yaml")), &values); err != nil {
		t.Fatal(err)
	}
	s.underLoad(t, func() {
		s.renews(t, issuerName, func() { s.install(t, values) })
		s.renews(t, issuerName, func() { s.renew(t, account) })
	})
	s.checkTrust(t, issuerName, 3)
}
