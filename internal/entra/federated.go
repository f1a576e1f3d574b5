package entra

import (
	"errors"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/fault"
	"github.com/aksess/aksess/internal/federation"
	"github.com/aksess/aksess/internal/jose"
)

// maxAssertionLifetime is the "1.01:00:00" of AADSTS70023.
const maxAssertionLifetime = 25 * time.Hour

// maxAudiences bounds the audiences of an assertion; one of them is compared.
const maxAudiences = 8

// federatedPolicy is what a federated assertion may be signed with
// (https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations#supported-signing-algorithms-and-issuers).
var federatedPolicy = jose.Policy{Algorithms: []jose.Algorithm{jose.RS256}}

// checkFederated accepts an assertion of an issuer that the client's owner
// trusts (RFC 7523, section 3), in the order that the package comment gives.
func (s *TokenService) checkFederated(x *exchange, assertion string, seen jose.Unverified) error {
	if isEntraIssuer(seen.Claims.Issuer) {
		return entraIssuer.New()
	}
	if len(x.client.Federated) == 0 {
		return noFederation.New(x.clientID, x.client.DisplayName)
	}
	if len(seen.Claims.Audience) > maxAudiences {
		return malformedAssertion.New("The claim aud has too many values.")
	}
	verdict := federation.Match(presented(seen.Claims), x.client.Matchable())
	if verdict.Matched == nil {
		x.Verdict = access.Verdict{Link: chain.LinkFederatedCredential, Nearest: verdict.Explain()}
		return mismatch(verdict)
	}
	x.Verdict = access.Verdict{Allowed: true, Link: chain.LinkFederatedCredential, By: verdict.Explain()}
	verified, err := s.verifyFederated(x, assertion, seen)
	if err != nil {
		return err
	}
	// The same bytes as those peeked at, now known to be the issuer's.
	claims, err := jose.ParseClaims(verified.Claims)
	if err != nil {
		return malformedAssertion.New(sentence(err)).With(err)
	}
	if err := checkTimes(claims, x.Now); err != nil {
		return err
	}
	return checkLifetime(claims, x.Now)
}

// presented bounds what is compared. A value longer than any credential's may
// have been sent by anyone: cut to a length that still matches none, it costs
// little to find the credential that is nearest.
func presented(claims jose.Claims) federation.Assertion {
	audiences := make([]string, len(claims.Audience))
	for i, audience := range claims.Audience {
		audiences[i] = cut(audience)
	}
	return federation.Assertion{Issuer: cut(claims.Issuer), Subject: cut(claims.Subject), Audiences: audiences}
}

// cut keeps one character more than a credential's value can have.
func cut(value string) string {
	characters := 0
	for i := range value {
		if characters++; characters > federation.MaxValueLength {
			return value[:i] + "…"
		}
	}
	return value
}

// isEntraIssuer reports whether a token is Entra's own, which never is an
// assertion: an access token must not work where a service account's does.
func isEntraIssuer(iss string) bool {
	for _, host := range aliases {
		if rest, ok := strings.CutPrefix(iss, "https://"+host); ok && (rest == "" || rest[0] == '/' || rest[0] == ':') {
			return true
		}
	}
	return false
}

// mismatch words a verdict as Entra does.
func mismatch(verdict federation.Verdict) error {
	presented := verdict.Assertion
	var refusal *fault.Error
	switch {
	case verdict.Failed == federation.Issuer:
		refusal = issuerMismatch.New(clip(presented.Issuer))
	case verdict.Failed == federation.Audience:
		refusal = audienceMismatch.New(clip(strings.Join(presented.Audiences, ", ")))
	case verdict.CaseOnly:
		refusal = subjectCase.New(clip(presented.Subject))
	default:
		refusal = subjectMismatch.New(clip(presented.Subject))
	}
	return refusal.Because(verdict.Explain())
}

// verifyFederated gets the issuer's keys and checks the signature.
func (s *TokenService) verifyFederated(x *exchange, assertion string, seen jose.Unverified) (*jose.Token, error) {
	issuer, kid := seen.Claims.Issuer, seen.Header.Kid
	if seen.Header.Alg != jose.RS256 {
		return nil, badAlgorithm.New() // before any fetch
	}
	keys, err := s.options.Keys.Keys(x.Context(), issuer, kid)
	switch {
	case errors.Is(err, jose.ErrUnknownKey):
		return nil, unknownKey.New(clip(kid), clip(issuer)).With(err).Because(err.Error())
	case err != nil:
		return nil, issuerUnreachable.New().With(err).Because(err.Error())
	}
	verified, err := jose.Verify(assertion, keys, federatedPolicy)
	switch {
	case errors.Is(err, jose.ErrUnknownKey):
		return nil, unknownKey.New(clip(kid), clip(issuer)).With(err).Because(err.Error())
	case errors.Is(err, jose.ErrAlgorithm):
		return nil, badAlgorithm.New().With(err)
	case errors.Is(err, jose.ErrSignature):
		return nil, badSignature.New("").With(err)
	case err != nil:
		return nil, malformedAssertion.New(sentence(err)).With(err)
	}
	return verified, nil
}

// checkTimes applies exp, nbf and iat with five minutes for clocks that differ.
func checkTimes(claims jose.Claims, now time.Time) error {
	bound := claims.CheckTime(now, leeway)
	if bound == jose.InTime {
		return nil
	}
	from := claims.NotBefore
	if from.IsZero() {
		from = claims.IssuedAt
	}
	if from.IsZero() {
		from = time.Unix(0, 0) // what Entra shows when neither is there
	}
	return outOfTime.New(sevenDigits(now), sevenDigits(from), sevenDigits(claims.Expiry)).Because(string(bound))
}

func sevenDigits(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }

// checkLifetime refuses a token that lives longer than Entra accepts. Without
// iat and nbf what is left of its life counts.
func checkLifetime(claims jose.Claims, now time.Time) error {
	from := claims.IssuedAt
	if from.IsZero() {
		from = claims.NotBefore
	}
	if from.IsZero() {
		from = now
	}
	if claims.Expiry.Sub(from) > maxAssertionLifetime {
		return longLived.New(from.Unix(), claims.Expiry.Unix())
	}
	return nil
}
