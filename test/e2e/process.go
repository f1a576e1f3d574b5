package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// stopGrace is how long a process may take to end after SIGTERM before its
// whole group is killed.
const stopGrace = 10 * time.Second

// logTail is how much of the end of a process's log a failed test shows.
const logTail = 4 << 10

// Command describes a program that runs beside a test.
type Command struct {
	// Name is what messages and the log file call it.
	Name string
	// Path is the program, Args its arguments without the program itself.
	Path string
	Args []string
	// Env replaces the environment; nil inherits the test's.
	Env []string
	// Quiet keeps the log out of a failed test's own; it stays in its file.
	Quiet bool
}

// A Process is a program that runs beside a test, in a process group of its own.
type Process struct {
	name    string
	logPath string
	outPath string
	cmd     *exec.Cmd
	done    chan struct{} // closed once the program has ended
	err     error         // why it ended; read after done
}

// StartProcess starts the program and ends it with the test. What it prints on
// standard error goes to a file NAME.log in the test's artifact folder, whose
// end is shown if the test fails; what it prints on standard output, which may
// hold secrets, to a file NAME.out in a folder that goes with the test.
func StartProcess(t testing.TB, c Command) *Process {
	t.Helper()
	logPath := filepath.Join(t.ArtifactDir(), c.Name+".log")
	log, err := os.Create(logPath)
	if err != nil {
		t.Fatalf("creating the log of %s: %v", c.Name, err)
	}
	defer log.Close()
	outPath := filepath.Join(t.TempDir(), c.Name+".out")
	out, err := os.Create(outPath)
	if err != nil {
		t.Fatalf("creating the output of %s: %v", c.Name, err)
	}
	defer out.Close()
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = c.Env, out, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p := &Process{name: c.Name, logPath: logPath, outPath: outPath, cmd: cmd, done: make(chan struct{})}
	if err := p.start(); err != nil {
		t.Fatalf("starting %s: %v", c.Name, err)
	}
	t.Cleanup(func() {
		p.Stop()
		if t.Failed() && !c.Quiet {
			t.Logf("end of %s\n%s", logPath, p.Tail())
		}
	})
	return p
}

// start forks from a thread that is kept until the program ends: the kernel
// sends Pdeathsig when the forking thread dies, not when the process does
// (prctl(2), PR_SET_PDEATHSIG).
func (p *Process) start() error {
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return <-started
}

// Stop asks the process group to end, waits, and kills what is left. It may be
// called more than once.
func (p *Process) Stop() {
	group := -p.cmd.Process.Pid
	select {
	case <-p.done:
	default:
		_ = syscall.Kill(group, syscall.SIGTERM)
		select {
		case <-p.done:
		case <-time.After(stopGrace):
		}
	}
	_ = syscall.Kill(group, syscall.SIGKILL)
	<-p.done
}

// Signal sends a signal to the program alone, not to its group.
func (p *Process) Signal(sig os.Signal) error { return p.cmd.Process.Signal(sig) }

// Exited reports whether the program has ended, as an error that says how.
func (p *Process) Exited() error {
	select {
	case <-p.done:
	default:
		return nil
	}
	if p.err == nil {
		return fmt.Errorf("%s ended with status 0", p.name)
	}
	return fmt.Errorf("%s ended: %w", p.name, p.err)
}

// ExitCode waits until the program has ended and returns its exit code, or -1
// when a signal ended it. The test fails when it takes longer than limit.
func (p *Process) ExitCode(t testing.TB, limit time.Duration) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(limit):
		t.Fatalf("%s has not ended within %v\n%s", p.name, limit, p.Tail())
	}
	return p.cmd.ProcessState.ExitCode()
}

// Log returns everything that the program has printed on standard error.
func (p *Process) Log() string { return read(p.logPath) }

// Output returns everything that the program has printed on standard output.
func (p *Process) Output() string { return read(p.outPath) }

func read(path string) string {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err.Error()
	}
	return string(text)
}

// Tail returns the last lines of the log.
func (p *Process) Tail() string {
	text := []byte(p.Log())
	if len(text) > logTail {
		text = text[len(text)-logTail:]
		if _, rest, found := bytes.Cut(text, []byte("\n")); found {
			text = rest
		}
	}
	return string(text)
}
