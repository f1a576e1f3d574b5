package companions

import (
	"fmt"
	"syscall"
)

// hostsFile is the pod's, which the kubelet writes anew before it has a
// container created, for each container and each start (kubelet_pods.go,
// ensureHostsFile). All containers have the same file.
const hostsFile = "/etc/hosts"

// hosts tells when the file has been written; nil never does.
type hosts struct {
	fd     int
	buffer [512]byte
}

func openHosts(path string) (*hosts, error) {
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watching %s: %w", path, err)
	}
	if _, err := syscall.InotifyAddWatch(fd, path, syscall.IN_CLOSE_WRITE); err != nil {
		_ = syscall.Close(fd)
		return nil, fmt.Errorf("watching %s: %w", path, err)
	}
	return &hosts{fd: fd}, nil
}

// written reports whether the file has been since the last call.
func (h *hosts) written() (since bool) {
	for h != nil {
		n, err := syscall.Read(h.fd, h.buffer[:])
		if n <= 0 || err != nil { // EAGAIN: nothing more
			return since
		}
		since = true
	}
	return false
}

func (h *hosts) close() {
	if h != nil {
		_ = syscall.Close(h.fd) // it was read only
	}
}
