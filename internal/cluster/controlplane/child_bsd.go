//go:build unix && !linux

package controlplane

import "syscall"

// attributes put a child into a process group of its own, which an interrupt at
// the terminal does not reach.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
