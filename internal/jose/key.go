package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"math/big"
)

// Sizes of RSA keys that are accepted, in bits.
const (
	MinRSABits = 2048
	MaxRSABits = 8192
)

// PublicKey is a key that signatures are checked with. Make it with
// [NewPublicKey]; the zero PublicKey verifies nothing.
type PublicKey struct {
	kid       string
	algorithm Algorithm
	key       crypto.PublicKey // *rsa.PublicKey or *ecdsa.PublicKey
}

// NewPublicKey pins a key to an algorithm; the empty one allows all that the
// key's type can do. kid may be empty. It fails with ErrKey unless the key is
// an *rsa.PublicKey of 2048 to 8192 bits with an odd exponent from 3 to 2^31-1
// and without the ROCA weakness, or an *ecdsa.PublicKey on P-256. The key must
// not be changed afterwards.
func NewPublicKey(kid string, algorithm Algorithm, key crypto.PublicKey) (PublicKey, error) {
	if err := checkKey(key); err != nil {
		return PublicKey{}, err
	}
	if algorithm != "" && !algorithm.fits(key) {
		return PublicKey{}, refuse(ErrKey, "algorithm %s is not for a key of type %T", quote(string(algorithm)), key)
	}
	return PublicKey{kid: kid, algorithm: algorithm, key: key}, nil
}

// Kid returns the key's id, "" when it has none.
func (k PublicKey) Kid() string { return k.kid }

// Algorithm returns the algorithm to which the key is pinned, "" when its type decides.
func (k PublicKey) Algorithm() Algorithm { return k.algorithm }

// Key returns the *rsa.PublicKey or *ecdsa.PublicKey. It must not be changed.
func (k PublicKey) Key() crypto.PublicKey { return k.key }

func (k PublicKey) accepts(algorithm Algorithm) bool {
	if k.algorithm != "" && k.algorithm != algorithm {
		return false
	}
	return algorithm.fits(k.key)
}

func checkKey(key crypto.PublicKey) error {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return checkRSA(key)
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return refuse(ErrKey, "elliptic curve is not P-256")
		}
		if _, err := key.ECDH(); err != nil {
			return refuse(ErrKey, "point is not on the curve")
		}
		return nil
	}
	return refuse(ErrKey, "key of type %T", key)
}

func checkRSA(key *rsa.PublicKey) error {
	if bits := key.N.BitLen(); bits < MinRSABits || bits > MaxRSABits {
		return refuse(ErrKey, "RSA key of %d bits, accepted are %d to %d", bits, MinRSABits, MaxRSABits)
	}
	if key.E < 3 || key.E&1 == 0 || key.E > 1<<31-1 {
		return refuse(ErrKey, "RSA exponent %d", key.E)
	}
	if key.N.Sign() < 0 || key.N.Bit(0) == 0 {
		return refuse(ErrKey, "RSA modulus is even")
	}
	if hasROCA(key.N) {
		return refuse(ErrKey, "RSA modulus has the ROCA fingerprint (CVE-2017-15361)")
	}
	return nil
}

// hasROCA recognises moduli whose primes came from Infineon's RSALib: modulo
// every small prime they are a power of 65537 (M. Nemec et al., "The Return of
// Coppersmith's Attack", 2017, section 2.2). About one sound modulus in 2^154
// has the property as well.
func hasROCA(n *big.Int) bool {
	remainder, divisor := new(big.Int), new(big.Int)
	for p := int64(3); p <= 701; p += 2 {
		if !divisor.SetInt64(p).ProbablyPrime(0) {
			continue
		}
		want, power := remainder.Mod(n, divisor).Int64(), int64(1)
		for power != want {
			if power = power * 65537 % p; power == 1 {
				return false // the whole group seen, n is not in it
			}
		}
	}
	return true
}

// KubernetesKeyID returns the kid that kube-apiserver gives to a service
// account signing key: the SHA-256 of its SubjectPublicKeyInfo in base64url
// (pkg/serviceaccount/jwt.go, keyIDFromPublicKey).
func KubernetesKeyID(key crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", refuse(ErrKey, "%v", err)
	}
	sum := sha256.Sum256(der)
	return base64.RawURLEncoding.EncodeToString(sum[:]), nil
}
