package jose

import (
	"errors"
	"fmt"
)

// The reasons for which a token or a key set is refused. Every error of
// [Verify], [VerifyCertificate], [ParseJWKS] and [ParseClaims] wraps exactly one
// of them; match with errors.Is.
var (
	// ErrMalformed: not a token in the accepted form, before or after its signature was checked.
	ErrMalformed = errors.New("malformed token")
	// ErrAlgorithm: the header's algorithm is not allowed by the policy or by the key.
	ErrAlgorithm = errors.New("algorithm not allowed")
	// ErrUnknownKey: the key set has no usable key for the token.
	ErrUnknownKey = errors.New("unknown key")
	// ErrSignature: a key was found and the signature is not its.
	ErrSignature = errors.New("bad signature")
	// ErrKey: a key that this package does not work with.
	ErrKey = errors.New("unusable key")
	// ErrKeySet: a key set that is refused as a whole.
	ErrKeySet = errors.New("bad key set")
)

// refuse wraps one of the reasons above with what was seen.
func refuse(reason error, format string, args ...any) error {
	return fmt.Errorf("%w: %s", reason, fmt.Sprintf(format, args...))
}

// quote writes a value of a token for a person: shortened, and without control characters.
func quote(value string) string {
	const most = 128
	if len(value) > most {
		return fmt.Sprintf("%.*q…", most, value)
	}
	return fmt.Sprintf("%q", value)
}
