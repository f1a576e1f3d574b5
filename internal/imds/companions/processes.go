package companions

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
)

// processes are those of the pod, as procfs shows them. It is not safe for
// concurrent use.
type processes struct {
	proc  string
	dir   *directory
	own   Run
	known map[int]member // by id, as long as they are there
	seen  int            // looks so far
	runs  []Run          // of the last look
	files string         // the folder of the pod's containers, where their mounts come from
	lines *bufio.Reader
}

// member is a process of which it is known whose it is.
type member struct {
	run  Run // none: it has a parent
	seen int // look
}

// messageFile is where the kubelet mounts its file for the proxy.
const messageFile = "/dev/termination-log"

// firstProcess holds the pod's namespaces, or is the node's own.
const firstProcess = 1

// errGone is a process that has ended meanwhile.
var errGone = errors.New("the process has ended")

// openProcesses finds out who the process self is itself.
func openProcesses(proc string, self int) (*processes, error) {
	p := &processes{proc: proc, known: map[int]member{}, lines: bufio.NewReaderSize(nil, 4<<10)}
	var mounted string
	err := p.mounts(self, func(from, at []byte) bool {
		if string(at) == messageFile {
			mounted = string(from)
		}
		return mounted != ""
	})
	if err != nil {
		return nil, err
	}
	name, id := path.Dir(mounted), path.Base(mounted)
	if path.Base(path.Dir(name)) != "containers" {
		return nil, fmt.Errorf("%s is %q, expected a mount of the kubelet's from pods/UID/containers/NAME", messageFile, mounted)
	}
	p.files, p.own = path.Dir(name)+"/", Run{path.Base(name), id}
	p.dir, err = openDirectory(proc)
	return p, err
}

func (p *processes) close() { p.dir.close() }

// look returns the runs of other containers that have processes, and whether
// there are processes of which it cannot be told yet whose they are. The runs
// are good until the next look.
func (p *processes) look() (running []Run, unknown bool, err error) {
	p.seen++
	err = p.dir.each(func(pid int) {
		if pid == firstProcess {
			return
		}
		m, known := p.known[pid]
		if !known {
			run, err := p.whose(pid)
			if err != nil {
				unknown = unknown || !errors.Is(err, errGone)
				return
			}
			m.run = run
		}
		m.seen = p.seen
		p.known[pid] = m
	})
	if err != nil {
		return nil, false, err
	}
	p.runs = p.runs[:0]
	for pid, m := range p.known {
		switch {
		case m.seen != p.seen:
			delete(p.known, pid)
		case m.run != Run{} && m.run != p.own:
			p.runs = append(p.runs, m.run)
		}
	}
	return p.runs, unknown, nil
}

// whose is the run that a process is the first of, or was put into; none for one
// that has a parent here.
func (p *processes) whose(pid int) (run Run, err error) {
	parent, err := p.parent(pid)
	if err != nil || parent != 0 {
		return Run{}, err
	}
	err = p.mounts(pid, func(from, _ []byte) bool {
		rest, ours := bytes.CutPrefix(from, []byte(p.files))
		name, id, ok := strings.Cut(string(rest), "/")
		if !ours || !ok {
			return false
		}
		run = Run{name, id}
		return true
	})
	if err == nil && run == (Run{}) {
		err = fmt.Errorf("process %d has no mount from %s", pid, p.files)
	}
	return run, err
}

// parent is the id of a process's parent, 0 if that is outside the namespace
// (proc_pid_stat(5)). The second field is the program's name in parentheses, in
// which there may be anything.
func (p *processes) parent(pid int) (int, error) {
	text, err := os.ReadFile(p.file(pid, "stat"))
	if err != nil {
		return 0, gone(err)
	}
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 2 {
		return 0, fmt.Errorf("%s has %d fields after the name, expected state and parent", p.file(pid, "stat"), len(fields))
	}
	return strconv.Atoi(string(fields[1]))
}

// mounts calls each with the root and the mount point of a process's mounts,
// until it returns true (proc_pid_mountinfo(5)).
func (p *processes) mounts(pid int, each func(from, at []byte) bool) error {
	file, err := os.Open(p.file(pid, "mountinfo"))
	if err != nil {
		return gone(err)
	}
	defer file.Close() //nolint:errcheck // read only
	p.lines.Reset(file)
	for {
		line, err := p.lines.ReadSlice('\n')
		if fields := bytes.SplitN(line, []byte(" "), 6); len(fields) == 6 && each(fields[3], fields[4]) {
			return nil
		}
		for errors.Is(err, bufio.ErrBufferFull) { // options of a filesystem, which come last
			_, err = p.lines.ReadSlice('\n')
		}
		if err != nil {
			return nil // the end, or that of the process: what is missing is not known
		}
	}
}

func (p *processes) file(pid int, name string) string {
	return p.proc + "/" + strconv.Itoa(pid) + "/" + name
}

// gone tells a process that has ended from what cannot be read.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return errGone
	}
	return err
}
