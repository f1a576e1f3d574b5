package helm_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/cli/webhook"
	"github.com/aksess/aksess/test/helm"
)

// TestWebhookTakesItsCommandLine gives what the chart renders to the program:
// it must come as far as looking for its cluster, past every flag and variable.
func TestWebhookTakesItsCommandLine(t *testing.T) {
	for name, values := range valueSets(t) {
		t.Run(name, func(t *testing.T) {
			objects := render(t, values)
			args, env := commandLine(t, objects)
			code, log := start(t, append(args, "--kubeconfig=absent"), env)
			if code != 1 || !strings.Contains(log, `reading kubeconfig \"absent\"`) && !strings.Contains(log, `reading kubeconfig "absent"`) {
				t.Errorf("got exit code %d: %s", code, log)
			}
			if code, log := start(t, append(args, "--no-such-flag"), env); code != 2 {
				t.Errorf("got exit code %d for a flag that does not exist: %s", code, log)
			}
		})
	}
}

// TestNull: a value that is taken away with null is one that the webhook can do
// without, or is missed by its name.
func TestNull(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(helm.Dir(root), "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	values, err := helm.Values(raw)
	if err != nil {
		t.Fatal(err)
	}
	paths := map[string]bool{}
	for _, value := range values {
		for path, more := value.Path, true; more; {
			paths[path] = true
			dot := strings.LastIndexByte(path, '.')
			if more = dot >= 0; more {
				path = path[:dot]
			}
		}
	}
	refused := 0
	for path := range paths {
		rendered, err := load(t).Render(helm.Release{Values: with(path, nil)})
		name := path[strings.LastIndexByte(path, '.')+1:]
		switch {
		case err == nil:
			args, env := commandLine(t, decode(t, rendered.Manifest))
			if _, log := start(t, append(args, "--kubeconfig=absent"), env); !strings.Contains(log, `reading kubeconfig \"absent\"`) {
				t.Errorf("%s: got %s, want the webhook to take its command line", path, log)
			}
		case !strings.Contains(err.Error(), "missing property '"+name+"'") && path != "azureTenantID":
			t.Errorf("%s: got %v, want the name missed", path, err)
		default:
			refused++
		}
	}
	if refused < 30 {
		t.Errorf("got %d values refused, want those that are needed", refused)
	}
}

// commandLine is the container's, with the mounted certificate authority of a
// local Azure in a file of the test.
func commandLine(t *testing.T, objects objects) (args []string, env map[string]string) {
	t.Helper()
	name := "aksess-webhook"
	if objects[deployment] == nil {
		name = "workload-identity"
	}
	container := []any{"spec", "template", "spec", "containers", 0}
	list, _ := objects.at(t, "Deployment/"+name, append(container, "args")...).([]any)
	for _, arg := range list {
		args = append(args, arg.(string))
	}
	const mounted = "--local-azure-ca=/etc/aksess/local-azure/ca.crt"
	if config := objects["ConfigMap/"+name+"-local-azure"]; config != nil {
		file := filepath.Join(t.TempDir(), "ca.crt")
		if err := os.WriteFile(file, []byte(config["data"].(map[string]any)["ca.crt"].(string)), 0o600); err != nil {
			t.Fatal(err)
		}
		for i := range args {
			if args[i] == mounted {
				args[i] = "--local-azure-ca=" + file
			}
		}
	}
	env = map[string]string{}
	variables, _ := objects.at(t, "Deployment/"+name, append(container, "env")...).([]any)
	for _, variable := range variables {
		variable := variable.(map[string]any)
		value, _ := variable["value"].(string)
		if variable["valueFrom"] != nil {
			value = "aksess-system" // of POD_NAMESPACE and, for this test, POD_NAME
		}
		env[variable["name"].(string)] = value
	}
	return args, env
}

func start(t *testing.T, args []string, env map[string]string) (code int, log string) {
	t.Helper()
	var out bytes.Buffer
	code = webhook.Main(t.Context(), webhook.Env{
		Args: args, Getenv: func(name string) string { return env[name] }, Stdout: &out, Stderr: &out, Version: "test",
	})
	return code, out.String()
}
