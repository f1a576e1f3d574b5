package entra

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/issuer"
	"github.com/aksess/aksess/internal/jose"
)

// maxVerified bounds the verified tokens that are remembered, about 1 KiB each.
const maxVerified = 4096

var accessTokenPolicy = jose.Policy{Algorithms: []jose.Algorithm{jose.RS256}}

// Authenticator verifies the access tokens of a TokenService. A token that was
// verified once costs a digest and a look-up until it expires or its key is
// gone. Like Azure it does not ask whether the user or principal still exists or
// is enabled; the groups that it is in, directly or not, are those of now.
type Authenticator struct {
	ring      *issuer.Ring
	directory *directory.Directory
	now       func() time.Time
	log       *slog.Logger
	verified  *lru[[sha256.Size]byte, verifiedToken]
	buffers   sync.Pool // of *[]byte: a token's bytes while they are digested
}

var _ azapi.Authenticator = (*Authenticator)(nil)

// verifiedToken is what is remembered of a good token.
type verifiedToken struct {
	caller    azapi.Caller
	kid       string
	notBefore time.Time
}

func newAuthenticator(ring *issuer.Ring, o Options) *Authenticator {
	return &Authenticator{
		ring: ring, directory: o.Directory, now: o.Now, log: o.Log,
		verified: newLRU[[sha256.Size]byte, verifiedToken](maxVerified),
	}
}

// The two ways to fail; their texts are safe to show.
var (
	errToken     = errors.New("the access token is invalid")
	errUnchecked = errors.New("the access token could not be checked")
)

func invalidToken(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errToken, fmt.Sprintf(format, args...))
}

// Authenticate implements azapi.Authenticator.
func (a *Authenticator) Authenticate(ctx context.Context, token string) (azapi.Caller, error) {
	id := a.digest(token)
	known, cached := a.verified.get(id)
	if cached {
		if _, good, err := a.ring.Verifying(ctx, known.kid); err != nil || !good {
			a.verified.remove(id)
			cached = false // verify again, for the reason
		}
	}
	if !cached {
		var err error
		if known, err = a.verify(ctx, token); err != nil {
			return azapi.Caller{}, a.safe(err)
		}
		a.verified.add(id, known)
	}
	if err := known.checkTimes(a.now()); err != nil {
		a.verified.remove(id)
		return azapi.Caller{}, err
	}
	caller := known.caller
	groups, err := a.directory.MemberOf(ctx, caller.ObjectID)
	if err != nil {
		return azapi.Caller{}, a.safe(err)
	}
	caller.Groups = groups
	return caller, nil
}

// Principal returns the groups that a user or service principal is in now,
// directly or not, and whether it is in the directory.
func (a *Authenticator) Principal(ctx context.Context, objectID string) (groups []string, found bool, err error) {
	_, err = a.directory.Object(ctx, objectID)
	if errors.Is(err, directory.ErrObjectNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	groups, err = a.directory.MemberOf(ctx, objectID)
	return groups, err == nil, err
}

// digest is what a token is remembered by, so that the cache holds no token.
func (a *Authenticator) digest(token string) [sha256.Size]byte {
	buffer, ok := a.buffers.Get().(*[]byte)
	if !ok {
		buffer = new([]byte)
	}
	*buffer = append((*buffer)[:0], token...)
	id := sha256.Sum256(*buffer)
	clear(*buffer)
	a.buffers.Put(buffer)
	return id
}

// safe replaces an error that says something of the inside, and logs it.
func (a *Authenticator) safe(err error) error {
	if errors.Is(err, errToken) {
		return err
	}
	a.log.Error("checking an access token", "error", err.Error())
	return errUnchecked
}

// checkTimes applies exp to the second and nbf with leeway: both are by our own clock.
func (v verifiedToken) checkTimes(now time.Time) error {
	switch {
	case !now.Before(v.caller.Expires):
		return invalidToken("it expired at %s", v.caller.Expires.UTC().Format(time.RFC3339))
	case now.Add(leeway).Before(v.notBefore):
		return invalidToken("it is not valid before %s", v.notBefore.UTC().Format(time.RFC3339))
	}
	return nil
}

// accessClaims are the claims that name the caller, in tokens of both versions.
type accessClaims struct {
	AppID      string `json:"appid"`
	AppID2     string `json:"azp"`
	ObjectID   string `json:"oid"`
	TenantID   string `json:"tid"`
	Version    string `json:"ver"`
	ResourceID string `json:"xms_mirid"`
	UPN        string `json:"upn"`
	Username   string `json:"preferred_username"`
}

func (a *Authenticator) verify(ctx context.Context, token string) (verifiedToken, error) {
	keys, err := a.ring.KeySet(ctx)
	if err != nil {
		return verifiedToken{}, err
	}
	verified, err := jose.Verify(token, keys, accessTokenPolicy)
	switch {
	case errors.Is(err, jose.ErrMalformed):
		return verifiedToken{}, invalidToken("it is not a signed JSON web token")
	case errors.Is(err, jose.ErrUnknownKey):
		return verifiedToken{}, invalidToken("its signing key is not one of the token service")
	case errors.Is(err, jose.ErrAlgorithm):
		return verifiedToken{}, invalidToken("its signature algorithm is not RS256")
	case err != nil:
		return verifiedToken{}, invalidToken("its signature does not verify")
	}
	return readAccessToken(verified)
}

// readAccessToken refuses what our keys signed but is no access token.
func readAccessToken(verified *jose.Token) (verifiedToken, error) {
	claims, err := jose.ParseClaims(verified.Claims)
	if err != nil {
		return verifiedToken{}, invalidToken("its claims are malformed")
	}
	var own accessClaims
	if err := json.Unmarshal(verified.Claims, &own); err != nil {
		return verifiedToken{}, invalidToken("its claims are malformed")
	}
	version := version1
	if own.Version == "2.0" {
		version, own.AppID = version2, own.AppID2
	}
	switch {
	case verified.Header.Typ != "JWT":
		return verifiedToken{}, invalidToken("it is of type %.20q", verified.Header.Typ)
	case own.TenantID == "" || claims.Issuer != issuerOf(version, own.TenantID):
		return verifiedToken{}, invalidToken("its issuer is not the token service of its tenant")
	case own.ObjectID == "" || own.AppID == "" || len(claims.Audience) != 1 || claims.Expiry.IsZero():
		return verifiedToken{}, invalidToken("it lacks a claim that access tokens have")
	}
	return verifiedToken{
		kid:       verified.Header.Kid,
		notBefore: claims.NotBefore,
		caller: azapi.Caller{
			Principal: access.Principal{
				TenantID: own.TenantID, ObjectID: own.ObjectID, AppID: own.AppID, ResourceID: own.ResourceID,
			},
			UserName: cmp.Or(own.UPN, own.Username),
			Scheme:   "Bearer", Issuer: claims.Issuer, Audience: claims.Audience[0], Expires: claims.Expiry,
		},
	}, nil
}
