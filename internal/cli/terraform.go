package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aksess/aksess/internal/app"
)

// armCredentials are the variables that say who Terraform's azurerm, azuread
// and azapi providers sign in as, and where
// (https://registry.terraform.io/providers/hashicorp/azurerm/latest/docs#argument-reference).
var armCredentials = []string{
	"ARM_SUBSCRIPTION_ID", "ARM_TENANT_ID", "ARM_CLIENT_ID", "ARM_CLIENT_ID_FILE_PATH", "ARM_CLIENT_SECRET", "ARM_CLIENT_SECRET_FILE_PATH",
	"ARM_CLIENT_CERTIFICATE", "ARM_CLIENT_CERTIFICATE_PATH", "ARM_USE_OIDC", "ARM_OIDC_TOKEN", "ARM_OIDC_TOKEN_FILE_PATH", "ARM_OIDC_REQUEST_URL",
	"ARM_USE_AKS_WORKLOAD_IDENTITY", "ARM_USE_MSI", "ARM_MSI_ENDPOINT", "ARM_USE_CLI", "ARM_ACCESS_KEY",
}

// terraformVariables sign Terraform in as the deployer. There are none when the
// environment already says who signs in, or the deployer's file is not there.
func (r *running) terraformVariables(environ []string) ([]variable, error) {
	if slices.ContainsFunc(armCredentials, func(name string) bool { return lookup(environ, name) != "" }) {
		return nil, nil
	}
	deployer, err := r.deployer()
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil, nil // another user's
	}
	if err != nil {
		return nil, err
	}
	const what = "Terraform's azurerm, azuread and azapi: the deployer"
	return []variable{
		{"ARM_TENANT_ID", r.TenantID, what},
		{"ARM_SUBSCRIPTION_ID", r.SubscriptionID, what},
		{"ARM_CLIENT_ID", deployer.ClientID, what},
		{"ARM_CLIENT_SECRET", deployer.ClientSecret, what},
	}, nil
}

func (r *running) deployerFile() string {
	return filepath.Join(filepath.Dir(r.CAFile), app.DeployerFile)
}

// deployer reads the deployer's file.
func (r *running) deployer() (app.Deployer, error) {
	var deployer app.Deployer
	content, err := os.ReadFile(r.deployerFile())
	if err == nil {
		err = json.Unmarshal(content, &deployer)
	}
	if err != nil {
		return deployer, fmt.Errorf("reading the deployer's secret: %w", err)
	}
	return deployer, nil
}

func newTF(c *common) *cobra.Command {
	return &cobra.Command{
		Use:   "tf",
		Short: "Print the azurerm provider block for the running local Azure",
		Long: `Print the provider block with which Terraform reaches the running local Azure by
itself, without 'aksess run': by local names and metadata_host instead of the proxy.

Only the certificate authority cannot be named in the block: SSL_CERT_FILE has to.
The secret is read from its file and is not printed. The provider cannot read
azurerm_app_configuration_key and _feature this way, since the metadata of a cloud
does not name App Configuration; 'aksess run -- terraform' has no such limit.`,
		Example: `  aksess tf > provider.tf
  SSL_CERT_FILE="$(aksess env --json | jq -r .SSL_CERT_FILE)" terraform apply`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := c.state()
			if err != nil {
				return err
			}
			r, err := findRunning(cmd.Context(), dir)
			if err != nil {
				return fmt.Errorf("%w with its state in %s; start one with 'aksess up'", err, dir)
			}
			return c.printProvider(r)
		},
	}
}

// hclQuote quotes a value as HCL's native syntax has it.
func hclQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "${", "$${", "%{", "%%{").Replace(s) + `"`
}

func (c *common) printProvider(r *running) error {
	deployer, err := r.deployer()
	if err != nil {
		return err
	}
	address, err := url.Parse(r.ProxyURL)
	if err != nil {
		return fmt.Errorf("reading the address of the local Azure: %w", err)
	}
	_, err = fmt.Fprintf(c.env.Stdout, `# The local Azure of aksess. Terraform has to trust its certificate authority:
#   export SSL_CERT_FILE=%s
provider "azurerm" {
  features {}

  metadata_host   = %s
  tenant_id       = %s
  subscription_id = %s
  client_id       = %s
  client_secret   = jsondecode(file(%s)).clientSecret

  resource_provider_registrations = "none"
}
`, shellQuote(r.CAFile), hclQuote("management."+app.LocalSuffix+":"+address.Port()), hclQuote(r.TenantID), hclQuote(r.SubscriptionID),
		hclQuote(deployer.ClientID), hclQuote(r.deployerFile()))
	return err
}
