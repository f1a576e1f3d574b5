package jose

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
)

// member returns the base64url form of a number.
func member(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }

// odd returns an odd number of just so many bits, of which no check here asks more.
func odd(bits int) *big.Int {
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	return n.Add(n, big.NewInt(1))
}

func TestParseJWKS(t *testing.T) {
	key := newKey(t, "a").Signer()
	n := member(key.N)
	rsaKey := func(n, rest string) string {
		return fmt.Sprintf(`{"kty":"RSA","n":%q,"e":"AQAB"%s}`, n, rest)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := ec.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	x, y := base64.RawURLEncoding.EncodeToString(point[1:33]), base64.RawURLEncoding.EncodeToString(point[33:])
	ecKey := func(crv, x, y, rest string) string {
		return fmt.Sprintf(`{"kty":"EC","crv":%q,"x":%q,"y":%q%s}`, crv, x, y, rest)
	}
	good := rsaKey(n, `,"kid":"a","alg":"RS256","use":"sig"`)
	tests := []struct {
		name, keys  string
		usable      int
		ignored     string // part of the reason of the one ignored key
		wholeReason string // part of the reason for which the set is refused
	}{
		{"rsa", good, 1, "", ""},
		{"rsa_ps256", rsaKey(n, `,"alg":"PS256"`), 1, "", ""},
		{"rsa_no_alg_no_kid", rsaKey(n, ``), 1, "", ""},
		{"two_without_kid", rsaKey(n, ``) + "," + rsaKey(n, ``), 2, "", ""},
		{"ec", ecKey("P-256", x, y, `,"kid":"e","alg":"ES256"`), 1, "", ""},
		{"key_ops_verify", rsaKey(n, `,"key_ops":["encrypt","verify"]`), 1, "", ""},
		{"unknown_members", rsaKey(n, `,"x5c":["!"],"x5t":"=","x5u":"::","ext":true,"nbf":1`), 1, "", ""},
		{"bits_2048", rsaKey(member(odd(2048)), ``), 1, "", ""},
		{"bits_8192", rsaKey(member(odd(8192)), ``), 1, "", ""},
		{"leading_zero", rsaKey(base64.RawURLEncoding.EncodeToString(append([]byte{0}, key.N.Bytes()...)), ``), 1, "", ""},

		{"unknown_kty", `{"kty":"AKP","alg":"ML-DSA-44","pub":"AAAA"}`, 0, "kty", ""},
		{"no_kty", `{"kid":"x"}`, 0, "kty", ""},
		{"okp", `{"kty":"OKP","crv":"Ed25519","x":"AAAA"}`, 0, "kty", ""},
		{"unknown_alg", rsaKey(n, `,"alg":"RS1"`), 0, "alg", ""},
		{"hmac_alg", rsaKey(n, `,"alg":"HS256"`), 0, "alg", ""},
		{"alg_of_other_type", rsaKey(n, `,"alg":"ES256"`), 0, "ES256", ""},
		{"alg_number", rsaKey(n, `,"alg":256`), 0, "alg is not a string", ""},
		{"use_enc", rsaKey(n, `,"use":"enc"`), 0, "use", ""},
		{"key_ops_sign", rsaKey(n, `,"key_ops":["sign"]`), 0, "key_ops", ""},
		{"key_ops_text", rsaKey(n, `,"key_ops":"verify"`), 0, "key_ops", ""},
		{"curve", ecKey("P-384", x, y, ``), 0, "curve", ""},
		{"alg_of_other_curve", ecKey("P-256", x, y, `,"alg":"ES384"`), 0, "alg", ""},
		{"not_on_curve", ecKey("P-256", x, x, ``), 0, "", ""},
		{"zero_point", ecKey("P-256", strings.Repeat("A", 43), strings.Repeat("A", 43), ``), 0, "", ""},
		{"short_coordinate", ecKey("P-256", x[:40], y, ``), 0, "", ""},
		{"bits_1024", rsaKey(member(odd(1024)), ``), 0, "1026 bits", ""},
		{"bits_2047", rsaKey(member(odd(2047)), ``), 0, "2047 bits", ""},
		{"bits_8193", rsaKey(member(odd(8193)), ``), 0, "bits", ""},
		{"bits_million", rsaKey(strings.Repeat("_", 200_000), ``), 0, "bits", ""},
		{"even", rsaKey(member(new(big.Int).Lsh(big.NewInt(1), 2047)), ``), 0, "even", ""},
		{"exponent_1", fmt.Sprintf(`{"kty":"RSA","n":%q,"e":"AQ"}`, n), 0, "exponent", ""},
		{"exponent_even", fmt.Sprintf(`{"kty":"RSA","n":%q,"e":"AQAC"}`, n), 0, "exponent", ""},
		{"exponent_0", fmt.Sprintf(`{"kty":"RSA","n":%q,"e":"AA"}`, n), 0, "", ""},
		{"exponent_2_to_33", fmt.Sprintf(`{"kty":"RSA","n":%q,"e":"AgAAAAE"}`, n), 0, "", ""},
		{"exponent_beyond_int64", fmt.Sprintf(`{"kty":"RSA","n":%q,"e":"AQAAAAAAAAAB"}`, n), 0, "exponent", ""},
		{"no_modulus", `{"kty":"RSA","e":"AQAB"}`, 0, "bits", ""},
		{"no_exponent", fmt.Sprintf(`{"kty":"RSA","n":%q}`, n), 0, "", ""},
		{"modulus_padded", rsaKey(n+"=", ``), 0, "base64url", ""},
		{"modulus_line_end", fmt.Sprintf(`{"kty":"RSA","e":"AQAB","n":"%s\n"}`, n), 0, "base64url", ""},
		{"modulus_number", `{"kty":"RSA","n":1,"e":"AQAB"}`, 0, "not a string", ""},

		{"private_rsa", rsaKey(n, `,"d":"AAAA"`), 0, "", "private"},
		{"private_prime", rsaKey(n, `,"p":null`), 0, "", "private"},
		{"private_ec", ecKey("P-256", x, y, `,"d":"AAAA"`), 0, "", "private"},
		{"symmetric", `{"kty":"oct","k":"AAAA"}`, 0, "", "symmetric"},
		{"symmetric_without_k", `{"kty":"oct"}`, 0, "", "symmetric"},
		{"symmetric_beside", good + `,{"kty":"oct","kid":"o","k":"AAAA"}`, 0, "", "symmetric"},
		{"duplicate_kid", good + "," + rsaKey(n, `,"kid":"a"`), 0, "", "two keys"},
		{"duplicate_kid_with_ignored", good + `,{"kty":"OKP","kid":"a"}`, 0, "", "two keys"},
		{"duplicate_member", rsaKey(n, `,"n":"AAAA"`), 0, "", "twice"},
		{"not_an_object", `"key"`, 0, "", "not an object"},
		{"hundred_and_one", strings.Repeat(`{"kty":"x"},`, MaxKeys) + `{"kty":"x"}`, 0, "", "more than"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			set, err := ParseJWKS([]byte(`{"keys":[` + test.keys + `]}`))
			if test.wholeReason != "" {
				if !errors.Is(err, ErrKeySet) || !strings.Contains(err.Error(), test.wholeReason) || set.Len() != 0 {
					t.Errorf("got %v, want %v with %q", err, ErrKeySet, test.wholeReason)
				}
				return
			}
			if err != nil || set.Len() != test.usable {
				t.Fatalf("got %d keys, %v, want %d; ignored: %v", set.Len(), err, test.usable, set.Ignored())
			}
			if test.usable == 0 && (len(set.Ignored()) != 1 || !errors.Is(set.Ignored()[0].Reason, ErrKey) || !strings.Contains(set.Ignored()[0].Reason.Error(), test.ignored)) {
				t.Errorf("got ignored %v, want one with %q", set.Ignored(), test.ignored)
			}
		})
	}
}

