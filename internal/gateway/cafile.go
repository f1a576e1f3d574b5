package gateway

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Names of the two files of a stored authority. The key file holds the key and
// its certificate, so that no crash can leave a pair that does not match; the
// certificate file is a copy for clients to trust.
const (
	CertFile = "ca.crt"
	KeyFile  = "ca.key"
)

// maxKeyFile is far above the two PEM blocks that LoadOrCreateCA writes.
const maxKeyFile = 64 << 10

// LoadOrCreateCA reads the authority kept in dir, or makes one when there is
// none, when it expires within 30 days or when it was made for other names. It
// creates dir with mode 0700, KeyFile with mode 0600 and CertFile with 0644.
//
// It refuses a key file that others may read, and one that is damaged: the
// error says what to do. The folder must belong to one process at a time.
func LoadOrCreateCA(dir string, cfg CAConfig) (*CA, error) {
	cfg = cfg.resolve()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of the certificate authority: %w", err)
	}
	ca, err := loadCA(filepath.Join(dir, KeyFile), cfg)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	default:
		reason := ca.staleness(cfg)
		if reason == "" {
			return ca, ca.publish(dir)
		}
		cfg.Logger.Warn("replacing the certificate authority: running clients must be started again",
			"reason", reason, "dir", dir, "notAfter", ca.cert.NotAfter)
	}
	return createCA(dir, cfg)
}

func createCA(dir string, cfg CAConfig) (*CA, error) {
	ca, err := NewCA(cfg)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(ca.key)
	if err != nil {
		return nil, fmt.Errorf("encoding the authority's key: %w", err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), ca.PEM()...)
	if err := writeFile(filepath.Join(dir, KeyFile), text, 0o600); err != nil {
		return nil, err
	}
	return ca, ca.publish(dir)
}

// publish makes the certificate file agree with the key file.
func (ca *CA) publish(dir string) error {
	path := filepath.Join(dir, CertFile)
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, ca.PEM()) {
		return nil
	}
	return writeFile(path, ca.PEM(), 0o644)
}

func loadCA(path string, cfg CAConfig) (*CA, error) {
	text, err := readPrivate(path)
	if err != nil {
		return nil, fmt.Errorf("reading the authority's key: %w", err)
	}
	cert, key, err := parsePair(text)
	if err != nil {
		return nil, fmt.Errorf("reading the authority's key %q: %w; remove the file to have a new authority made", path, err)
	}
	names, err := newNameSet(cfg.Names)
	if err != nil {
		return nil, fmt.Errorf("reading a certificate authority: %w", err)
	}
	return assembleCA(cfg, cert, key, names), nil
}

// readPrivate reads a file that must be readable by its owner alone. Windows
// has no such modes; there the user's profile folder is what protects it.
func readPrivate(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%q is not a regular file", path)
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return nil, fmt.Errorf("%q has mode %04o, want 0600: others may have copied the key; remove the file to have a new authority made, or run chmod 600 on it", path, mode)
	}
	return io.ReadAll(io.LimitReader(f, maxKeyFile))
}

func parsePair(text []byte) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	var cert *x509.Certificate
	var key *ecdsa.PrivateKey
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "PRIVATE KEY":
			parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if err != nil {
				return nil, nil, err
			}
			key, _ = parsed.(*ecdsa.PrivateKey)
		case "CERTIFICATE":
			var err error
			if cert, err = x509.ParseCertificate(block.Bytes); err != nil {
				return nil, nil, err
			}
		}
	}
	return cert, key, checkPair(cert, key)
}

func checkPair(cert *x509.Certificate, key *ecdsa.PrivateKey) error {
	switch {
	case cert == nil || key == nil:
		return errors.New("want a P-256 private key and its certificate in PEM")
	case key.Curve != elliptic.P256():
		return fmt.Errorf("has a key on curve %s, want P-256", key.Curve.Params().Name)
	case !key.PublicKey.Equal(cert.PublicKey):
		return errors.New("has a certificate for another key")
	case !cert.IsCA || !cert.PermittedDNSDomainsCritical || len(cert.PermittedIPRanges) == 0:
		return errors.New("has a certificate without critical name constraints")
	}
	return nil
}

// writeFile replaces a file in one step: readers see the old or the new text.
// Only a private file is synced. A public one can be made again from it, so a
// power cut may take it, and start-up does not wait for the disk twice.
func writeFile(path string, text []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("writing %q: %w", path, err)
	}
	err = fill(f, text, mode)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("writing %q: %w", path, err)
	}
	return nil
}

func fill(f *os.File, text []byte, mode fs.FileMode) error {
	if _, err := f.Write(text); err != nil {
		return err
	}
	if err := f.Chmod(mode); err != nil && runtime.GOOS != "windows" {
		return err
	}
	if mode&0o077 != 0 {
		return nil
	}
	return f.Sync()
}
