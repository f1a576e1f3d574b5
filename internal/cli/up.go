package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/aksess/aksess/internal/app"
)

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
  aksess up -o json > up.json &                 # tenant, subscription, proxy and deployer as data
  aksess up --cluster-driver control-plane      # clusters are real Kubernetes API servers
  aksess up --fault throttle=arm:3:5            # Resource Manager throttles three times`,
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
	User struct {
		Name     string `json:"name"`
		Password string `json:"password"`
	} `json:"user"`
	SignInPage string `json:"signInPage"`
}

func (c *common) printUp(a *app.App, output string) error {
	report := upReport{
		ProxyURL: a.ProxyURL(), CAFile: a.CAFile(), State: a.Files(), TenantID: a.Account.TenantID, SubscriptionID: a.Account.SubscriptionID,
	}
	report.Deployer.ClientID, report.Deployer.SecretFile = a.Account.Deployer.ClientID, a.SecretFile()
	report.User.Name, report.SignInPage = a.Account.User.Name, a.DevicePage()
	if output != "table" {
		report.User.Password = a.Account.User.Password
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
  user          %s, with the password in the same file
  sign-in page  %s

Run a program against it:     aksess run -- COMMAND
Or set up this shell:         eval "$(aksess env)"
As the deployer, with az:     aksess run -- az login --service-principal --tenant %[3]s \
                                --username %[5]s --password="$(jq -r .clientSecret %[6]s)"
Interrupt to stop.
`, report.ProxyURL, report.CAFile, report.TenantID, report.SubscriptionID, report.Deployer.ClientID, report.Deployer.SecretFile,
		report.User.Name, report.SignInPage)
	return err
}
