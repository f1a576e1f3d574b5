// Command aksess gives programs their Azure identity without a stored secret:
// it serves a local Azure, runs programs against it and explains the chain.
package main

import (
	"context"
	"os"
	"runtime"

	"github.com/aksess/aksess/internal/cli"
)

// Stamped by the linker: -ldflags "-X main.version=v1.2.3 -X main.commit=0123abc".
var (
	version = "devel"
	commit  = ""
)

func main() {
	os.Exit(cli.Main(context.Background(), cli.Env{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ(),
		Version: cli.Version{Version: version, Commit: commit, Go: runtime.Version()},
	}))
}
