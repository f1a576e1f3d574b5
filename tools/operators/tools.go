//go:build tools

package operators

// A package of each module that only its files are taken from.
import (
	_ "github.com/prometheus-operator/prometheus-operator/pkg/versionutil"
)
