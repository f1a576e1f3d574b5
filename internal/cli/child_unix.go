//go:build unix

package cli

import (
	"os"
	"syscall"

	"golang.org/x/term"
)

// forwarded are the signals that a child is meant to get.
var forwarded = []os.Signal{
	syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH,
}

// fromTerminal reports whether the terminal sent the signal to the whole
// process group, child included: passing it on would deliver it twice.
func fromTerminal(s os.Signal) bool {
	return (s == syscall.SIGINT || s == syscall.SIGQUIT || s == syscall.SIGWINCH) && term.IsTerminal(int(os.Stdin.Fd()))
}

// exitCode is the child's, or 128 + N when signal N ended it.
func exitCode(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}
