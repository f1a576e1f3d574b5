package gateway

import (
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestLeafIsMadeOnceForManyHandshakes(t *testing.T) {
	ca := newCA(t, CAConfig{})
	var made atomic.Int32
	cache := newLeafCache(8, time.Now, func(name string, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
		made.Add(1)
		return ca.mint(name, key)
	})
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			if _, err := cache.get("a.vault.azure.net"); err != nil {
				t.Errorf("got %v, want a certificate", err)
			}
		})
	}
	wg.Wait()
	if got := made.Load(); got != 1 {
		t.Errorf("signed %d certificates, want 1", got)
	}
}

func TestLeafCacheIsBoundedAndKeepsTheRecent(t *testing.T) {
	ca := newCA(t, CAConfig{})
	var made []string
	cache := newLeafCache(3, time.Now, func(name string, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
		made = append(made, name)
		return ca.mint(name, key)
	})
	for _, name := range []string{"a", "b", "c", "a", "d", "a", "b"} {
		if _, err := cache.get(name + ".azconfig.io"); err != nil {
			t.Fatal(err)
		}
	}
	want := "a.azconfig.io b.azconfig.io c.azconfig.io d.azconfig.io b.azconfig.io"
	if got := strings.Join(made, " "); got != want {
		t.Errorf("made %s, want %s", got, want)
	}
	if len(cache.byName) != 3 || cache.recent.Len() != 3 {
		t.Errorf("kept %d and %d, want 3", len(cache.byName), cache.recent.Len())
	}
}

func TestLeafIsRenewedBeforeItExpires(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ca := newCA(t, CAConfig{Now: func() time.Time { return now }})
	first, err := ca.leaves.get("a.azconfig.io")
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(5 * 24 * time.Hour)
	same, err := ca.leaves.get("a.azconfig.io")
	if err != nil || same != first {
		t.Errorf("two days before the end: got another certificate (%v), want the same", err)
	}
	now = now.Add(25 * time.Hour)
	next, err := ca.leaves.get("a.azconfig.io")
	if err != nil || next == first || !next.Leaf.NotAfter.After(first.Leaf.NotAfter) {
		t.Errorf("on the last day: got the same certificate (%v), want a newer one", err)
	}
	now = ca.cert.NotAfter.Add(-time.Hour)
	last, err := ca.leaves.get("a.azconfig.io")
	if err != nil || last.Leaf.NotAfter.After(ca.cert.NotAfter) {
		t.Errorf("got a certificate until %v (%v), want it to end with the authority at %v", last.Leaf.NotAfter, err, ca.cert.NotAfter)
	}
}

func TestFailedLeafIsTriedAgain(t *testing.T) {
	ca := newCA(t, CAConfig{})
	fail := true
	cache := newLeafCache(3, time.Now, func(name string, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
		if fail {
			return nil, errors.New("no luck")
		}
		return ca.mint(name, key)
	})
	if _, err := cache.get("a.azconfig.io"); err == nil {
		t.Error("got nil, want the error of the signer")
	}
	fail = false
	if _, err := cache.get("a.azconfig.io"); err != nil {
		t.Errorf("second try: got %v, want a certificate", err)
	}
}

func TestMintRefusesOtherNames(t *testing.T) {
	ca := newCA(t, CAConfig{})
	for _, name := range []string{"example.com", "10.0.0.1", "169.254.169.254", "*.vault.azure.net.example", ""} {
		if _, err := ca.leaves.get(name); err == nil {
			t.Errorf("%q: got a certificate, want an error", name)
		}
	}
}

func TestLongNamesGetCertificates(t *testing.T) {
	ca := newCA(t, CAConfig{})
	long := strings.Repeat(strings.Repeat("a", 62)+".", 3) + "vault.azure.net"
	for _, name := range []string{long, "with_underscore.vault.azure.net"} {
		cert, err := ca.leaves.get(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cert.Leaf.Verify(x509.VerifyOptions{Roots: ca.Pool(), DNSName: name}); err != nil {
			t.Errorf("%s: got %v, want a certificate that verifies", name, err)
		}
	}
}
