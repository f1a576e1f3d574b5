package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// tunables are the settings of the kernel that the kubelet insists on. They are
// not the sandbox's own but the whole machine's, so that it is shown files with
// what it wants instead (pkg/kubelet/cm, setupKernelTunables).
func tunables() map[string]string {
	return map[string]string{
		"vm/overcommit_memory":      "1",
		"vm/panic_on_oom":           "0",
		"kernel/panic":              "10",
		"kernel/panic_on_oops":      "1",
		"kernel/keys/root_maxkeys":  "1000000",
		"kernel/keys/root_maxbytes": "25000000",
	}
}

// mountSandbox makes the mount namespace's own what programs of a node write at
// fixed places: containerd's shims, libcni and the kubelet.
func mountSandbox() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("parting from the machine's mounts: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mounting /proc: %w", err)
	}
	for _, path := range []string{"/run", "/var/lib", "/var/log"} {
		if err := syscall.Mount("tmpfs", path, "tmpfs", 0, "mode=755"); err != nil {
			return fmt.Errorf("mounting on %s: %w", path, err)
		}
	}
	var errs []error
	for name, value := range tunables() {
		errs = append(errs, pretend(name, value))
	}
	return errors.Join(errs...)
}

// pretend shows a value as the kernel's setting.
func pretend(name, value string) error {
	file := filepath.Join(os.TempDir(), "sysctl", name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(file, []byte(value+"\n"), 0o600); err != nil {
		return err
	}
	if err := syscall.Mount(file, filepath.Join("/proc/sys", name), "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("mounting on %s: %w", name, err)
	}
	return nil
}
