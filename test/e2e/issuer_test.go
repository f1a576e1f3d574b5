package e2e_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aksess/aksess/test/e2e"
)

const issuerManifest = `
apiVersion: v1
kind: Namespace
metadata:
  name: issuer
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: reader
  namespace: issuer
`

// testIssuer shows that the cluster is an issuer that anyone can check: a token
// of the TokenRequest API verifies with nothing but what the issuer publishes.
func testIssuer(t *testing.T, cluster *e2e.Cluster) {
	objects := cluster.Apply(t, []byte(issuerManifest))
	if got, want := len(objects), 2; got != want {
		t.Fatalf("applied objects: got %d, want %d", got, want)
	}
	token := cluster.Token(t, "issuer", "reader", e2e.ExchangeAudience)
	header, claims := decodeToken(t, token)

	anyone := anonymousClient(t, cluster)
	var discovery struct {
		Issuer  string   `json:"issuer"`
		JWKSURI string   `json:"jwks_uri"`
		Algs    []string `json:"id_token_signing_alg_values_supported"`
	}
	getJSON(t, anyone, cluster.IssuerURL+"/.well-known/openid-configuration", &discovery)
	if discovery.Issuer != cluster.IssuerURL {
		t.Errorf("discovery issuer: got %q, want %q", discovery.Issuer, cluster.IssuerURL)
	}
	if want := []string{"RS256"}; !reflect.DeepEqual(discovery.Algs, want) {
		t.Errorf("discovery algorithms: got %q, want %q", discovery.Algs, want)
	}
	verifyRS256(t, token, publishedKey(t, anyone, discovery.JWKSURI, header.KeyID))

	if got, want := claims.Issuer, cluster.IssuerURL; got != want {
		t.Errorf("iss: got %q, want %q", got, want)
	}
	if got, want := claims.Subject, "system:serviceaccount:issuer:reader"; got != want {
		t.Errorf("sub: got %q, want %q", got, want)
	}
	if want := []string{e2e.ExchangeAudience}; !reflect.DeepEqual(claims.Audience, want) {
		t.Errorf("aud: got %q, want %q", claims.Audience, want)
	}
	if left := time.Until(time.Unix(claims.Expiry, 0)); left < 55*time.Minute || left > 61*time.Minute {
		t.Errorf("exp: got %v from now, want about an hour", left)
	}
}

type tokenHeader struct {
	Algorithm string `json:"alg"`
	KeyID     string `json:"kid"`
}

type tokenClaims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience []string `json:"aud"`
	Expiry   int64    `json:"exp"`
}

// decodeToken reads a token without checking it.
func decodeToken(t *testing.T, token string) (header tokenHeader, claims tokenClaims) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("token parts: got %d, want 3", len(parts))
	}
	for i, into := range []any{&header, &claims} {
		if err := json.Unmarshal(decodeBase64(t, parts[i]), into); err != nil {
			t.Fatalf("reading part %d of the token: %v", i, err)
		}
	}
	return header, claims
}

// publishedKey finds the key with the id in the key set at the address.
func publishedKey(t *testing.T, client *http.Client, address, id string) *rsa.PublicKey {
	t.Helper()
	var set struct {
		Keys []struct {
			KeyID    string `json:"kid"`
			Modulus  string `json:"n"`
			Exponent string `json:"e"`
		} `json:"keys"`
	}
	getJSON(t, client, address, &set)
	for _, key := range set.Keys {
		if key.KeyID == id {
			return &rsa.PublicKey{
				N: new(big.Int).SetBytes(decodeBase64(t, key.Modulus)),
				E: int(new(big.Int).SetBytes(decodeBase64(t, key.Exponent)).Int64()),
			}
		}
	}
	t.Fatalf("key set at %s: no key %q in %+v", address, id, set.Keys)
	return nil
}

func verifyRS256(t *testing.T, token string, key *rsa.PublicKey) {
	t.Helper()
	last := strings.LastIndexByte(token, '.')
	digest := sha256.Sum256([]byte(token[:last]))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], decodeBase64(t, token[last+1:])); err != nil {
		t.Errorf("signature of the token: %v", err)
	}
}

// anonymousClient is somebody who has no credentials and trusts the cluster's
// authority only.
func anonymousClient(t *testing.T, cluster *e2e.Cluster) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(cluster.CAPEM) {
		t.Fatal("the cluster's authority is not PEM")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

func getJSON(t *testing.T, client *http.Client, address string, into any) {
	t.Helper()
	response, err := client.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: got %s, want 200", address, response.Status)
	}
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		t.Fatalf("reading %s: %v", address, err)
	}
}

func decodeBase64(t *testing.T, text string) []byte {
	t.Helper()
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatalf("decoding %.20q…: %v", text, err)
	}
	return data
}
