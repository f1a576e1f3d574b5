package gateway

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestStoredAuthorityIsReused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "ca")
	first, err := LoadOrCreateCA(dir, CAConfig{})
	if err != nil {
		t.Fatal(err)
	}
	wantModes := map[string]os.FileMode{CertFile: 0o644, KeyFile: 0o600}
	for name, want := range wantModes {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); runtime.GOOS != "windows" && got != want {
			t.Errorf("%s: got mode %04o, want %04o", name, got, want)
		}
	}
	if err := os.Remove(filepath.Join(dir, CertFile)); err != nil {
		t.Fatal(err)
	}
	second, err := LoadOrCreateCA(dir, CAConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if !first.cert.Equal(second.cert) || !first.key.Equal(second.key) {
		t.Error("second start: got another authority, want the stored one")
	}
	published, err := os.ReadFile(filepath.Join(dir, CertFile))
	if err != nil || !bytes.Equal(published, first.PEM()) {
		t.Errorf("%s: got %d bytes (%v), want the certificate written again", CertFile, len(published), err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("folder: got %v (%v), want the two files only", entries, err)
	}
}

func TestStoredAuthorityIsReplaced(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	tests := []struct {
		name   string
		later  time.Duration
		names  []string
		reason string // "" when it stays
	}{
		{"same-day", 0, nil, ""},
		{"31-days-left", 334 * day, nil, ""},
		{"29-days-left", 336 * day, nil, "expires within 30 days"},
		{"expired", 400 * day, nil, "expires within 30 days"},
		{"clock-went-back", -2 * day, nil, "not valid yet"},
		{"other-names", 0, []string{"vault.azure.net"}, "made for other host names"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			first, err := LoadOrCreateCA(dir, CAConfig{Now: func() time.Time { return now }})
			if err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			second, err := LoadOrCreateCA(dir, CAConfig{
				Names:  tt.names,
				Now:    func() time.Time { return now.Add(tt.later) },
				Logger: slog.New(slog.NewTextHandler(&log, nil)),
			})
			if err != nil {
				t.Fatal(err)
			}
			if kept := first.cert.Equal(second.cert); kept != (tt.reason == "") {
				t.Errorf("kept: got %v, want %v", kept, tt.reason == "")
			}
			if !strings.Contains(log.String(), tt.reason) || (tt.reason == "" && log.Len() > 0) {
				t.Errorf("log: got %q, want the reason %q", log.String(), tt.reason)
			}
			published, err := os.ReadFile(filepath.Join(dir, CertFile))
			if err != nil || !bytes.Equal(published, second.PEM()) {
				t.Errorf("%s does not hold the certificate in use (%v)", CertFile, err)
			}
		})
	}
}

// The order of the configured names, their case and trailing dots are no reason
// to make clients trust a new certificate.
func TestSameNamesOtherwiseWrittenAreTheSame(t *testing.T) {
	dir := t.TempDir()
	first, err := LoadOrCreateCA(dir, CAConfig{Names: []string{"vault.azure.net", "azconfig.io"}})
	if err != nil {
		t.Fatal(err)
	}
	second, err := LoadOrCreateCA(dir, CAConfig{Names: []string{"AzConfig.io.", "vault.azure.net", "azconfig.io"}})
	if err != nil {
		t.Fatal(err)
	}
	if !first.cert.Equal(second.cert) {
		t.Error("got a new authority, want the stored one")
	}
}

func TestDamagedOrExposedKeyFilesAreRefused(t *testing.T) {
	good := func(t *testing.T) (string, []byte) {
		dir := t.TempDir()
		if _, err := LoadOrCreateCA(dir, CAConfig{}); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, KeyFile)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return path, text
	}
	_, foreign := good(t)
	key, cert, _ := bytes.Cut(foreign, []byte("-----BEGIN CERTIFICATE"))
	cert = append([]byte("-----BEGIN CERTIFICATE"), cert...)
	tests := []struct {
		name   string
		change func(path string, text []byte) error
		want   string
	}{
		{"group-readable", func(p string, _ []byte) error { return os.Chmod(p, 0o640) }, "has mode 0640, want 0600"},
		{"world-readable", func(p string, _ []byte) error { return os.Chmod(p, 0o604) }, "has mode 0604, want 0600"},
		{"empty", func(p string, _ []byte) error { return os.WriteFile(p, nil, 0o600) }, "want a P-256 private key"},
		{"cut-short", func(p string, b []byte) error { return os.WriteFile(p, b[:len(b)-9], 0o600) }, "remove the file"},
		{"key-only", func(p string, _ []byte) error { return os.WriteFile(p, key, 0o600) }, "want a P-256 private key"},
		{"another-certificate", func(p string, b []byte) error {
			own, _, _ := bytes.Cut(b, []byte("-----BEGIN CERTIFICATE"))
			return os.WriteFile(p, append(own, cert...), 0o600)
		}, "certificate for another key"},
		{"directory", func(p string, _ []byte) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o700)) }, "not a regular file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if runtime.GOOS == "windows" && strings.HasSuffix(tt.name, "readable") {
				t.Skip("Windows has no such modes")
			}
			path, text := good(t)
			if err := tt.change(path, text); err != nil {
				t.Fatal(err)
			}
			_, err := LoadOrCreateCA(filepath.Dir(path), CAConfig{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}
