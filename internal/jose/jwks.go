package jose

import (
	"crypto"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"

	jose "github.com/go-jose/go-jose/v4"
)

// ParseJWKS reads a published key set (RFC 7517, section 5) under the policy of
// the package comment: unusable keys are left out and listed by
// [KeySet.Ignored]; a set with private, symmetric or duplicate keys is refused
// with ErrKeySet.
func ParseJWKS(document []byte) (KeySet, error) {
	if len(document) > MaxKeySetBytes {
		return KeySet{}, refuse(ErrKeySet, "%d bytes, at most %d are accepted", len(document), MaxKeySetBytes)
	}
	var list []byte
	err := visitObject(document, func(name, value []byte) error {
		if string(name) == "keys" {
			list = value
		}
		return nil
	})
	if err == nil && list == nil {
		err = errors.New("no member keys")
	}
	if err != nil {
		return KeySet{}, refuse(ErrKeySet, "%v", err)
	}
	var set KeySet
	kids, count := make(map[string]bool), 0
	err = visitArray(list, func(value []byte) error {
		if count++; count > MaxKeys {
			return fmt.Errorf("more than %d keys", MaxKeys)
		}
		return set.addPublished(value, kids)
	})
	if err != nil && !errors.Is(err, ErrKeySet) {
		err = refuse(ErrKeySet, "%v", err)
	}
	if err != nil {
		return KeySet{}, err
	}
	return set, nil
}

// addPublished adds one key of a document, or notes why it is ignored. kids
// are those of all keys so far: a kid shared with an ignored key is as
// ambiguous as one shared with a usable key.
func (s *KeySet) addPublished(value []byte, kids map[string]bool) error {
	published, err := readPublished(value)
	if err != nil {
		return err
	}
	if kid := published.Kid; kid != "" {
		if kids[kid] {
			return fmt.Errorf("two keys with the kid %s", quote(kid))
		}
		kids[kid] = true
	}
	key, err := published.publicKey()
	if err != nil {
		s.ignored = append(s.ignored, IgnoredKey{Kid: published.Kid, Reason: err})
		return nil
	}
	return s.add(key)
}

// publishedKey holds the members of a JSON web key that matter here. Its JSON
// form is the material of a key on a curve, which go-jose decodes.
type publishedKey struct {
	Kty string `json:"kty"`
	Crv string `json:"crv,omitempty"`
	X   string `json:"x,omitempty"`
	Y   string `json:"y,omitempty"`

	N       string `json:"-"`
	E       string `json:"-"`
	Kid     string `json:"-"`
	Use     string `json:"-"`
	Alg     string `json:"-"`
	sealed  bool   // key_ops is there and lacks "verify"
	invalid error  // a member of the wrong type
}

// readPublished fails only on what makes the whole set untrustworthy.
func readPublished(value []byte) (publishedKey, error) {
	var key publishedKey
	fields := map[string]*string{
		"kty": &key.Kty, "crv": &key.Crv, "n": &key.N, "e": &key.E, "x": &key.X, "y": &key.Y,
		"kid": &key.Kid, "use": &key.Use, "alg": &key.Alg,
	}
	if len(value) == 0 || value[0] != '{' {
		return key, errors.New("a key is not an object")
	}
	err := visitObject(value, func(name, value []byte) error {
		switch string(name) {
		case "d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv":
			return fmt.Errorf("a private or symmetric key (member %s) in a public set", name)
		case "key_ops":
			key.sealed = !lists(value, "verify")
			return nil
		}
		field, ok := fields[string(name)]
		if !ok {
			return nil
		}
		text, err := unquote(value)
		if err != nil {
			key.invalid = refuse(ErrKey, "member %s is not a string", name)
		}
		*field = text
		return nil
	})
	if err == nil && key.Kty == "oct" {
		err = errors.New("a symmetric key in a public set")
	}
	return key, err
}

// lists reports whether a JSON value is an array with this string in it.
func lists(value []byte, want string) bool {
	found := false
	err := visitArray(value, func(element []byte) error {
		text, err := unquote(element)
		found = found || err == nil && text == want
		return nil
	})
	return found && err == nil
}

// publicKey applies the policy for a single key and decodes it.
func (p publishedKey) publicKey() (PublicKey, error) {
	algorithm := Algorithm(p.Alg)
	switch {
	case p.invalid != nil:
		return PublicKey{}, p.invalid
	case p.Use != "" && p.Use != "sig":
		return PublicKey{}, refuse(ErrKey, "its use is %s, not sig", quote(p.Use))
	case p.sealed:
		return PublicKey{}, refuse(ErrKey, "its key_ops lack verify")
	case p.Kty != "RSA" && p.Kty != "EC":
		return PublicKey{}, refuse(ErrKey, "its kty %s is not known", quote(p.Kty))
	case p.Kty == "EC" && p.Crv != "P-256":
		return PublicKey{}, refuse(ErrKey, "its curve %s is not known", quote(p.Crv))
	case algorithm != "" && algorithm != RS256 && algorithm != PS256 && algorithm != ES256:
		return PublicKey{}, refuse(ErrKey, "its alg %s is not known", quote(p.Alg))
	}
	decode := p.decodeEC
	if p.Kty == "RSA" {
		decode = p.decodeRSA
	}
	key, err := decode()
	if err != nil {
		return PublicKey{}, err
	}
	return NewPublicKey(p.Kid, algorithm, key)
}

// decodeRSA refuses by the encoded length what is far out of bounds, before it
// becomes a number. It is done here because go-jose stops at 4096 bits, by a
// variable of the package that every importer shares.
func (p publishedKey) decodeRSA() (crypto.PublicKey, error) {
	if bits := len(p.N) * 6; bits < MinRSABits || bits > MaxRSABits+64 {
		return nil, refuse(ErrKey, "RSA key of about %d bits, accepted are %d to %d", bits, MinRSABits, MaxRSABits)
	}
	if len(p.E) > 8 {
		return nil, refuse(ErrKey, "RSA exponent of more than 6 bytes")
	}
	n, err := decodeMember("n", p.N)
	if err != nil {
		return nil, err
	}
	e, err := decodeMember("e", p.E)
	if err != nil {
		return nil, err
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}, nil
}

func (p publishedKey) decodeEC() (crypto.PublicKey, error) {
	if _, err := decodeMember("x", p.X); err != nil {
		return nil, err
	}
	if _, err := decodeMember("y", p.Y); err != nil {
		return nil, err
	}
	material, err := json.Marshal(p)
	if err != nil {
		return nil, refuse(ErrKey, "%v", err)
	}
	var web jose.JSONWebKey
	if err := web.UnmarshalJSON(material); err != nil {
		return nil, refuse(ErrKey, "%v", err)
	}
	return web.Key, nil
}

func decodeMember(name, text string) ([]byte, error) {
	decoded, err := strictBase64.DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return nil, refuse(ErrKey, "its %s is not base64url", name)
	}
	return decoded, nil
}
