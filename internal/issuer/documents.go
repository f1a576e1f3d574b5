package issuer

import (
	"encoding/base64"
	"math/big"

	"github.com/aksess/aksess/internal/jose"
)

// Discovery is the discovery document of a cluster's issuer, in the form of
// kube-apiserver (pkg/serviceaccount/openidmetadata.go): what a relying party
// needs to verify a token, and nothing of a sign-in.
type Discovery struct {
	Issuer        string   `json:"issuer"`
	JWKSURI       string   `json:"jwks_uri"`
	ResponseTypes []string `json:"response_types_supported"`
	SubjectTypes  []string `json:"subject_types_supported"`
	SigningAlgs   []string `json:"id_token_signing_alg_values_supported"`
}

// NewDiscovery returns the discovery document of the issuer with this URL,
// which ends in a slash.
func NewDiscovery(issuerURL string) Discovery {
	return Discovery{
		Issuer:        issuerURL,
		JWKSURI:       issuerURL + "openid/v1/jwks",
		ResponseTypes: []string{"id_token"},
		SubjectTypes:  []string{"public"},
		SigningAlgs:   []string{string(jose.RS256)},
	}
}

// JWKS is a key set as kube-apiserver publishes it.
type JWKS struct {
	Keys []JWK `json:"keys"`
}

// JWK is one key of the set.
type JWK struct {
	Use string `json:"use"`
	Kty string `json:"kty"`
	Kid string `json:"kid"`
	Alg string `json:"alg"`
	N   string `json:"n"`
	E   string `json:"e"`
}

// NewJWKS returns the public halves of the keys.
func NewJWKS(keys []*Key) JWKS {
	set := JWKS{Keys: make([]JWK, len(keys))}
	for i, key := range keys {
		n, e := PublicNumbers(key.SigningKey)
		set.Keys[i] = JWK{Use: "sig", Kty: "RSA", Kid: key.Kid(), Alg: string(jose.RS256), N: n, E: e}
	}
	return set
}

// PublicNumbers returns modulus and exponent of a key as RFC 7518, section
// 6.3.1, writes them.
func PublicNumbers(key *jose.SigningKey) (n, e string) {
	public := key.Signer().PublicKey
	b64 := base64.RawURLEncoding
	return b64.EncodeToString(public.N.Bytes()), b64.EncodeToString(big.NewInt(int64(public.E)).Bytes())
}
