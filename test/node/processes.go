package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/vishvananda/netns"
)

// Processes returns the ids of a pod's processes, those of its containers and the
// one that holds its namespaces, by the cgroup that the kubelet made for the pod.
func Processes(podUID string) ([]int, error) {
	found, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, path := range found {
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !strings.Contains(string(text), "/pod"+podUID+"/") {
			continue
		}
		pid, atoiErr := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err := errors.Join(err, atoiErr); err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	if len(pids) == 0 {
		return nil, fmt.Errorf("pod %s has no processes", podUID)
	}
	return pids, nil
}

// InNetworkOf calls do in the network namespace of the process; programs that do
// starts are in it too.
func InNetworkOf(pid int, do func() error) error {
	theirs, err := netns.GetFromPid(pid)
	if err != nil {
		return fmt.Errorf("opening the network namespace of process %d: %w", pid, err)
	}
	defer theirs.Close()
	ended := make(chan error)
	go func() {
		// Never unlocked: the thread ends with the goroutine, in their namespace.
		runtime.LockOSThread()
		if err := netns.Set(theirs); err != nil {
			ended <- err
			return
		}
		ended <- do()
	}()
	return <-ended
}
