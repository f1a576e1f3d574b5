package cli

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/aksess/aksess/internal/app"
)

// upFlags are the flags of commands that start a local Azure.
type upFlags struct {
	listen              string
	ephemeral           bool
	allowRemote         bool
	passthrough         bool
	clientAddress       string
	tenant              string
	subscription        string
	allowPrivateIssuers bool
	issuerCAs           []string
	acceptUnknown       bool
	machineIdentities   []string
}

func (f *upFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:0", "address of the one port, TLS and proxy alike; port 0 takes a free one")
	flags.BoolVar(&f.ephemeral, "ephemeral", false, "keep the state in memory and forget it at the end")
	flags.BoolVar(&f.allowRemote, "allow-remote", false, "permit listening on an address that other machines reach")
	flags.BoolVar(&f.passthrough, "passthrough", false, "let hosts that are not Azure's through to the network instead of refusing them with 403")
	flags.StringVar(&f.clientAddress, "client-address", "", "public address that callers on this machine are seen to come from by resource firewalls (default 203.0.113.10)")
	flags.StringVar(&f.tenant, "tenant", "", "tenant id of a new state (default a random GUID)")
	flags.StringVar(&f.subscription, "subscription", "", "subscription id of a new state (default a random GUID)")
	flags.BoolVar(&f.allowPrivateIssuers, "allow-private-issuers", false, "fetch the keys of OIDC issuers on loopback and private addresses too")
	flags.StringArrayVar(&f.machineIdentities, "machine-identity", nil, "managed identity of this machine, for programs that ask its metadata service: client id, object id or resource id; it may be created later; may be repeated")
	flags.BoolVar(&f.acceptUnknown, "accept-unknown", false, "store resources of types that are not served as they are sent, without meaning, so that a larger configuration can be applied")
	flags.StringArrayVar(&f.issuerCAs, "issuer-ca", nil, "PEM file with certificates to trust for OIDC issuers, beside the system's; may be repeated")
}

func (f *upFlags) config() (app.Config, error) {
	config := app.Config{
		Listen: f.listen, AllowRemote: f.allowRemote, Passthrough: f.passthrough,
		TenantID: f.tenant, SubscriptionID: f.subscription, AllowPrivateIssuers: f.allowPrivateIssuers,
		AcceptUnknown: f.acceptUnknown, MachineIdentities: f.machineIdentities,
	}
	if f.clientAddress != "" {
		address, err := netip.ParseAddr(f.clientAddress)
		if err != nil {
			return config, usageError{fmt.Errorf("--client-address %q is not an IP address", f.clientAddress)}
		}
		config.ClientAddress = address
	}
	if len(f.issuerCAs) == 0 {
		return config, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	for _, file := range f.issuerCAs {
		text, err := os.ReadFile(file)
		if err != nil {
			return config, fmt.Errorf("reading --issuer-ca: %w", err)
		}
		if !pool.AppendCertsFromPEM(text) {
			return config, fmt.Errorf("--issuer-ca %s holds no PEM certificate", file)
		}
	}
	config.IssuerCAs = pool
	return config, nil
}

func newUp(c *common) *cobra.Command {
	var flags upFlags
	var output string
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Serve a local Azure until interrupted",
		Long: `Serve a local Azure until interrupted: Entra ID's token service, Resource Manager,
Key Vault, App Configuration, Blob and Queue, with roles, access policies and
firewalls enforced, under Azure's own host names.

Everything is on one loopback port, which is an HTTP proxy for Azure's hosts and
refuses all others. 'aksess run -- COMMAND' and 'eval "$(aksess env)"' point
programs at it. The state survives a restart unless --ephemeral is given.`,
		Example: `  aksess up
  aksess up --ephemeral --listen 127.0.0.1:4430
  aksess up -o json > up.json &                 # tenant, subscription, proxy and deployer as data`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			return c.up(cmd.Context(), flags, output)
		},
	}
	flags.register(cmd)
	outputFlag(cmd, &output)
	return cmd
}

func (c *common) up(ctx context.Context, flags upFlags, output string) (err error) {
	config, err := flags.config()
	if err != nil {
		return err
	}
	if config.Log, err = c.logger(); err != nil {
		return err
	}
	if flags.allowRemote && flags.passthrough {
		fmt.Fprintln(c.env.Stderr, "aksess: warning: with --allow-remote and --passthrough, whoever reaches the port can use this machine as a proxy")
	}
	if !flags.ephemeral {
		if config.Dir, err = c.state(); err != nil {
			return err
		}
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	collectLess(ctx, c.env.Environ)
	a, err := app.Open(ctx, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	if err := a.Start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	others, err := c.leadTo(ctx, flags)
	if err != nil {
		return err
	}
	_, remove, err := announce(a, others...)
	if err != nil {
		return err
	}
	defer remove()
	if err := c.printUp(a, output); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- a.Wait() }()
	select {
	case <-ctx.Done():
		return nil
	case err := <-ended:
		return err
	}
}

// leadTo is the state folder of an ephemeral local Azure that has it to itself:
// `run`, `env` and `exec` look there.
func (c *common) leadTo(ctx context.Context, flags upFlags) ([]string, error) {
	if !flags.ephemeral {
		return nil, nil // its own folder is the state folder
	}
	dir, err := c.state()
	if err != nil {
		return nil, err
	}
	if _, err := findRunning(ctx, dir); err == nil {
		fmt.Fprintf(c.env.Stderr, "aksess: warning: another local Azure runs from %s; reach this one with --state and the folder of its certificate\n", dir)
		return nil, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the state folder: %w", err)
	}
	return []string{dir}, nil
}

// upReport is what `up -o json` prints.
type upReport struct {
	ProxyURL       string `json:"proxyUrl"`
	CAFile         string `json:"caFile"`
	State          string `json:"state"`
	TenantID       string `json:"tenantId"`
	SubscriptionID string `json:"subscriptionId"`
	Deployer       struct {
		ClientID     string `json:"clientId"`
		ClientSecret string `json:"clientSecret"`
		SecretFile   string `json:"secretFile"`
	} `json:"deployer"`
}

func (c *common) printUp(a *app.App, output string) error {
	report := upReport{
		ProxyURL: a.ProxyURL(), CAFile: a.CAFile(), State: a.Files(), TenantID: a.Account.TenantID, SubscriptionID: a.Account.SubscriptionID,
	}
	report.Deployer.ClientID, report.Deployer.SecretFile = a.Account.Deployer.ClientID, a.SecretFile()
	if output != "table" {
		report.Deployer.ClientSecret = a.Account.Deployer.ClientSecret
		return c.print(output, report)
	}
	_, err := fmt.Fprintf(c.env.Stdout, `A local Azure is up.
  proxy         %s
  certificate   %s
  tenant        %s
  subscription  %s
  deployer      %s, Owner of the subscription; its secret is in
                %s

Run a program against it:     aksess run -- COMMAND
Or set up this shell:         eval "$(aksess env)"
As the deployer, with az:     aksess run -- az login --service-principal --tenant %[3]s \
                                --username %[5]s --password "$(jq -r .clientSecret %[6]s)"
Interrupt to stop.
`, report.ProxyURL, report.CAFile, report.TenantID, report.SubscriptionID, report.Deployer.ClientID, report.Deployer.SecretFile)
	return err
}
