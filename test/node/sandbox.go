package node

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
)

// stage is the variable that tells this program, which runs three times, who it
// is: started by go test, the first process of the sandbox, or the tests.
const stage = "AKSESS_NODE_STAGE"

// stateFolder holds all files of a run. It has one name, so that a run finds
// what a run that was killed has left.
func stateFolder() string { return filepath.Join(os.TempDir(), "aksess-e2e-node") }

// Sandboxed calls run on what looks like a machine of its own: a process,
// network, mount, IPC and host name space that end with the call, whatever is
// still running, mounted or configured in them. The calling program is started
// again in there; the caller of it all gets run's exit code.
func Sandboxed(run func() int) int {
	code, err := 0, error(nil)
	switch os.Getenv(stage) {
	case "":
		code, err = outside()
	case "init":
		code, err = firstProcess()
	default:
		return run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "node:", err)
		return max(code, 1)
	}
	return code
}

// outside runs the sandbox and removes what outlives it: files and cgroups.
func outside() (code int, err error) {
	if os.Geteuid() != 0 {
		return 1, errors.New("a node needs root: it mounts, makes network namespaces and cgroups")
	}
	unlock, err := lock()
	if err != nil {
		return 1, err
	}
	defer unlock()
	if err := clean(); err != nil {
		return 1, fmt.Errorf("removing what an earlier run left: %w", err)
	}
	defer func() { err = errors.Join(err, clean()) }()
	if err := os.MkdirAll(stateFolder(), 0o700); err != nil {
		return 1, err
	}
	if err := makeCgroups(); err != nil {
		return 1, err
	}
	return inSandbox()
}

// inSandbox starts the first process of the sandbox and waits for it. A signal
// that ends this program ends the sandbox first, so that it can be cleaned up.
func inSandbox() (code int, err error) {
	// The kernel kills the sandbox with the thread that made it (prctl(2), PR_SET_PDEATHSIG).
	runtime.LockOSThread()
	cmd := again("init", stateFolder())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(stop)
	if err := cmd.Start(); err != nil {
		return 1, fmt.Errorf("starting the sandbox: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err = <-ended:
	case got := <-stop:
		_ = cmd.Process.Kill() // everything in the process namespace goes with it
		<-ended
		return 1, fmt.Errorf("ended by signal %v", got)
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.Exited() {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// lock keeps a second run waiting until this one has cleaned up.
func lock() (unlock func(), err error) {
	file, err := os.OpenFile(stateFolder()+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		fmt.Fprintln(os.Stderr, "node: another run is under way; waiting for it")
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", file.Name(), err)
	}
	return func() { _ = file.Close() }, nil
}

// clean removes the files and cgroups of a run that has ended.
func clean() error {
	return errors.Join(removeCgroups(), os.RemoveAll(stateFolder()))
}

// again is this program with its arguments, as another stage with that folder
// for temporary files.
func again(next, temporary string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), stage+"="+next, "TMPDIR="+temporary)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd
}

// firstProcess prepares the sandbox, starts the tests in it, and does what is
// expected of a first process: it waits for the orphans of all others, which the
// shims of containerd are.
func firstProcess() (code int, err error) {
	if err := errors.Join(mountSandbox(), syscall.Sethostname([]byte(Name))); err != nil {
		return 1, err
	}
	if err := setUpNetwork(); err != nil {
		return 1, fmt.Errorf("setting the network up: %w", err)
	}
	tests := again("tests", os.TempDir()) // which is the state folder already
	if err := tests.Start(); err != nil {
		return 1, err
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 1, fmt.Errorf("waiting for the tests: %w", err)
		case pid == tests.Process.Pid && status.Exited():
			return status.ExitStatus(), nil
		case pid == tests.Process.Pid:
			return 1, fmt.Errorf("the tests were ended by signal %v", status.Signal())
		}
	}
}
