package entra

import (
	"crypto/x509"
	"errors"
	"slices"
	"strings"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/jose"
)

// certificatePolicy is what clients sign their own assertions with: RS256 by
// Terraform and older SDKs, PS256 by newer ones, ES256 with a P-256 certificate.
var certificatePolicy = jose.Policy{Algorithms: []jose.Algorithm{jose.RS256, jose.PS256, jose.ES256}}

// checkCertificate accepts an assertion that the client signed with the key of
// a registered certificate
// (https://learn.microsoft.com/entra/identity-platform/certificate-credentials).
func checkCertificate(x *exchange, assertion string, seen jose.Unverified) error {
	switch {
	case !strings.EqualFold(seen.Claims.Issuer, x.clientID):
		return wrongClient.New()
	case seen.Claims.Subject != seen.Claims.Issuer:
		return wrongSubject.New()
	}
	verified, certificate, err := jose.VerifyCertificate(assertion, registered(x), certificatePolicy)
	switch {
	case errors.Is(err, jose.ErrUnknownKey):
		return badSignature.New(" [Reason - The key was not found.]").With(err)
	case errors.Is(err, jose.ErrAlgorithm):
		return badAlgorithm.New().With(err)
	case errors.Is(err, jose.ErrSignature):
		return badSignature.New(" [Reason - The key used is incorrect.]").With(err)
	case err != nil:
		return malformedAssertion.New(sentence(err)).With(err)
	}
	if x.Now.Before(certificate.NotBefore) || x.Now.After(certificate.NotAfter) {
		return badSignature.New(" [Reason - The key used is expired.]")
	}
	claims, err := jose.ParseClaims(verified.Claims)
	if err != nil {
		return malformedAssertion.New(sentence(err)).With(err)
	}
	if len(claims.Audience) != 1 {
		return malformedAssertion.New("The claim aud must be one string.")
	}
	if !slices.Contains(x.endpoints(), claims.Audience[0]) {
		return wrongEndpoint.New().Because("aud is " + clip(claims.Audience[0]))
	}
	if err := checkTimes(claims, x.Now); err != nil {
		return err
	}
	x.Verdict = access.Verdict{Allowed: true, Link: chain.LinkManagedIdentity, By: "client certificate " + jose.Thumbprint(certificate)}
	return checkLifetime(claims, x.Now)
}

func registered(x *exchange) []*x509.Certificate {
	certificates := make([]*x509.Certificate, 0, len(x.client.Certificates))
	for _, stored := range x.client.Certificates {
		if certificate, err := x509.ParseCertificate(stored.DER); err == nil { // it parsed when it was registered
			certificates = append(certificates, certificate)
		}
	}
	return certificates
}

// endpoints are the URLs that an assertion for this tenant may be meant for:
// the token endpoints of both versions on every alias, and the issuer. A client
// that came by a local name of this host knows it by that name.
func (x *exchange) endpoints() []string {
	names := []string{x.tenant.ID, x.tenant.Domain, x.Param("tenant")}
	hosts := aliases[:]
	if x.Local() {
		hosts = append(slices.Clone(hosts), x.Request.Request.Host)
	}
	var endpoints []string
	for _, host := range hosts {
		for _, name := range names {
			base := "https://" + host + "/" + name
			endpoints = append(endpoints, base+"/oauth2/v2.0/token", base+"/oauth2/token", base+"/v2.0")
		}
	}
	return endpoints
}
