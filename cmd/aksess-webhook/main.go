// Command aksess-webhook is the admission server that gives pods their Azure
// identity: variables, a projected token and, on request, the IMDS proxy.
package main

import (
	"context"
	"os"

	"github.com/aksess/aksess/internal/cli/webhook"
)

// Stamped by the linker: -ldflags "-X main.version=v1.2.3".
var version = "devel"

func main() {
	os.Exit(webhook.Main(context.Background(), webhook.Env{
		Args: os.Args[1:], Getenv: os.Getenv, Stdout: os.Stdout, Stderr: os.Stderr, Version: version,
	}))
}
