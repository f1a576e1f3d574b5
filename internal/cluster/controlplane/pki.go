package controlplane

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"time"
)

// Lives of certificates are those of AKS
// (https://learn.microsoft.com/azure/aks/certificate-rotation).
const (
	authorityLife   = 30 * 365 * 24 * time.Hour
	certificateLife = 2 * 365 * 24 * time.Hour
	renewBefore     = 90 * 24 * time.Hour // of its end, at a start
	backdate        = time.Hour           // for clocks that differ
)

// pair is a certificate with its private key, both PEM.
type pair struct{ cert, key []byte }

// encode is the form in which a pair is stored: one file, so that no restart
// finds one half without the other.
func (p pair) encode() []byte { return slices.Concat(p.cert, p.key) }

func decodePair(text []byte) (pair, error) {
	var p pair
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "CERTIFICATE":
			p.cert = pem.EncodeToMemory(block)
		case "PRIVATE KEY":
			p.key = pem.EncodeToMemory(block)
		}
	}
	if p.cert == nil || p.key == nil {
		return p, errors.New("it does not hold a certificate and a private key")
	}
	return p, nil
}

func (p pair) certificate() (*x509.Certificate, error) {
	block, _ := pem.Decode(p.cert)
	if block == nil {
		return nil, errors.New("no certificate")
	}
	return x509.ParseCertificate(block.Bytes)
}

// subject is what a certificate is for.
type subject struct {
	name      string
	groups    []string
	dns       []string
	addresses []net.IP
	usages    []x509.ExtKeyUsage // none: a certificate authority
}

// serves reports whether a stored certificate is still the one for the subject.
func (s subject) serves(p pair, authority *x509.Certificate, now time.Time) bool {
	cert, err := p.certificate()
	if err != nil || now.Before(cert.NotBefore) || now.Add(renewBefore).After(cert.NotAfter) {
		return false
	}
	if authority != nil && cert.CheckSignatureFrom(authority) != nil {
		return false
	}
	return cert.Subject.CommonName == s.name && slices.Equal(sorted(cert.Subject.Organization), sorted(s.groups)) &&
		slices.Equal(cert.DNSNames, s.dns) && slices.EqualFunc(cert.IPAddresses, s.addresses, net.IP.Equal)
}

func sorted(names []string) []string { return slices.Sorted(slices.Values(names)) }

// issue makes a certificate with a key of its own. by is the authority that
// signs it; a zero by makes an authority that signs itself.
func issue(s subject, by pair, now time.Time) (pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair{}, err
	}
	template, err := s.template(now)
	if err != nil {
		return pair{}, err
	}
	parent, signer := template, any(key)
	if by.cert != nil {
		if parent, err = by.certificate(); err != nil {
			return pair{}, err
		}
		block, _ := pem.Decode(by.key)
		if block == nil {
			return pair{}, errors.New("the authority has no key")
		}
		if signer, err = x509.ParsePKCS8PrivateKey(block.Bytes); err != nil {
			return pair{}, err
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return pair{}, fmt.Errorf("signing the certificate of %q: %w", s.name, err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return pair{}, err
	}
	made := pair{
		cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}
	if made.misleads() {
		return issue(s, by, now)
	}
	return made, nil
}

// misleads reports that a kubeconfig with the pair would hold a word by which
// the azurerm provider takes it for one of Entra's
// (internal/services/containers/kubernetes_cluster_resource.go). One in some
// ten thousand does by chance.
func (p pair) misleads() bool {
	return strings.Contains(base64.StdEncoding.EncodeToString(p.cert)+" "+base64.StdEncoding.EncodeToString(p.key), "exec")
}

func (s subject) template(now time.Time) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: s.name, Organization: s.groups},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(certificateLife), BasicConstraintsValid: true,
		DNSNames: s.dns, IPAddresses: s.addresses, ExtKeyUsage: s.usages, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if len(s.usages) == 0 {
		template.IsCA, template.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign|x509.KeyUsageDigitalSignature
		template.NotAfter = now.Add(authorityLife)
	}
	return template, nil
}
