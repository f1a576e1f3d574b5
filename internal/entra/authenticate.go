package entra

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"strings"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/jose"
)

// assertionType is the client_assertion_type of a JWT (RFC 7523, section 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// maxSecret bounds a client secret, in bytes; Entra's have 40.
const maxSecret = 1024

// method is the appidacr of a token: how its client proved who it is.
type method string

const (
	byNothing     method = "0" // a public client, for a user
	bySecret      method = "1"
	byCertificate method = "2" // or by a federated credential
)

// proof is what a client showed. Requests of one client with equal proofs may
// share an access token.
type proof struct {
	method method
	digest [sha256.Size]byte // of the secret or assertion
}

// digest is an unambiguous digest of several values.
func digest(values ...string) [sha256.Size]byte {
	h := sha256.New()
	var length [8]byte
	for _, value := range values {
		binary.BigEndian.PutUint64(length[:], uint64(len(value)))
		h.Write(length[:])
		h.Write([]byte(value))
	}
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	return sum
}

// authenticate checks how the client proves who it is (RFC 6749, section 2.3).
func (s *TokenService) authenticate(x *exchange) (proof, error) {
	assertion, secret := x.form["client_assertion"], x.form["client_secret"]
	switch {
	case assertion != "" && secret != "":
		return proof{}, badRequest.New("The client proves itself in two ways: by 'client_assertion' and by 'client_secret'.")
	case assertion != "":
		return s.byAssertion(x, assertion)
	case secret != "":
		return s.bySecret(x, secret)
	default:
		return proof{}, noCredential.New()
	}
}

// bySecret accepts a client secret of the client.
func (s *TokenService) bySecret(x *exchange, secret string) (proof, error) {
	if len(secret) > maxSecret {
		return proof{}, badSecret.New(x.clientID) // not hashed once for each secret of the client
	}
	err := directory.CheckSecret(x.client, secret, x.Now)
	switch {
	case errors.Is(err, directory.ErrSecretExpired):
		return proof{}, expiredSecret.New(x.clientID)
	case err != nil:
		return proof{}, badSecret.New(x.clientID)
	}
	x.Verdict = access.Verdict{Allowed: true, Link: chain.LinkManagedIdentity, By: "client secret"}
	return proof{method: bySecret, digest: digest(secret)}, nil
}

// byAssertion accepts a client's own assertion or one of a federated issuer.
func (s *TokenService) byAssertion(x *exchange, assertion string) (proof, error) {
	kind, err := x.form.require("client_assertion_type")
	if err != nil {
		return proof{}, err
	}
	if kind != assertionType {
		return proof{}, badRequest.New("The parameter 'client_assertion_type' must be '" + assertionType + "'.")
	}
	seen, err := jose.PeekUnverified(assertion, jose.Policy{})
	if err != nil {
		return proof{}, malformedAssertion.New(sentence(err)).With(err)
	}
	if missing := missingClaim(seen.Claims); missing != "" {
		return proof{}, malformedAssertion.New("The claim " + missing + " is missing.")
	}
	if isOwn(seen.Claims) {
		err = checkCertificate(x, assertion, seen)
	} else {
		err = s.checkFederated(x, assertion, seen)
	}
	if err != nil {
		return proof{}, err
	}
	return proof{method: byCertificate, digest: digest(assertion)}, nil
}

// isOwn reports whether an assertion says that the client itself made it: its
// iss is a client id or equal to its sub. A federated issuer is a URL.
func isOwn(claims jose.Claims) bool {
	if strings.Contains(claims.Issuer, "://") {
		return false
	}
	return chain.IsGUID(claims.Issuer) || claims.Issuer == claims.Subject
}

// missingClaim names a claim that RFC 7523, section 3, requires.
func missingClaim(claims jose.Claims) string {
	switch {
	case claims.Issuer == "":
		return "iss"
	case claims.Subject == "":
		return "sub"
	case len(claims.Audience) == 0:
		return "aud"
	case claims.Expiry.IsZero():
		return "exp"
	}
	return ""
}

// sentence makes an error of jose, which quotes nothing secret, end a text.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
