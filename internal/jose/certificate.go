package jose

import (
	"bytes"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// Thumbprint returns a certificate's x5t: its SHA-1 in base64url (RFC 7515, section 4.1.7).
func Thumbprint(certificate *x509.Certificate) string {
	sum := sha1.Sum(certificate.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// ThumbprintS256 returns a certificate's x5t#S256: its SHA-256 in base64url.
func ThumbprintS256(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// SelfSigned returns a certificate of the key for x5c and x5t, as Entra's
// signing keys have one. The same arguments give the same certificate, so that
// it need not be stored.
func (k *SigningKey) SelfSigned(commonName string, notBefore, notAfter time.Time) (*x509.Certificate, error) {
	id := sha256.Sum256(x509.MarshalPKCS1PublicKey(&k.private.PublicKey))
	template := &x509.Certificate{
		SerialNumber:          new(big.Int).SetBytes(id[:16]),
		Subject:               pkix.Name{CommonName: commonName},
		NotBefore:             notBefore,
		NotAfter:              notAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		SignatureAlgorithm:    x509.SHA256WithRSA, // deterministic
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.private.PublicKey, k.private)
	if err != nil {
		return nil, fmt.Errorf("signing the certificate of key %q: %w", k.kid, err)
	}
	return x509.ParseCertificate(der)
}

// WithKid returns the same key under another id.
func (k *SigningKey) WithKid(kid string) *SigningKey {
	public := k.public
	public.kid = kid
	return &SigningKey{kid: kid, private: k.private, public: public}
}

// VerifyCertificate is [Verify] for an assertion that a client signed with the
// key of one of its registered certificates. The header says which: by
// x5t#S256 and x5t, both of which must be the certificate's when both are
// there, or without either by a kid that is the SHA-1 thumbprint. Thumbprints
// are accepted in base64url, in base64, with and without padding, and in
// hexadecimal, because clients send all of these. A certificate in the header
// (x5c) is ignored. Whether the certificate is in force is the caller's to check.
func VerifyCertificate(token string, registered []*x509.Certificate, policy Policy) (*Token, *x509.Certificate, error) {
	c, err := parseCompact(token, policy.MaxBytes)
	if err != nil {
		return nil, nil, err
	}
	if err := policy.allows(c.header.Alg); err != nil {
		return nil, nil, err
	}
	certificate, err := c.header.certificate(registered)
	if err != nil {
		return nil, nil, err
	}
	key, err := NewPublicKey(c.header.Kid, "", certificate.PublicKey)
	if err != nil {
		return nil, nil, refuse(ErrUnknownKey, "certificate %s: %v", Thumbprint(certificate), err)
	}
	if !key.accepts(c.header.Alg) {
		return nil, nil, refuse(ErrAlgorithm, "%s with certificate %s, which is for %s", c.header.Alg, Thumbprint(certificate), key.purpose())
	}
	verified, err := c.verifyWith([]PublicKey{key})
	if err != nil {
		return nil, nil, err
	}
	return verified, certificate, nil
}

// certificate finds the registered certificate that the header names.
func (h Header) certificate(registered []*x509.Certificate) (*x509.Certificate, error) {
	by1, by256 := h.X5t, h.X5tS256
	if by1 == "" && by256 == "" {
		by1 = h.Kid
	}
	if by1 == "" && by256 == "" {
		return nil, refuse(ErrUnknownKey, "the header names no certificate: none of x5t#S256, x5t and kid")
	}
	for _, certificate := range registered {
		sum1, sum256 := sha1.Sum(certificate.Raw), sha256.Sum256(certificate.Raw)
		if (by1 == "" || isThumbprint(by1, sum1[:])) && (by256 == "" || isThumbprint(by256, sum256[:])) {
			return certificate, nil
		}
	}
	return nil, refuse(ErrUnknownKey, "no registered certificate has the thumbprint %s", quote(by1+by256))
}

// isThumbprint reports whether text encodes this digest.
func isThumbprint(text string, digest []byte) bool {
	if len(text) == hex.EncodedLen(len(digest)) {
		decoded, err := hex.DecodeString(text)
		return err == nil && bytes.Equal(decoded, digest)
	}
	url := strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(text, "="))
	return url == base64.RawURLEncoding.EncodeToString(digest)
}
