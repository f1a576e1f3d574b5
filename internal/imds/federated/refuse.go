package federated

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/imds"
)

// For how long a refusal is repeated without asking again. A permanent one is
// not so permanent while credentials and roles are on their way: Azure says
// minutes, and people wait in front of their screen.
const (
	holdPermanent   = 10 * time.Second
	holdOutage      = time.Second
	holdThrottled   = 5 * time.Second  // without Retry-After
	longestThrottle = 60 * time.Second // with one
	refreshAgain    = 30 * time.Second // between refreshes ahead of time that fail
)

// holdFor is how long a refusal is repeated.
func holdFor(refusal *imds.Error) time.Duration {
	switch {
	case refusal.Status >= http.StatusInternalServerError:
		return holdOutage
	case refusal.RetryAfter > 0:
		return refusal.RetryAfter
	}
	return holdPermanent
}

// noClient names the annotation, since that is what is missing as a rule. SDKs
// look for the first three words and try other ways to sign in.
func noClient() *imds.Error {
	refusal := imds.IdentityNotFound()
	refusal.Description += ": the request has no client_id and the service account no annotation azure.workload.identity/client-id (AZURE_CLIENT_ID)"
	return refusal
}

// busy refuses for the moment.
func busy() *imds.Error {
	return &imds.Error{Status: http.StatusTooManyRequests, Code: "too_many_requests", Description: "Too many token requests are under way", RetryAfter: time.Second}
}

// outage is a refusal that a retry may end. Its cause is logged, not sent.
func outage(text string, cause error) *imds.Error {
	return &imds.Error{Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", Description: text, RetryAfter: time.Second, Cause: cause}
}

// refused is what the metadata service says when the token service refuses: the
// same code and text. Only an outage is a 5xx, which clients retry for minutes.
func refused(status int, header http.Header, body tokenResponse) *imds.Error {
	refusal := &imds.Error{Status: http.StatusBadRequest, Code: clean(body.Error, 64), Description: clean(body.Description, 2048)}
	switch {
	case status == http.StatusTooManyRequests:
		refusal.Status, refusal.Code, refusal.RetryAfter = status, "too_many_requests", retryAfter(header)
	case status >= http.StatusInternalServerError, status == http.StatusRequestTimeout, status < http.StatusBadRequest:
		return outage("The token service answered "+strconv.Itoa(status)+" "+refusal.Description, nil)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		refusal.Status = status
	}
	if refusal.Code == "" {
		refusal.Code = "invalid_request"
		refusal.Description = "The token service answered " + strconv.Itoa(status)
	}
	return refusal
}

// clean leaves printable text of a bounded length.
func clean(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return s
}

// retryAfter reads seconds; Entra ID sends no dates.
func retryAfter(header http.Header) time.Duration {
	n, err := strconv.Atoi(header.Get("Retry-After"))
	if err != nil || n < 1 {
		return holdThrottled
	}
	return min(time.Duration(n)*time.Second, longestThrottle)
}
