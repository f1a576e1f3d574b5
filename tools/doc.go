// Package tools holds the versions of the programs that `make check` runs.
package tools
