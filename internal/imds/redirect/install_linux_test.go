package redirect

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// insideVariable makes the test binary run its tests in a network namespace of
// its own; its value is the highest user of it.
const insideVariable = "REDIRECT_TEST_INSIDE"

// TestInNamespace runs its parts in a network namespace of their own, in a user
// namespace, where they have NET_ADMIN and nothing on the machine changes. Any
// user may do that unless the machine forbids it.
func TestInNamespace(t *testing.T) {
	if value := os.Getenv(insideVariable); value != "" {
		highest, err := strconv.ParseUint(value, 10, 32)
		fatal(t, err)
		prepare(t)
		t.Run("redirects", func(t *testing.T) { redirects(t, uint32(highest)) })
		t.Run("again", again)
		t.Run("mesh", mesh)
		t.Run("rights", rights)
		t.Run("without_ipv6", withoutIPv6) // for good
		return
	}
	uid, gid, users := os.Getuid(), os.Getgid(), 1
	if uid == 0 {
		users = 65536 // root may map all
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestInNamespace$", "-test.v", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), insideVariable+"="+strconv.Itoa(users-1))
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: users}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: users}},
	}
	out, err := cmd.CombinedOutput()
	var failed *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &failed) && uid != 0:
		t.Skipf("this machine lets user %d make no namespaces: %v", uid, err)
	case err != nil, !strings.Contains(string(out), "--- PASS: TestInNamespace/without_ipv6"):
		t.Fatalf("got %v:\n%s", err, out)
	}
	t.Logf("%s", out)
}

// Where the namespace's node and proxy are.
const (
	nodePort  = 80
	proxyPort = 8000
	proxyUser = 1501
)

func addresses() []netip.Addr {
	return []netip.Addr{netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("fd00:a5e5::254")}
}

func rules(uid *uint32) Rules {
	return Rules{Addresses: addresses(), Port: nodePort, ToPort: proxyPort, ExemptUID: uid}
}

func user(uid uint32) *uint32 { return &uid }

// prepare brings loopback up and gives it the metadata service's addresses, so
// that there is a node to reach.
func prepare(t *testing.T) {
	t.Helper()
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	fatal(t, err)
	defer unix.Close(socket) //nolint:errcheck // of a test
	request, err := unix.NewIfreq("lo")
	fatal(t, err)
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	fatal(t, unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request))
	second, err := unix.NewIfreq("lo:1")
	fatal(t, err)
	fatal(t, second.SetInet4Addr(addresses()[0].AsSlice()))
	fatal(t, unix.IoctlIfreq(socket, unix.SIOCSIFADDR, second))

	six, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	fatal(t, err)
	defer unix.Close(six) //nolint:errcheck // of a test
	address := struct {   // in6_ifreq of linux/ipv6.h
		address [16]byte
		prefix  uint32
		index   int32
	}{addresses()[1].As16(), 128, 1}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(six), unix.SIOCSIFADDR, uintptr(unsafe.Pointer(&address))); errno != 0 {
		t.Fatal(errno)
	}
	for tick := time.Tick(5 * time.Millisecond); ; <-tick { // until the kernel has looked for others that have it
		listener, err := net.Listen("tcp", net.JoinHostPort(addresses()[1].String(), "0"))
		if err == nil {
			_ = listener.Close()
			return
		}
		if t.Context().Err() != nil || !errors.Is(err, unix.EADDRNOTAVAIL) {
			t.Fatal(err)
		}
	}
}

func fatal(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// listen answers every connection with a name.
func listen(t *testing.T, name string, port int, on ...string) {
	t.Helper()
	for _, address := range on {
		listener, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(port)))
		fatal(t, err)
		t.Cleanup(func() { _ = listener.Close() })
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				_, _ = io.WriteString(conn, name)
				_ = conn.Close()
			}
		}()
	}
}

func listenEverywhere(t *testing.T) {
	t.Helper()
	listen(t, "node", nodePort, addresses()[0].String(), addresses()[1].String())
	listen(t, "proxy", proxyPort, "127.0.0.1", "::1")
}

// dial connects as a user and returns the name of who answers, or the error.
func dial(uid uint32, address netip.Addr, port int) string {
	answer := make(chan string)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine, and its user with it
		unix.SetfsuidRetUid(int(uid))
		if now, _ := unix.SetfsuidRetUid(int(uid)); now != int(uid) {
			answer <- fmt.Sprintf("user %d is not in the namespace", uid)
			return
		}
		from := net.IPv4(127, 0, 0, 1) // another address than the destination
		if address.Is6() {
			from = net.IPv6loopback
		}
		dialer := net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: from}}
		conn, err := dialer.Dial("tcp", netip.AddrPortFrom(address, uint16(port)).String())
		if err != nil {
			answer <- err.Error()
			return
		}
		defer conn.Close() //nolint:errcheck // of a test
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		text, err := io.ReadAll(conn)
		if err != nil {
			text = []byte(err.Error())
		}
		answer <- string(text)
	}()
	return <-answer
}

func expect(t *testing.T, uid uint32, want string) {
	t.Helper()
	for _, address := range addresses() {
		if got := dial(uid, address, nodePort); got != want {
			t.Errorf("user %d to %s: got %q, want %q", uid, address, got, want)
		}
	}
}

