package e2e_test

import (
	"testing"

	"github.com/aksess/aksess/test/e2e"
)

// TestKubernetes runs everything that needs a control plane against one, in
// order: starting it costs more than most of the tests.
func TestKubernetes(t *testing.T) {
	cluster := e2e.StartCluster(t)
	t.Run("issuer", func(t *testing.T) { testIssuer(t, cluster) })
}
