package entra

import (
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/aksess/aksess/internal/azapi"
)

// Bounds of a token request. The largest honest one carries an assertion of 16 KiB.
const (
	maxForm       = 64 << 10 // bytes
	maxParameters = 64
	maxClaims     = 8 << 10 // bytes
)

// form holds the parameters of a request's body. A parameter that is there
// without a value is as good as absent (RFC 6749, section 3.2).
type form map[string]string

// readForm reads a request's body. Parameters in the query do not count, nor
// does the Content-Type: a body in another format lacks every parameter.
func readForm(r *azapi.Request) (form, error) {
	body, err := r.ReadBody()
	var bad *azapi.ErrBody
	if errors.As(err, &bad) {
		return nil, badForm.New("The body cannot be read: " + bad.Reason + ".")
	}
	if err != nil {
		return nil, err
	}
	return parseForm(string(body))
}

// parseForm reads an application/x-www-form-urlencoded body. Unlike package
// net/url it takes a semicolon for a letter, as telemetry parameters hold some,
// and refuses parameters that are there twice.
func parseForm(body string) (form, error) {
	if strings.Count(body, "&") >= maxParameters {
		return nil, badForm.New("The body has too many parameters.")
	}
	parsed := form{}
	for len(body) > 0 {
		var pair string
		pair, body, _ = strings.Cut(body, "&")
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(rawName)
		if err != nil {
			return nil, badForm.New("The body is not a form.")
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil {
			return nil, badForm.New("The body is not a form.")
		}
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			return nil, badForm.New("The body is not in UTF-8.")
		}
		if _, twice := parsed[name]; twice {
			return nil, duplicateParameter.New(clip(name))
		}
		parsed[name] = value
	}
	return parsed, nil
}

// require returns a parameter's value, or the refusal that names it.
func (f form) require(name string) (string, error) {
	if value := f[name]; value != "" {
		return value, nil
	}
	return "", missingParameter.New(name)
}

// mergeBasic adds the client id and secret of HTTP Basic authentication, whose
// halves are form-encoded (RFC 6749, section 2.3.1).
func (f form) mergeBasic(header string) error {
	scheme, encoded, _ := strings.Cut(header, " ")
	if header == "" || !strings.EqualFold(scheme, "Basic") {
		return nil // some clients send a bearer token everywhere
	}
	decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	rawID, rawSecret, found := strings.Cut(string(decoded), ":")
	if err != nil || !found {
		return badRequest.New("The Authorization header is not HTTP Basic authentication.")
	}
	id, err1 := url.QueryUnescape(rawID)
	secret, err2 := url.QueryUnescape(rawSecret)
	if err1 != nil || err2 != nil || !utf8.ValidString(id) || !utf8.ValidString(secret) {
		return badRequest.New("The Authorization header is not HTTP Basic authentication.")
	}
	if f["client_secret"] != "" || f["client_assertion"] != "" {
		return badRequest.New("The client proves itself in two ways: by the Authorization header and in the body.")
	}
	if f["client_id"] != "" && !strings.EqualFold(f["client_id"], id) {
		return badRequest.New("The Authorization header and the parameter 'client_id' name two clients.")
	}
	f["client_id"], f["client_secret"] = id, secret
	return nil
}
