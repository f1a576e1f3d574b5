package controlplane

import (
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

const (
	retryMin = time.Second
	retryMax = 30 * time.Second
	// settled is how long a child has to run for its next end to count as the first.
	settled = time.Minute
	// pipeDelay bounds the wait for output that a child's own children hold open.
	pipeDelay = 5 * time.Second
)

// program is what a child runs.
type program struct {
	name string
	path string
	args []string
	env  []string
}

// child keeps a program running until it is ended.
type child struct {
	program program
	dir     string // working folder
	output  *boundedFile
	log     *slog.Logger

	quit chan struct{} // closed to end it
	done chan struct{} // closed when it has ended for good

	mu      sync.Mutex
	process *exec.Cmd // while it runs
	ends    int       // how often it ended by itself, since it last ran for long
	last    error     // how it ended last
}

// startChild starts a program in the background. The caller ends it.
func startChild(p program, dir string, log *slog.Logger) *child {
	c := &child{
		program: p, dir: dir, log: log, quit: make(chan struct{}), done: make(chan struct{}),
		output: newBoundedFile(filepath.Join(dir, folderLogs, p.name+".log"), maxLog),
	}
	go c.keep()
	return c
}

// keep runs the program again and again. The goroutine keeps its thread: the
// kernel ends a child with the thread that started it (prctl(2),
// PR_SET_PDEATHSIG), not with the process.
func (c *child) keep() {
	defer close(c.done)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for pause := retryMin; ; pause = min(2*pause, retryMax) {
		started := time.Now()
		err := c.run()
		if c.ending() {
			return
		}
		long := time.Since(started) > settled
		if long {
			pause = retryMin
		}
		c.note(err, long)
		c.log.Warn("a program of the control plane ended", "program", c.program.name, "error", err, "log", c.output.path, "again_in", pause)
		select {
		case <-c.quit:
			return
		case <-time.After(pause):
		}
	}
}

// run starts the program and waits for its end.
func (c *child) run() error {
	cmd := exec.Command(c.program.path, c.program.args...) //nolint:gosec // the operator chose the folder of programs
	cmd.Dir, cmd.Env, cmd.WaitDelay = c.dir, c.program.env, pipeDelay
	cmd.Stdout, cmd.Stderr = c.output, c.output
	cmd.SysProcAttr = attributes()
	if err := c.begin(cmd); err != nil {
		return err
	}
	err := cmd.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.process = nil
	if err == nil {
		err = errors.New("exit status 0")
	}
	return err
}

// begin starts the command unless the child was ended meanwhile.
func (c *child) begin(cmd *exec.Cmd) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending() {
		return errors.New("ended before it began")
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	c.process = cmd
	return nil
}

func (c *child) ending() bool {
	select {
	case <-c.quit:
		return true
	default:
		return false
	}
}

// note remembers an end; one after a long run is the first again.
func (c *child) note(err error, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if first {
		c.ends = 0
	}
	c.ends++
	c.last = err
}

// failure is the child's last end once it has ended by itself n times. It tells
// the last line that it printed.
func (c *child) failure(n int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ends < n {
		return nil
	}
	return fmt.Errorf("%s keeps ending: %w; its log is %s and ends with %q", c.program.name, c.last, c.output.path, strings.TrimSpace(c.output.tail()))
}

// end asks the program to end, and kills it with what it started when it has
// not ended after the grace. It returns when nothing is left.
func (c *child) end(grace time.Duration) {
	c.mu.Lock()
	if !c.ending() {
		close(c.quit)
	}
	running := c.process
	c.mu.Unlock()
	if running != nil {
		terminate(running.Process)
		select {
		case <-c.done:
		case <-time.After(grace):
			c.log.Warn("a program of the control plane is killed, since it has not ended", "program", c.program.name, "after", grace)
		}
		kill(running.Process)
	}
	<-c.done
	if err := c.output.Close(); err != nil {
		c.log.Warn("closing the log of a program", "program", c.program.name, "error", err)
	}
}
