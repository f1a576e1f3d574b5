//go:build linux

package companions

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const podFolder = "/var/lib/kubelet/pods/0f2e/containers/"

// procfs is a folder that looks like one.
type procfs struct {
	t    testing.TB
	path string
}

// newProcfs has the proxy's own process, with id 7, and what else is in one.
func newProcfs(t testing.TB) procfs {
	t.Helper()
	p := procfs{t, t.TempDir()}
	p.add(1, "0", "pause", "")
	p.add(7, "0", "proxy", "azwi-proxy/e8a1")
	if err := os.WriteFile(p.hosts(), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sys", "7up", "self", "-3", "fs"} {
		if err := os.Mkdir(filepath.Join(p.path, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// hosts is where the pod's hosts file would be.
func (p procfs) hosts() string { return filepath.Join(p.path, "hosts") }

// add adds a process of a program, of a run unless that is empty.
func (p procfs) add(pid int, parent, program, run string) {
	p.t.Helper()
	mounts := `2317 1630 0:189 / / rw,relatime - overlay overlay rw,lowerdir=` + strings.Repeat("/layers/l:", 1000) + `
2318 2317 0:193 / /proc rw,nosuid - proc proc rw
2326 2317 254:1 /var/lib/kubelet/pods/0f2e/etc-hosts /etc/hosts rw - ext4 /dev/root rw
2327 2317 254:1 /var/lib/kubelet/pods/0f2e/volume-subpaths/v/main/0 /v rw - ext4 /dev/root rw
2328 2317 254:1 /var/lib/kubelet/pods/other/containers/main/77 /other rw - ext4 /dev/root rw
`
	if run != "" {
		mounts += "2329 2317 254:1 " + podFolder + run + " /dev/termination-log rw,relatime - ext4 /dev/root rw\n"
	}
	mounts += "2330 2317 0:188 / /dev/shm rw - tmpfs shm rw\n"
	p.write(pid, "mountinfo", mounts)
	p.write(pid, "stat", fmt.Sprintf("%d (%s) S %s %d 1 0 -1 4194560 0 0\n", pid, program, parent, pid))
}

func (p procfs) write(pid int, name, text string) {
	p.t.Helper()
	dir := filepath.Join(p.path, strconv.Itoa(pid))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

func (p procfs) remove(pid int) {
	p.t.Helper()
	if err := os.RemoveAll(filepath.Join(p.path, strconv.Itoa(pid))); err != nil {
		p.t.Fatal(err)
	}
}

func (p procfs) open() *processes {
	p.t.Helper()
	found, err := openProcesses(p.path, 7)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(found.close)
	return found
}

// check looks once.
func check(t *testing.T, p *processes, wantUnknown bool, want ...string) {
	t.Helper()
	running, unknown, err := p.look()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, run := range running {
		got = append(got, run.Name+"/"+run.ID)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) || unknown != wantUnknown {
		t.Errorf("got %q, unknown %t, want %q, unknown %t", got, unknown, want, wantUnknown)
	}
}

func TestProcesses(t *testing.T) {
	fs := newProcfs(t)
	p := fs.open()
	if want := (Run{"azwi-proxy", "e8a1"}); p.own != want || p.files != podFolder {
		t.Errorf("got %v in %s, want %v in %s", p.own, p.files, want, podFolder)
	}
	check(t, p, false)

	// A runtime makes the process first, then its mounts, then runs the program.
	fs.add(20, "0", "runc:[2:INIT]", "")
	check(t, p, true)
	fs.add(20, "0", "runc:[2:INIT]", "main/01")
	check(t, p, false, "main/01")
	fs.add(20, "0", "main", "") // which may leave its mounts behind
	check(t, p, false, "main/01")

	fs.add(21, "20", "child", "main/01")
	fs.add(22, "0", "probe", "main/01")
	fs.add(23, "0", "proxy --probe", "azwi-proxy/e8a1")
	fs.add(24, "0", ") S 4 (", "other/02")
	check(t, p, false, "main/01", "main/01", "other/02")
	fs.remove(20)
	fs.remove(22)
	fs.add(21, "1", "orphan", "main/01")
	check(t, p, false, "other/02")
	fs.remove(24)
	fs.remove(23)
	check(t, p, false)
	fs.add(20, "0", "main", "main/03") // an id that was another's
	check(t, p, false, "main/03")
}

// TestProcessesAtTheirEnd: what is half gone is not taken for gone.
func TestProcessesAtTheirEnd(t *testing.T) {
	fs := newProcfs(t)
	p := fs.open()
	for name, file := range map[string]string{"no_stat": "stat", "no_mounts": "mountinfo"} {
		t.Run(name, func(t *testing.T) {
			fs.add(30, "0", "main", "main/01")
			defer fs.remove(30)
			if err := os.Remove(filepath.Join(fs.path, "30", file)); err != nil {
				t.Fatal(err)
			}
			check(t, p, false)
		})
	}
	for _, text := range []string{"", "30", "30 (main", "30 (main) S", "30 (main) S x"} {
		fs.write(30, "stat", text)
		check(t, p, true)
	}
	fs.add(30, "0", "main", "main/01")
	check(t, p, false, "main/01")
	fs.add(31, "0", "main", "main")
	check(t, p, true, "main/01")
}

// TestOpenProcesses: where the proxy does not find itself it finds nobody.
func TestOpenProcesses(t *testing.T) {
	fs := newProcfs(t)
	for name, mount := range map[string]string{
		"none":    "/ /tmp",
		"sandbox": "/ /dev/termination-log",
		"guest":   "/0f2e-5a-termination-log /dev/termination-log",
		"short":   "/main /dev/termination-log",
	} {
		t.Run(name, func(t *testing.T) {
			fs.write(7, "mountinfo", "2329 2317 254:1 "+mount+" rw - ext4 /dev/root rw\n")
			if _, err := openProcesses(fs.path, 7); err == nil || !strings.Contains(err.Error(), "pods/UID/containers/NAME") {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, err := openProcesses(t.TempDir(), 7); err == nil {
		t.Error("a folder without processes: got no error")
	}
}

// TestLookAllocations: looking on costs no memory.
func TestLookAllocations(t *testing.T) {
	fs := newProcfs(t)
	p := fs.open()
	for pid := 100; pid < 200; pid++ {
		fs.add(pid, "20", "child", "")
	}
	check(t, p, false)
	if got := testing.AllocsPerRun(100, func() { _, _, _ = p.look() }); got > 0 {
		t.Errorf("got %.0f allocations for a look in which nothing is new, want none", got)
	}
}

func BenchmarkLook(b *testing.B) {
	fs := newProcfs(b)
	p := fs.open()
	fs.add(20, "0", "main", "main/01")
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := p.look(); err != nil {
			b.Fatal(err)
		}
	}
}
