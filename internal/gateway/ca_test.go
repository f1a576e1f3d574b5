package gateway

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"testing"
	"time"
)

func newCA(t testing.TB, cfg CAConfig) *CA {
	t.Helper()
	ca, err := NewCA(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func testKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// forge signs with the authority's key whatever a thief of it would want.
func forge(t testing.TB, ca *CA, template x509.Certificate) *x509.Certificate {
	t.Helper()
	template.SerialNumber = big.NewInt(7)
	template.NotBefore, template.NotAfter = ca.cert.NotBefore, ca.cert.NotAfter
	der, err := x509.CreateCertificate(rand.Reader, &template, ca.cert, &testKey(t).PublicKey, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestNameConstraintsBindTheKey(t *testing.T) {
	ca := newCA(t, CAConfig{})
	server := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	tests := []struct {
		name     string
		template x509.Certificate
		ok       bool
	}{
		{"served", x509.Certificate{DNSNames: []string{"a.vault.azure.net"}, ExtKeyUsage: server}, true},
		{"served-suffix-itself", x509.Certificate{DNSNames: []string{"login.microsoftonline.com"}, ExtKeyUsage: server}, true},
		{"loopback", x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1).To4()}, ExtKeyUsage: server}, true},
		{"loopback-6", x509.Certificate{IPAddresses: []net.IP{net.IPv6loopback}, ExtKeyUsage: server}, true},
		{"other-host", x509.Certificate{DNSNames: []string{"example.com"}, ExtKeyUsage: server}, false},
		{"other-host-beside", x509.Certificate{DNSNames: []string{"a.vault.azure.net", "example.com"}, ExtKeyUsage: server}, false},
		{"parent", x509.Certificate{DNSNames: []string{"azure.com"}, ExtKeyUsage: server}, false},
		{"wildcard-of-parent", x509.Certificate{DNSNames: []string{"*.azure.net"}, ExtKeyUsage: server}, false},
		{"other-address", x509.Certificate{IPAddresses: []net.IP{net.IPv4(10, 0, 0, 1).To4()}, ExtKeyUsage: server}, false},
		{"other-address-6", x509.Certificate{IPAddresses: []net.IP{net.ParseIP("2001:db8::1")}, ExtKeyUsage: server}, false},
		{"client-auth", x509.Certificate{DNSNames: []string{"a.vault.azure.net"},
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cert := forge(t, ca, tt.template)
			_, err := cert.Verify(x509.VerifyOptions{Roots: ca.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
			if tt.name == "client-auth" {
				_, err = cert.Verify(x509.VerifyOptions{Roots: ca.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
			}
			if (err == nil) != tt.ok {
				t.Errorf("Verify: got %v, want accepted %v", err, tt.ok)
			}
		})
	}
}

// A certificate authority below this one could drop its constraints in clients
// that check them badly, so the path length forbids it.
func TestNoAuthorityBelow(t *testing.T) {
	ca := newCA(t, CAConfig{})
	midKey := testKey(t)
	mid := &x509.Certificate{SerialNumber: big.NewInt(8), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		Subject: pkix.Name{CommonName: "below"}, NotBefore: ca.cert.NotBefore, NotAfter: ca.cert.NotAfter}
	midDER, err := x509.CreateCertificate(rand.Reader, mid, ca.cert, &midKey.PublicKey, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	if mid, err = x509.ParseCertificate(midDER); err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(9), DNSNames: []string{"a.vault.azure.net"},
		NotBefore: ca.cert.NotBefore, NotAfter: ca.cert.NotAfter}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, mid, &testKey(t).PublicKey, midKey)
	if err != nil {
		t.Fatal(err)
	}
	if leaf, err = x509.ParseCertificate(leafDER); err != nil {
		t.Fatal(err)
	}
	between := x509.NewCertPool()
	between.AddCert(mid)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: ca.Pool(), Intermediates: between}); err == nil {
		t.Error("Verify: got a chain through a second authority, want a refusal")
	}
}

func TestRootIsShortLivedAndP256(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	cert := newCA(t, CAConfig{Now: func() time.Time { return now }}).Certificate()
	if got := cert.NotAfter.Sub(now); got != 365*24*time.Hour {
		t.Errorf("validity: got %v, want 365 days", got)
	}
	pub, ok := cert.PublicKey.(*ecdsa.PublicKey)
	if !ok || pub.Curve != elliptic.P256() {
		t.Errorf("key: got %T, want P-256", cert.PublicKey)
	}
	if !cert.PermittedDNSDomainsCritical || !cert.MaxPathLenZero {
		t.Errorf("got critical %v, no path %v; want both", cert.PermittedDNSDomainsCritical, cert.MaxPathLenZero)
	}
}

func TestBadSuffixesAreRefused(t *testing.T) {
	for _, names := range [][]string{{""}, {"*.azure.net"}, {"127.0.0.1"}, {"a..b"}, {"vault.azure.net", "-x.io"}} {
		if _, err := NewCA(CAConfig{Names: names}); err == nil {
			t.Errorf("NewCA(%q): got nil, want an error", names)
		}
	}
}
