package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// cgroup limits a process as a kubelet would, with version 1 or 2.
type cgroup struct {
	cpu, memory string // folders; the same in version 2
	unified     bool
}

const cpuPeriod = 100_000 // µs, Kubernetes' and the kernel's own

// newCgroup makes a group of so many thousandths of a processor and bytes. The
// caller removes it.
func newCgroup(millis int, bytes int64) (*cgroup, error) {
	const root = "/sys/fs/cgroup"
	name := fmt.Sprintf("aksess-bench-%d", os.Getpid())
	c := &cgroup{cpu: filepath.Join(root, "cpu", name), memory: filepath.Join(root, "memory", name)}
	if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err == nil {
		c.unified = true
		c.cpu = filepath.Join(root, name)
		c.memory = c.cpu
	}
	for _, dir := range []string{c.cpu, c.memory} {
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return nil, err
		}
	}
	quota := strconv.Itoa(millis * cpuPeriod / 1000)
	settings := [][2]string{
		{filepath.Join(c.cpu, "cpu.cfs_period_us"), strconv.Itoa(cpuPeriod)}, {filepath.Join(c.cpu, "cpu.cfs_quota_us"), quota},
		{filepath.Join(c.memory, "memory.limit_in_bytes"), strconv.FormatInt(bytes, 10)},
	}
	if c.unified {
		settings = [][2]string{
			{filepath.Join(c.cpu, "cpu.max"), quota + " " + strconv.Itoa(cpuPeriod)},
			{filepath.Join(c.memory, "memory.max"), strconv.FormatInt(bytes, 10)},
		}
	}
	for _, s := range settings {
		if err := os.WriteFile(s[0], []byte(s[1]), 0o600); err != nil {
			c.remove()
			return nil, err
		}
	}
	return c, nil
}

// wrap has the command run in the group from its first instruction.
func (c *cgroup) wrap(command *exec.Cmd) *exec.Cmd {
	const join = `for f in "$1" "$2"; do echo $$ > "$f/cgroup.procs" || exit 1; done; shift 2; exec "$@"`
	wrapped := exec.Command("sh", append([]string{"-c", join, "sh", c.cpu, c.memory, command.Path}, command.Args[1:]...)...)
	wrapped.Env, wrapped.Stdout, wrapped.Stderr = command.Env, command.Stdout, command.Stderr
	return wrapped
}

// peak is the most memory that the group has used, and kills how often the
// kernel ended a process for it.
func (c *cgroup) peak() (bytes, kills int64) {
	file, events := "memory.max_usage_in_bytes", "memory.oom_control"
	if c.unified {
		file, events = "memory.peak", "memory.events"
	}
	return c.number(filepath.Join(c.memory, file), ""), c.number(filepath.Join(c.memory, events), "oom_kill")
}

// throttled is in how many periods of how many the group was held up.
func (c *cgroup) throttled() (held, periods int64) {
	stat := filepath.Join(c.cpu, "cpu.stat")
	return c.number(stat, "nr_throttled"), c.number(stat, "nr_periods")
}

// number reads a number, after a name if there is one; -1 if it is not there.
func (c *cgroup) number(file, name string) int64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return -1
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		value, ok := strings.CutPrefix(line, name)
		if n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64); ok && err == nil {
			return n
		}
	}
	return -1
}

func (c *cgroup) remove() {
	_ = os.Remove(c.cpu)
	_ = os.Remove(c.memory)
}
