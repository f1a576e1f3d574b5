package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"math/big"
)

// Algorithm is a signature algorithm by its name in RFC 7518, section 3.1.
type Algorithm string

// The algorithms of this package. The empty Algorithm of a key means: every
// one that its type can do.
const (
	RS256 Algorithm = "RS256" // RSASSA-PKCS1-v1_5 with SHA-256
	PS256 Algorithm = "PS256" // RSASSA-PSS with SHA-256 and a salt of 32 bytes
	ES256 Algorithm = "ES256" // ECDSA on P-256 with SHA-256
)

// fits reports whether a key of this type can do the algorithm.
func (a Algorithm) fits(key crypto.PublicKey) bool {
	switch key.(type) {
	case *rsa.PublicKey:
		return a == RS256 || a == PS256
	case *ecdsa.PublicKey:
		return a == ES256
	}
	return false
}

// verify checks a signature with a key that fits the algorithm.
func (a Algorithm) verify(key crypto.PublicKey, input, signature []byte) bool {
	digest := sha256.Sum256(input)
	switch key := key.(type) {
	case *rsa.PublicKey:
		switch a {
		case RS256:
			return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) == nil
		case PS256:
			options := rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
			return rsa.VerifyPSS(key, crypto.SHA256, digest[:], signature, &options) == nil
		}
	case *ecdsa.PublicKey:
		if a != ES256 || len(signature) != 64 {
			return false
		}
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		return ecdsa.Verify(key, digest[:], r, s)
	}
	return false
}
