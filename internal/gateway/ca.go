package gateway

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"time"
)

const (
	caValidity   = 365 * 24 * time.Hour
	caRenewal    = 30 * 24 * time.Hour // made anew when it ends sooner than this
	leafValidity = 7 * 24 * time.Hour
	leafRenewal  = 24 * time.Hour
	clockLeeway  = time.Hour // NotBefore lies this far back, for clients whose clock is behind
)

// CAConfig says how a certificate authority is made. The zero value is usable.
// Randomness is not a field: crypto/ecdsa and crypto/x509 draw from the
// operating system whatever reader they are given.
type CAConfig struct {
	Names  []string         // suffixes it may sign for and the gateway serves; DefaultNames when empty
	Now    func() time.Time // time.Now when nil; TLS clients compare with their own clock
	Logger *slog.Logger     // told why a stored authority is replaced; discards when nil
}

func (c CAConfig) resolve() CAConfig {
	if len(c.Names) == 0 {
		c.Names = DefaultNames()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// CA is the certificate authority of one local Azure. Its certificate carries
// critical name constraints for the served names and for loopback addresses, so
// that its key is worth nothing for any other host. It is safe for concurrent use.
type CA struct {
	cert  *x509.Certificate
	key   *ecdsa.PrivateKey
	names nameSet
	now   func() time.Time

	leaves *leafCache
}

// NewCA makes an authority that lives in memory only.
func NewCA(cfg CAConfig) (*CA, error) {
	cfg = cfg.resolve()
	names, err := newNameSet(cfg.Names)
	if err != nil {
		return nil, fmt.Errorf("making a certificate authority: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the authority's key: %w", err)
	}
	template, err := rootTemplate(cfg, &key.PublicKey)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("signing the authority's certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading back the authority's certificate: %w", err)
	}
	return assembleCA(cfg, cert, key, names), nil
}

func assembleCA(cfg CAConfig, cert *x509.Certificate, key *ecdsa.PrivateKey, names nameSet) *CA {
	ca := &CA{cert: cert, key: key, names: names, now: cfg.Now}
	ca.leaves = newLeafCache(leafCacheSize, cfg.Now, ca.mint)
	return ca
}

// rootTemplate has a subject of its own per key, because trust stores that look
// issuers up by name would otherwise confuse two of these authorities.
func rootTemplate(cfg CAConfig, pub *ecdsa.PublicKey) (*x509.Certificate, error) {
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("encoding the authority's public key: %w", err)
	}
	sum := sha256.Sum256(spki)
	now := cfg.Now()
	return &x509.Certificate{
		Subject: pkix.Name{
			Organization: []string{"aksess, a local Azure for tests"},
			CommonName:   "aksess local authority " + hex.EncodeToString(sum[:4]),
		},
		NotBefore:             now.Add(-clockLeeway),
		NotAfter:              now.Add(caValidity),
		KeyUsage:              x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		SubjectKeyId:          sum[:20],
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,

		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         sortedNames(cfg.Names),
		PermittedIPRanges:           loopbackRanges(),
	}, nil
}

// loopbackRanges are the addresses it may sign for. Naming them as permitted
// forbids every other address (RFC 5280 section 4.2.1.10); without them any
// address would be allowed, since a constraint binds only the kinds it names.
func loopbackRanges() []*net.IPNet {
	return []*net.IPNet{
		{IP: net.IPv4(127, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)},
		{IP: net.IPv6loopback, Mask: net.CIDRMask(128, 128)},
	}
}

// sortedNames is the canonical form of a list of suffixes, in which a stored
// certificate is compared with what the configuration asks for.
func sortedNames(names []string) []string {
	out := make([]string, 0, len(names))
	for _, n := range names {
		if h, err := hostName(n); err == nil {
			out = append(out, h)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// staleness says why the authority cannot be used at now, or "".
func (ca *CA) staleness(cfg CAConfig) string {
	now := cfg.Now()
	switch {
	case now.Before(ca.cert.NotBefore):
		return "not valid yet"
	case now.Add(caRenewal).After(ca.cert.NotAfter):
		return "expires within 30 days"
	case !slices.Equal(ca.cert.PermittedDNSDomains, sortedNames(cfg.Names)):
		return "made for other host names"
	}
	return ""
}

// Serves reports whether host is one of the names the authority may sign for.
// It accepts any case and a trailing dot, but no port.
func (ca *CA) Serves(host string) bool {
	name, err := hostName(host)
	return err == nil && ca.names.serves(name)
}

// Names returns the served suffixes in order.
func (ca *CA) Names() []string { return slices.Clone(ca.cert.PermittedDNSDomains) }

// Certificate returns the root certificate. The caller must not change it.
func (ca *CA) Certificate() *x509.Certificate { return ca.cert }

// PEM returns the root certificate in PEM.
func (ca *CA) PEM() []byte { return certPEM(ca.cert) }

// Pool returns a new pool that trusts this authority alone.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

func certPEM(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}

// mint signs a certificate for a served name or a loopback address.
func (ca *CA) mint(name string, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
	now := ca.now()
	template := &x509.Certificate{
		Subject:     pkix.Name{Organization: ca.cert.Subject.Organization},
		NotBefore:   now.Add(-clockLeeway),
		NotAfter:    now.Add(leafValidity),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if template.NotAfter.After(ca.cert.NotAfter) {
		template.NotAfter = ca.cert.NotAfter
	}
	if template.NotBefore.Before(ca.cert.NotBefore) {
		template.NotBefore = ca.cert.NotBefore
	}
	switch addr, err := netip.ParseAddr(name); {
	case err != nil && ca.names.serves(name):
		template.DNSNames = []string{name}
	case err == nil && addr.IsLoopback():
		template.IPAddresses = []net.IP{addr.AsSlice()}
	default:
		return nil, fmt.Errorf("making a certificate for %q: not a served name", name)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, &key.PublicKey, ca.key)
	if err != nil {
		return nil, fmt.Errorf("signing a certificate for %q: %w", name, err)
	}
	return x509.ParseCertificate(der)
}
