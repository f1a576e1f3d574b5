package jose

import (
	"encoding/json"
	"errors"
	"fmt"

	jose "github.com/go-jose/go-jose/v4"
)

// Bounds on a key set.
const (
	MaxKeySetBytes = 1 << 20
	MaxKeys        = 100
)

// KeySet is a set of public keys with distinct kids. It does not change after
// it was made and may be used from several goroutines. The zero KeySet is empty.
type KeySet struct {
	keys    []PublicKey
	byKid   map[string]int // index in keys
	ignored []IgnoredKey
}

// IgnoredKey is a key of a published set that cannot be used, and why.
type IgnoredKey struct {
	Kid    string
	Reason error // wraps ErrKey
}

// NewKeySet makes a set. It fails with ErrKeySet on two keys with one kid, on
// more than [MaxKeys] and on a zero key.
func NewKeySet(keys ...PublicKey) (KeySet, error) {
	var set KeySet
	for _, key := range keys {
		if key.key == nil {
			return KeySet{}, refuse(ErrKeySet, "empty key")
		}
		if err := set.add(key); err != nil {
			return KeySet{}, err
		}
	}
	return set, nil
}

func (s *KeySet) add(key PublicKey) error {
	if len(s.keys) == MaxKeys {
		return refuse(ErrKeySet, "more than %d keys", MaxKeys)
	}
	if key.kid != "" {
		if _, twice := s.byKid[key.kid]; twice {
			return refuse(ErrKeySet, "two keys with the kid %s", quote(key.kid))
		}
		if s.byKid == nil {
			s.byKid = make(map[string]int)
		}
		s.byKid[key.kid] = len(s.keys)
	}
	s.keys = append(s.keys, key)
	return nil
}

// Len returns the number of usable keys.
func (s KeySet) Len() int { return len(s.keys) }

// Key returns the key with this kid.
func (s KeySet) Key(kid string) (PublicKey, bool) {
	i, ok := s.byKid[kid]
	if !ok || kid == "" {
		return PublicKey{}, false
	}
	return s.keys[i], true
}

// Kids returns the kids of the usable keys in the order of publication, "" for a key without.
func (s KeySet) Kids() []string {
	kids := make([]string, len(s.keys))
	for i, key := range s.keys {
		kids[i] = key.kid
	}
	return kids
}

// Ignored returns the keys that were published and cannot be used, in order.
func (s KeySet) Ignored() []IgnoredKey { return s.ignored }

// candidates returns the keys to try for a token, at least one.
func (s KeySet) candidates(kid string, algorithm Algorithm) ([]PublicKey, error) {
	if kid != "" {
		i, ok := s.byKid[kid]
		if !ok {
			return nil, refuse(ErrUnknownKey, "%s", s.lacks(kid))
		}
		if !s.keys[i].accepts(algorithm) {
			return nil, refuse(ErrAlgorithm, "%s with key %s, which is for %s", algorithm, quote(kid), s.keys[i].purpose())
		}
		return s.keys[i : i+1], nil
	}
	var fitting []PublicKey
	for _, key := range s.keys {
		if key.accepts(algorithm) {
			fitting = append(fitting, key)
		}
	}
	if len(fitting) == 0 {
		return nil, refuse(ErrUnknownKey, "the set has no key for %s", algorithm)
	}
	if len(fitting) > maxTries {
		return nil, refuse(ErrUnknownKey, "the token names no key and the set has %d for %s", len(fitting), algorithm)
	}
	return fitting, nil
}

// has reports whether the set has the key of a token; "" stands for a token that names none.
func (s KeySet) has(kid string) bool {
	_, ok := s.byKid[kid]
	return ok || kid == ""
}

// lacks says why there is no usable key with this kid.
func (s KeySet) lacks(kid string) string {
	for _, key := range s.ignored {
		if key.Kid == kid {
			return fmt.Sprintf("key %s is in the set but is an %v", quote(kid), key.Reason)
		}
	}
	return fmt.Sprintf("key %s is not among the %d of the set", quote(kid), len(s.keys))
}

func (k PublicKey) purpose() string {
	if k.algorithm != "" {
		return string(k.algorithm)
	}
	if ES256.fits(k.key) {
		return string(ES256)
	}
	return fmt.Sprintf("%s or %s", RS256, PS256)
}

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
// form, the key material alone, is what go-jose decodes.
type publishedKey struct {
	Kty string `json:"kty"`
	Crv string `json:"crv,omitempty"`
	N   string `json:"n,omitempty"`
	E   string `json:"e,omitempty"`
	X   string `json:"x,omitempty"`
	Y   string `json:"y,omitempty"`

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
	if err := p.checkSize(); err != nil {
		return PublicKey{}, err
	}
	material, err := json.Marshal(p)
	if err != nil {
		return PublicKey{}, refuse(ErrKey, "%v", err)
	}
	var decoded jose.JSONWebKey
	if err := decoded.UnmarshalJSON(material); err != nil {
		return PublicKey{}, refuse(ErrKey, "%v", err)
	}
	return NewPublicKey(p.Kid, algorithm, decoded.Key)
}

// checkSize refuses key material by its encoded length, before it becomes a number.
func (p publishedKey) checkSize() error {
	for _, member := range []struct{ name, text string }{{"n", p.N}, {"e", p.E}, {"x", p.X}, {"y", p.Y}} {
		for i := range len(member.text) {
			if c := member.text[i]; c == '.' || !alphabet(c) {
				return refuse(ErrKey, "its %s is not base64url", member.name)
			}
		}
		if _, err := strictBase64.DecodeString(member.text); err != nil {
			return refuse(ErrKey, "its %s is not base64url", member.name)
		}
	}
	if p.Kty != "RSA" {
		return nil
	}
	if bits := strictBase64.DecodedLen(len(p.N)) * 8; bits < MinRSABits || bits > MaxRSABits+64 {
		return refuse(ErrKey, "RSA key of about %d bits, accepted are %d to %d", bits, MinRSABits, MaxRSABits)
	}
	if strictBase64.DecodedLen(len(p.E)) > 8 {
		return refuse(ErrKey, "RSA exponent of more than 8 bytes")
	}
	return nil
}
