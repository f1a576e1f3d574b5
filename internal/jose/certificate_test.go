package jose

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"
)

func selfSigned(tb testing.TB, key *SigningKey) *x509.Certificate {
	tb.Helper()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	certificate, err := key.SelfSigned("accounts.accesscontrol.windows.net", start, start.AddDate(5, 0, 0))
	if err != nil {
		tb.Fatal(err)
	}
	return certificate
}

func TestSelfSignedIsReproducible(t *testing.T) {
	key := newKey(t, "a")
	first, second := selfSigned(t, key), selfSigned(t, key.WithKid("b"))
	if !bytes.Equal(first.Raw, second.Raw) {
		t.Error("the same key and times gave two certificates")
	}
	if err := first.CheckSignature(first.SignatureAlgorithm, first.RawTBSCertificate, first.Signature); err != nil {
		t.Error(err)
	}
	renamed := key.WithKid(Thumbprint(first))
	if renamed.Kid() != Thumbprint(first) || renamed.Public().Kid() != Thumbprint(first) || key.Kid() != "a" {
		t.Errorf("got kids %q, %q and %q", renamed.Kid(), renamed.Public().Kid(), key.Kid())
	}
}

func TestVerifyCertificate(t *testing.T) {
	key, other := newKey(t, "a"), otherKey(t)
	mine, theirs := selfSigned(t, key), selfSigned(t, other)
	sum1, sum256 := sha1.Sum(mine.Raw), sha256.Sum256(mine.Raw)
	not1 := sha1.Sum(theirs.Raw)
	raw := base64.RawURLEncoding.EncodeToString
	tests := []struct {
		name, header string
		want         error
	}{
		{"x5t", fmt.Sprintf(`{"alg":"RS256","x5t":%q}`, raw(sum1[:])), nil},
		{"x5t_padded", fmt.Sprintf(`{"alg":"RS256","x5t":%q}`, base64.URLEncoding.EncodeToString(sum1[:])), nil},
		{"x5t_s256", fmt.Sprintf(`{"alg":"RS256","x5t#S256":%q}`, raw(sum256[:])), nil},
		{"x5t_s256_standard_base64", fmt.Sprintf(`{"alg":"RS256","x5t#S256":%q}`, base64.StdEncoding.EncodeToString(sum256[:])), nil},
		{"both", fmt.Sprintf(`{"alg":"RS256","x5t":%q,"x5t#S256":%q}`, raw(sum1[:]), raw(sum256[:])), nil},
		{"kid_as_terraform", fmt.Sprintf(`{"alg":"RS256","kid":%q}`, base64.URLEncoding.EncodeToString(sum1[:])), nil},
		{"kid_hex", fmt.Sprintf(`{"alg":"RS256","kid":%q}`, strings.ToUpper(hex.EncodeToString(sum1[:]))), nil},
		{"kid_beside_x5t_is_ignored", fmt.Sprintf(`{"alg":"RS256","kid":"any","x5t":%q}`, raw(sum1[:])), nil},
		{"both_of_different_certificates", fmt.Sprintf(`{"alg":"RS256","x5t":%q,"x5t#S256":%q}`, raw(not1[:]), raw(sum256[:])), ErrUnknownKey},
		{"none", `{"alg":"RS256"}`, ErrUnknownKey},
		{"unknown", `{"alg":"RS256","x5t":"AAAAAAAAAAAAAAAAAAAAAAAAAAA"}`, ErrUnknownKey},
		{"sha256_as_x5t", fmt.Sprintf(`{"alg":"RS256","x5t":%q}`, raw(sum256[:])), ErrUnknownKey},
		{"hex_of_nonsense", `{"alg":"RS256","kid":"` + strings.Repeat("zz", 20) + `"}`, ErrUnknownKey},
		{"prefix", fmt.Sprintf(`{"alg":"RS256","x5t":%q}`, raw(sum1[:])[:20]), ErrUnknownKey},
		{"x5c_is_no_key", fmt.Sprintf(`{"alg":"RS256","x5c":[%q]}`, base64.StdEncoding.EncodeToString(mine.Raw)), ErrUnknownKey},
		{"of_another", fmt.Sprintf(`{"alg":"RS256","x5t":%q}`, raw(not1[:])), ErrSignature},
		{"none_alg", fmt.Sprintf(`{"alg":"none","x5t":%q}`, raw(sum1[:])), ErrAlgorithm},
		{"es256_with_rsa", fmt.Sprintf(`{"alg":"ES256","x5t":%q}`, raw(sum1[:])), ErrAlgorithm},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			token, certificate, err := VerifyCertificate(signRaw(t, key, test.header, `{"iss":"client"}`), []*x509.Certificate{theirs, mine}, all())
			if !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			if got := token != nil && certificate == mine; got != (test.want == nil) {
				t.Errorf("got token %v and certificate %v", token, certificate)
			}
		})
	}
	if _, _, err := VerifyCertificate("a.b", []*x509.Certificate{mine}, all()); !errors.Is(err, ErrMalformed) {
		t.Errorf("got %v, want %v", err, ErrMalformed)
	}
}

