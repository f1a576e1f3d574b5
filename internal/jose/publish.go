package jose

import (
	"crypto"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"fmt"

	jose "github.com/go-jose/go-jose/v4"
)

// PublishedKey is a key as an issuer publishes it. Kubernetes' issuers use the
// key alone; Entra adds the rest.
type PublishedKey struct {
	Key           PublicKey
	Certificate   *x509.Certificate // adds x5c, and x5t by its SHA-1; its key must be Key
	WithS256      bool              // adds x5t#S256 to a certificate's members
	Issuer        string            // adds issuer
	CloudInstance string            // adds cloud_instance_name
}

// MarshalJWKS writes a key set for publication. alg is there for keys that are
// pinned to one; every key has use "sig".
func MarshalJWKS(keys ...PublishedKey) ([]byte, error) {
	list := make([]json.RawMessage, len(keys))
	for i, key := range keys {
		var err error
		if list[i], err = key.marshal(); err != nil {
			return nil, fmt.Errorf("publishing key %s: %w", quote(key.Key.kid), err)
		}
	}
	return json.Marshal(struct {
		Keys []json.RawMessage `json:"keys"`
	}{list})
}

func (p PublishedKey) marshal() ([]byte, error) {
	web := jose.JSONWebKey{Key: p.Key.key, KeyID: p.Key.kid, Algorithm: string(p.Key.algorithm), Use: "sig"}
	if p.Certificate != nil {
		if key, ok := p.Certificate.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !key.Equal(p.Key.key) {
			return nil, refuse(ErrKey, "certificate is of another key")
		}
		sum := sha1.Sum(p.Certificate.Raw)
		web.Certificates = []*x509.Certificate{p.Certificate}
		web.CertificateThumbprintSHA1 = sum[:]
		if p.WithS256 {
			sum := sha256.Sum256(p.Certificate.Raw)
			web.CertificateThumbprintSHA256 = sum[:]
		}
	}
	encoded, err := web.MarshalJSON()
	if err != nil {
		return nil, err
	}
	extras, err := json.Marshal(struct {
		CloudInstance string `json:"cloud_instance_name,omitempty"`
		Issuer        string `json:"issuer,omitempty"`
	}{p.CloudInstance, p.Issuer})
	if err != nil || string(extras) == "{}" {
		return encoded, err
	}
	joined := append(encoded[:len(encoded)-1], ',')
	return append(joined, extras[1:]...), nil
}