// redirects: before the rules everybody reaches the node; with them
// the exempt user does, and nobody else.
func redirects(t *testing.T, highest uint32) {
	listenEverywhere(t)
	expect(t, 0, "node")
	fatal(t, Install(rules(user(proxyUser))))
	for _, uid := range []uint32{0, 1000, 1500, 1502, 65534} {
		if uid <= highest {
			expect(t, uid, "proxy")
		}
	}
	if highest >= proxyUser {
		expect(t, proxyUser, "node")
	}
	fatal(t, Install(rules(user(0))))
	expect(t, 0, "node")
	if highest >= proxyUser {
		expect(t, proxyUser, "proxy")
	}
	fatal(t, Install(rules(nil))) // nobody is exempt
	expect(t, 0, "proxy")
	if highest >= proxyUser {
		expect(t, proxyUser, "proxy")
	}
	for _, other := range []struct {
		address netip.Addr
		port    int
	}{{addresses()[0], 81}, {netip.MustParseAddr("127.0.0.1"), nodePort}, {netip.MustParseAddr("169.254.169.253"), nodePort}} {
		if got := dial(0, other.address, other.port); got == "proxy" || got == "node" {
			t.Errorf("%s port %d: got %q, want neither", other.address, other.port, got)
		}
	}
}

// again: a step that runs again leaves one set of rules, its own, and
// leaves alone what others have set.
func again(t *testing.T) {
	conn, err := nftables.New()
	fatal(t, err)
	others := conn.AddTable(&nftables.Table{Name: "others", Family: nftables.TableFamilyINet})
	fatal(t, conn.Flush())
	defer func() { conn.DelTable(others); fatal(t, conn.Flush()) }()
	for range 3 {
		fatal(t, Install(rules(user(proxyUser))))
	}
	tables, err := conn.ListTables()
	fatal(t, err)
	chains, err := conn.ListChains()
	fatal(t, err)
	if len(tables) != 2 || len(chains) != 1 || chains[0].Table.Name != TableName {
		t.Fatalf("got %d tables and %d chains, want ours and the other's, and one", len(tables), len(chains))
	}
	set, err := conn.GetRules(chains[0].Table, chains[0])
	fatal(t, err)
	if len(set) != 1+len(addresses()) {
		t.Errorf("got %d rules, want one for the user and one for each address", len(set))
	}

	listenEverywhere(t)
	listen(t, "second", proxyPort+1, "127.0.0.1", "::1")
	moved := rules(user(proxyUser))
	moved.ToPort++
	fatal(t, Install(moved))
	expect(t, 0, "second")
}

// mesh: rules of others at the usual priority, as service meshes have
// them, come after ours.
func mesh(t *testing.T) {
	listenEverywhere(t)
	listen(t, "mesh", 9000, "127.0.0.1", "::1")
	conn, err := nftables.New()
	fatal(t, err)
	table := &nftables.Table{Name: "mesh", Family: nftables.TableFamilyINet}
	defer func() { conn.DelTable(table); fatal(t, conn.Flush()) }()
	none := rules(nil)
	none.Port++
	fatal(t, Install(none))
	for range 2 { // before ours are set, and after
		conn.AddTable(table)
		conn.DelTable(table)
		conn.AddTable(table)
		chain := conn.AddChain(&nftables.Chain{Name: "output", Table: table, Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityNATDest})
		conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
			&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, equal([]byte{unix.IPPROTO_TCP}),
			&expr.Immediate{Register: 1, Data: []byte{9000 >> 8, 9000 & 0xff}}, &expr.Redir{RegisterProtoMin: 1},
		}})
		fatal(t, conn.Flush())
		if none.Port != nodePort {
			expect(t, 0, "mesh")
			none.Port = nodePort
			fatal(t, Install(none))
		}
		expect(t, 0, "proxy")
	}
}

// rights: NET_ADMIN is what is needed, and what is said to be missing.
func rights(t *testing.T) {
	if err := with(1<<unix.CAP_NET_ADMIN, rules(user(proxyUser))); err != nil {
		t.Errorf("with NET_ADMIN alone: got %v", err)
	}
	if err := with(^uint32(1<<unix.CAP_NET_ADMIN), rules(user(proxyUser))); err == nil || !strings.Contains(err.Error(), "NET_ADMIN is missing") {
		t.Errorf("with everything else: got %v, want it to name NET_ADMIN", err)
	}
}

// with installs rules with some capabilities only.
func with(capabilities uint32, rules Rules) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // for good, as in dial
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var have [2]unix.CapUserData
		if err := unix.Capget(&header, &have[0]); err != nil {
			result <- err
			return
		}
		have[0].Effective &= capabilities
		have[0].Permitted &= capabilities
		have[0].Inheritable, have[1] = 0, unix.CapUserData{}
		if err := unix.Capset(&header, &have[0]); err != nil {
			result <- err
			return
		}
		result <- Install(rules)
	}()
	return <-result
}

// withoutIPv6: a pod whose network has no IPv6 is redirected all the same.
func withoutIPv6(t *testing.T) {
	fatal(t, os.WriteFile("/proc/sys/net/ipv6/conf/all/disable_ipv6", []byte("1"), 0o644))
	listen(t, "node", nodePort, addresses()[0].String())
	listen(t, "proxy", proxyPort, "127.0.0.1")
	fatal(t, Install(rules(user(proxyUser))))
	if got := dial(0, addresses()[0], nodePort); got != "proxy" {
		t.Errorf("got %q, want proxy", got)
	}
	if _, err := net.Listen("tcp", "[::1]:0"); err == nil {
		t.Error("the namespace has IPv6")
	}
}

func TestExplain(t *testing.T) {
	for err, want := range map[error]string{
		unix.EPERM: "NET_ADMIN is missing", unix.EPROTONOSUPPORT: "the kernel cannot redirect", unix.EOPNOTSUPP: "nft_redir", unix.ENOENT: "CONFIG_NFT_REDIR", unix.ENOBUFS: "setting the rules: ",
	} {
		if got := explain(fmt.Errorf("flush: %w", err)); !strings.Contains(got.Error(), want) || !errors.Is(got, err) {
			t.Errorf("%v: got %v, want %s", err, got, want)
		}
	}
}
