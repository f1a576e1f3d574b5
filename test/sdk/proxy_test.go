package sdk

import (
	"bytes"
	"net"
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

// identityHeader is the secret of the proxy's App Service endpoint.
const identityHeader = "header-of-the-pod"

// sidecar is aksess-proxy as it runs beside a pod's containers.
type sidecar struct {
	address string
	log     bytes.Buffer
	cmd     *exec.Cmd
}

// startSidecar runs the proxy as the scenario's service account until the test
// ends, and waits for it with its own probe.
func startSidecar(t *testing.T, a *azure, more ...string) *sidecar {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	_, port, _ := net.SplitHostPort(address)
	program := filepath.Join(bin(t), "aksess-proxy")
	p := &sidecar{address: address, cmd: a.command(t, []string{"IDENTITY_HEADER=" + identityHeader}, "exec", execArguments(append([]string{program, "--proxy-port", port}, more...)...)...)}
	p.cmd.Stderr = &p.log
	p.cmd.WaitDelay = 10 * time.Second
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // unless the test has stopped it; aksess exec hands the signal on
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Signal(syscall.SIGTERM)
			_ = p.cmd.Wait()
		}
	})
	probe := exec.Command(program, "--probe", "--proxy-port", port)
	probe.Env = cleanEnviron()
	if r := finish(t, probe); r.code != 0 {
		t.Fatalf("the proxy is not ready: %s", r.stderr)
	}
	return p
}

// testProxy: programs that know only the ways to a managed identity read and
// write everything as the service account's identity.
func testProxy(t *testing.T, a *azure, s deploy.Scenario) {
	p := startSidecar(t, a)
	endpoint := []string{"IDENTITY_ENDPOINT=http://" + p.address + "/msi/token", "IDENTITY_HEADER=" + identityHeader}
	goProgram, javaScript := []string{os.Args[0]}, []string{"node", "js/main.js"}
	for _, client := range []struct {
		name    string
		environ []string
		program []string
	}{
		{"go-metadata-service", []string{dataplane.EnvCredential + "=metadata", dataplane.EnvMetadata + "=" + p.address}, goProgram},
		{"go-endpoint", append(endpoint, dataplane.EnvCredential+"=managed"), goProgram},
		{"go-endpoint-default", append(endpoint, dataplane.EnvCredential+"=default"), goProgram},
		{"javascript-endpoint", append(endpoint, dataplane.EnvCredential+"=default"), javaScript},
		{"javascript-pod-identity", []string{"AZURE_POD_IDENTITY_AUTHORITY_HOST=http://" + p.address, dataplane.EnvCredential + "=default"}, javaScript},
	} {
		t.Run(client.name, func(t *testing.T) {
			environ := append(a.work("proxy"+strings.ReplaceAll(client.name, "-", "")), envProgram+"=dataplane")
			judge(t, finish(t, a.command(t, append(environ, client.environ...), "run", append([]string{"--"}, client.program...)...)))
		})
	}
	testEndpoint(t, a, s, p, map[string][]string{"go": goProgram, "javascript": {"node", "js/managed.js"}})
	t.Run("ends", func(t *testing.T) {
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := p.cmd.Wait(); err != nil {
			t.Errorf("got %v, want it to end with 0 when told to", err)
		}
		log := p.log.String()
		if !strings.Contains(log, "got a token") {
			t.Errorf("the proxy's log has no exchange in it: %s", log)
		}
		search(t, "the log of aksess-proxy", log, canaries(a, s))
		if found := jwt.FindString(log); found != "" {
			t.Errorf("the log of aksess-proxy holds a token")
		}
	})
}
