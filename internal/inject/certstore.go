package inject

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// CertificateStore keeps the certificates between starts and, if it is shared,
// between replicas.
type CertificateStore interface {
	// Load returns what was saved last, or ErrNoCertificates. The caller does not
	// change the files.
	Load(ctx context.Context) (StoredCertificates, error)
	// Save stores the files in place of the version that Load or Save returned,
	// and returns the new one, or ErrCertificatesChanged if another replica was faster.
	Save(ctx context.Context, stored StoredCertificates) (version string, err error)
}

// StoredCertificates is a set of PEM files by name. The names do for the keys
// of a Kubernetes Secret.
type StoredCertificates struct {
	Version string // the store's own; "" before the first Save
	Files   map[string][]byte
}

var (
	// ErrNoCertificates is returned by a store that is empty.
	ErrNoCertificates = errors.New("no certificates stored")
	// ErrCertificatesChanged is returned by Save for a version that is not the newest.
	ErrCertificatesChanged = errors.New("the stored certificates have changed")
)

// MemoryCertificates keeps certificates until the process ends. The zero value is ready.
type MemoryCertificates struct {
	mu     sync.Mutex
	saves  int
	stored map[string][]byte
}

// Load implements [CertificateStore].
func (m *MemoryCertificates) Load(context.Context) (StoredCertificates, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stored == nil {
		return StoredCertificates{}, ErrNoCertificates
	}
	return StoredCertificates{Version: fmt.Sprint(m.saves), Files: m.stored}, nil
}

// Save implements [CertificateStore].
func (m *MemoryCertificates) Save(_ context.Context, stored StoredCertificates) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	version := ""
	if m.saves > 0 {
		version = fmt.Sprint(m.saves)
	}
	if stored.Version != version {
		return "", ErrCertificatesChanged
	}
	m.saves, m.stored = m.saves+1, stored.Files
	return fmt.Sprint(m.saves), nil
}

// FileCertificates keeps certificates in a folder of one process: all of them,
// with their keys, in one file of mode 0600 that is replaced as a whole, and
// beside it the bundle that API servers are to trust, ca.crt, for others to read.
type FileCertificates struct {
	Dir string
}

const certificatesFile = "certificates.json"

// Load implements [CertificateStore].
func (f FileCertificates) Load(context.Context) (StoredCertificates, error) {
	raw, err := os.ReadFile(filepath.Join(f.Dir, certificatesFile))
	if errors.Is(err, fs.ErrNotExist) {
		return StoredCertificates{}, ErrNoCertificates
	}
	if err != nil {
		return StoredCertificates{}, fmt.Errorf("reading certificates: %w", err)
	}
	var texts map[string]string
	// What is no JSON holds no certificates: [Certificates] says so and makes new ones.
	_ = json.Unmarshal(raw, &texts)
	stored := StoredCertificates{Files: make(map[string][]byte, len(texts))}
	for name, text := range texts {
		stored.Files[name] = []byte(text)
	}
	return stored, nil
}

// Save implements [CertificateStore].
func (f FileCertificates) Save(_ context.Context, stored StoredCertificates) (string, error) {
	texts := make(map[string]string, len(stored.Files))
	for name, file := range stored.Files {
		texts[name] = string(file)
	}
	raw, err := json.MarshalIndent(texts, "", "  ")
	if err != nil {
		return "", fmt.Errorf("encoding certificates: %w", err)
	}
	if err := os.MkdirAll(f.Dir, 0o700); err != nil {
		return "", fmt.Errorf("saving certificates: %w", err)
	}
	if err := replaceFile(filepath.Join(f.Dir, certificatesFile), raw, 0o600); err != nil {
		return "", fmt.Errorf("saving certificates: %w", err)
	}
	if err := replaceFile(filepath.Join(f.Dir, "ca.crt"), stored.Files[FileBundle], 0o644); err != nil {
		return "", fmt.Errorf("saving the bundle: %w", err)
	}
	return "", nil
}

// replaceFile writes a file so that a reader, or a crash, sees the old content or the new.
func replaceFile(path string, content []byte, mode fs.FileMode) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }() // gone already after the rename
	_, err = temporary.Write(content)
	if err == nil {
		err = temporary.Chmod(mode)
	}
	if err == nil {
		err = temporary.Sync()
	}
	if closed := temporary.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}
