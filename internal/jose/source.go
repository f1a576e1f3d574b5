package jose

import (
	"context"
	"errors"
	"fmt"
)

// KeySource finds the keys of an issuer. It is implemented by [Remote], over
// HTTP, and by the issuers of the local Azure, in process.
type KeySource interface {
	// Keys returns the issuer's current keys. kid is that of the token at hand,
	// "" when it has none: a source that keeps keys for a time asks again when
	// it does not know the kid. The error is a *FetchError, or wraps
	// ErrUnknownIssuer from a source that only knows certain issuers.
	Keys(ctx context.Context, issuer, kid string) (KeySet, error)
}

// The reasons for which an issuer's keys are not available, beside ErrUnknownKey.
var (
	// ErrUnknownIssuer: the source does not answer for this issuer; another one may.
	ErrUnknownIssuer = errors.New("unknown issuer")
	// ErrUnreachable: no answer in time, an answer other than 200, a refused redirect or address.
	ErrUnreachable = errors.New("issuer unreachable")
	// ErrForbidden: the policy for URLs and addresses forbids the connection. Comes with ErrUnreachable.
	ErrForbidden = errors.New("connection not allowed")
	// ErrDocument: the discovery document or the key set is too large or not what it should be.
	ErrDocument = errors.New("bad document of the issuer")
	// ErrIssuerMismatch: the discovery document names another issuer, be it by a slash.
	ErrIssuerMismatch = errors.New("issuer mismatch")
)

// FetchError is a failure to get an issuer's keys.
type FetchError struct {
	Reason error  // ErrUnreachable, ErrDocument, ErrIssuerMismatch or ErrUnknownKey
	Issuer string // as asked for
	URL    string // the one that failed, "" when none was asked
	Status int    // HTTP status, 0 when there was no answer
	Err    error  // what went wrong
}

// Error names the URL, the status and what went wrong.
func (e *FetchError) Error() string {
	text := fmt.Sprintf("%v %s", e.Reason, quote(e.Issuer))
	if e.URL != "" {
		text += ": GET " + e.URL
		if e.Status != 0 {
			text += fmt.Sprintf(" -> %d", e.Status)
		}
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the reason and the cause.
func (e *FetchError) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Reason}
	}
	return []error{e.Reason, e.Err}
}

// Sources asks several sources in order; the first that knows the issuer answers.
type Sources []KeySource

// Keys implements [KeySource].
func (s Sources) Keys(ctx context.Context, issuer, kid string) (KeySet, error) {
	for _, source := range s {
		keys, err := source.Keys(ctx, issuer, kid)
		if !errors.Is(err, ErrUnknownIssuer) {
			return keys, err
		}
	}
	return KeySet{}, refuse(ErrUnknownIssuer, "%s", quote(issuer))
}
