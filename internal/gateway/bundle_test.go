package gateway

import (
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"software.sslmate.com/src/go-pkcs12"
)

func TestBundleAndTrustStore(t *testing.T) {
	ca, other := newCA(t, CAConfig{}), newCA(t, CAConfig{})
	dir := t.TempDir()
	bundle, store := filepath.Join(dir, "bundle.pem"), filepath.Join(dir, "trust.p12")
	if err := ca.WriteBundle(bundle, other.Certificate()); err != nil {
		t.Fatal(err)
	}
	if err := ca.WriteTrustStore(store, other.Certificate()); err != nil {
		t.Fatal(err)
	}
	want := []*x509.Certificate{ca.cert, other.cert}
	got, err := SystemRoots(bundle)
	if err != nil || !slices.EqualFunc(got, want, (*x509.Certificate).Equal) {
		t.Errorf("bundle: got %d certificates (%v), want the two written", len(got), err)
	}
	pfx, err := os.ReadFile(store)
	if err != nil {
		t.Fatal(err)
	}
	got, err = pkcs12.DecodeTrustStore(pfx, TrustStorePassword)
	if err != nil || !slices.EqualFunc(got, want, (*x509.Certificate).Equal) {
		t.Errorf("trust store: got %d certificates (%v), want the two written", len(got), err)
	}
	for _, path := range []string{bundle, store} {
		info, err := os.Stat(path)
		if err != nil || (runtime.GOOS != "windows" && info.Mode().Perm() != 0o644) {
			t.Errorf("%s: got %v (%v), want mode 0644", path, info.Mode(), err)
		}
	}
}

func TestSystemRootsOfAnUnusableFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.pem")
	if _, err := SystemRoots(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: got %v, want os.ErrNotExist", err)
	}
	if err := os.WriteFile(path, []byte("no certificates here"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := SystemRoots(path); err == nil {
		t.Error("file without certificates: got nil, want an error")
	}
}
