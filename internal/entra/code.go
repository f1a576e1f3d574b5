package entra

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/store"
)

const (
	// codeLifetime is Entra's; RFC 6749, section 4.1.2, allows no more.
	codeLifetime = 10 * time.Minute

	// Lengths of a code verifier (RFC 7636, section 4.1).
	minVerifier = 43
	maxVerifier = 128
)

// authorizationCode is what a code stands for, kept by the code's digest.
type authorizationCode struct {
	ClientID  string    `json:"clientId"`
	TenantID  string    `json:"tenantId"`
	UserID    string    `json:"userId"`
	Redirect  string    `json:"redirect"`
	Scope     string    `json:"scope"`
	Nonce     string    `json:"nonce,omitempty"`
	Challenge string    `json:"challenge"` // S256
	Session   string    `json:"session"`   // that its redemption makes
	Expires   time.Time `json:"expires"`
	Redeemed  bool      `json:"redeemed,omitempty"`
}

// newCode keeps what a user consented to, and returns the code for it.
func (s *TokenService) newCode(ctx context.Context, a *authorization, user *directory.User) (string, error) {
	code, err := s.secret()
	if err != nil {
		return "", err
	}
	_, err = s.codes.Put(ctx, secretKey(code), authorizationCode{
		ClientID: a.client.id, TenantID: user.TenantID, UserID: user.ObjectID, Redirect: a.redirect,
		Scope: a.asked.scope(), Nonce: a.nonce, Challenge: a.challenge,
		Session: strings.ToLower(s.options.NewID()), Expires: s.options.Now().Add(codeLifetime),
	}, store.Absent())
	return code, err
}

// redeemCode serves the authorization code grant (RFC 6749, section 4.1.3, with
// RFC 7636): the code is good once, for who asked for it.
func (s *TokenService) redeemCode(w http.ResponseWriter, x *exchange) error {
	code, err := x.form.require("code")
	if err != nil {
		return err
	}
	redirect, err := x.form.require("redirect_uri")
	if err != nil {
		return err
	}
	item, err := s.codes.Get(x.Context(), secretKey(code))
	if errors.Is(err, store.ErrNotFound) {
		return badGrant.New("code")
	}
	if err != nil {
		return err
	}
	kept := item.Value
	if x.tenant.ID == "" {
		if x.tenant, err = s.tenant(x.Context(), kept.TenantID); err != nil {
			return err
		}
	}
	client, shown, err := s.userClient(x)
	if err != nil {
		return err
	}
	switch {
	case client.id != kept.ClientID || x.tenant.ID != kept.TenantID:
		return badGrant.New("code").Because("it was issued to client " + kept.ClientID + " in tenant " + kept.TenantID)
	case redirect != kept.Redirect:
		return badGrant.New("redirect_uri").Because("the code was sent to " + kept.Redirect)
	case !x.Now.Before(kept.Expires):
		return expiredCode.New()
	case !verifies(x.form["code_verifier"], kept.Challenge):
		return wrongVerifier.New()
	}
	if err := s.spend(x.Context(), item); err != nil {
		return err
	}
	return s.finishCode(w, x, kept, admission{client: client, shown: shown, nonce: kept.Nonce})
}

// spend marks the code as redeemed. One that was redeemed before is in two
// hands: what the first got is revoked (RFC 9700, section 2.1.1).
func (s *TokenService) spend(ctx context.Context, item store.Item[authorizationCode]) error {
	if !item.Value.Redeemed {
		item.Value.Redeemed = true
		_, err := s.codes.Put(ctx, item.Key, item.Value, store.At(item.Version))
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	if err := s.revoke(ctx, item.Value.Session); err != nil {
		return err
	}
	return redeemedCode.New()
}

func (s *TokenService) finishCode(w http.ResponseWriter, x *exchange, kept authorizationCode, a admission) (err error) {
	if a.asked, err = x.wish(kept.Scope); err != nil {
		return err
	}
	if a.user, err = s.enabledUser(x.Context(), x.tenant, kept.UserID); err != nil {
		return err
	}
	a.from = s.newSession(a.user, a.client, a.asked)
	a.from.id = kept.Session
	return s.answer(w, x, a)
}

// verifies compares a code verifier with an S256 challenge (RFC 7636, section 4.6).
func verifies(verifier, challenge string) bool {
	if len(verifier) < minVerifier || len(verifier) > maxVerifier {
		return false
	}
	sum := sha256.Sum256([]byte(verifier))
	made := base64.RawURLEncoding.EncodeToString(sum[:])
	return subtle.ConstantTimeCompare([]byte(made), []byte(challenge)) == 1
}
