package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func newRun(c *common) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run [--] COMMAND [ARGUMENT…]",
		Short: "Run a program against the local Azure",
		Long: `Run a program against the local Azure, unmodified: proxy and trust are set for Go,
Node, Python, .NET, Java and curl through environment variables (see 'aksess env').
Without a running 'aksess up' a private, ephemeral one lives as long as the program.
Where no ARM_ variable says who Terraform signs in as, it is the local Azure's
deployer, who owns the subscription.

Ends with the program's exit code.`,
		Example: `  aksess run -- go test ./...
  aksess run -- terraform apply
  aksess run -- python app.py`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args) },
	}
	cmd.Flags().SetInterspersed(false) // flags after the command are the command's
	return cmd
}

func (c *common) run(ctx context.Context, argv []string) error {
	log, err := c.logger()
	if err != nil {
		return err
	}
	// A signal before the program runs must not leave a private one's files behind.
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	r, release, err := c.borrow(ctx, log)
	if err != nil {
		return &exitError{code: codeFailed, err: cmp.Or(context.Cause(ctx), err)}
	}
	defer release()
	environ, warnings, err := c.clientEnviron(r)
	if err != nil {
		return &exitError{code: codeFailed, err: err}
	}
	for _, warning := range append(warnings, strayCredentials(c.env.Environ)...) {
		fmt.Fprintln(c.env.Stderr, "aksess: warning:", warning)
	}
	return c.child(ctx, argv, environ)
}

// clientEnviron is this process's environment with the local Azure's variables set.
func (c *common) clientEnviron(r *running) (environ, warnings []string, err error) {
	files, err := r.files()
	if err != nil {
		return nil, nil, err
	}
	noProxy, warnings := c.noProxy()
	variables := clientEnvironment(files, noProxy)
	terraform, err := r.terraformVariables(c.env.Environ)
	if err != nil {
		return nil, nil, err
	}
	return withVariables(c.env.Environ, append(variables, terraform...)), warnings, nil
}

func (c *common) noProxy() (value string, warnings []string) {
	have := lookup(c.env.Environ, "NO_PROXY")
	if lower := lookup(c.env.Environ, "no_proxy"); lower != have {
		have += "," + lower
	}
	return cleanNoProxy(have)
}
