package imds

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// TokenPath is the path of the token endpoint of the instance metadata service.
const TokenPath = "/metadata/identity/oauth2/token"

// Token is an access token as a source gives it. Value is a secret.
type Token struct {
	Value     string
	ClientID  string    // of the identity that it is about
	NotBefore time.Time // from when on it is valid
	Expires   time.Time
}

// Source answers with a token of the identity that the selector names, for a
// resource as Azure's v1 token endpoint takes it: without /.default. To refuse
// it returns an *Error, above all [IdentityNotFound] or [SeveralIdentities];
// any other error becomes a 500 that says nothing of its cause. A source that
// keeps tokens keeps the answers.
type Source func(ctx context.Context, selector Selector, resource string) (*Answer, error)

// Selector names one of a machine's identities. At most one of its fields is
// set; the zero Selector is the machine's own, or its only, identity.
type Selector struct {
	ClientID   string // GUID
	ObjectID   string // GUID, of the service principal
	ResourceID string // ARM id
}

// IsZero reports whether the request named no identity.
func (s Selector) IsZero() bool { return s == Selector{} }

// Error is a refusal on its way to a client.
type Error struct {
	Status      int    // HTTP
	Code        string // "invalid_request"
	Description string // "" for none
	RetryAfter  time.Duration
	Cause       error // for the log, never sent
}

func (e *Error) Error() string {
	text := fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Description)
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

const invalidRequest = "invalid_request"

func refuse(description string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: invalidRequest, Description: description}
}

// IdentityNotFound is the refusal for an identity that the machine does not
// have. Clients take this very text for a machine without identities, and try
// other ways to sign in; a 404 they would retry for minutes.
func IdentityNotFound() *Error { return refuse("Identity not found") }

// SeveralIdentities is the refusal for a request that names none of several identities.
func SeveralIdentities() *Error {
	return refuse("Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request")
}

// Handler serves the instance metadata service. It is an http.Handler for every
// path: what is no token is 404.
type Handler struct {
	Tokens Source           // required
	Now    func() time.Time // time.Now when nil
	Log    *slog.Logger     // discards when nil
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := h.serve(w, r); err != nil {
		WriteError(w, h.coded(r, err))
	}
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) error {
	if r.URL.RawPath != "" || !IsTokenPath(r.URL.Path) {
		return NotFound()
	}
	if err := checkMetadata(r); err != nil {
		return err
	}
	asked, err := readRequest(r, "2018-02-01")
	if err != nil {
		return err
	}
	answer, err := h.Tokens(r.Context(), asked.selector, asked.resource)
	if err != nil {
		return err
	}
	return writeAnswer(w, answer, h.now())
}

func (h *Handler) now() time.Time {
	if h.Now == nil {
		return time.Now()
	}
	return h.Now()
}

// coded makes every error one that a client may see, and logs those that hide something.
func (h *Handler) coded(r *http.Request, err error) *Error {
	var refusal *Error
	if !errors.As(err, &refusal) {
		refusal = &Error{Status: http.StatusInternalServerError, Code: "unknown", Description: "Failed to retrieve token from the token service", Cause: err}
	}
	if refusal.Cause != nil && h.Log != nil && r.Context().Err() == nil { // who has left is not told
		h.Log.WarnContext(r.Context(), "refused a managed identity's token", "status", refusal.Status, "error", refusal.Cause.Error())
	}
	return refusal
}

// NotFound is the refusal for a path that is not served.
func NotFound() *Error { return &Error{Status: http.StatusNotFound, Code: "Not Found"} }

// IsTokenPath reports whether a path, as it stands in the request, is the token
// endpoint's. It may end in a slash, which JavaScript clients send when
// AZURE_POD_IDENTITY_AUTHORITY_HOST is set, and the case of its first segment
// does not count, as with upstream's proxy. No other spelling is taken.
func IsTokenPath(path string) bool {
	const first = len("/metadata")
	path = strings.TrimSuffix(path, "/")
	return len(path) == len(TokenPath) && asciiLower(path[:first]) == TokenPath[:first] && path[first:] == TokenPath[first:]
}

// asciiLower leaves alone what is not ASCII: the Kelvin sign is no k.
func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r - 'A' + 'a'
		}
		return r
	}, s)
}
