package entra

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/jose"
)

// compact signs a token with any header, as clients do.
func compact(t testing.TB, key *rsa.PrivateKey, header map[string]any, claims any) string {
	t.Helper()
	var parts []string
	for _, part := range []any{header, claims} {
		encoded, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, base64.RawURLEncoding.EncodeToString(encoded))
	}
	input := strings.Join(parts, ".")
	digest := sha256.Sum256([]byte(input))
	sign := func() ([]byte, error) {
		if header["alg"] == "PS256" {
			return rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		}
		return rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	}
	signature, err := sign()
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func TestCertificateExchange(t *testing.T) {
	b := newWorkbench(t, nil)
	key, certificate := b.certificate()
	sum1, sum256 := sha1.Sum(certificate.Raw), sha256.Sum256(certificate.Raw)
	stranger, err := parsedKeys()[2].SelfSigned("stranger", b.clock.Now(), b.clock.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	chain := []string{base64.StdEncoding.EncodeToString(stranger.Raw)}
	strangerSum := sha256.Sum256(stranger.Raw)
	tests := []struct {
		name   string
		key    *rsa.PrivateKey
		header map[string]any
		claims map[string]any
		code   string
	}{
		{name: "go", header: map[string]any{"alg": "PS256", "typ": "JWT", "x5t#S256": base64.RawURLEncoding.EncodeToString(sum256[:])}},
		{name: "terraform", header: map[string]any{"alg": "RS256", "kid": base64.URLEncoding.EncodeToString(sum1[:])}},
		{name: "old", header: map[string]any{"alg": "RS256", "x5t": base64.RawURLEncoding.EncodeToString(sum1[:])}},
		{name: "v1_endpoint", header: map[string]any{"alg": "RS256", "x5t": jose.Thumbprint(certificate)}, claims: map[string]any{"aud": "https://login.windows.net/" + tenantDomain + "/oauth2/token"}},
		{name: "issuer_as_audience", header: map[string]any{"alg": "RS256", "x5t": jose.Thumbprint(certificate)}, claims: map[string]any{"aud": "https://login.microsoftonline.com/" + tenantID + "/v2.0"}},
		{name: "embedded_certificate", key: parsedKeys()[2].Signer(), header: map[string]any{"alg": "RS256", "x5c": chain, "x5t#S256": base64.RawURLEncoding.EncodeToString(strangerSum[:])}, code: "AADSTS700027"},
		{name: "embedded_certificate_right_name", key: parsedKeys()[2].Signer(), header: map[string]any{"alg": "RS256", "x5c": chain, "x5t": jose.Thumbprint(certificate)}, code: "AADSTS700027"},
		{name: "no_name", header: map[string]any{"alg": "RS256"}, code: "AADSTS700027"},
		{name: "hs256", header: map[string]any{"alg": "HS256", "x5t": jose.Thumbprint(certificate)}, code: "AADSTS5002730"},
		{name: "audience_list", header: map[string]any{"alg": "RS256", "x5t": jose.Thumbprint(certificate)}, claims: map[string]any{"aud": []string{tokenURL, "https://other.example"}}, code: "AADSTS50027"},
		{name: "other_tenants_endpoint", header: map[string]any{"alg": "RS256", "x5t": jose.Thumbprint(certificate)}, claims: map[string]any{"aud": strings.Replace(tokenURL, tenantID, otherTenant, 1)}, code: "AADSTS700023"},
		{name: "federation_audience", header: map[string]any{"alg": "RS256", "x5t": jose.Thumbprint(certificate)}, claims: map[string]any{"aud": "api://AzureADTokenExchange"}, code: "AADSTS700023"},
		{name: "expired", header: map[string]any{"alg": "RS256", "x5t": jose.Thumbprint(certificate)}, claims: map[string]any{"exp": b.clock.Now().Add(-5 * time.Minute).Unix()}, code: "AADSTS700024"},
		{name: "a_year_long", header: map[string]any{"alg": "RS256", "x5t": jose.Thumbprint(certificate)}, claims: map[string]any{"exp": b.clock.Now().AddDate(1, 0, 0).Unix()}, code: "AADSTS70023"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			signer := test.key
			if signer == nil {
				signer = key.Signer()
			}
			got := b.exchange(b.ownForm(compact(t, signer, test.header, b.ownClaims(test.claims))))
			if test.code != "" {
				wantCode(t, got, test.code)
				return
			}
			if claims := b.token(got); claims["appidacr"] != "2" || claims["appid"] != b.app.AppID {
				t.Errorf("got %v", claims)
			}
		})
	}
}

func TestCertificateOutOfForce(t *testing.T) {
	b := newWorkbench(t, nil)
	key, certificate := b.certificate()
	b.clock.advance(time.Hour + time.Second)
	got := b.exchange(b.ownForm(signedBy(t, key, b.ownClaims(nil))))
	wantCode(t, got, "AADSTS700027")
	if !strings.Contains(got.Description, "The key used is expired.") {
		t.Errorf("got %q", got.Description)
	}
	if !b.clock.Now().After(certificate.NotAfter) {
		t.Errorf("the certificate is good until %s", certificate.NotAfter)
	}
}

func TestRemovedCertificate(t *testing.T) {
	b := newWorkbench(t, nil)
	form := b.certified(b.ownClaims(nil))
	b.token(b.exchange(form))
	app, err := b.directory.ByObjectID(t.Context(), b.app.ObjectID)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.directory.RemoveCertificate(t.Context(), app.ObjectID, app.Certificates[0].ID); err != nil {
		t.Fatal(err)
	}
	wantCode(t, b.exchange(form), "AADSTS700027")
}

// TestCertificateKeyIsNoFederation: the key of a client's certificate signs for that client only.
func TestCertificateKeyIsNoFederation(t *testing.T) {
	b := newWorkbench(t, nil)
	form := b.certified(b.ownClaims(map[string]any{"iss": b.identity.AppID, "sub": b.identity.AppID}))
	form.Set("client_id", b.identity.AppID)
	wantCode(t, b.exchange(form), "AADSTS700027")
}

func TestPublishedCertificates(t *testing.T) {
	b := newWorkbench(t, nil)
	got := b.get("https://login.microsoftonline.com/common/discovery/v2.0/keys")
	var set struct {
		Keys []struct {
			Kid, X5t string
			X5c      []string
		}
	}
	if err := json.Unmarshal(got.body, &set); err != nil {
		t.Fatal(err)
	}
	for _, key := range set.Keys {
		if len(key.X5c) != 1 {
			t.Fatalf("got %d certificates for %s, want 1", len(key.X5c), key.Kid)
		}
		der, err := base64.StdEncoding.DecodeString(key.X5c[0])
		if err != nil {
			t.Fatal(err)
		}
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		if key.Kid != key.X5t || key.Kid != jose.Thumbprint(certificate) {
			t.Errorf("got kid %s, x5t %s, want the thumbprint %s", key.Kid, key.X5t, jose.Thumbprint(certificate))
		}
	}
}
