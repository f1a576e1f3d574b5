package issuer

import "github.com/aksess/aksess/internal/jose"

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

// NewJWKS returns the key set with the public halves of the keys.
func NewJWKS(keys []*Key) ([]byte, error) {
	published := make([]jose.PublishedKey, len(keys))
	for i, key := range keys {
		published[i] = jose.PublishedKey{Key: key.Public()}
	}
	return jose.MarshalJWKS(published...)
}
