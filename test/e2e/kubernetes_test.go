package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/aksess/aksess/test/e2e"
)

// TestMain runs the tests, or plays the program that aksess exec runs when a
// test has this program run again.
func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(playChild(role))
	}
	os.Exit(m.Run())
}

// TestKubernetes runs everything that needs a control plane against one, in
// order: starting it costs more than most of the tests.
func TestKubernetes(t *testing.T) {
	bin := programs(t)
	cluster := e2e.StartCluster(t)
	// The local Azure fetches the keys of the cluster's issuer, so it trusts its certificate.
	azure := e2e.StartAzure(t, bin, "--allow-private-issuers", "--issuer-ca", cluster.CAFile)
	deployed := azure.Deploy(t, cluster.IssuerURL)
	webhook := startWebhook(t, bin, cluster, azure.TenantID)
	cluster.ApplyScenario(t, manifestDir, deployed.Values())

	t.Run("issuer", func(t *testing.T) { testIssuer(t, cluster) })
	t.Run("scenario_pods", func(t *testing.T) { testScenarioPods(t, cluster, deployed.Values()) })
	t.Run("second_admission", func(t *testing.T) { testSecondAdmission(t, cluster) })
	t.Run("unknown_fields", func(t *testing.T) { testUnknownFields(t, cluster) })
	t.Run("unlabelled", func(t *testing.T) { testUnlabelled(t, cluster) })
	t.Run("events", func(t *testing.T) { testEvents(t, cluster) })
	t.Run("bad_annotations", func(t *testing.T) { testBadAnnotations(t, cluster) })
	t.Run("extras", func(t *testing.T) { testExtras(t, cluster) })
	t.Run("warn_events", func(t *testing.T) { testWarnEvents(t, cluster) })
	t.Run("exchange", func(t *testing.T) { testExchange(t, cluster, azure, deployed) })
	t.Run("foreign_account", func(t *testing.T) { testForeignAccount(t, cluster, azure, deployed) })
	t.Run("exec", func(t *testing.T) { testExec(t, bin, cluster, azure, deployed) })
	t.Run("webhook_log", func(t *testing.T) { testWebhookLog(t, webhook) })
}

// programs returns the folder with this repository's programs: AKSESS_BIN, or
// one that they are built into.
func programs(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("AKSESS_BIN"); dir != "" {
		for _, program := range []string{"aksess", "aksess-webhook", "wi-api"} {
			if _, err := os.Stat(filepath.Join(dir, program)); err != nil {
				t.Fatalf("no %s in AKSESS_BIN=%s: run make build first", program, dir)
			}
		}
		return dir
	}
	dir, root := t.TempDir(), filepath.Join("..", "..")
	build(t, root, dir, "./cmd/aksess", "./cmd/aksess-webhook")
	build(t, filepath.Join(root, "examples", "widemo", "wi-api"), dir, ".")
	return dir
}

// build builds programs of the module into the folder.
func build(t *testing.T, module, into string, packages ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", append([]string{"build", "-o", into + "/"}, packages...)...)
	command.Dir = module
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("building %s of %s: %v\n%s", packages, module, err, out)
	}
}
