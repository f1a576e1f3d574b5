package inject

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"time"
)

// clockSkew is how far an API server's clock may be behind.
const clockSkew = time.Hour

const authorityName = "aksess-webhook"

// Lives says how long certificates live. The zero value is [DefaultLives].
type Lives struct {
	Authority time.Duration // of an authority; renewed after two thirds of it
	Leaf      time.Duration // of a serving certificate; likewise
	// Overlap is how long a new authority is published before it signs, so that
	// every API server has seen it, and how long the one before stays published
	// after that, so that every replica has changed its certificate.
	Overlap time.Duration
}

// DefaultLives returns a year for authorities, a month for serving
// certificates and a week of overlap.
func DefaultLives() Lives {
	const day = 24 * time.Hour
	return Lives{Authority: 365 * day, Leaf: 30 * day, Overlap: 7 * day}
}

// Validate reports lives that leave no time to change an authority.
func (l Lives) Validate() error {
	switch {
	case l.Authority < time.Minute || l.Leaf < time.Minute:
		return fmt.Errorf("certificates live %s and %s, expected a minute or more", l.Authority, l.Leaf)
	case l.Overlap < 0 || l.Overlap > l.Authority/4:
		return fmt.Errorf("an overlap of %s does not fit authorities that live %s: expected at most a quarter of it", l.Overlap, l.Authority)
	}
	return nil
}

// authority is a certificate authority and its key.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// newAuthority makes an authority that can vouch for the policy's names and no
// others: whoever steals its key can impersonate this webhook only.
func newAuthority(p policy, now time.Time) (*authority, error) {
	dns, ips := splitHosts(p.names)
	if len(dns) == 0 {
		return nil, errors.New("the certificate needs a DNS name: an authority without one could vouch for any")
	}
	template := &x509.Certificate{
		Subject:                     pkix.Name{CommonName: authorityName, Organization: p.owner()},
		NotBefore:                   now.Add(-clockSkew),
		NotAfter:                    now.Add(p.lives.Authority),
		KeyUsage:                    x509.KeyUsageCertSign,
		ExtKeyUsage:                 []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA:                        true,
		BasicConstraintsValid:       true,
		MaxPathLenZero:              true,
		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         dns,
	}
	for _, ip := range ips {
		bits := 8 * len(ip)
		template.PermittedIPRanges = append(template.PermittedIPRanges, &net.IPNet{IP: ip, Mask: net.CIDRMask(bits, bits)})
	}
	if len(ips) == 0 {
		for _, bits := range []int{8 * net.IPv4len, 8 * net.IPv6len} {
			all := &net.IPNet{IP: make(net.IP, bits/8), Mask: net.CIDRMask(0, bits)}
			template.ExcludedIPRanges = append(template.ExcludedIPRanges, all)
		}
	}
	a := new(authority)
	var err error
	a.certificate, a.key, err = issue(template, nil)
	return a, err
}

// leaf makes a serving certificate for the policy's names.
func (a *authority) leaf(p policy, now time.Time) (*tls.Certificate, error) {
	dns, ips := splitHosts(p.names)
	notAfter := now.Add(p.lives.Leaf)
	if notAfter.After(a.certificate.NotAfter) {
		notAfter = a.certificate.NotAfter
	}
	certificate, key, err := issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: p.names[0]},
		NotBefore:   now.Add(-clockSkew),
		NotAfter:    notAfter,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    dns,
		IPAddresses: ips,
	}, a)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{certificate.Raw}, PrivateKey: key, Leaf: certificate}, nil
}

// issue makes a P-256 key and a certificate for it, signed by the parent or by itself.
func issue(template *x509.Certificate, parent *authority) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("making key: %w", err)
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return nil, nil, fmt.Errorf("making serial number: %w", err)
	}
	if parent == nil {
		parent = &authority{certificate: template, key: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent.certificate, key.Public(), parent.key)
	if err != nil {
		return nil, nil, fmt.Errorf("making certificate %q: %w", template.Subject.CommonName, err)
	}
	certificate, err := x509.ParseCertificate(der)
	return certificate, key, err
}

// permits reports whether the authority was made for all of the names.
func (a *authority) permits(names []string) bool {
	dns, ips := splitHosts(names)
	for _, name := range dns {
		if !slices.Contains(a.certificate.PermittedDNSDomains, name) {
			return false
		}
	}
	for _, ip := range ips {
		if !slices.ContainsFunc(a.certificate.PermittedIPRanges, func(n *net.IPNet) bool { return n.Contains(ip) }) {
			return false
		}
	}
	return true
}

func splitHosts(names []string) (dns []string, ips []net.IP) {
	for _, name := range names {
		ip := net.ParseIP(name)
		switch {
		case ip == nil:
			dns = append(dns, name)
		case ip.To4() != nil:
			ips = append(ips, ip.To4())
		default:
			ips = append(ips, ip)
		}
	}
	return dns, ips
}

// normalize writes names the way that certificates give them back.
func normalize(names []string) []string {
	normal := make([]string, 0, len(names))
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			name = ip.String()
		}
		if name = strings.ToLower(name); !slices.Contains(normal, name) {
			normal = append(normal, name)
		}
	}
	return normal
}

// due is when a certificate is to be renewed.
func due(certificate *x509.Certificate) time.Time {
	life := certificate.NotAfter.Sub(certificate.NotBefore) - clockSkew
	return certificate.NotAfter.Add(-life / 3)
}

func validAt(certificate *x509.Certificate, now time.Time) bool {
	return !now.Before(certificate.NotBefore) && now.Before(certificate.NotAfter)
}

func encodeCertificates(certificates ...*x509.Certificate) []byte {
	var out bytes.Buffer
	for _, c := range certificates {
		_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}) // a buffer takes everything
	}
	return out.Bytes()
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// parseCertificates reads certificates from PEM; anything else in it is an error.
func parseCertificates(data []byte) ([]*x509.Certificate, error) {
	var certificates []*x509.Certificate
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("expected a certificate, found %q", block.Type)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("parsing certificate: %w", err)
		}
		certificates = append(certificates, certificate)
	}
	if len(bytes.TrimSpace(data)) > 0 {
		return nil, errors.New("found text that is not PEM")
	}
	return certificates, nil
}

// parsePair reads one certificate and its P-256 key.
func parsePair(certificatePEM, keyPEM []byte) (*authority, error) {
	pair, err := tls.X509KeyPair(certificatePEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("parsing key pair: %w", err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("expected a P-256 key, found %T", pair.PrivateKey)
	}
	return &authority{certificate: pair.Leaf, key: key}, nil
}
