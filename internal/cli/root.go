package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// Env is what the commands take from the process they run in.
type Env struct {
	Args    []string
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	Environ []string
	Version Version
}

// Version is stamped into the binary.
type Version struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Go      string `json:"go"`
}

// usageError ends the program with exit code 2.
type usageError struct{ error }

// exitError ends the program with the code of a command that was run.
type exitError struct {
	code int
	err  error // shown when not nil
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

// Main runs the command line and returns the exit code.
func Main(ctx context.Context, env Env) int {
	root := newRoot(env)
	root.SetArgs(env.Args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var exit *exitError
	if errors.As(err, &exit) {
		if exit.err != nil {
			fmt.Fprintln(env.Stderr, "aksess:", exit.err)
		}
		return exit.code
	}
	fmt.Fprintln(env.Stderr, "aksess:", err)
	var usage usageError
	if errors.As(err, &usage) {
		return 2
	}
	return 1
}

// common are the flags that every command has.
type common struct {
	env      Env
	logLevel string
	stateDir string
}

func newRoot(env Env) *cobra.Command {
	c := &common{env: env}
	root := &cobra.Command{
		Use:   "aksess",
		Short: "Keyless access from Kubernetes to Azure: inject it, answer it locally, explain it",
		Long: `aksess gives a pod its Azure identity without a stored secret, answers Azure's side
of the handshake on one machine, and runs local programs as a service account.

  ServiceAccount → Pod → projected token → OIDC issuer → federated credential
  → managed identity → role or access policy → resource firewall → data

Exit codes: 0 done; 1 the command failed, or a link of the chain is broken; 2 the command
line is wrong. 'run' and 'exec' end with the code of the program they ran, 128 + N when
signal N ended it, 125 when aksess itself failed, 126 when the program could not be run
and 127 when it was not found.`,
		Example: `  aksess demo                                  # watch the whole chain work, then break
  aksess up                                    # a local Azure until interrupted
  aksess run -- go test ./...                  # any program against it, unmodified
  aksess exec -n widemo sa/wi-demo-sa -- ./app # a program as a service account`,
		Version:       env.Version.Version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          knownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		SuggestionsMinimumDistance: 2,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	root.SetIn(env.Stdin)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w\nSee '%s --help'", err, cmd.CommandPath())}
	})
	flags := root.PersistentFlags()
	flags.StringVar(&c.logLevel, "log-level", "warn", "log on standard error from this level on: debug, info, warn, error")
	flags.StringVar(&c.stateDir, "state", "", "folder of the local Azure's state (default $XDG_STATE_HOME/aksess)")
	root.AddCommand(newUp(c), newRun(c), newEnv(c), newTF(c), newExec(c), newDemo(c), newVersion(c))
	wrapUsage(root)
	return root
}

// knownCommand refuses what is no command, with those that are spelt like it.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return fmt.Errorf("unknown command %q%s", args[0], hint)
}

// wrapUsage makes wrong arguments usage errors, exit code 2.
func wrapUsage(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usageError{fmt.Errorf("%w\nSee '%s --help'", err, cmd.CommandPath())}
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		wrapUsage(sub)
	}
}

func (c *common) logger() (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.logLevel)); err != nil {
		return nil, usageError{fmt.Errorf("--log-level %q is not one of debug, info, warn, error", c.logLevel)}
	}
	return slog.New(slog.NewTextHandler(c.env.Stderr, &slog.HandlerOptions{Level: level})), nil
}

// state is the folder of the state: the flag, else the XDG default
// (https://specifications.freedesktop.org/basedir-spec/latest/).
func (c *common) state() (string, error) {
	if c.stateDir != "" {
		return filepath.Abs(c.stateDir)
	}
	if dir := lookup(c.env.Environ, "XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "aksess"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("finding a folder for the state: %w; name one with --state", err)
	}
	return filepath.Join(home, ".local", "state", "aksess"), nil
}
