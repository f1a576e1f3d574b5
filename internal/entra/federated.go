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
	verdict := federation.Match(federation.Assertion{
		Issuer: seen.Claims.Issuer, Subject: seen.Claims.Subject, Audiences: seen.Claims.Audience,
	}, x.client.Matchable())
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
