//go:build !unix

package cli

import "os"

var forwarded = []os.Signal{os.Interrupt}

// fromTerminal: a console's Ctrl-C reaches the child by itself.
func fromTerminal(os.Signal) bool { return true }

func exitCode(state *os.ProcessState) int { return state.ExitCode() }
