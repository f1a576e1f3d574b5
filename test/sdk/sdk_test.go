package sdk

import (
	"os"
	"strings"
	"testing"
)

// execArguments are those of `aksess exec` for the scenario's service account.
func execArguments(program ...string) []string {
	return append([]string{"--cluster", "ch-widemo-dev-aks-blue", "-n", "widemo", "sa/wi-demo-sa", "--"}, program...)
}

// TestLocalAzure runs every client against one local Azure with the scenario in it.
func TestLocalAzure(t *testing.T) {
	a := start(t, "--ephemeral")
	scenario := a.deploy(t)
	goProgram := []string{envProgram + "=dataplane"}

	t.Run("clients", func(t *testing.T) {
		t.Run("go-default-credential", func(t *testing.T) {
			t.Parallel()
			environ := append(append(a.work("godefault"), goProgram...), "WIDEMO_CREDENTIAL=default")
			judge(t, finish(t, a.command(t, append(environ, a.injected(t, scenario, scenario.Token)...), "run", "--", os.Args[0])))
		})
		t.Run("go-workload-credential", func(t *testing.T) {
			t.Parallel()
			environ := append(append(a.work("goworkload"), goProgram...), "WIDEMO_CREDENTIAL=workload")
			judge(t, finish(t, a.command(t, environ, "exec", execArguments(os.Args[0])...)))
		})
		t.Run("javascript-default-credential", func(t *testing.T) {
			t.Parallel()
			environ := append(a.work("jsdefault"), "WIDEMO_CREDENTIAL=default")
			judge(t, finish(t, a.command(t, append(environ, a.injected(t, scenario, scenario.Token)...), "run", "--", "node", "js/main.js")))
		})
		t.Run("javascript-workload-credential", func(t *testing.T) {
			t.Parallel()
			environ := append(a.work("jsworkload"), "WIDEMO_CREDENTIAL=workload")
			judge(t, finish(t, a.command(t, environ, "exec", execArguments("node", "js/main.js")...)))
		})
		t.Run("foreign-service-account", func(t *testing.T) {
			t.Parallel()
			environ := append(append(a.work("foreign"), goProgram...), "WIDEMO_CREDENTIAL=default")
			r := finish(t, a.command(t, append(environ, a.injected(t, scenario, scenario.Foreign)...), "run", "--", os.Args[0]))
			if r.code != 1 || !strings.Contains(r.stdout, "AADSTS700213") || strings.Contains(r.stdout, "ok secrets/get") {
				t.Errorf("got exit code %d and\n%s\nwant every read refused with AADSTS700213", r.code, r.stdout)
			}
		})
	})
	t.Run("exec", func(t *testing.T) { testExec(t, a, scenario) })
	t.Run("run", func(t *testing.T) { testRun(t, a) })
	t.Run("sample", func(t *testing.T) { testSample(t, a, scenario) })
	t.Run("proxy", func(t *testing.T) { testProxy(t, a, scenario) })
	t.Run("remove", func(t *testing.T) { judge(t, a.asDeployer(t, "remove")) })
	t.Run("log", func(t *testing.T) { testLog(t, a, scenario) }) // the last one: of all the above
}

// TestFirewall: the address that callers are seen to come from decides before
// their identity does, and the SDK says so.
func TestFirewall(t *testing.T) {
	a := start(t, "--ephemeral", "--client-address", "192.0.2.9")
	r := a.asDeployer(t, "deploy")
	if r.code != 1 || !strings.Contains(r.stderr, "secrets: ") || !strings.Contains(r.stderr, "ForbiddenByFirewall") || !strings.Contains(r.stderr, "Client address: 192.0.2.9") {
		t.Errorf("got exit code %d and\n%s\nwant the first secret refused with ForbiddenByFirewall", r.code, r.stderr)
	}
}
