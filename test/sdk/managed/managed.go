// Package managed is a workload that knows nothing but managed identities, with
// the Azure SDK for Go: what it needs is where IDENTITY_ENDPOINT says, or where
// the metadata service always is. ../js/managed.js is the same in JavaScript,
// ../../clients has it in Python and Java.
package managed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/aksess/aksess/test/sdk/check"
	"github.com/aksess/aksess/test/sdk/dataplane"
)

// Variables that tell a program, in any language, who it is; dataplane's for
// the vault and the secret count as well.
const (
	EnvClient          = "WIDEMO_CLIENT_ID" // of the service account's identity
	EnvPrincipal       = "WIDEMO_PRINCIPAL_ID"
	EnvResource        = "WIDEMO_RESOURCE_ID"
	EnvSecondClient    = "WIDEMO_SECOND_CLIENT_ID" // of another one that trusts the service account
	EnvSecondPrincipal = "WIDEMO_SECOND_PRINCIPAL_ID"
	EnvUnknownClient   = "WIDEMO_UNKNOWN_CLIENT_ID" // of none
)

// What a program is told to do, as its only argument.
const (
	Identities = "identities" // everything that a workload may do
	Stranger   = "stranger"   // see that it is refused, not knowing the secret in IDENTITY_HEADER
)

// Run does the checks and writes the report.
func Run(ctx context.Context, what string, out io.Writer) error {
	report := &check.Report{Out: out}
	switch what {
	case Identities:
		identities(ctx, report)
	case Stranger:
		report.Do(ctx, "managed/stranger", func(ctx context.Context) error {
			return refused(ctx, &azidentity.ManagedIdentityCredentialOptions{}, "X-IDENTITY-HEADER")
		})
	default:
		return fmt.Errorf("the argument is %q, want %s or %s", what, Identities, Stranger)
	}
	if report.Failed > 0 {
		return fmt.Errorf("%d checks failed", report.Failed)
	}
	return nil
}

func identities(ctx context.Context, report *check.Report) {
	own, second := identity{os.Getenv(EnvClient), os.Getenv(EnvPrincipal)}, identity{os.Getenv(EnvSecondClient), os.Getenv(EnvSecondPrincipal)}
	managed := func(id azidentity.ManagedIDKind) func() (azcore.TokenCredential, error) {
		return func() (azcore.TokenCredential, error) {
			return azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ID: id})
		}
	}
	for _, c := range []struct {
		name string
		make func() (azcore.TokenCredential, error)
		want identity
	}{
		{"own", managed(nil), own},
		{"default-credential", func() (azcore.TokenCredential, error) { return azidentity.NewDefaultAzureCredential(nil) }, own},
		{"client-id", managed(azidentity.ClientID(own.client)), own},
		{"object-id", managed(azidentity.ObjectID(own.principal)), own},
		{"resource-id", managed(azidentity.ResourceID(os.Getenv(EnvResource))), own},
		{"second-client-id", managed(azidentity.ClientID(second.client)), second},
	} {
		report.Do(ctx, "managed/"+c.name, func(ctx context.Context) error {
			credential, err := c.make()
			if err != nil {
				return err
			}
			return c.want.works(ctx, credential)
		})
	}
	report.Do(ctx, "managed/unknown-client-id", func(ctx context.Context) error {
		return refused(ctx, &azidentity.ManagedIdentityCredentialOptions{ID: azidentity.ClientID(os.Getenv(EnvUnknownClient))}, "AADSTS700016")
	})
}

const scope = "https://vault.azure.net/.default"

type identity struct{ client, principal string }

// works expects a token of this identity, and that the vault takes it.
func (want identity) works(ctx context.Context, credential azcore.TokenCredential) error {
	token, err := credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
	if err != nil {
		return err
	}
	client, principal, err := check.Identity(token.Token)
	if err != nil {
		return err
	}
	if err := check.Equal("appid and oid", identity{client, principal}, want); err != nil {
		return err
	}
	vault, err := azsecrets.NewClient(os.Getenv(dataplane.EnvVault), credential, nil)
	if err != nil {
		return err
	}
	got, err := vault.GetSecret(ctx, "DemoSecret", "", nil)
	if err != nil {
		return err
	}
	return check.Equal("secret", *got.Value, os.Getenv(dataplane.EnvSecret))
}

// refused expects an error that says why.
func refused(ctx context.Context, options *azidentity.ManagedIdentityCredentialOptions, why string) error {
	credential, err := azidentity.NewManagedIdentityCredential(options)
	if err != nil {
		return err
	}
	_, err = credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
	var failed *azidentity.AuthenticationFailedError
	if !errors.As(err, &failed) || !strings.Contains(err.Error(), why) {
		return fmt.Errorf("got %w, want an AuthenticationFailedError with %s", err, why)
	}
	return nil
}
