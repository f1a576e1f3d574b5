package companions

import (
	"encoding/binary"
	"fmt"
	"syscall"
)

// directory lists procfs a hundred times a second: unlike os.File it makes no
// garbage of the names that are no processes.
type directory struct {
	fd     int
	path   string
	buffer [8 << 10]byte
}

func openDirectory(path string) (*directory, error) {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	return &directory{fd: fd, path: path}, nil
}

func (d *directory) close() { _ = syscall.Close(d.fd) } // it was read only

// each calls found with each name that is a number.
func (d *directory) each(found func(pid int)) error {
	if _, err := syscall.Seek(d.fd, 0, 0); err != nil {
		return fmt.Errorf("listing %s: %w", d.path, err)
	}
	for {
		n, err := syscall.ReadDirent(d.fd, d.buffer[:])
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil:
			return fmt.Errorf("listing %s: %w", d.path, err)
		case n <= 0:
			return nil
		}
		for rest := d.buffer[:n]; len(rest) > nameAt; {
			length := binary.NativeEndian.Uint16(rest[lengthAt:])
			if pid := number(rest[nameAt:length]); pid > 0 {
				found(pid)
			}
			rest = rest[length:]
		}
	}
}

// Where an entry has its length and its name, which ends with a NUL (getdents64(2)).
const (
	lengthAt = 16
	nameAt   = 19
)

// number is what the digits of a name say, 0 if it is no number.
func number(name []byte) (n int) {
	for _, b := range name {
		switch {
		case b == 0:
			return n
		case b < '0' || b > '9':
			return 0
		}
		n = n*10 + int(b-'0')
	}
	return n
}
