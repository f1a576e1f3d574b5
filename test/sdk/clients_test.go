//go:build clients

package sdk

import (
	"os"
	"testing"
)

// TestClients runs the programs of ../clients, which its run script prepares:
// PYTHON is the interpreter that has the packages, JAVA_CLASSPATH the classes.
func TestClients(t *testing.T) {
	python, classpath := os.Getenv("PYTHON"), os.Getenv("JAVA_CLASSPATH")
	if python == "" || classpath == "" {
		t.Fatal("PYTHON or JAVA_CLASSPATH is not set; run ../clients/run")
	}
	a := start(t, "--ephemeral")
	scenario := a.deploy(t)
	for _, language := range []struct {
		name    string
		program []string
	}{
		{"python", []string{python, "../clients/python/main.py"}},
		{"java", []string{"java", "-cp", classpath, "com.github.aksess.clients.Main"}},
	} {
		t.Run(language.name, func(t *testing.T) {
			t.Run("default-credential", func(t *testing.T) {
				environ := append(a.work(language.name+"default"), "WIDEMO_CREDENTIAL=default")
				judge(t, finish(t, a.command(t, append(environ, a.injected(t, scenario, scenario.Token)...), "run", append([]string{"--"}, language.program...)...)))
			})
			t.Run("workload-credential", func(t *testing.T) {
				environ := append(a.work(language.name+"workload"), "WIDEMO_CREDENTIAL=workload")
				judge(t, finish(t, a.command(t, environ, "exec", execArguments(language.program...)...)))
			})
		})
	}
}
