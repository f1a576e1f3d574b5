// Command aksess-proxy answers for Azure's metadata service in a pod: it gives
// programs that know no other way the tokens of the pod's own identity. Its init
// step sends their requests to it.
package main

import (
	"context"
	"net/http"
	"os"

	"github.com/aksess/aksess/internal/cli/proxy"
)

// Stamped by the linker: -ldflags "-X main.version=v1.2.3".
var version = "devel"

func main() {
	os.Exit(proxy.Main(context.Background(), proxy.Env{
		Args: os.Args[1:], Getenv: os.Getenv, HTTPProxy: http.ProxyFromEnvironment, Stdout: os.Stdout, Stderr: os.Stderr, Version: version,
	}))
}