func TestParseJWKSDocument(t *testing.T) {
	tests := map[string]string{
		"empty": ``, "array": `[]`, "null": `null`, "no_keys": `{}`, "keys_null": `{"keys":null}`, "keys_object": `{"keys":{}}`,
		"keys_twice": `{"keys":[],"keys":[]}`, "two_documents": `{"keys":[]}{}`, "cut": `{"keys":[`, "html": `<html>`,
		"not_utf8": "{\"keys\":[],\"x\":\"\xff\"}", "too_long": `{"keys":[]}` + strings.Repeat(" ", MaxKeySetBytes),
		"duplicate_elsewhere": `{"keys":[],"x":{"a":1,"a":2}}`,
	}
	for name, document := range tests {
		t.Run(name, func(t *testing.T) {
			if set, err := ParseJWKS([]byte(document)); !errors.Is(err, ErrKeySet) {
				t.Errorf("got %d keys, %v, want %v", set.Len(), err, ErrKeySet)
			}
		})
	}
	if set, err := ParseJWKS([]byte(` {"other":[1.5e3,true],"keys":[]} `)); err != nil || set.Len() != 0 {
		t.Errorf("got %v", err)
	}
}

func TestNewKeySet(t *testing.T) {
	key := newKey(t, "a").Public()
	if _, err := NewKeySet(key, key); !errors.Is(err, ErrKeySet) {
		t.Errorf("one kid twice: got %v, want %v", err, ErrKeySet)
	}
	if _, err := NewKeySet(PublicKey{}); !errors.Is(err, ErrKeySet) {
		t.Errorf("zero key: got %v, want %v", err, ErrKeySet)
	}
	set := mustSet(t, key)
	if _, ok := set.Key(""); ok {
		t.Error("the empty kid finds a key")
	}
	if got, ok := set.Key("a"); !ok || got.Algorithm() != RS256 {
		t.Errorf("got %v, %v", got, ok)
	}
}

