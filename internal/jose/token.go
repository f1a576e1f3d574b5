package jose

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
)

// Bounds on a token.
const (
	// DefaultMaxBytes is the largest token when a policy names no other size.
	DefaultMaxBytes = 16 << 10
	// maxTries bounds the keys tried for a token that names none.
	maxTries = 16
)

// strictBase64 refuses trailing bits that are not zero; see also alphabet.
var strictBase64 = base64.RawURLEncoding.Strict()

// Policy says which tokens a caller accepts. The zero Policy accepts none.
type Policy struct {
	Algorithms []Algorithm // allowed ones; RS256 alone for federation
	MaxBytes   int         // of the whole token; 0 means DefaultMaxBytes
}

// Header is the part of a token's header that callers may look at. All of it
// is under the signature; none of it is a source of keys.
type Header struct {
	Alg     Algorithm
	Kid     string
	Typ     string
	X5t     string // SHA-1 thumbprint of the signer's certificate
	X5tS256 string // SHA-256 thumbprint of the signer's certificate
}

// Token is a token whose signature was good.
type Token struct {
	Header Header
	Claims []byte    // the claims as they were signed: one JSON object, see ParseClaims
	Key    PublicKey // the key that verified it
}

// Verify checks a compact token's form and signature and returns its claims.
// The claims' meaning and time bounds are the caller's to check. The error
// wraps ErrMalformed, ErrAlgorithm, ErrUnknownKey or ErrSignature; on any
// error the token is nil, so that no claim of a bad token is ever seen.
func Verify(token string, keys KeySet, policy Policy) (*Token, error) {
	c, err := parseCompact(token, policy.MaxBytes)
	if err != nil {
		return nil, err
	}
	if err := policy.allows(c.header.Alg); err != nil {
		return nil, err
	}
	candidates, err := keys.candidates(c.header.Kid, c.header.Alg)
	if err != nil {
		return nil, err
	}
	return c.verifyWith(candidates)
}

func (p Policy) allows(algorithm Algorithm) error {
	if !slices.Contains(p.Algorithms, algorithm) {
		return refuse(ErrAlgorithm, "%s, accepted are %v", quote(string(algorithm)), p.Algorithms)
	}
	return nil
}

// compact is a token whose header was read and whose signature was not yet checked.
type compact struct {
	header    Header
	input     []byte // header and payload as signed
	payload   []byte // base64url
	signature []byte // base64url
}

func parseCompact(token string, maxBytes int) (*compact, error) {
	if maxBytes <= 0 {
		maxBytes = DefaultMaxBytes
	}
	if len(token) > maxBytes {
		return nil, refuse(ErrMalformed, "%d bytes, at most %d are accepted", len(token), maxBytes)
	}
	switch dots := strings.Count(token, "."); {
	case strings.HasPrefix(token, "{"):
		return nil, refuse(ErrMalformed, "JSON serialisation, compact is expected")
	case dots == 4:
		return nil, refuse(ErrMalformed, "five parts, an encrypted token, where a signed one is expected")
	case dots != 2:
		return nil, refuse(ErrMalformed, "%d parts, 3 are expected", dots+1)
	}
	for i := range len(token) {
		if !alphabet(token[i]) {
			return nil, refuse(ErrMalformed, "%q at byte %d is not base64url", token[i], i)
		}
	}
	first, last := strings.IndexByte(token, '.'), strings.LastIndexByte(token, '.')
	raw := []byte(token)
	c := &compact{input: raw[:last], payload: raw[first+1 : last], signature: raw[last+1:]}
	header, err := strictBase64.AppendDecode(nil, raw[:first])
	if err != nil {
		return nil, refuse(ErrMalformed, "header is not base64url")
	}
	if c.header, err = parseHeader(header); err != nil {
		return nil, refuse(ErrMalformed, "header: %v", err)
	}
	return c, nil
}

// alphabet is base64url and the dot between the parts. encoding/base64 skips
// line ends even when strict, so they are refused here.
func alphabet(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.'
}

func parseHeader(raw []byte) (Header, error) {
	var h Header
	err := visitObject(raw, func(name, value []byte) error {
		var target *string
		switch string(name) {
		case "alg":
			target = (*string)(&h.Alg)
		case "kid":
			target = &h.Kid
		case "typ":
			target = &h.Typ
		case "x5t":
			target = &h.X5t
		case "x5t#S256":
			target = &h.X5tS256
		case "crit", "zip", "enc":
			return errors.New(string(name) + " is not accepted")
		case "b64":
			if string(value) != "true" {
				return errors.New("b64 is not accepted")
			}
			return nil
		default:
			return nil
		}
		var err error
		if *target, err = unquote(value); err != nil {
			return errors.New(string(name) + " is not a string")
		}
		return nil
	})
	if err == nil && h.Alg == "" {
		err = errors.New("no alg")
	}
	return h, err
}

// verifyWith returns the token once one of the keys has verified it.
func (c *compact) verifyWith(keys []PublicKey) (*Token, error) {
	key, payload, err := c.payloadBy(keys)
	if err != nil {
		return nil, err
	}
	if err := visitObject(payload, nil); err != nil {
		return nil, refuse(ErrMalformed, "claims: %v", err)
	}
	return &Token{Header: c.header, Claims: payload, Key: key}, nil
}

// payloadBy decodes the payload after the signature was found good, and never
// before. The keys accept the header's algorithm.
func (c *compact) payloadBy(keys []PublicKey) (PublicKey, []byte, error) {
	signature, err := strictBase64.AppendDecode(nil, c.signature)
	if err != nil {
		return PublicKey{}, nil, refuse(ErrMalformed, "signature is not base64url")
	}
	for _, key := range keys {
		if !c.header.Alg.verify(key.key, c.input, signature) {
			continue
		}
		payload, err := strictBase64.AppendDecode(nil, c.payload)
		if err != nil {
			return PublicKey{}, nil, refuse(ErrMalformed, "payload is not base64url")
		}
		return key, payload, nil
	}
	return PublicKey{}, nil, refuse(ErrSignature, "%s by %s", c.header.Alg, describe(keys))
}

func describe(keys []PublicKey) string {
	if len(keys) == 1 {
		return "key " + quote(keys[0].kid)
	}
	return "none of the keys"
}
