package inject

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Reason says why a pod was refused.
type Reason string

// The reasons, each with the HTTP status that the API server's client sees.
const (
	ReasonInvalid   Reason = "BadRequest" // 400: a value on the pod or its service account is wrong
	ReasonForbidden Reason = "Forbidden"  // 403: this webhook does not serve such a pod
)

// Denied is the error of a pod that must not be admitted. The message names the
// object, the annotation and the value; it holds nothing secret.
type Denied struct {
	Reason  Reason
	Message string
}

func (d *Denied) Error() string { return d.Message }

// Status is the HTTP status that goes with the reason.
func (d *Denied) Status() int {
	if d.Reason == ReasonForbidden {
		return http.StatusForbidden
	}
	return http.StatusBadRequest
}

func invalid(format string, args ...any) error {
	return &Denied{Reason: ReasonInvalid, Message: fmt.Sprintf(format, args...)}
}

func forbidden(format string, args ...any) error {
	return &Denied{Reason: ReasonForbidden, Message: fmt.Sprintf(format, args...)}
}

// quoteLimit bounds a user's value inside a message, in bytes. Kubernetes may
// cut warnings off after 256 bytes.
const quoteLimit = 64

// quote writes a user's value so that it can neither break a header nor fill one.
func quote(s string) string {
	if len(s) > quoteLimit {
		s = strings.ToValidUTF8(s[:quoteLimit], "") + "…"
	}
	return strconv.Quote(s)
}

// quoteNames lists up to three names.
func quoteNames(names []string) string {
	var b strings.Builder
	for i, name := range names {
		if i == 3 {
			fmt.Fprintf(&b, " and %d more", len(names)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(quote(name))
	}
	return b.String()
}
