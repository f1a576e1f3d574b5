//go:build clients

package sdk

import (
	"os"
	"testing"
)

// TestClients runs the programs of ../clients, which its run script prepares:
// PYTHON is the interpreter that has the packages, JAVA_CLASSPATH the classes.
func TestClients(t *testing.T) {
	if os.Getenv("PYTHON") == "" || os.Getenv("JAVA_CLASSPATH") == "" {
		t.Fatal("PYTHON or JAVA_CLASSPATH is not set; run ../clients/run")
	}
	a := start(t, "--ephemeral")
	scenario := a.deploy(t)
	for language, program := range clientPrograms("main", "Main") {
		t.Run(language, func(t *testing.T) {
			t.Run("default-credential", func(t *testing.T) {
				environ := append(a.work(language+"default"), "WIDEMO_CREDENTIAL=default")
				judge(t, finish(t, a.command(t, append(environ, a.injected(t, scenario, scenario.Token)...), "run", append([]string{"--"}, program...)...)))
			})
			t.Run("workload-credential", func(t *testing.T) {
				environ := append(a.work(language+"workload"), "WIDEMO_CREDENTIAL=workload")
				judge(t, finish(t, a.command(t, environ, "exec", execArguments(program...)...)))
			})
		})
	}
	t.Run("proxy", func(t *testing.T) { testEndpoint(t, a, scenario, startSidecar(t, a), redirectedPrograms()) })
}

// clientPrograms are the commands of one of the programs, by language.
func clientPrograms(python, java string) map[string][]string {
	return map[string][]string{
		"python": {os.Getenv("PYTHON"), "../clients/python/" + python + ".py"},
		"java":   {"java", "-cp", os.Getenv("JAVA_CLASSPATH"), "com.github.aksess.clients." + java},
	}
}

// redirectedPrograms are those of package managed that [TestRedirected] runs.
func redirectedPrograms() map[string][]string { return clientPrograms("managed", "Managed") }
