package entra

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/directory"
)

// exchange is one token request as it becomes known.
type exchange struct {
	*azapi.Request
	version  version
	form     form
	tenant   directory.Tenant
	clientID string
	client   *directory.Principal
}

// token serves the token endpoint of one version
// (https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow).
func (s *TokenService) token(v version) azapi.Handler {
	return func(w http.ResponseWriter, r *azapi.Request) error {
		x := &exchange{Request: r, version: v}
		if err := s.begin(x); err != nil {
			return err
		}
		switch grant := x.form["grant_type"]; grant {
		case "client_credentials":
			return s.clientCredentials(w, x)
		case "refresh_token":
			return s.refresh(w, x)
		case "authorization_code":
			return s.redeemCode(w, x)
		case "urn:ietf:params:oauth:grant-type:device_code", "device_code":
			return s.pollDevice(w, x)
		case "password":
			return s.password(w, x)
		default:
			return unsupportedGrant.New(clip(grant))
		}
	}
}

// zeroGUID is what stands in templates where a client id belongs.
const zeroGUID = "00000000-0000-0000-0000-000000000000"

// begin reads what every grant needs: the form and the tenant.
func (s *TokenService) begin(x *exchange) (err error) {
	if x.form, err = readForm(x.Request); err != nil {
		return err
	}
	if err := x.form.mergeBasic(x.Request.Header.Get("Authorization")); err != nil {
		return err
	}
	if _, err := x.form.require("grant_type"); err != nil {
		return err
	}
	x.tenant, err = s.anyTenant(x.Context(), x.Param("tenant"))
	return err
}

// anyTenant finds the tenant of a user's request. A path that names none means
// the home tenant where there is but one; otherwise the user's name will tell,
// and the tenant has no id until then.
func (s *TokenService) anyTenant(ctx context.Context, name string) (directory.Tenant, error) {
	if !isShared(name) {
		return s.tenant(ctx, name)
	}
	tenants, err := s.options.Directory.Tenants(ctx)
	if err != nil || len(tenants) != 1 {
		return directory.Tenant{DisplayName: name}, err
	}
	return tenants[0], nil
}

// clientCredentials serves the one grant that needs no user (RFC 6749, section 4.4).
func (s *TokenService) clientCredentials(w http.ResponseWriter, x *exchange) (err error) {
	if isShared(x.Param("tenant")) {
		return noTenant.New() // an application signs in to the one tenant that it names
	}
	asked, err := x.asked()
	if err != nil {
		return err
	}
	caps, err := parseCapabilities(x.form["claims"])
	if err != nil {
		return err
	}
	if err := s.findClient(x); err != nil {
		return err
	}
	proof, err := s.authenticate(x)
	if err != nil {
		x.Verdict.Allowed, x.Verdict.By = false, ""
		return err
	}
	x.Caller.Principal = access.Principal{ // for the log and the trail
		TenantID: x.client.TenantID, ObjectID: x.client.ObjectID, AppID: x.client.AppID, ResourceID: x.client.ResourceID,
	}
	target, err := s.resource(x.Context(), x.tenant, asked)
	if err != nil {
		return err
	}
	issued, err := s.signer.issue(x.Context(), grant{
		client: x.client, resource: target, proof: proof, continuous: caps,
	})
	if err != nil {
		return err
	}
	return writeToken(w, x, asked, issued)
}

// asked returns the resource that the request names, in the form of its endpoint's version.
func (x *exchange) asked() (string, error) {
	if x.version == version1 {
		return x.form.require("resource")
	}
	scope, err := x.form.require("scope")
	if err != nil {
		return "", err
	}
	return parseScope(scope)
}

// findClient looks the client up in the tenant of the path, and in no other.
func (s *TokenService) findClient(x *exchange) error {
	id, err := x.form.require("client_id")
	if err != nil {
		return err
	}
	if id == zeroGUID {
		return zeroClient.New(id)
	}
	unknown := unknownClient.New(clip(id), displayName(x.tenant))
	if !chain.IsGUID(id) {
		return unknown
	}
	x.client, err = s.options.Directory.ByAppID(x.Context(), x.tenant.ID, id)
	if errors.Is(err, directory.ErrPrincipalNotFound) {
		return unknown
	}
	if err != nil {
		return err
	}
	if s.options.Known != nil {
		x.client = s.options.Known(x.client)
	}
	x.clientID = x.client.AppID
	if x.client.Disabled {
		return disabledClient.New(x.client.AppID, x.client.DisplayName)
	}
	return nil
}