func TestNewPublicKeyRefuses(t *testing.T) {
	good := &newKey(t, "a").Signer().PublicKey
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name      string
		algorithm Algorithm
		key       any
	}{
		{"nil", "", nil},
		{"bytes", "", []byte("secret")},
		{"by_value", "", *good},
		{"p384", "", &p384.PublicKey},
		{"ed25519", "", edwards},
		{"es256_for_rsa", ES256, good},
		{"hs256_for_rsa", "HS256", good},
		{"none_for_rsa", "none", good},
		{"short", "", &rsa.PublicKey{N: odd(1024), E: 65537}},
		{"negative_exponent", "", &rsa.PublicKey{N: good.N, E: -3}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := NewPublicKey("k", test.algorithm, test.key); !errors.Is(err, ErrKey) {
				t.Errorf("got %v, want %v", err, ErrKey)
			}
		})
	}
}

// TestROCA builds a modulus of the weak form, k*M + 65537^a mod M, and a sound one.
func TestROCA(t *testing.T) {
	product := big.NewInt(2)
	for p := int64(3); p <= 701; p += 2 {
		if big.NewInt(p).ProbablyPrime(0) {
			product.Mul(product, big.NewInt(p))
		}
	}
	power := new(big.Int).Exp(big.NewInt(65537), big.NewInt(123456789), product)
	weak := new(big.Int).Lsh(product, uint(2060-product.BitLen()))
	weak.Add(weak, power)
	if !hasROCA(weak) {
		t.Error("the weak form is not recognised")
	}
	if hasROCA(weak.Add(weak, big.NewInt(2))) {
		t.Error("a modulus two beside the weak form is taken for it")
	}
	if hasROCA(newKey(t, "a").Signer().N) {
		t.Error("a sound key is taken for a weak one")
	}
}
