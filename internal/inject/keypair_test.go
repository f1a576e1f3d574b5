package inject

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestKeyPairReload(t *testing.T) {
	dir, clock := t.TempDir(), newClock()
	changes := 0
	pair := KeyPairFiles{
		KeyPair:  &KeyPair{Changed: func() { changes++ }, Now: clock.Now, Log: discard()},
		CertFile: filepath.Join(dir, "tls.crt"), KeyFile: filepath.Join(dir, "tls.key"),
	}
	if err := pair.Reload(); err == nil || pair.Ready() == nil {
		t.Fatal("got ready without files")
	}
	authority, err := newAuthority(servicePolicy, clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	var serials []string
	for range 2 {
		writeLeaf(t, dir, authority, clock.Now())
		if err := pair.Reload(); err != nil {
			t.Fatal(err)
		}
		served, err := pair.GetCertificate(nil)
		if err != nil || pair.Ready() != nil {
			t.Fatal(err, pair.Ready())
		}
		serials = append(serials, served.Leaf.SerialNumber.String())
	}
	if serials[0] == serials[1] {
		t.Error("got the same certificate after a reload")
	}
	if err := pair.Reload(); err != nil || changes != 2 {
		t.Errorf("got %v, %d changes after two certificates, want 2", err, changes)
	}
	if err := os.WriteFile(pair.CertFile, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := pair.Reload(); err == nil || pair.Ready() != nil {
		t.Errorf("got %v, ready %v, want an error and the old certificate", err, pair.Ready())
	}
	clock.advance(DefaultLives().Leaf)
	if pair.Ready() == nil {
		t.Error("got ready with an expired certificate")
	}
}

func writeLeaf(t *testing.T, dir string, a *authority, now time.Time) {
	t.Helper()
	leaf, err := a.leaf(servicePolicy, now)
	if err != nil {
		t.Fatal(err)
	}
	files, err := rotation{current: a, leaf: leaf}.encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tls.crt", "tls.key"} {
		if err := os.WriteFile(filepath.Join(dir, name), files[name], 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