// TestVerifyCertificateAlgorithms: PS256, as MSAL for Go sends, and the key types.
func TestVerifyCertificateAlgorithms(t *testing.T) {
	key := newKey(t, "a")
	certificate := selfSigned(t, key)
	input := b64(fmt.Sprintf(`{"alg":"PS256","typ":"JWT","x5t#S256":%q}`, ThumbprintS256(certificate))) + "." + b64(`{}`)
	digest := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPSS(rand.Reader, key.Signer(), crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	if err != nil {
		t.Fatal(err)
	}
	token := input + "." + base64.RawURLEncoding.EncodeToString(signature)
	if _, _, err := VerifyCertificate(token, []*x509.Certificate{certificate}, all()); err != nil {
		t.Errorf("PS256: got %v", err)
	}
	if _, _, err := VerifyCertificate(token, []*x509.Certificate{certificate}, rs256()); !errors.Is(err, ErrAlgorithm) {
		t.Errorf("PS256 where RS256 alone is allowed: got %v, want %v", err, ErrAlgorithm)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, edwards.Public(), edwards)
	if err != nil {
		t.Fatal(err)
	}
	unusable, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	named := signRaw(t, key, fmt.Sprintf(`{"alg":"RS256","x5t":%q}`, Thumbprint(unusable)), `{}`)
	if _, _, err := VerifyCertificate(named, []*x509.Certificate{unusable}, all()); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("Ed25519 certificate: got %v, want %v", err, ErrUnknownKey)
	}
}

func TestMarshalJWKS(t *testing.T) {
	key := newKey(t, "a")
	certificate := selfSigned(t, key)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	second, err := NewPublicKey("ec", ES256, &ec.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	entra, err := NewPublicKey(Thumbprint(certificate), "", &key.Signer().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	document, err := MarshalJWKS(
		PublishedKey{Key: key.Public()}, PublishedKey{Key: second},
		PublishedKey{Key: entra, Certificate: certificate, Issuer: "https://login.microsoftonline.com/t/v2.0", CloudInstance: "microsoftonline.com"},
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"kid":"a"`, `"alg":"RS256"`, `"e":"AQAB"`, `"use":"sig"`, `"crv":"P-256"`, `"alg":"ES256"`,
		`"x5t":"` + Thumbprint(certificate) + `"`, `"x5c":["` + base64.StdEncoding.EncodeToString(certificate.Raw) + `"]`,
		`"cloud_instance_name":"microsoftonline.com"`, `"issuer":"https://login.microsoftonline.com/t/v2.0"`,
	} {
		if !bytes.Contains(document, []byte(want)) {
			t.Errorf("got %s\nwithout %s", document, want)
		}
	}
	set, err := ParseJWKS(document)
	if err != nil || set.Len() != 3 || len(set.Ignored()) != 0 {
		t.Fatalf("got %d keys, ignored %v, %v, want 3", set.Len(), set.Ignored(), err)
	}
	for _, kid := range []string{"a", "ec", entra.Kid()} {
		if _, ok := set.Key(kid); !ok {
			t.Errorf("key %q is missing", kid)
		}
	}
	if _, err := MarshalJWKS(PublishedKey{Key: otherKey(t).Public(), Certificate: certificate}); !errors.Is(err, ErrKey) {
		t.Errorf("a certificate of another key: got %v, want %v", err, ErrKey)
	}
	if empty, err := MarshalJWKS(); err != nil || string(empty) != `{"keys":[]}` {
		t.Errorf("got %s, %v", empty, err)
	}
}
