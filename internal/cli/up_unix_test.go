//go:build unix

package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aksess/aksess/internal/demo"
)

// TestUpTerminated: SIGTERM is how supervisors end it, and no failure.
func TestUpTerminated(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	_, stop := up(t, "--state", dir)
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := stop(); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
	if _, err := os.Stat(filepath.Join(dir, runningFile)); !os.IsNotExist(err) {
		t.Errorf("up.json stays: %v", err)
	}
}

// script writes an executable file.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "application")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestDemo runs the demo with an application that reads nothing: all links are
// walked and all breaks made, and the demo says that the data was not seen.
func TestDemo(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	fake := script(t, `test -f "$CH_WIDEMO_CONFIG" && test -s "$AZURE_FEDERATED_TOKEN_FILE"
echo '{"settings":{"error":"the canary '"$AZURE_CLIENT_SECRET"'"},"blobs":{},"messages":{}}'`)
	environ := []string{"PATH=" + os.Getenv("PATH"), "AZURE_CLIENT_SECRET=of-somebody-else"}
	got := command(t, environ, "demo", "--app", fake, "-o", "json")
	var report demo.Report
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil {
		t.Fatalf("got %+v, %v", got, err)
	}
	var steps []string
	for _, step := range report.Steps {
		steps = append(steps, step.Name)
		if step.Summary == "" && step.Name != "access" || step.OK != (step.Name != "access" && step.Name != "data") {
			t.Errorf("step %s: got %+v", step.Name, step)
		}
	}
	if strings.Join(steps, " ") != "inject issuer exchange identity access data" || len(report.Breaks) != 6 || report.OK {
		t.Errorf("got steps %q, %d breaks and OK %v", steps, len(report.Breaks), report.OK)
	}
	for _, b := range report.Breaks {
		if b.Name == "" || b.Change == "" || b.Refusal != "the canary " {
			t.Errorf("break: got %+v, want the refusal as the application printed it, without the user's secret", b)
		}
	}
	if got.code != 1 || !strings.Contains(got.stderr, "a link did not hold") {
		t.Errorf("got exit code %d and %q", got.code, got.stderr)
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	for name, application := range map[string]string{"silent": script(t, "echo broken >&2; exit 3"), "missing": "/no/such/program"} {
		if got := command(t, environ, "demo", "--app", application); got.code != 1 || !strings.HasPrefix(got.stdout, "ok    inject") || !strings.Contains(got.stderr, "sample application") {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	if got := command(t, []string{"PATH=" + t.TempDir()}, "demo", "--keep=false", "--log-level", "loud"); got.code != 2 {
		t.Errorf("an unknown level: got %+v", got)
	}
}
