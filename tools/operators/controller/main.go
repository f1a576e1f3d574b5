// Command controller runs cert-manager's controllers for certificates that are
// self-signed or signed by an authority in a Secret. What is left out of
// cert-manager's own command: ACME, Vault, Venafi, Ingress and Gateway shims,
// CertificateSigningRequests, leader election, metrics.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/cert-manager/cert-manager/pkg/controller"
	"github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/approver"
	cacr "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/ca"
	selfsignedcr "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/selfsigned"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/issuing"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/keymanager"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/readiness"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/requestmanager"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/revisionmanager"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/trigger"
	"github.com/cert-manager/cert-manager/pkg/controller/clusterissuers"
	"github.com/cert-manager/cert-manager/pkg/controller/issuers"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/ca"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/selfsigned"
	"github.com/cert-manager/cert-manager/pkg/logs"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	kubeconfig := flag.String("kubeconfig", "", "kubeconfig `file` of cert-manager's service account")
	namespace := flag.String("cluster-resource-namespace", "cert-manager", "`namespace` of the Secrets of ClusterIssuers")
	flag.Parse()
	if err := run(ctx, *kubeconfig, *namespace); err != nil {
		fmt.Fprintln(os.Stderr, "controller:", err)
		os.Exit(1)
	}
}

// names are the controllers that run, of those that the imports registered.
func names() []string {
	return []string{
		issuers.ControllerName, clusterissuers.ControllerName,
		trigger.ControllerName, issuing.ControllerName, keymanager.ControllerName, readiness.ControllerName,
		requestmanager.ControllerName, revisionmanager.ControllerName,
		approver.ControllerName, selfsignedcr.CRControllerName, cacr.CRControllerName,
	}
}

// run runs the controllers until the context is done.
func run(ctx context.Context, kubeconfig, namespace string) error {
	logs.InitLogs()
	factory, err := controller.NewContextFactory(ctx, controller.ContextOptions{
		Kubeconfig:    kubeconfig,
		IssuerOptions: controller.IssuerOptions{ClusterResourceNamespace: namespace},
		// cert-manager's defaults: without them a request that failed is tried again at once.
		CertificateOptions: controller.CertificateOptions{
			CertificateRequestMinimumBackoffDuration: time.Hour,
			CertificateRequestMaximumBackoffDuration: 32 * time.Hour,
		},
	})
	if err != nil {
		return err
	}
	var ready []func() error
	for _, name := range names() {
		construct := controller.Known()[name]
		if construct == nil {
			return fmt.Errorf("cert-manager has no controller %q", name)
		}
		made, err := construct(factory)
		if err != nil {
			return fmt.Errorf("making controller %q: %w", name, err)
		}
		ready = append(ready, func() error { return made.Run(workers, ctx) })
	}
	shared, err := factory.Build()
	if err != nil {
		return err
	}
	// Informers exist since the controllers asked for them.
	shared.SharedInformerFactory.Start(ctx.Done())
	shared.KubeSharedInformerFactory.Start(ctx.Done())
	return together(ready)
}

// workers is how many objects each controller looks at at a time.
const workers = 5

// together runs all and returns their errors when all have ended.
func together(all []func() error) error {
	var running sync.WaitGroup
	failed := make([]error, len(all))
	for i, one := range all {
		running.Go(func() { failed[i] = one() })
	}
	running.Wait()
	return errors.Join(failed...)
}