// capabilities asks in the claims parameter for what a client can handle.
type capabilities struct {
	AccessToken struct {
		ClientCapabilities struct {
			Values []string `json:"values"`
		} `json:"xms_cc"`
	} `json:"access_token"`
}

// parseCapabilities reports whether the client can handle continuous access
// evaluation: CP1 among xms_cc. The parameter's other claims are for
// conditional access, which is not served, and have no effect.
func parseCapabilities(claims string) (continuous bool, err error) {
	if claims == "" {
		return false, nil
	}
	var asked capabilities
	if len(claims) > maxClaims || json.Unmarshal([]byte(claims), &asked) != nil {
		return false, badRequest.New("The parameter 'claims' is not a claims request in JSON.")
	}
	for _, value := range asked.AccessToken.ClientCapabilities.Values {
		if strings.EqualFold(value, "cp1") {
			return true, nil
		}
	}
	return false, nil
}

// tokenBody is the answer of the v2 endpoint, with numbers.
type tokenBody struct {
	TokenType        string `json:"token_type"`
	ExpiresIn        int64  `json:"expires_in"`
	ExtendedExpireIn int64  `json:"ext_expires_in"`
	RefreshIn        int64  `json:"refresh_in,omitempty"`
	AccessToken      string `json:"access_token"`
}

// tokenBody1 is the answer of the v1 endpoint, with strings.
type tokenBody1 struct {
	TokenType        string `json:"token_type"`
	ExpiresIn        string `json:"expires_in"`
	ExtendedExpireIn string `json:"ext_expires_in"`
	RefreshIn        string `json:"refresh_in,omitempty"`
	ExpiresOn        string `json:"expires_on"`
	NotBefore        string `json:"not_before"`
	Resource         string `json:"resource"`
	AccessToken      string `json:"access_token"`
}

// longLivedFrom is the lifetime from which the answer says when to refresh: at its half.
const longLivedFrom = 2 * time.Hour

func writeToken(w http.ResponseWriter, x *exchange, asked string, issued Token) error {
	// Entra says one second less than there is, so that clients never hold an expired token.
	seconds := int64(issued.Expires.Sub(x.Now)/time.Second) - 1
	var refresh int64
	if life := issued.Expires.Sub(issued.Issued); life >= longLivedFrom {
		refresh = max(seconds-int64(life/time.Second)/2, 0)
	}
	if x.version == version2 {
		return azapi.WriteJSON(w, http.StatusOK, tokenBody{
			TokenType: "Bearer", ExpiresIn: seconds, ExtendedExpireIn: seconds, RefreshIn: refresh, AccessToken: issued.Value,
		})
	}
	body := tokenBody1{
		TokenType: "Bearer", ExpiresIn: decimal(seconds), ExtendedExpireIn: decimal(seconds),
		ExpiresOn: decimal(issued.Expires.Unix()), NotBefore: decimal(issued.Issued.Add(-backdate).Unix()),
		Resource: asked, AccessToken: issued.Value,
	}
	if refresh > 0 {
		body.RefreshIn = decimal(refresh)
	}
	return azapi.WriteJSON(w, http.StatusOK, body)
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

// Issue signs an access token for a principal without a request, as an
// instance metadata service or a test asks for one. resource is as in
// the v1 endpoint. The error is one that a client may see.
func (s *TokenService) Issue(ctx context.Context, principal *directory.Principal, resource string) (Token, error) {
	tenant, err := s.tenant(ctx, principal.TenantID)
	if err != nil {
		return Token{}, err
	}
	if principal.Disabled {
		return Token{}, disabledClient.New(principal.AppID, principal.DisplayName)
	}
	target, err := s.resource(ctx, tenant, resource)
	if err != nil {
		return Token{}, err
	}
	return s.signer.issue(ctx, grant{client: principal, resource: target, proof: proof{method: byCertificate, digest: digest("issued", principal.ObjectID)}})
}
