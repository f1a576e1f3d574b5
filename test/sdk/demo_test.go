package sdk

import (
	"bufio"
	"encoding/json"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestDemo is the README's first promise: the six links hold with the sample
// application and its unmodified SDK, and each break is refused where it was made.
func TestDemo(t *testing.T) {
	cmd := exec.Command(aksess(t), "demo", "-o", "json")
	cmd.Env = cleanEnviron()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("aksess demo: %v\n%s", err, out)
	}
	var report struct {
		OK    bool
		Steps []struct {
			Name, Summary string
			OK            bool
		}
		Breaks []struct {
			Name, Refusal, Code, Link, Explain string
			OK                                 bool
		}
	}
	if err := json.Unmarshal(out, &report); err != nil || !report.OK {
		t.Fatalf("got ok %v, %v", report.OK, err)
	}
	var names []string
	for _, step := range report.Steps {
		names = append(names, step.Name)
		if !step.OK || step.Summary == "" {
			t.Errorf("%s: got ok %v with %q", step.Name, step.OK, step.Summary)
		}
	}
	if got := strings.Join(names, " "); got != "inject issuer exchange identity access data" {
		t.Errorf("got the links %q", got)
	}
	want := []struct{ code, link, refusal string }{
		{"not injected", "Pod", "no client ID specified"},
		{"AADSTS700213", "federated credential", "AADSTS700213: No matching federated identity record"},
		{"AADSTS700211", "federated credential", "AADSTS700211: No matching federated identity record"},
		{"forbidden", "role or access policy", "RESPONSE 403"},
		{"Forbidden/ForbiddenByPolicy", "role or access policy", "does not have secrets get permission"},
		{"Forbidden/ForbiddenByFirewall", "resource firewall", "Client address: 203.0.113.10"},
	}
	if len(report.Breaks) != len(want) {
		t.Fatalf("got %d breaks, want %d", len(report.Breaks), len(want))
	}
	for i, b := range report.Breaks {
		if !b.OK || b.Code != want[i].code || b.Link != want[i].link || !strings.Contains(b.Refusal, want[i].refusal) || b.Explain == "" {
			t.Errorf("%s: got %s at %q (%s): %.300s, want %s at %q", b.Name, b.Code, b.Link, b.Explain, b.Refusal, want[i].code, want[i].link)
		}
	}
}

// TestDemoKeep: what the demo made stays usable until it is interrupted.
func TestDemoKeep(t *testing.T) {
	cmd := exec.Command(aksess(t), "demo", "--keep")
	cmd.Env = cleanEnviron()
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	state := ""
	for lines := bufio.NewScanner(stderr); state == "" && lines.Scan(); {
		if _, rest, found := strings.Cut(lines.Text(), "--state "); found {
			state, _, _ = strings.Cut(rest, " ")
		}
	}
	if state == "" {
		t.Fatal("the demo did not say where the local Azure stays")
	}
	inner := exec.Command(aksess(t), "exec", "--state", state, "--cluster", "ch-widemo-dev-aks-blue", "-n", "widemo", "sa/wi-demo-sa", "--",
		"sh", "-c", `test -s "$AZURE_FEDERATED_TOKEN_FILE" && test -n "$AZURE_CLIENT_ID"`)
	inner.Env = cleanEnviron()
	if out, err := inner.CombinedOutput(); err != nil {
		t.Errorf("aksess exec on what stays: %v\n%s", err, out)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("interrupted: got %v, want exit code 0", err)
	}
}
