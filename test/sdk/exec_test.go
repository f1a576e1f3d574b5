package sdk

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aksess/aksess/test/sdk/deploy"
)

// testExec is `aksess exec` against the issuer-only driver.
func testExec(t *testing.T, a *azure, s deploy.Scenario) {
	exec := func(t *testing.T, environ []string, program ...string) result {
		return finish(t, a.command(t, environ, "exec", execArguments(program...)...))
	}
	t.Run("variables-and-token", func(t *testing.T) {
		r := exec(t, nil, "sh", "-c", `echo "$AZURE_CLIENT_ID $AZURE_TENANT_ID $AZURE_AUTHORITY_HOST $AZURE_FEDERATED_TOKEN_FILE"
			stat -c '%a %F' "$AZURE_FEDERATED_TOKEN_FILE"; stat -c %a "$(dirname "$AZURE_FEDERATED_TOKEN_FILE")"; cat "$AZURE_FEDERATED_TOKEN_FILE"`)
		lines := strings.Split(r.stdout, "\n")
		if r.code != 0 || len(lines) != 4 {
			t.Fatalf("got exit code %d and %q (%s), want 0 and four lines, the token without a line's end", r.code, r.stdout, r.stderr)
		}
		file := strings.Fields(lines[0])[3]
		equal(t, "variables", lines[0], fmt.Sprintf("%s %s https://login.microsoftonline.com/ %s", s.ClientID, a.TenantID, file))
		equal(t, "mode of the token's file", lines[1], "600 regular file")
		equal(t, "mode of its folder", lines[2], "700")
		if strings.Count(lines[3], ".") != 2 {
			t.Errorf("the token's file holds %d bytes that are no JWT", len(lines[3]))
		}
		if _, err := os.Stat(filepath.Dir(file)); !os.IsNotExist(err) {
			t.Errorf("after the end, the token's folder: got %v, want it gone", err)
		}
		if strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, "widemo/wi-demo-sa") || !strings.Contains(r.stderr, s.ClientID) {
			t.Errorf("standard error: got %q, want one line that names the service account and its client id", r.stderr)
		}
	})
	t.Run("exit-code", func(t *testing.T) {
		equal(t, "exit code", exec(t, nil, "sh", "-c", "exit 42").code, 42)
		equal(t, "exit code of a signalled program", exec(t, nil, "sh", "-c", "kill -9 $$").code, 128+9)
		equal(t, "exit code of a missing program", exec(t, nil, "no-such-program").code, 127)
	})
	t.Run("signal", func(t *testing.T) { testSignal(t, a) })
	t.Run("stray-secret", func(t *testing.T) {
		r := exec(t, []string{"AZURE_CLIENT_SECRET=x"}, "true")
		if !strings.Contains(r.stderr, "warning: AZURE_CLIENT_SECRET") {
			t.Errorf("standard error: got %q, want a warning of AZURE_CLIENT_SECRET", r.stderr)
		}
	})
	t.Run("unknown-cluster", func(t *testing.T) {
		r := finish(t, a.command(t, nil, "exec", "--cluster", "green", "-n", "widemo", "sa/wi-demo-sa", "--", "true"))
		if r.code != 125 || !strings.Contains(r.stderr, `"green"`) || !strings.Contains(r.stderr, deploy.Cluster) {
			t.Errorf("got exit code %d and %q, want 125 and the clusters that there are", r.code, r.stderr)
		}
	})
	// As in a pod: nothing but the client id is missing, and a warning says why.
	t.Run("account-without-identity", func(t *testing.T) {
		r := finish(t, a.command(t, nil, "exec", "--cluster", deploy.Cluster, "-n", "widemo", "sa/default", "--", "sh", "-c", `echo "$AZURE_CLIENT_ID,$AZURE_TENANT_ID"`))
		equal(t, "variables", r.stdout, ","+a.TenantID+"\n")
		if !strings.Contains(r.stderr, `warning: service account "widemo/default" has no annotation azure.workload.identity/client-id`) {
			t.Errorf("standard error: got %q, want a warning of the missing annotation", r.stderr)
		}
	})
}

// testSignal: SIGTERM reaches the program, its exit code comes back and the token goes.
func testSignal(t *testing.T, a *azure) {
	cmd := a.command(t, nil, "exec", execArguments("sh", "-c",
		`trap 'echo "got TERM"; exit 7' TERM; echo "$AZURE_FEDERATED_TOKEN_FILE"; while :; do sleep 0.1; done`)...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	lines.Scan()
	file := lines.Text()
	if _, err := os.Stat(file); err != nil {
		t.Errorf("while the program runs, its token: %v", err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	lines.Scan()
	equal(t, "what the program saw", lines.Text(), "got TERM")
	_ = cmd.Wait()
	equal(t, "exit code", cmd.ProcessState.ExitCode(), 7)
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("after the end, the token's file: got %v, want it gone", err)
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
