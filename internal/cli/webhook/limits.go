package webhook

import (
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
)

// fit has the runtime keep to what the cgroup gives the process. GOMEMLIMIT and
// GOMAXPROCS, if they are set, are the operator's word.
func fit(getenv func(string) string, log *slog.Logger) {
	// What is left over is for the program's own pages and the kernel's.
	const share = 80 // percent
	limits := readLimits("/")
	if limits.memory > 0 && getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(limits.memory / 100 * share)
	}
	if getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(limits.processors(runtime.NumCPU()))
	}
	log.Debug("limits", "memory", limits.memory, "cpu", limits.cpu, "processors", runtime.GOMAXPROCS(0))
}

// limits are those of the process' cgroup; 0 where there is none.
type limits struct {
	memory int64   // bytes
	cpu    float64 // processors
}

// processors is how many threads should run at a time. The runtime takes two at
// least and all there are without a limit; the second looks for work after
// each review, which costs a third as much again, and one alone is good for
// thousands of reviews a second.
func (l limits) processors(available int) int {
	const most = 4
	wanted := min(available, most)
	if l.cpu > 0 {
		wanted = min(wanted, int(l.cpu+0.999))
	}
	return max(wanted, 1)
}

// readLimits reads version 1 or 2 of cgroups. Root is "/".
func readLimits(root string) limits {
	var l limits
	own, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return l
	}
	for line := range strings.SplitSeq(strings.TrimSpace(string(own)), "\n") {
		// cgroups(7): HIERARCHY:CONTROLLERS:PATH, with no controllers in version 2.
		fields := strings.SplitN(line, ":", 3)
		if len(fields) != 3 {
			continue
		}
		for controller := range strings.SplitSeq(fields[1], ",") {
			group := controlGroup{filepath.Join(root, "sys/fs/cgroup", controller), fields[2]}
			switch controller {
			case "memory":
				l.memory = group.number("memory.limit_in_bytes", 0)
			case "cpu":
				l.cpu = ratio(group.number("cpu.cfs_quota_us", 0), group.number("cpu.cfs_period_us", 0))
			case "":
				l.memory = max(l.memory, group.number("memory.max", 0))
				l.cpu = max(l.cpu, ratio(group.number("cpu.max", 0), group.number("cpu.max", 1)))
			}
		}
	}
	return l
}

func ratio(quota, period int64) float64 {
	if quota <= 0 || period <= 0 {
		return 0
	}
	return float64(quota) / float64(period)
}

// controlGroup is a folder below the mount of a hierarchy.
type controlGroup struct{ mount, path string }

// number reads one of a file's numbers, 0 for none: "max" is none, -1 is none,
// and so is version 1's largest page-aligned number of bytes. In a container
// the own group may be mounted as the root.
func (g controlGroup) number(file string, which int) int64 {
	const most = 1 << 60
	for _, dir := range []string{filepath.Join(g.mount, g.path), g.mount} {
		raw, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			continue
		}
		if fields := strings.Fields(string(raw)); which < len(fields) {
			if n, err := strconv.ParseInt(fields[which], 10, 64); err == nil && n > 0 && n < most {
				return n
			}
		}
		return 0
	}
	return 0
}
