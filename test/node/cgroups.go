package node

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// cgroupRoot is the cgroup that holds the node's pods, in every hierarchy.
const cgroupRoot = "/aksess-e2e-node"

// cgroupPatience is how long the kernel may take to take the processes of an
// ended sandbox out of their cgroups.
const cgroupPatience = 10 * time.Second

// hierarchies are the places where cgroups are made: one for each controller,
// or one for all.
func hierarchies() ([]string, error) {
	file, err := os.Open("/proc/self/mounts")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var found []string
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		fields := strings.Fields(lines.Text()) // proc(5): device, mount point, type
		if len(fields) > 2 && (fields[2] == "cgroup" || fields[2] == "cgroup2") {
			found = append(found, fields[1])
		}
	}
	return found, lines.Err()
}

func makeCgroups() error {
	places, err := hierarchies()
	if err != nil {
		return err
	}
	for _, place := range places {
		if err := os.MkdirAll(filepath.Join(place, cgroupRoot), 0o755); err != nil {
			return fmt.Errorf("making the cgroup of the node: %w", err)
		}
	}
	return nil
}

func removeCgroups() error {
	places, err := hierarchies()
	if err != nil {
		return err
	}
	// The kernel tells nobody that a process has left its cgroup for good.
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.Now().Add(cgroupPatience)
	for _, place := range places {
		for {
			err := removeCgroup(filepath.Join(place, cgroupRoot))
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("removing the cgroup of the node: %w", err)
			}
			<-ticker.C
		}
	}
	return nil
}

// removeCgroup removes the folders of a cgroup from the bottom up. The files in
// them are the kernel's and go with them.
func removeCgroup(path string) error {
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := removeCgroup(filepath.Join(path, entry.Name())); err != nil {
				return err
			}
		}
	}
	return os.Remove(path)
}
