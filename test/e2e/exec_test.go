package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aksess/aksess/test/e2e"
)

// developerManifest is what aksess exec needs of the cluster.
const developerManifest = `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: run-as-wi-demo-sa
  namespace: widemo
rules:
- {apiGroups: [""], resources: [serviceaccounts], resourceNames: [wi-demo-sa], verbs: [get]}
- {apiGroups: [""], resources: [serviceaccounts/token], resourceNames: [wi-demo-sa], verbs: [create]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: run-as-wi-demo-sa
  namespace: widemo
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: run-as-wi-demo-sa}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: developer}
`

// execLimit is how long a program run by aksess exec may take.
const execLimit = time.Minute

// execution runs this program again, by aksess exec.
type execution struct {
	bin, state, kubeconfig, self string
}

// testExec shows that a program on this machine runs as the cluster's service
// account.
func testExec(t *testing.T, bin string, cluster *e2e.Cluster, a *e2e.Azure, d *e2e.Scenario) {
	cluster.Apply(t, []byte(developerManifest))
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	x := execution{bin: bin, state: a.State, kubeconfig: cluster.User(t, "developer"), self: self}
	t.Run("reads_the_secret", func(t *testing.T) { x.testReads(t, a, d) })
	t.Run("sample_application", func(t *testing.T) { x.testSample(t, cluster, a, d) })
	t.Run("passes_SIGTERM_on", func(t *testing.T) { x.testSignal(t) })
	t.Run("unknown_account", func(t *testing.T) { x.testRefused(t, "sa/nobody") })
	t.Run("foreign_account", func(t *testing.T) { x.testRefused(t, "sa/default") })
}

// start runs this program in a role, as the service account.
func (x execution) start(t *testing.T, account, role string) (p *e2e.Process, temporary string) {
	t.Helper()
	return x.run(t, account, []string{x.self, "argument"}, roleVariable+"="+role)
}

// run runs a program as the service account, with a folder of its own for
// temporary files.
func (x execution) run(t *testing.T, account string, program []string, environ ...string) (p *e2e.Process, temporary string) {
	t.Helper()
	temporary = t.TempDir()
	return e2e.StartProcess(t, e2e.Command{
		Name: "aksess-exec", Path: filepath.Join(x.bin, "aksess"),
		Args: append([]string{"exec", "--state", x.state, "--kubeconfig", x.kubeconfig, "-n", e2e.Namespace, account, "--"}, program...),
		Env:  e2e.CleanEnv(t, append(environ, "TMPDIR="+temporary)...),
	}), temporary
}

func (x execution) testReads(t *testing.T, a *e2e.Azure, d *e2e.Scenario) {
	p, temporary := x.start(t, "sa/"+e2e.ServiceAccount, roleReader)
	if got := p.ExitCode(t, execLimit); got != readerExitCode {
		t.Errorf("exit code: got %d, want the program's own %d\n%s", got, readerExitCode, p.Tail())
	}
	var seen sight
	if err := json.Unmarshal([]byte(p.Output()), &seen); err != nil {
		t.Fatalf("reading what the program saw, %q: %v", p.Output(), err)
	}
	if seen.Error != "" || seen.Secret != e2e.Canary {
		t.Errorf("secret: got %q, error %q, want %q", seen.Secret, seen.Error, e2e.Canary)
	}
	for name, want := range map[string]string{
		"AZURE_CLIENT_ID":      d.ClientID,
		"AZURE_TENANT_ID":      a.TenantID,
		"AZURE_AUTHORITY_HOST": "https://login.microsoftonline.com/",
		"HTTPS_PROXY":          a.ProxyURL,
		"https_proxy":          a.ProxyURL,
		"SSL_CERT_FILE":        a.CAFile,
		"NODE_EXTRA_CA_CERTS":  a.CAFile,
		"REQUESTS_CA_BUNDLE":   a.CAFile,
	} {
		if got := seen.Variables[name]; got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if seen.Arguments != "argument" || seen.FileMode != "-rw-------" || seen.FolderMode != "drwx------" {
		t.Errorf("program: got arguments %q, token file %s in a folder %s; want argument, -rw------- in drwx------",
			seen.Arguments, seen.FileMode, seen.FolderMode)
	}
	if file := seen.Variables["AZURE_FEDERATED_TOKEN_FILE"]; filepath.Dir(filepath.Dir(file)) != temporary {
		t.Errorf("token file: got %q, want it in a folder in %s", file, temporary)
	}
	checkEmpty(t, temporary)
	x.checkLine(t, p, a, d)
}

// checkLine compares all of standard error with the one line that says who runs.
func (x execution) checkLine(t *testing.T, p *e2e.Process, a *e2e.Azure, d *e2e.Scenario) {
	t.Helper()
	expires := regexp.MustCompile(`token until \S+, `)
	want := fmt.Sprintf("aksess: running as service account %s/%s of cluster \"e2e\": client id %s, tenant %s, on the local Azure at %s; token until TIME, kept fresh\n",
		e2e.Namespace, e2e.ServiceAccount, d.ClientID, a.TenantID, a.ProxyURL)
	if got := expires.ReplaceAllString(p.Log(), "token until TIME, "); got != want {
		t.Errorf("standard error: got %q, want %q", got, want)
	}
}

func (x execution) testSignal(t *testing.T) {
	p, temporary := x.start(t, "sa/"+e2e.ServiceAccount, roleWaiter)
	e2e.EventuallyRunning(t, execLimit, "program at work", func() error {
		if got := p.Output(); got != waiterReady {
			return fmt.Errorf("got output %q, want %q", got, waiterReady)
		}
		return nil
	}, p)
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := p.ExitCode(t, execLimit); got != waiterExitCode {
		t.Errorf("exit code: got %d, want %d of a program that had the signal\n%s", got, waiterExitCode, p.Tail())
	}
	checkEmpty(t, temporary)
}

// testRefused shows that nothing runs as a service account that the developer
// has no right to.
func (x execution) testRefused(t *testing.T, account string) {
	p, temporary := x.start(t, account, roleReader)
	const couldNotStart = 125
	if got := p.ExitCode(t, execLimit); got != couldNotStart || p.Output() != "" {
		t.Errorf("exec: got exit code %d and output %q, want %d and none", got, p.Output(), couldNotStart)
	}
	name := strings.TrimPrefix(account, "sa/")
	for _, want := range []string{"reading service account widemo/" + name, `User "developer" cannot get resource "serviceaccounts"`} {
		if !strings.Contains(p.Log(), want) {
			t.Errorf("refusal: got %q, want %q in it", p.Log(), want)
		}
	}
	checkEmpty(t, temporary)
}

// checkEmpty shows that nothing stayed behind.
func checkEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		t.Errorf("%s stayed behind in the folder for temporary files", entry.Name())
	}
}
