package terraform_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/deploy"
	"github.com/aksess/aksess/test/e2e"
)

// startLimit is how long a local Azure may take to answer; it takes 20 ms.
const startLimit = time.Minute

// azure is a running local Azure, as `aksess up -o json` describes it.
type azure struct {
	ProxyURL       string `json:"proxyUrl"`
	CAFile         string `json:"caFile"`
	State          string `json:"state"`
	TenantID       string `json:"tenantId"`
	SubscriptionID string `json:"subscriptionId"`
	Deployer       struct {
		ClientID     string `json:"clientId"`
		ClientSecret string `json:"clientSecret"`
	} `json:"deployer"`

	t       *testing.T
	bin     string
	state   string
	options []string
	process *e2e.Process
	client  *deploy.Client
}

// programs is the folder of the programs under test.
func programs(t *testing.T) string {
	t.Helper()
	bin := os.Getenv("AKSESS_BIN")
	if bin == "" {
		t.Fatal("AKSESS_BIN names no folder with aksess; make e2e-terraform sets it")
	}
	return bin
}

// startAzure runs a local Azure with options of `aksess up`, and ends it with the test.
func startAzure(t *testing.T, options ...string) *azure {
	t.Helper()
	a := &azure{t: t, bin: programs(t), state: t.TempDir(), options: options}
	a.start()
	return a
}

func (a *azure) start() {
	a.t.Helper()
	a.process = e2e.StartProcess(a.t, e2e.Command{
		Name: "aksess-up", Path: filepath.Join(a.bin, "aksess"),
		Args: append([]string{"up", "-o", "json", "--state", a.state}, a.options...), Env: clean(a.t),
	})
	e2e.EventuallyRunning(a.t, startLimit, "local Azure up", func() error {
		return json.Unmarshal([]byte(a.process.Output()), a)
	}, a.process)
	a.client = a.sign(a.Deployer.ClientID, a.Deployer.ClientSecret)
}

// restart stops the local Azure in good order and starts it on the same state.
func (a *azure) restart() {
	a.t.Helper()
	a.process.Stop()
	a.start()
}

// command is a program run against the local Azure by `aksess run`.
func (a *azure) command(dir string, environ []string, program ...string) *exec.Cmd {
	cmd := exec.CommandContext(a.t.Context(), filepath.Join(a.bin, "aksess"), append([]string{"run", "--state", a.state, "--"}, program...)...)
	cmd.Dir, cmd.Env = dir, append(clean(a.t), environ...)
	return cmd
}

// clean is an environment without the variables of whoever runs the tests.
func clean(t *testing.T, more ...string) []string {
	t.Helper()
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, more...)
}

// get reads from Resource Manager as the deployer.
func (a *azure) get(path, version string, into any) error {
	return a.client.Manage(a.t.Context(), "GET", path, version, nil, into)
}

// entry is a resource as lists show it.
type entry struct {
	ID   string `json:"id"`
	Type string `json:"type"`
}

// list returns what a list of Resource Manager holds.
func (a *azure) list(path, version string) []entry {
	a.t.Helper()
	var page struct {
		Value []entry `json:"value"`
	}
	if err := a.get(path, version, &page); err != nil {
		a.t.Fatalf("listing %s: %v", path, err)
	}
	return page.Value
}

func (a *azure) subscription() string { return fmt.Sprintf("/subscriptions/%s", a.SubscriptionID) }
