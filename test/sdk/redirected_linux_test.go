package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aksess/aksess/test/sdk/managed"
)

// envInside says that this process is in the network namespace of [TestRedirected].
const envInside = "SDK_INSIDE"

// metadataService is where programs look for it, whatever their language.
const metadataService = "169.254.169.254"

// TestRedirected runs programs that know only the metadata service's address
// beside the proxy, in a network namespace of their own in which its init step
// has set the rules, as in a pod. All that they need, the local Azure too, runs
// in there; with the processes the namespace goes.
func TestRedirected(t *testing.T) {
	if os.Getenv(envInside) != "" {
		prepareNamespace(t)
		testRedirected(t)
		return
	}
	uid, gid, users := os.Getuid(), os.Getgid(), 1
	if uid == 0 {
		users = 65536 // root may map all
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRedirected$", "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), envInside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig:   syscall.SIGKILL,
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: users}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: users}},
	}
	out, err := cmd.CombinedOutput()
	var failed *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &failed) && uid != 0:
		t.Skipf("this machine lets user %d make no namespaces: %v", uid, err)
	case err != nil, !strings.Contains(string(out), "--- PASS: TestRedirected"):
		t.Fatalf("got %v:\n%s", err, out)
	}
	t.Logf("%s", out)
}

// prepareNamespace brings loopback up and gives it the address of a node's
// metadata service.
func prepareNamespace(t *testing.T) {
	t.Helper()
	fatal := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	fatal(err)
	defer unix.Close(socket) //nolint:errcheck // of a test
	request, err := unix.NewIfreq("lo")
	fatal(err)
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	fatal(unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request))
	second, err := unix.NewIfreq("lo:1")
	fatal(err)
	fatal(second.SetInet4Addr(net.ParseIP(metadataService).To4()))
	fatal(unix.IoctlIfreq(socket, unix.SIOCSIFADDR, second))
}

// startNode listens where the node's metadata service is and counts who comes.
func startNode(t *testing.T) (reached *atomic.Int64) {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(metadataService, "80"))
	if err != nil {
		t.Fatal(err)
	}
	reached = new(atomic.Int64)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			reached.Add(1)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = listener.Close(); <-ended })
	return reached
}

func testRedirected(t *testing.T) {
	reached := startNode(t)
	a := start(t, "--ephemeral")
	s := a.deploy(t)
	p := startSidecar(t, a, "--pass", "none")
	_, port, _ := net.SplitHostPort(p.address)
	step := exec.Command(filepath.Join(bin(t), "aksess-proxy"), "init")
	step.Env = cleanEnviron("PROXY_PORT="+port, "PROXY_UID=none")
	if r := finish(t, step); r.code != 0 {
		t.Fatalf("the init step ended with %d: %s", r.code, r.stderr)
	}
	second := a.second(t)
	for language, program := range redirectedPrograms() {
		t.Run(language, func(t *testing.T) {
			defer p.expectRefused(t, 1)()
			// A metadata service that does not answer is asked for minutes.
			ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
			defer cancel()
			cmd := exec.CommandContext(ctx, program[0], append(program[1:], managed.Identities)...)
			cmd.Env = cleanEnviron(append(a.podEnviron(t), a.identities(s, second)...)...)
			judge(t, finish(t, cmd))
		})
	}
	equal(t, "connections that reached the node", reached.Load(), 0)
}

// podEnviron is what the webhook sets in pods that use a local Azure: as `aksess
// env`, but that nothing leads the metadata service's requests to its proxy.
func (a *azure) podEnviron(t *testing.T) []string {
	t.Helper()
	r := finish(t, a.command(t, nil, "env", "--json"))
	var variables map[string]string
	if err := json.Unmarshal([]byte(r.stdout), &variables); err != nil {
		t.Fatalf("aksess env printed %q: %v", r.stdout, err)
	}
	var environ []string
	for name, value := range variables {
		switch strings.ToUpper(name) {
		case "HTTP_PROXY":
			continue
		case "NO_PROXY":
			value += "," + metadataService
		case "JAVA_TOOL_OPTIONS":
			value = podJavaOptions(value)
		}
		environ = append(environ, name+"="+value)
	}
	return environ
}

func podJavaOptions(options string) string {
	var kept []string
	for _, option := range strings.Fields(options) {
		switch name, _, _ := strings.Cut(option, "="); name {
		case "-Dhttp.proxyHost", "-Dhttp.proxyPort", "-Djava.net.useSystemProxies":
			continue
		case "-Dhttp.nonProxyHosts":
			option += "|" + metadataService
		}
		kept = append(kept, option)
	}
	return strings.Join(kept, " ")
}
