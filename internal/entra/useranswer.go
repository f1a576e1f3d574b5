package entra

import (
	"net/http"
	"time"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/directory"
)

// admission is a user's client that was let in, and what it gets.
type admission struct {
	user   *directory.User
	client application
	shown  method
	asked  wish
	nonce  string
	from   *keptSession
}

// userBody is the answer of the v2 endpoint to a user's client.
type userBody struct {
	TokenType        string `json:"token_type"`
	Scope            string `json:"scope"`
	ExpiresIn        int64  `json:"expires_in"`
	ExtendedExpireIn int64  `json:"ext_expires_in"`
	AccessToken      string `json:"access_token"`
	userExtras
}

// userBody1 is the answer of the v1 endpoint, with strings.
type userBody1 struct {
	TokenType        string `json:"token_type"`
	Scope            string `json:"scope"`
	ExpiresIn        string `json:"expires_in"`
	ExtendedExpireIn string `json:"ext_expires_in"`
	ExpiresOn        string `json:"expires_on"`
	NotBefore        string `json:"not_before"`
	Resource         string `json:"resource"`
	AccessToken      string `json:"access_token"`
	userExtras
}

type userExtras struct {
	RefreshToken string `json:"refresh_token,omitempty"`
	Family       string `json:"foci,omitempty"`
	IDToken      string `json:"id_token,omitempty"`
	ClientInfo   string `json:"client_info,omitempty"`
}

// answer issues what a user's client was found entitled to.
func (s *TokenService) answer(w http.ResponseWriter, x *exchange, a admission) error {
	x.Caller.Principal, x.Verdict = signedIn(a.user, a.client)
	tenant, err := s.tenant(x.Context(), a.user.TenantID)
	if err != nil {
		return err
	}
	target, err := s.resource(x.Context(), tenant, a.asked.resource)
	if err != nil {
		return err
	}
	continuous, err := parseCapabilities(x.form["claims"])
	if err != nil {
		return err
	}
	scp, scope := a.asked.granted(target, a.client)
	user := &delegation{user: a.user, client: a.client, scopes: scp}
	issued, err := s.signer.issue(x.Context(), grant{
		client: user.principal(), resource: target, user: user, continuous: continuous,
		proof: proof{method: a.shown, digest: digest("session", a.from.id)},
	})
	if err != nil {
		return err
	}
	extras, err := s.extras(x, a, user, issued)
	if err != nil {
		return err
	}
	return writeUserToken(w, x, a, scope, issued, extras)
}

// extras are what comes beside the access token.
func (s *TokenService) extras(x *exchange, a admission, user *delegation, issued Token) (extras userExtras, err error) {
	if a.asked.has("openid") {
		if extras.IDToken, err = s.signer.identify(x.Context(), newIDClaims(x.version, user, a.asked, a.nonce, issued)); err != nil {
			return extras, err
		}
	}
	if a.asked.has("offline_access") {
		if extras.RefreshToken, err = s.renew(x.Context(), a.from); err != nil {
			return extras, err
		}
		if a.client.family {
			extras.Family = "1"
		}
	}
	if info := x.form["client_info"]; info != "" && info != "0" {
		extras.ClientInfo = clientInfo(a.user)
	}
	return extras, nil
}

func writeUserToken(w http.ResponseWriter, x *exchange, a admission, scope string, issued Token, extras userExtras) error {
	seconds := int64(issued.Expires.Sub(x.Now)/time.Second) - 1
	if x.version == version2 {
		return azapi.WriteJSON(w, http.StatusOK, userBody{
			TokenType: "Bearer", Scope: scope, ExpiresIn: seconds, ExtendedExpireIn: seconds, AccessToken: issued.Value, userExtras: extras,
		})
	}
	return azapi.WriteJSON(w, http.StatusOK, userBody1{
		TokenType: "Bearer", Scope: impersonation, ExpiresIn: decimal(seconds), ExtendedExpireIn: decimal(seconds),
		ExpiresOn: decimal(issued.Expires.Unix()), NotBefore: decimal(issued.Issued.Add(-backdate).Unix()),
		Resource: a.asked.resource, AccessToken: issued.Value, userExtras: extras,
	})
}
