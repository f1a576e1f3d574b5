package entra

import (
	"context"
	"encoding/base64"
	"errors"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/fault"
)

// Bounds of an authorization request. A browser's address has to hold it.
const (
	maxAuthorization = 16 << 10 // bytes of the query
	maxRedirect      = 2048
	maxState         = 8 << 10
	maxNonce         = 1024
)

// authorization is a request of the authorization endpoint, checked
// (https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow).
type authorization struct {
	tenant    directory.Tenant
	client    application
	redirect  string
	mode      string // response_mode: query, fragment or form_post
	state     string
	nonce     string
	hint      string
	challenge string
	asked     wish
}

// readAuthorization checks an authorization request. With an error the
// authorization is nil when nobody may be told but the person at the browser:
// as long as it is not known that the redirect URI is the client's.
func (s *TokenService) readAuthorization(ctx context.Context, v version, tenantName string, parameters form) (*authorization, error) {
	a := &authorization{mode: parameters["response_mode"], state: parameters["state"], nonce: parameters["nonce"], hint: parameters["login_hint"]}
	var err error
	if a.tenant, err = s.anyTenant(ctx, tenantName); err != nil {
		return nil, err
	}
	id, err := parameters.require("client_id")
	if err != nil {
		return nil, err
	}
	if a.client, err = s.application(ctx, a.tenant, id); err != nil {
		return nil, err
	}
	if a.redirect, err = parameters.require("redirect_uri"); err != nil {
		return nil, err
	}
	if !isLoopback(a.redirect) {
		return nil, badRedirect.New(clip(a.redirect), a.client.id)
	}
	if len(a.state) > maxState || len(a.nonce) > maxNonce {
		return nil, badRequest.New("The parameter 'state' or 'nonce' is too long.")
	}
	switch a.mode {
	case "":
		a.mode = modeQuery
	case modeQuery, modeFragment, modeFormPost:
	default:
		return nil, badRequest.New("The parameter 'response_mode' must be query, fragment or form_post.")
	}
	return a, a.readRest(v, parameters)
}

// response_mode (OAuth 2.0 Multiple Response Type Encoding Practices, section 2.1).
const (
	modeQuery    = "query"
	modeFragment = "fragment"
	modeFormPost = "form_post"
)

// readRest checks what the client can be told about.
func (a *authorization) readRest(v version, parameters form) (err error) {
	kind, err := parameters.require("response_type")
	if err != nil {
		return err
	}
	if kind != "code" {
		return badResponseType.New(clip(kind))
	}
	if parameters["prompt"] == "none" {
		return signInRequired.New()
	}
	a.challenge = parameters["code_challenge"]
	if parameters["code_challenge_method"] != "S256" || !isDigest(a.challenge) {
		return challengeMissing.New()
	}
	if v == version1 {
		asked, err := parameters.require("resource")
		a.asked = wish{resource: asked, words: []string{"openid", "offline_access", asked + "/.default"}}
		return err
	}
	scope, err := parameters.require("scope")
	if err != nil {
		return err
	}
	a.asked, err = parseWish(scope)
	return err
}

// isDigest reports whether a challenge is a SHA-256 in base64url.
func isDigest(challenge string) bool {
	decoded, err := base64.RawURLEncoding.Strict().DecodeString(challenge)
	return err == nil && len(decoded) == 32
}

// isLoopback reports whether a redirect URI leads to a server on the person's
// own machine (RFC 8252, section 7.3): http, a loopback address or localhost,
// any port and path. Everything else would hand codes to somebody else.
func isLoopback(redirect string) bool {
	if len(redirect) > maxRedirect || strings.ContainsAny(redirect, "\\#") {
		return false
	}
	u, err := url.Parse(redirect)
	if err != nil || u.Scheme != "http" || u.User != nil || u.Opaque != "" || u.Host == "" {
		return false
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return false
		}
	} else if strings.HasSuffix(u.Host, ":") {
		return false
	}
	if u.Hostname() == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(u.Hostname())
	return err == nil && address.Zone() == "" && address.IsLoopback()
}

// origin is where the browser ends up, for the content security policy.
func (a *authorization) origin() string {
	u, err := url.Parse(a.redirect)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// response is what the redirect URI gets: pairs of names and values.
type response [][2]string

// granted is the response that carries a code.
func (a *authorization) granted(code string) response {
	return a.withState(response{{"code", code}})
}

// refused is the response that carries an error (RFC 6749, section 4.1.2.1).
func (a *authorization) refused(err error, description string) response {
	name := serverError
	var coded *fault.Error
	if errors.As(err, &coded) && coded.Kind.Inner != "" {
		name = coded.Kind.Inner
	}
	return a.withState(response{{"error", name}, {"error_description", description}})
}

func (a *authorization) withState(r response) response {
	if a.state != "" {
		r = append(r, [2]string{"state", a.state})
	}
	return r
}

// location is the address of the redirect URI with the response in it.
func (a *authorization) location(r response) string {
	values := url.Values{}
	for _, pair := range r {
		values.Set(pair[0], pair[1])
	}
	if a.mode == modeFragment {
		return a.redirect + "#" + values.Encode()
	}
	separator := "?"
	if strings.Contains(a.redirect, "?") {
		separator = "&"
	}
	return a.redirect + separator + values.Encode()
}
