//go:build !linux

package companions

import (
	"fmt"
	"runtime"
)

type directory struct{}

// openDirectory refuses: there is no procfs but Linux's.
func openDirectory(string) (*directory, error) {
	return nil, fmt.Errorf("watching the other containers needs Linux, this is %s", runtime.GOOS)
}

func (*directory) close() {}

func (*directory) each(func(pid int)) error { return nil }

const hostsFile = "/etc/hosts"

type hosts struct{}

func openHosts(path string) (*hosts, error) {
	return nil, fmt.Errorf("watching %s needs Linux, this is %s", path, runtime.GOOS)
}

func (*hosts) written() bool { return false }

func (*hosts) close() {}
