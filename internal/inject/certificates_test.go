package inject

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// serviceNames are the names of a certificate in these tests.
var serviceNames = []string{"aksess-webhook.aksess-system.svc", "localhost", "127.0.0.1", "::1"}

// servicePolicy is what [NewCertificates] makes of them.
var servicePolicy = policy{names: serviceNames, lives: DefaultLives()}

// clock is moved by the test.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.at.Store(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) Now() time.Time          { return time.Unix(0, c.at.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

func leafOf(t *testing.T, c *Certificates) *tls.Certificate {
	t.Helper()
	leaf, err := c.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

// trusts reports whether an API server with the bundle accepts the leaf.
func trusts(bundle []byte, leaf *tls.Certificate, name string, now time.Time) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	_, err := leaf.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: now})
	return err
}

// TestRotationKeepsTrust walks three years day by day. At no time may an API
// server refuse the certificate, even one whose bundle is six days old or that
// still talks to a replica with a certificate of six days ago.
func TestRotationKeepsTrust(t *testing.T) {
	clock := newClock()
	c := NewCertificates(CertificatesConfig{Names: serviceNames, Now: clock.Now})
	if err := c.Ready(); err == nil {
		t.Fatal("got ready before the first rotation")
	}
	const lag = 6
	var oldBundles [][]byte
	var oldLeaves []*tls.Certificate
	leaves, bundles := map[string]bool{}, map[string]bool{}
	for day := range 3 * 365 {
		wake, err := c.Rotate(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if !wake.After(clock.Now()) {
			t.Fatalf("day %d: got next rotation at %v, want it after %v", day, wake, clock.Now())
		}
		leaf, bundle := leafOf(t, c), c.Bundle()
		for _, name := range serviceNames[day%len(serviceNames):] {
			if err := trusts(bundle, leaf, name, clock.Now()); err != nil {
				t.Fatalf("day %d: %s: %v", day, name, err)
			}
		}
		if day >= lag {
			if err := trusts(oldBundles[day-lag], leaf, serviceNames[0], clock.Now()); err != nil {
				t.Fatalf("day %d: old bundle: %v", day, err)
			}
			if err := trusts(bundle, oldLeaves[day-lag], serviceNames[0], clock.Now()); err != nil {
				t.Fatalf("day %d: old certificate: %v", day, err)
			}
		}
		if err := c.Ready(); err != nil {
			t.Fatalf("day %d: %v", day, err)
		}
		leaves[string(leaf.Leaf.Raw)], bundles[string(bundle)] = true, true
		oldLeaves, oldBundles = append(oldLeaves, leaf), append(oldBundles, bundle)
		clock.advance(24 * time.Hour)
	}
	if len(leaves) < 50 || len(leaves) > 65 || len(bundles) < 9 {
		t.Errorf("got %d certificates and %d bundles in three years, want about 55 and at least 9", len(leaves), len(bundles))
	}
	if certificates, err := parseCertificates(c.Bundle()); err != nil || len(certificates) > 3 {
		t.Errorf("got a bundle of %d, %v, want at most 3", len(certificates), err)
	}
}

func TestRotationAuthorityIsConstrained(t *testing.T) {
	clock := newClock()
	c := NewCertificates(CertificatesConfig{Names: serviceNames, Now: clock.Now})
	if _, err := c.Rotate(context.Background()); err != nil {
		t.Fatal(err)
	}
	stolen := c.served.Load().current
	for _, name := range []string{"kubernetes.default.svc", "10.0.0.1", "login.microsoftonline.com"} {
		leaf, err := stolen.leaf(policy{names: []string{name}, lives: DefaultLives()}, clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		if err := trusts(c.Bundle(), leaf, name, clock.Now()); err == nil {
			t.Errorf("the authority can vouch for %s, want its own names only", name)
		}
	}
}

func TestRotationNames(t *testing.T) {
	for _, names := range [][]string{nil, {"127.0.0.1"}} {
		if _, err := NewCertificates(CertificatesConfig{Names: names}).Rotate(context.Background()); err == nil {
			t.Errorf("%v: got no error, want one: the authority would not be constrained", names)
		}
	}
	c := NewCertificates(CertificatesConfig{Names: []string{"LocalHost", "0:0:0::1", "localhost"}})
	var serials []string
	for range 2 {
		if _, err := c.Rotate(context.Background()); err != nil {
			t.Fatal(err)
		}
		serials = append(serials, leafOf(t, c).Leaf.SerialNumber.String())
	}
	if serials[0] != serials[1] {
		t.Error("got a new certificate for the same names in another spelling")
	}
	only := NewCertificates(CertificatesConfig{Names: []string{"localhost"}})
	if _, err := only.Rotate(context.Background()); err != nil {
		t.Fatal(err)
	}
	leaf, err := only.served.Load().current.leaf(policy{names: []string{"10.0.0.1"}, lives: DefaultLives()}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := trusts(only.Bundle(), leaf, "10.0.0.1", time.Now()); err == nil {
		t.Error("an authority for DNS names can vouch for addresses")
	}
}

func TestRotationAfterLongSleep(t *testing.T) {
	clock := newClock()
	c := NewCertificates(CertificatesConfig{Names: serviceNames, Now: clock.Now})
	for _, sleep := range []time.Duration{0, 3 * 365 * 24 * time.Hour, -4 * 365 * 24 * time.Hour} {
		clock.advance(sleep)
		if _, err := c.Rotate(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := trusts(c.Bundle(), leafOf(t, c), serviceNames[0], clock.Now()); err != nil {
			t.Errorf("after %v: %v", sleep, err)
		}
	}
}

func TestRotationNewNames(t *testing.T) {
	clock, store := newClock(), new(MemoryCertificates)
	before := NewCertificates(CertificatesConfig{Names: serviceNames[:1], Now: clock.Now, Store: store})
	after := NewCertificates(CertificatesConfig{Names: []string{"other.aksess-system.svc"}, Now: clock.Now, Store: store})
	for _, c := range []*Certificates{before, after} {
		if _, err := c.Rotate(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if err := trusts(after.Bundle(), leafOf(t, after), "other.aksess-system.svc", clock.Now()); err != nil {
		t.Error(err)
	}
	if err := trusts(after.Bundle(), leafOf(t, before), serviceNames[0], clock.Now()); err != nil {
		t.Errorf("the certificate from before the change: %v", err)
	}
}

func TestRotationFewerNames(t *testing.T) {
	clock, store := newClock(), new(MemoryCertificates)
	for _, names := range [][]string{serviceNames, serviceNames[:2]} {
		c := NewCertificates(CertificatesConfig{Names: names, Now: clock.Now, Store: store})
		if _, err := c.Rotate(context.Background()); err != nil {
			t.Fatal(err)
		}
		leaf := leafOf(t, c).Leaf
		if got := len(leaf.DNSNames) + len(leaf.IPAddresses); got != len(names) {
			t.Errorf("got a certificate for %v %v, want %v", leaf.DNSNames, leaf.IPAddresses, names)
		}
	}
}

func TestCertificatesShareAStore(t *testing.T) {
	for name, store := range map[string]CertificateStore{"memory": new(MemoryCertificates), "file": FileCertificates{Dir: filepath.Join(t.TempDir(), "certs")}} {
		t.Run(name, func(t *testing.T) {
			clock := newClock()
			config := CertificatesConfig{Names: serviceNames, Now: clock.Now, Store: store}
			a, b := NewCertificates(config), NewCertificates(config)
			for range 24 {
				for _, c := range []*Certificates{a, b} {
					if _, err := c.Rotate(context.Background()); err != nil {
						t.Fatal(err)
					}
				}
				if !leafOf(t, a).Leaf.Equal(leafOf(t, b).Leaf) || !bytes.Equal(a.Bundle(), b.Bundle()) {
					t.Fatal("got different certificates from one store")
				}
				clock.advance(30 * 24 * time.Hour)
			}
		})
	}
}

// racingStore loses every race until it has been asked often enough.
type racingStore struct {
	MemoryCertificates
	losses int
}

func (s *racingStore) Save(ctx context.Context, stored StoredCertificates) (string, error) {
	if s.losses > 0 {
		s.losses--
		return "", ErrCertificatesChanged
	}
	return s.MemoryCertificates.Save(ctx, stored)
}

func TestRotateRetriesLostRace(t *testing.T) {
	for losses, want := range map[int]error{0: nil, 2: nil, 3: ErrCertificatesChanged} {
		c := NewCertificates(CertificatesConfig{Names: serviceNames, Store: &racingStore{losses: losses}})
		if _, err := c.Rotate(context.Background()); !errors.Is(err, want) || (c.Ready() == nil) != (want == nil) {
			t.Errorf("%d lost races: got %v, ready %v, want %v", losses, err, c.Ready(), want)
		}
	}
}

func TestMemoryCertificatesVersion(t *testing.T) {
	store := new(MemoryCertificates)
	if _, err := store.Save(context.Background(), StoredCertificates{}); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Save(context.Background(), StoredCertificates{}); !errors.Is(err, ErrCertificatesChanged) {
		t.Errorf("got %v, want ErrCertificatesChanged", err)
	}
}

func TestFileCertificates(t *testing.T) {
	dir, clock := t.TempDir(), newClock()
	config := CertificatesConfig{Names: serviceNames, Now: clock.Now, Store: FileCertificates{Dir: dir}}
	first := NewCertificates(config)
	if _, err := first.Rotate(context.Background()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, certificatesFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want mode 0600", info.Mode(), err)
	}
	public, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil || bytes.Contains(public, []byte("KEY")) || trusts(public, leafOf(t, first), "localhost", clock.Now()) != nil {
		t.Errorf("ca.crt: got %s, %v, want the authority's certificate alone", public, err)
	}
	for name, content := range map[string]string{"no_json": "x", "empty": "{}", "bad_pem": `{"ca.crt":"x","bundle.crt":"y"}`} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(filepath.Join(dir, certificatesFile), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			again := NewCertificates(config)
			if _, err := again.Rotate(context.Background()); err != nil || again.Ready() != nil {
				t.Errorf("got %v, want new certificates in place of unusable ones", err)
			}
		})
	}
}

func TestCertificatesChanged(t *testing.T) {
	clock, changes := newClock(), 0
	c := NewCertificates(CertificatesConfig{Names: serviceNames, Now: clock.Now, Changed: func() { changes++ }})
	leaves, bundles := map[string]bool{}, map[string]bool{}
	for range 365 {
		if _, err := c.Rotate(context.Background()); err != nil {
			t.Fatal(err)
		}
		leaves[leafOf(t, c).Leaf.SerialNumber.String()], bundles[string(c.Bundle())] = true, true
		clock.advance(24 * time.Hour)
	}
	// Made, next announced, handed over, the one before forgotten.
	if len(bundles) != 4 || changes < max(len(leaves), len(bundles)) || changes > len(leaves)+len(bundles) {
		t.Errorf("got %d calls for %d certificates and %d bundles, want one for each change and 4 bundles", changes, len(leaves), len(bundles))
	}
}
