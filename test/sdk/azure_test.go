package sdk

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aksess/aksess/test/sdk/dataplane"
	"github.com/aksess/aksess/test/sdk/deploy"
)

// azure is a local Azure in a process of its own.
type azure struct {
	State    string
	ProxyURL string
	CAFile   string
	TenantID string
	Deployer struct{ ClientID, ClientSecret string }

	SubscriptionID string

	log string // file with its standard error
	cmd *exec.Cmd
}

// bin is the folder with the programs under test.
func bin(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("AKSESS_BIN")
	if dir == "" {
		t.Fatal("AKSESS_BIN is not set; it names the folder with aksess and wi-api, as `make test` builds them")
	}
	return dir
}

func aksess(t testing.TB) string { return filepath.Join(bin(t), "aksess") }

// cleanEnviron is this process's environment without what would lead a client
// elsewhere: the tests choose those variables.
func cleanEnviron(more ...string) []string {
	var kept []string
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		upper := strings.ToUpper(name)
		if !strings.HasSuffix(upper, "_PROXY") && !strings.HasPrefix(upper, "AZURE_") && upper != "SSL_CERT_FILE" && upper != "JAVA_TOOL_OPTIONS" {
			kept = append(kept, entry)
		}
	}
	return append(kept, more...)
}

// start runs `aksess up` and returns once it has said where it is. It is
// stopped, and must end well, when the test ends.
func start(t testing.TB, arguments ...string) *azure {
	t.Helper()
	a := launch(t, arguments...)
	t.Cleanup(func() {
		if err := a.stop(); err != nil {
			t.Errorf("aksess up: got %v, want it to end with 0 when told to", err)
		}
	})
	return a
}

func launch(t testing.TB, arguments ...string) *azure {
	t.Helper()
	log, err := os.CreateTemp(t.TempDir(), "up-*.log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	a := &azure{log: log.Name(), cmd: exec.Command(aksess(t), append([]string{"up", "-o", "json", "--log-level", "debug"}, arguments...)...)}
	a.cmd.Env, a.cmd.Stderr = cleanEnviron(), log
	stdout, err := a.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // however the test ended, nothing is left running
		_ = a.cmd.Process.Kill()
		_ = a.cmd.Wait()
	})
	if err := json.NewDecoder(stdout).Decode(a); err != nil {
		t.Fatalf("aksess up printed no report: %v\n%s", err, a.logText(t))
	}
	return a
}

// stop interrupts it and waits.
func (a *azure) stop() error {
	if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	force := time.AfterFunc(30*time.Second, func() { _ = a.cmd.Process.Kill() })
	defer force.Stop()
	return a.cmd.Wait()
}

func (a *azure) logText(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(a.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// result is what a program that ran left behind.
type result struct {
	code           int
	stdout, stderr string
}

// command prepares `aksess VERB …` for this local Azure.
func (a *azure) command(t testing.TB, environ []string, verb string, arguments ...string) *exec.Cmd {
	cmd := exec.Command(aksess(t), append([]string{verb, "--state", a.State}, arguments...)...)
	cmd.Env = cleanEnviron(environ...)
	return cmd
}

// finish runs a prepared command to its end.
func finish(t testing.TB, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("running %s: %v", cmd.Path, err)
	}
	return result{code: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
}

// asDeployer runs one of the programs under `aksess run`, told who the deployer is.
func (a *azure) asDeployer(t testing.TB, program string) result {
	t.Helper()
	cmd := a.command(t, []string{envProgram + "=" + program}, "run", "--", os.Args[0])
	input, err := json.Marshal(deploy.Deployer{
		TenantID: a.TenantID, SubscriptionID: a.SubscriptionID, ClientID: a.Deployer.ClientID, ClientSecret: a.Deployer.ClientSecret,
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin = bytes.NewReader(input)
	return finish(t, cmd)
}

// deploy makes the scenario.
func (a *azure) deploy(t testing.TB) (made deploy.Scenario) {
	t.Helper()
	a.makes(t, "deploy", &made)
	return made
}

// second adds the second identity to the scenario.
func (a *azure) second(t testing.TB) (made deploy.Second) {
	t.Helper()
	a.makes(t, "second", &made)
	return made
}

// makes runs one of the programs, which prints what it made.
func (a *azure) makes(t testing.TB, program string, made any) {
	t.Helper()
	r := a.asDeployer(t, program)
	if r.code != 0 {
		t.Fatalf("%s ended with %d\n%s", program, r.code, r.stderr)
	}
	if err := json.Unmarshal([]byte(r.stdout), made); err != nil {
		t.Fatalf("%s printed %q: %v", program, r.stdout, err)
	}
}

// work is the environment that tells a workload what to work on; run
// distinguishes its names from those of others.
func (a *azure) work(run string) []string {
	return []string{
		dataplane.EnvVault + "=https://" + deploy.Vault + ".vault.azure.net", dataplane.EnvStore + "=https://" + deploy.Store + ".azconfig.io",
		dataplane.EnvBlobs + "=https://" + deploy.Account + ".blob.core.windows.net", dataplane.EnvQueues + "=https://" + deploy.Account + ".queue.core.windows.net",
		dataplane.EnvRun + "=" + run, dataplane.EnvSecret + "=" + deploy.Secret,
		dataplane.EnvOwnerTenant + "=" + a.TenantID, dataplane.EnvOwnerClient + "=" + a.Deployer.ClientID, dataplane.EnvOwnerSecret + "=" + a.Deployer.ClientSecret,
	}
}

// injected are the variables that the webhook puts into a pod, with the token
// in a file of this test.
func (a *azure) injected(t testing.TB, s deploy.Scenario, token string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "azure-identity-token")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{
		"AZURE_CLIENT_ID=" + s.ClientID, "AZURE_TENANT_ID=" + a.TenantID,
		"AZURE_FEDERATED_TOKEN_FILE=" + file, "AZURE_AUTHORITY_HOST=https://login.microsoftonline.com/",
	}
}

// judge turns the lines of package check into subtests. A program that reports
// nothing, or ends other than its lines say, fails.
func judge(t *testing.T, r result) {
	t.Helper()
	passed, failed := 0, 0
	for line := range strings.Lines(r.stdout) {
		verdict, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, reason, _ := strings.Cut(rest, ": ")
		switch verdict {
		case "ok":
			passed++
			t.Run(name, func(*testing.T) {})
		case "FAIL":
			failed++
			t.Run(name, func(t *testing.T) { t.Error(reason) })
		}
	}
	if passed == 0 || (r.code == 0) != (failed == 0) {
		t.Errorf("the program reported %d passed and %d failed checks and ended with %d\n%s%s", passed, failed, r.code, r.stdout, r.stderr)
	}
}
