package jose

import "fmt"

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
