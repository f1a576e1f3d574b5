package proxy

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// insideVariable makes the test binary run its test in a network namespace of its own.
const insideVariable = "PROXY_TEST_INSIDE"

// TestListenWithoutIPv6: a pod whose network has no IPv6 gets a proxy on IPv4. The
// test runs in a network namespace of its own, which any user may make unless the
// machine forbids it.
func TestListenWithoutIPv6(t *testing.T) {
	if os.Getenv(insideVariable) != "" {
		withoutIPv6(t)
		return
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestListenWithoutIPv6$", "-test.v", "-test.timeout=1m")
	cmd.Env = append(os.Environ(), insideVariable+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil && cmd.ProcessState == nil && os.Getuid() != 0:
		t.Skipf("this machine lets user %d make no namespaces: %v", os.Getuid(), err)
	case err != nil, !strings.Contains(string(out), "--- PASS: TestListenWithoutIPv6"):
		t.Fatalf("got %v:\n%s", err, out)
	}
}

func withoutIPv6(t *testing.T) {
	if err := os.WriteFile("/proc/sys/net/ipv6/conf/all/disable_ipv6", []byte("1"), 0o644); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	bringUp(t)
	listeners, err := Listen(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(listeners)
	if len(listeners) != 1 || !listeners[0].Addr().(*net.TCPAddr).IP.Equal(net.IPv4(127, 0, 0, 1)) {
		t.Errorf("got listeners %v, want one on 127.0.0.1", listeners)
	}
}

// bringUp brings loopback up.
func bringUp(t *testing.T) {
	t.Helper()
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(socket) //nolint:errcheck // of a test
	request, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request); err != nil {
		t.Fatal(err)
	}
}
