//go:build tools

// Package tools names the programs that `make check` runs, so that their
// versions are pinned here and nowhere else.
package tools

import (
	_ "golang.org/x/vuln/cmd/govulncheck"
	_ "honnef.co/go/tools/cmd/staticcheck"
)
