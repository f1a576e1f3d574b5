package terraform_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/deploy"
)

// scenarioDir holds the scenario's Terraform files.
const scenarioDir = "../../examples/widemo/terraform"

// workspace is a folder with Terraform files and state.
type workspace struct {
	t       *testing.T
	dir     string
	azure   *azure
	environ []string // beside what `aksess run` sets
	// wrap runs terraform otherwise than by `aksess run`; nil for that.
	wrap func(dir string, environ []string, program ...string) *exec.Cmd
}

// newWorkspace returns an empty folder in which the azurerm provider is the
// one under test.
func newWorkspace(t *testing.T, a *azure) *workspace {
	t.Helper()
	bin := os.Getenv("TERRAFORM_BIN_DIR")
	if bin == "" {
		t.Fatal("TERRAFORM_BIN_DIR names no folder with terraform and the provider; make e2e-terraform sets it")
	}
	w := &workspace{t: t, dir: t.TempDir(), azure: a}
	w.write("terraform.rc", `provider_installation {
  dev_overrides { "hashicorp/azurerm" = "`+bin+`" }
  direct {}
}`)
	w.environ = []string{"TF_CLI_CONFIG_FILE=" + filepath.Join(w.dir, "terraform.rc"), "TF_IN_AUTOMATION=1"}
	return w
}

// scenario returns a folder with the scenario's files as they stand.
func scenario(t *testing.T, a *azure) *workspace {
	t.Helper()
	w := newWorkspace(t, a)
	paths, err := filepath.Glob(filepath.Join(scenarioDir, "*.tf"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("files in %s: got %d (%v), want some", scenarioDir, len(paths), err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		w.write(filepath.Base(path), string(text))
	}
	return w
}

func (w *workspace) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *workspace) remove(name string) {
	w.t.Helper()
	if err := os.Remove(filepath.Join(w.dir, name)); err != nil {
		w.t.Fatal(err)
	}
}

// try runs terraform and returns what it printed and its exit code.
func (w *workspace) try(args ...string) (printed string, code int) {
	w.t.Helper()
	terraform := filepath.Join(os.Getenv("TERRAFORM_BIN_DIR"), "terraform")
	wrap := w.wrap
	if wrap == nil {
		wrap = w.azure.command
	}
	cmd := wrap(w.dir, w.environ, append([]string{terraform}, args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	started := time.Now()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.t.Fatalf("terraform %s: %v\n%s", args[0], err, out.String())
	}
	w.t.Logf("terraform %s: %.1f s", strings.Join(args, " "), time.Since(started).Seconds())
	return out.String(), cmd.ProcessState.ExitCode()
}

// run is try for what must succeed.
func (w *workspace) run(args ...string) string {
	w.t.Helper()
	printed, code := w.try(args...)
	if code != 0 {
		w.t.Fatalf("terraform %s: got exit code %d, want 0\n%s", strings.Join(args, " "), code, printed)
	}
	return printed
}

// counts are the numbers of a summary line; those that it lacks are 0.
type counts struct{ imported, added, changed, destroyed int }

var summary = regexp.MustCompile(`(?:Resources: |Plan: )(?:(\d+) (?:imported|to import), )?(\d+) (?:added|to add), (\d+) (?:changed|to change), (\d+) (?:destroyed|to destroy)\.`)

func (w *workspace) summary(printed string) (c counts) {
	w.t.Helper()
	found := summary.FindStringSubmatch(printed)
	if found == nil {
		if ended := regexp.MustCompile(`Destroy complete! Resources: (\d+) destroyed`).FindStringSubmatch(printed); ended != nil {
			_, _ = fmt.Sscan(ended[1], &c.destroyed)
			return c
		}
		w.t.Fatalf("no summary in\n%s", printed)
	}
	for i, into := range []*int{&c.imported, &c.added, &c.changed, &c.destroyed} {
		if found[i+1] != "" {
			_, _ = fmt.Sscan(found[i+1], into)
		}
	}
	return c
}

// apply applies, holds the summary against what is wanted and returns what was printed.
func (w *workspace) apply(want counts, args ...string) (printed string) {
	w.t.Helper()
	printed = w.run(append([]string{"apply", "-auto-approve", "-no-color", "-input=false"}, args...)...)
	if got := w.summary(printed); got != want {
		w.t.Fatalf("terraform apply: got %+v, want %+v\n%s", got, want, printed)
	}
	return printed
}

// destroy destroys and holds the summary against what is wanted.
func (w *workspace) destroy(destroyed int, args ...string) {
	w.t.Helper()
	printed := w.run(append([]string{"destroy", "-auto-approve", "-no-color", "-input=false"}, args...)...)
	if got := w.summary(printed); got.destroyed != destroyed {
		w.t.Fatalf("terraform destroy: got %d destroyed, want %d\n%s", got.destroyed, destroyed, printed)
	}
}

// planIsEmpty asserts that nothing is to be done.
func (w *workspace) planIsEmpty(args ...string) {
	w.t.Helper()
	printed, code := w.try(append([]string{"plan", "-detailed-exitcode", "-no-color", "-input=false"}, args...)...)
	if code != 0 {
		w.t.Fatalf("terraform plan: got exit code %d, want 0: nothing to change\n%s", code, printed)
	}
}

// outputs returns the root module's outputs, all of which are texts.
func (w *workspace) outputs() map[string]string {
	w.t.Helper()
	terraform := filepath.Join(os.Getenv("TERRAFORM_BIN_DIR"), "terraform")
	cmd := w.azure.command(w.dir, w.environ, terraform, "output", "-json")
	text, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("terraform output: %v", err)
	}
	var outputs map[string]struct{ Value string }
	if err := json.Unmarshal(text, &outputs); err != nil {
		w.t.Fatalf("terraform output: %v", err)
	}
	values := map[string]string{}
	for name, output := range outputs {
		values[name] = output.Value
	}
	return values
}

// managed is a resource of the state.
type managed struct {
	Address string
	Mode    string
	Type    string
	Values  map[string]any
}

// resources are the managed resources of the state.
func (w *workspace) resources() (found []managed) {
	w.t.Helper()
	terraform := filepath.Join(os.Getenv("TERRAFORM_BIN_DIR"), "terraform")
	text, err := w.azure.command(w.dir, w.environ, terraform, "show", "-json").Output()
	if err != nil {
		w.t.Fatalf("terraform show: %v", err)
	}
	var state struct {
		Values struct {
			RootModule struct{ Resources []managed } `json:"root_module"`
		}
	}
	if err := json.Unmarshal(text, &state); err != nil {
		w.t.Fatalf("terraform show: %v", err)
	}
	for _, r := range state.Values.RootModule.Resources {
		if r.Mode == "managed" {
			found = append(found, r)
		}
	}
	return found
}

// sign returns a client of the local Azure that acts as the application.
func (a *azure) sign(clientID, secret string) *deploy.Client {
	a.t.Helper()
	return &deploy.Client{HTTP: a.http(), TenantID: a.TenantID, ClientID: clientID, ClientSecret: secret}
}

// http reaches the local Azure by Azure's host names.
func (a *azure) http() *http.Client {
	a.t.Helper()
	pem, err := os.ReadFile(a.CAFile)
	if err != nil {
		a.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		a.t.Fatalf("%s holds no certificate", a.CAFile)
	}
	proxy, err := url.Parse(a.ProxyURL)
	if err != nil {
		a.t.Fatal(err)
	}
	transport := &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	a.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}
