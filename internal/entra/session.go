package entra

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/store"
)

const (
	// refreshLifetime is how long a refresh token lives without being used.
	refreshLifetime = 90 * 24 * time.Hour
	// maxRefreshTokens is how many of a sign-in's tokens are good at a time. A
	// new one does not end the one it was got with, as in Entra: several
	// processes share one cache of tokens and refresh at the same moment.
	maxRefreshTokens = 16

	secretBytes = 32 // of refresh tokens, codes and device codes
)

// session is one sign-in of a user with a client: the family of its refresh
// tokens. Without it none of them is good any more.
type session struct {
	TenantID string    `json:"tenantId"`
	UserID   string    `json:"userId"`
	ClientID string    `json:"clientId"`
	Family   bool      `json:"family,omitempty"` // good for the family of Azure's tools
	Scope    string    `json:"scope"`            // as asked for at the sign-in
	Started  time.Time `json:"started"`
	Password []byte    `json:"password"` // digest of the password's digest at the sign-in

	Tokens []refreshToken `json:"tokens"` // newest last
}

// refreshToken is a token as it is kept: by its digest.
type refreshToken struct {
	Digest  []byte    `json:"digest"`
	Issued  time.Time `json:"issued"`
	Expires time.Time `json:"expires"`
}

func (s session) expiry() time.Time {
	if len(s.Tokens) == 0 {
		return s.Started.Add(codeLifetime)
	}
	return s.Tokens[len(s.Tokens)-1].Expires
}

// keptSession is a session under its id.
type keptSession struct {
	id string
	session
}

// secret is 32 random bytes in base64url.
func (s *TokenService) secret() (string, error) {
	random := make([]byte, secretBytes)
	if _, err := io.ReadFull(s.options.Random, random); err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(random), nil
}

// secretKey is what a secret is kept under: its digest.
func secretKey(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

func (s *TokenService) newSession(user *directory.User, client application, asked wish) *keptSession {
	return &keptSession{id: strings.ToLower(s.options.NewID()), session: session{
		TenantID: user.TenantID, UserID: user.ObjectID, ClientID: client.id, Family: client.family,
		Scope: asked.scope(), Started: s.options.Now(), Password: passwordMark(user),
	}}
}

// passwordMark tells whether a user's password is still the same.
func passwordMark(user *directory.User) []byte {
	mark := digest("password", user.ObjectID, string(user.Salt), string(user.Digest))
	return mark[:]
}

// renew adds a token to a session, and returns it. The first one makes the session.
func (s *TokenService) renew(ctx context.Context, k *keptSession) (string, error) {
	value, err := s.secret()
	if err != nil {
		return "", err
	}
	now, first := s.options.Now(), len(k.Tokens) == 0
	sum := sha256.Sum256([]byte(value))
	_, err = s.sessions.Update(ctx, k.id, func(kept *session, exists bool) error {
		if !exists && !first {
			return badGrant.New("refresh_token").Because("the session was revoked at this moment")
		}
		if !exists {
			*kept = k.session
		}
		tokens := append(kept.Tokens, refreshToken{Digest: sum[:], Issued: now, Expires: now.Add(refreshLifetime)})
		kept.Tokens = tokens[max(len(tokens)-maxRefreshTokens, 0):]
		return nil
	})
	return refreshPrefix + k.id + "." + value, err
}

// refreshPrefix begins every refresh token, as Entra's begin with a version.
const refreshPrefix = "1."

// session returns the session of a refresh token, or the refusal.
func (s *TokenService) session(ctx context.Context, token string) (*keptSession, error) {
	unknown := badGrant.New("refresh_token")
	rest, ok := strings.CutPrefix(token, refreshPrefix)
	id, value, found := strings.Cut(rest, ".")
	if !ok || !found || len(id) != len(zeroGUID) || len(value) != base64.RawURLEncoding.EncodedLen(secretBytes) {
		return nil, unknown
	}
	item, err := s.sessions.Get(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrInvalid):
		return nil, unknown
	case err != nil:
		return nil, err
	}
	sum, now := sha256.Sum256([]byte(value)), s.options.Now()
	for _, kept := range item.Value.Tokens {
		if !bytes.Equal(kept.Digest, sum[:]) { // digests: their comparison tells nothing of the token
			continue
		}
		if !now.Before(kept.Expires) {
			return nil, idleToken.New(sevenDigits(kept.Issued), "90.00:00:00")
		}
		return &keptSession{id: id, session: item.Value}, nil
	}
	return nil, unknown
}

// revoke ends a session with all its refresh tokens.
func (s *TokenService) revoke(ctx context.Context, id string) error {
	return s.sessions.Delete(ctx, id, store.Always())
}

// refresh serves the refresh token grant (RFC 6749, section 6): for any
// resource, since a refresh token stands for the user and not for a scope.
func (s *TokenService) refresh(w http.ResponseWriter, x *exchange) error {
	token, err := x.form.require("refresh_token")
	if err != nil {
		return err
	}
	from, err := s.session(x.Context(), token)
	if err != nil {
		return err
	}
	if x.tenant.ID == "" {
		if x.tenant, err = s.tenant(x.Context(), from.TenantID); err != nil {
			return err
		}
	}
	client, shown, err := s.userClient(x)
	if err != nil {
		return err
	}
	if !client.mayUse(from.ClientID, from.Family) || !strings.EqualFold(x.tenant.ID, from.TenantID) {
		return badGrant.New("refresh_token").Because("it was issued to client " + from.ClientID + " in tenant " + from.TenantID)
	}
	user, err := s.enabledUser(x.Context(), x.tenant, from.UserID)
	if err != nil {
		return err
	}
	if !bytes.Equal(from.Password, passwordMark(user)) {
		return revokedToken.New(sevenDigits(from.Started))
	}
	asked, err := x.wish(from.Scope)
	if err != nil {
		return err
	}
	return s.answer(w, x, admission{user: user, client: client, shown: shown, asked: asked, from: from})
}
