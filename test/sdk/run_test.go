package sdk

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// testRun is `aksess run` and `aksess env` beside a running local Azure.
func testRun(t *testing.T, a *azure) {
	run := func(t *testing.T, environ []string, program ...string) result {
		return finish(t, a.command(t, environ, "run", append([]string{"--"}, program...)...))
	}
	t.Run("unknown-host", func(t *testing.T) {
		began := time.Now()
		get := []string{envProgram + "=get"}
		r := run(t, get, os.Args[0], "http://example.com/")
		if !strings.HasPrefix(r.stdout, "403 ") || !strings.Contains(r.stdout, "--passthrough") {
			t.Errorf("http: got %q (%s), want 403 naming --passthrough", r.stdout, r.stderr)
		}
		r = run(t, get, os.Args[0], "https://example.com/")
		if r.code == 0 || !strings.Contains(r.stderr, "Forbidden") {
			t.Errorf("https: got exit code %d and %q, want 403 to CONNECT", r.code, r.stderr)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("the refusals took %s, want them at once", took)
		}
	})
	t.Run("curl", func(t *testing.T) {
		if _, err := exec.LookPath("curl"); err != nil {
			t.Skip("curl is not installed")
		}
		r := run(t, nil, "curl", "-sS", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}", "https://ch-widemo-dev-kv.vault.azure.net/secrets/DemoSecret?api-version=7.4")
		equal(t, "status without a token", r.stdout, "401")
	})
	t.Run("exit-codes", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "not-executable")
		if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			want    int
			program []string
		}{
			{0, []string{"true"}},
			{42, []string{"sh", "-c", "exit 42"}},
			{127, []string{"no-such-program"}},
			{127, []string{"/no/such/program"}},
			{126, []string{file}},
		} {
			if r := run(t, nil, c.program...); r.code != c.want {
				t.Errorf("%q: got exit code %d (%s), want %d", c.program, r.code, r.stderr, c.want)
			}
		}
	})
	t.Run("warnings", func(t *testing.T) {
		r := run(t, []string{"NO_PROXY=.vault.azure.net,internal.example", "AZURE_CLIENT_SECRET=x"}, "sh", "-c", `echo "$NO_PROXY"`)
		if !strings.Contains(r.stderr, `warning: NO_PROXY has ".vault.azure.net"`) || !strings.Contains(r.stderr, "warning: AZURE_CLIENT_SECRET") {
			t.Errorf("standard error: got %q, want warnings of both variables", r.stderr)
		}
		equal(t, "NO_PROXY of the program", r.stdout, "localhost,127.0.0.1,::1,internal.example\n")
		if r := run(t, nil, "true"); r.stderr != "" {
			t.Errorf("standard error without either: got %q, want none", r.stderr)
		}
	})
	t.Run("env", func(t *testing.T) { testEnv(t, a) })
}

// testEnv: what `aksess env` prints gives a shell the very variables of its
// JSON form and of `aksess run`.
func testEnv(t *testing.T, a *azure) {
	r := finish(t, a.command(t, nil, "env", "--json"))
	var want map[string]string
	if err := json.Unmarshal([]byte(r.stdout), &want); err != nil || len(want) == 0 {
		t.Fatalf("aksess env --json printed %q: %v", r.stdout, err)
	}
	text := finish(t, a.command(t, nil, "env")).stdout
	cmd := a.command(t, []string{"TEXT=" + text}, "run", "--", "env", "-0")
	compare(t, "aksess run", finish(t, cmd).stdout, want)
	shell := a.command(t, []string{"TEXT=" + text}, "run")
	shell.Path, shell.Args = "/bin/sh", []string{"sh", "-c", `eval "$TEXT"; exec env -0`}
	compare(t, "eval", finish(t, shell).stdout, want)
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE",
		"NODE_EXTRA_CA_CERTS", "CURL_CA_BUNDLE", "JAVA_TOOL_OPTIONS", "CHECKPOINT_DISABLE", "GO_AZURE_SDK_SKIP_POLLING_DELAY"} {
		if want[name] == "" {
			t.Errorf("%s is not set", name)
		}
	}
}

func compare(t *testing.T, what, environ string, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for _, entry := range strings.Split(environ, "\x00") {
		name, value, _ := strings.Cut(entry, "=")
		got[name] = value
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s: %s: got %q, want %q", what, name, got[name], value)
		}
	}
}

// TestRunAlone: without a running local Azure, a private one lives as long as
// the program, and `aksess env` says that none runs.
func TestRunAlone(t *testing.T) {
	a := &azure{State: filepath.Join(t.TempDir(), "state")}
	r := finish(t, a.command(t, []string{envProgram + "=get"}, "run", "--", os.Args[0], "https://login.microsoftonline.com/common/discovery/instance?api-version=1.1&authorization_endpoint=https://login.microsoftonline.com/common/oauth2/authorize"))
	if r.code != 0 || !strings.Contains(r.stdout, "tenant_discovery_endpoint") {
		t.Errorf("run: got exit code %d, %q and %q, want an answer of the token service", r.code, r.stdout, r.stderr)
	}
	if r := finish(t, a.command(t, nil, "env")); r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, "aksess up") {
		t.Errorf("env: got exit code %d, %q and %q, want 1 and a word of aksess up", r.code, r.stdout, r.stderr)
	}
	if entries, err := os.ReadDir(a.State); err == nil && len(entries) > 0 {
		t.Errorf("the private one left %d entries in the state folder, want none", len(entries))
	}
	r = finish(t, a.command(t, nil, "exec", execArguments("true")...))
	if r.code != 125 || !strings.Contains(r.stderr, "aksess up") {
		t.Errorf("exec: got exit code %d and %q, want 125 and a word of aksess up", r.code, r.stderr)
	}
}
