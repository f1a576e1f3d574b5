package jose

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// Claims are the registered claims of a token (RFC 7519, section 4.1). An
// absent claim is the zero value of its field.
type Claims struct {
	Issuer    string
	Subject   string
	Audience  []string // one element when the claim was a string
	Expiry    time.Time
	NotBefore time.Time
	IssuedAt  time.Time
	ID        string
}

// maxNumericDate is the last second of the year 9999.
const maxNumericDate = 253402300799

// ParseClaims reads the registered claims of one JSON object with strict
// types: iss, sub and jti are strings, aud is a string or an array of strings,
// exp, nbf and iat are numbers of seconds from 0 to the year 9999, with a
// fraction if any cut to nanoseconds. Names are compared with their case. A
// claim of another type, null included, is an error that wraps ErrMalformed.
func ParseClaims(object []byte) (Claims, error) {
	var c Claims
	err := visitObject(object, func(name, value []byte) error {
		var err error
		switch string(name) {
		case "iss":
			c.Issuer, err = unquote(value)
		case "sub":
			c.Subject, err = unquote(value)
		case "jti":
			c.ID, err = unquote(value)
		case "aud":
			c.Audience, err = parseAudience(value)
		case "exp":
			c.Expiry, err = parseNumericDate(value)
		case "nbf":
			c.NotBefore, err = parseNumericDate(value)
		case "iat":
			c.IssuedAt, err = parseNumericDate(value)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
	if err != nil {
		return Claims{}, refuse(ErrMalformed, "claims: %v", err)
	}
	return c, nil
}

func parseAudience(value []byte) ([]string, error) {
	if value[0] != '[' {
		audience, err := unquote(value)
		if err != nil {
			return nil, fmt.Errorf("neither a string nor an array of strings")
		}
		return []string{audience}, nil
	}
	audiences := []string{}
	err := visitArray(value, func(element []byte) error {
		audience, err := unquote(element)
		audiences = append(audiences, audience)
		return err
	})
	return audiences, err
}

// parseNumericDate keeps whole seconds exact and refuses what no token means:
// negative numbers, numbers beyond the year 9999 and everything but numbers.
func parseNumericDate(value []byte) (time.Time, error) {
	if c := value[0]; c < '0' || c > '9' {
		return time.Time{}, fmt.Errorf("%.20s is not a number of seconds from 0", value)
	}
	if seconds, err := strconv.ParseInt(string(value), 10, 64); err == nil {
		if seconds > maxNumericDate {
			return time.Time{}, fmt.Errorf("%d is beyond the year 9999", seconds)
		}
		return time.Unix(seconds, 0).UTC(), nil
	}
	number, err := strconv.ParseFloat(string(value), 64)
	if err != nil || !(number <= maxNumericDate) {
		return time.Time{}, fmt.Errorf("%.20s is beyond the year 9999", value)
	}
	seconds, fraction := math.Modf(number)
	return time.Unix(int64(seconds), int64(fraction*1e9)).UTC(), nil
}

// Bound is a bound of time that a token broke.
type Bound string

// The bounds, in the order in which they are checked.
const (
	InTime       Bound = ""               // none broken
	NoExpiry     Bound = "exp is missing" // RFC 7523, section 3, requires it
	Expired      Bound = "exp has passed"
	NotYetValid  Bound = "nbf is in the future"
	IssuedLater  Bound = "iat is in the future"
	NeverInForce Bound = "exp is not after nbf"
)

// CheckTime returns the bound that the claims break at the moment now, with
// clocks apart by as much as leeway. exp is required; nbf and iat are checked
// when they are there. At the very second of exp a token has expired (RFC 7519,
// section 4.1.4).
func (c Claims) CheckTime(now time.Time, leeway time.Duration) Bound {
	switch {
	case c.Expiry.IsZero():
		return NoExpiry
	case !now.Before(c.Expiry.Add(leeway)):
		return Expired
	case now.Before(c.NotBefore.Add(-leeway)):
		return NotYetValid
	case now.Before(c.IssuedAt.Add(-leeway)):
		return IssuedLater
	case !c.NotBefore.Before(c.Expiry):
		return NeverInForce
	}
	return InTime
}
