package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
)

// Exit codes of commands that run another one, as env(1) and others have them.
const (
	codeFailed    = 125
	codeCannotRun = 126
	codeNotFound  = 127
)

// child runs a program with this process's files, passes signals on and returns
// its exit code as an *exitError, nil for 0. It runs nothing once ctx has ended,
// and runs a program to its end whether ctx ends or not.
func (c *common) child(ctx context.Context, argv, environ []string) error {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = environ
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.env.Stdin, c.env.Stdout, c.env.Stderr
	// The child is in our process group: the terminal's signals reach it as they
	// reach us. Those sent to us alone are passed on; ours is then to wait.
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, forwarded...)
	defer signal.Stop(signals)
	if ctx.Err() != nil {
		return &exitError{code: codeFailed, err: context.Cause(ctx)}
	}
	if err := cmd.Start(); err != nil {
		code := codeCannotRun
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			code = codeNotFound
		}
		return &exitError{code: code, err: fmt.Errorf("running %q: %w", argv[0], err)}
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			if !fromTerminal(s) {
				_ = cmd.Process.Signal(s) // it may have ended meanwhile
			}
		case err := <-ended:
			return childError(argv[0], err)
		}
	}
}

func childError(name string, err error) error {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit):
		return &exitError{code: exitCode(exit.ProcessState)}
	default:
		return &exitError{code: codeFailed, err: fmt.Errorf("waiting for %q: %w", name, err)}
	}
}
