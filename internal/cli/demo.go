package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/aksess/aksess/internal/app"
	"github.com/aksess/aksess/internal/demo"
)

func newDemo(c *common) *cobra.Command {
	var application, output string
	var keep bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the whole chain at work, then broken six ways",
		Long: `Show the whole chain at work: start an ephemeral local Azure, create the reference
scenario's resources, and follow one pod's identity from admission to the data that
the sample application reads. Then break the chain six ways, one at a time, and show
how the SDK words each refusal and which link it is.

Ends with 0 when every link held and every break was refused at its link.`,
		Example: `  aksess demo
  aksess demo --keep        # leave the local Azure running afterwards
  aksess demo -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			return c.demo(cmd.Context(), application, output, keep)
		},
	}
	cmd.Flags().StringVar(&application, "app", "", "the sample application (default wi-api beside this program, or on PATH)")
	cmd.Flags().BoolVar(&keep, "keep", false, "leave the local Azure running until interrupted")
	outputFlag(cmd, &output)
	return cmd
}

func (c *common) demo(ctx context.Context, application, output string, keep bool) (err error) {
	log, err := c.logger()
	if err != nil {
		return err
	}
	if c.logLevel == "warn" {
		log = nil // the demo shows the refusals itself
	}
	if application, err = findApplication(application); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	options := demo.Options{
		Config: app.Config{Log: log}, Application: application, Environ: c.applicationEnviron,
		Step: func(demo.Step) {}, Break: func(demo.Break) {},
	}
	if output == "table" {
		options.Step, options.Break = c.showStep, c.showBreak()
	}
	a, report, err := demo.Run(ctx, options)
	if a != nil {
		defer func() { err = errors.Join(err, a.Close()) }()
	}
	if err != nil {
		return err
	}
	if output != "table" {
		if err := c.print(output, report); err != nil {
			return err
		}
	}
	if keep {
		_, remove, err := announce(a)
		if err != nil {
			return err
		}
		defer remove()
		fmt.Fprintf(c.env.Stderr, "\nThe local Azure stays at %s: use it with 'aksess run --state %s -- COMMAND'. Interrupt to stop.\n", a.ProxyURL(), a.Files())
		<-ctx.Done()
	}
	if !report.OK {
		return errors.New("a link did not hold, or a break was not refused where it was made")
	}
	return nil
}

// findApplication is the sample application: named, beside this program, or on PATH.
func findApplication(name string) (string, error) {
	if name != "" {
		return filepath.Abs(name)
	}
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), "wi-api")
		if _, err := exec.LookPath(beside); err == nil {
			return beside, nil
		}
	}
	found, err := exec.LookPath("wi-api")
	if err != nil {
		return "", errors.New("the sample application wi-api is not beside this program nor on PATH; build both with 'make build' or name it with --app")
	}
	return found, nil
}

// applicationEnviron is this process's environment without any credential of
// its user, pointed at the local Azure.
func (c *common) applicationEnviron(a *app.App) ([]string, error) {
	r := &running{ProxyURL: a.ProxyURL(), CAFile: a.CAFile(), TenantID: a.Account.TenantID}
	files, err := r.files()
	if err != nil {
		return nil, err
	}
	noProxy, _ := c.noProxy()
	environ := withVariables(c.env.Environ, clientEnvironment(files, noProxy))
	kept := environ[:0]
	for _, entry := range environ {
		if !strings.HasPrefix(entry, "AZURE_CLIENT_") && !strings.HasPrefix(entry, "AZURE_TENANT_ID=") && !strings.HasPrefix(entry, "AZURE_FEDERATED_") {
			kept = append(kept, entry)
		}
	}
	return kept, nil
}

func (c *common) showStep(s demo.Step) {
	mark := "ok  "
	if !s.OK {
		mark = "FAIL"
	}
	fmt.Fprintf(c.env.Stdout, "%s  %-9s %s\n", mark, s.Name, s.Summary)
}

func (c *common) showBreak() func(demo.Break) {
	n := 0
	return func(b demo.Break) {
		n++
		if n == 1 {
			fmt.Fprintf(c.env.Stdout, "\nNow the same, broken six ways.\n")
		}
		mark := "refused, as it must be"
		if !b.OK {
			mark = "NOT refused where it was broken"
		}
		fmt.Fprintf(c.env.Stdout, "\n%d. %s: %s\n   %s at the link %q (%s)\n", n, b.Name, b.Change, mark, b.Link, b.Code)
		if b.Explain != "" {
			fmt.Fprintf(c.env.Stdout, "   why: %s\n", b.Explain)
		}
		for line := range strings.SplitSeq(strings.ReplaceAll(strings.TrimSpace(b.Refusal), "\r\n", "\n"), "\n") {
			fmt.Fprintf(c.env.Stdout, "   | %s\n", line)
		}
	}
}
