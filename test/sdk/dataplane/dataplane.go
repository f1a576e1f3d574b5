// Package dataplane is a workload that reads and writes the scenario's data
// with the Azure SDK for Go. Its identity comes from what the webhook injects;
// as the deployer, whom it is told of apart, it also does what the workload may
// not.
package dataplane

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/aksess/aksess/test/sdk/check"
)

// Variables that tell a workload, in any language, what to work on.
const (
	EnvVault       = "WIDEMO_VAULT_URL"
	EnvStore       = "WIDEMO_STORE_URL"
	EnvBlobs       = "WIDEMO_BLOB_URL"
	EnvQueues      = "WIDEMO_QUEUE_URL"
	EnvRun         = "WIDEMO_RUN"    // distinguishes this run's names; lower-case letters and digits
	EnvSecret      = "WIDEMO_SECRET" // the value that the scenario's secret has
	EnvOwnerTenant = "WIDEMO_OWNER_TENANT"
	EnvOwnerClient = "WIDEMO_OWNER_CLIENT"
	EnvOwnerSecret = "WIDEMO_OWNER_SECRET"
	EnvCredential  = "WIDEMO_CREDENTIAL" // "default" or "workload"; in Go also "managed" and "metadata"
	EnvMetadata    = "WIDEMO_METADATA"   // where connections to the metadata service go, as a pod's redirection sends them
)

type workload struct {
	vault, store, blobs, queues string
	run, secret                 string
	own, owner                  azcore.TokenCredential
}

// Run does every check and writes the report.
func Run(ctx context.Context, out io.Writer) error {
	w := &workload{
		vault: os.Getenv(EnvVault), store: os.Getenv(EnvStore), blobs: os.Getenv(EnvBlobs), queues: os.Getenv(EnvQueues),
		run: os.Getenv(EnvRun), secret: os.Getenv(EnvSecret),
	}
	var err error
	if w.own, err = ownCredential(os.Getenv(EnvCredential)); err != nil {
		return err
	}
	w.owner, err = azidentity.NewClientSecretCredential(os.Getenv(EnvOwnerTenant), os.Getenv(EnvOwnerClient), os.Getenv(EnvOwnerSecret), nil)
	if err != nil {
		return err
	}
	report := &check.Report{Out: out}
	for _, part := range []func(context.Context, *check.Report) error{w.secrets, w.settings, w.blob, w.queue} {
		if err := part(ctx, report); err != nil {
			return err
		}
	}
	if report.Failed > 0 {
		return fmt.Errorf("%d checks failed", report.Failed)
	}
	return nil
}

func ownCredential(kind string) (azcore.TokenCredential, error) {
	switch kind {
	case "default":
		return azidentity.NewDefaultAzureCredential(nil)
	case "workload":
		return azidentity.NewWorkloadIdentityCredential(nil)
	case "managed":
		return azidentity.NewManagedIdentityCredential(nil)
	case "metadata":
		return azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{
			ClientOptions: azcore.ClientOptions{Transport: &http.Client{Transport: &http.Transport{DialContext: redirected}}},
		})
	default:
		return nil, fmt.Errorf("%s is %q, want default, workload, managed or metadata", EnvCredential, kind)
	}
}

// redirected connects as the kernel does in a pod whose requests for the
// metadata service are redirected, and to nothing else.
func redirected(ctx context.Context, network, address string) (net.Conn, error) {
	if address != "169.254.169.254:80" {
		return nil, fmt.Errorf("a managed identity's credential connects to %s", address)
	}
	var dialer net.Dialer
	return dialer.DialContext(ctx, network, os.Getenv(EnvMetadata))
}
