package webhook

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// memoryLimit is the memory that the process may use by its cgroup, in bytes,
// or 0 if there is no limit. Root is "/".
func memoryLimit(root string) int64 {
	own, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return 0
	}
	for line := range strings.SplitSeq(strings.TrimSpace(string(own)), "\n") {
		// cgroups(7): HIERARCHY:CONTROLLERS:PATH, with no controllers in version 2.
		fields := strings.SplitN(line, ":", 3)
		if len(fields) != 3 {
			continue
		}
		dir, file := "sys/fs/cgroup", "memory.max"
		if fields[1] == "memory" {
			dir, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		} else if fields[1] != "" {
			continue
		}
		// In a container the own cgroup may be mounted as the root.
		for _, path := range []string{filepath.Join(root, dir, fields[2], file), filepath.Join(root, dir, file)} {
			if limit := readLimit(path); limit > 0 {
				return limit
			}
		}
	}
	return 0
}

// readLimit reads a number of bytes. "max" is none, and so is version 1's
// largest page-aligned number.
func readLimit(path string) int64 {
	const most = 1 << 60
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	limit, err := strconv.ParseInt(string(bytes.TrimSpace(raw)), 10, 64)
	if err != nil || limit > most {
		return 0
	}
	return limit
}
