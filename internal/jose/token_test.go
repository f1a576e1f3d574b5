package jose

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
)

func rs256() Policy { return Policy{Algorithms: []Algorithm{RS256}} }

// keyA and keyB are made once; RSA keys take time.
var (
	keyA = sync.OnceValues(func() (*SigningKey, error) { return NewSigningKey("a") })
	keyB = sync.OnceValues(func() (*SigningKey, error) { return NewSigningKey("b") })
)

// newKey returns the first shared key under another kid.
func newKey(tb testing.TB, kid string) *SigningKey {
	tb.Helper()
	shared, err := keyA()
	if err != nil {
		tb.Fatal(err)
	}
	key, err := newSigningKey(kid, shared.private)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func otherKey(tb testing.TB) *SigningKey {
	tb.Helper()
	key, err := keyB()
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func mustSign(tb testing.TB, key *SigningKey, claims any) string {
	tb.Helper()
	token, err := Sign(key, HeaderExtras{}, claims)
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

func mustSet(tb testing.TB, keys ...PublicKey) KeySet {
	tb.Helper()
	set, err := NewKeySet(keys...)
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// signRaw signs any header and payload, sound or not, with RS256.
func signRaw(tb testing.TB, key *SigningKey, header, payload string) string {
	tb.Helper()
	input := b64(header) + "." + b64(payload)
	digest := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPKCS1v15(nil, key.private, crypto.SHA256, digest[:])
	if err != nil {
		tb.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func TestSignVerify(t *testing.T) {
	key := newKey(t, "the kid")
	token, err := Sign(key, HeaderExtras{Typ: "JWT", X5t: "thumb"}, map[string]any{"sub": "system:serviceaccount:ns:sa"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Verify(token, mustSet(t, otherKey(t).Public(), key.Public()), rs256())
	if err != nil {
		t.Fatal(err)
	}
	if want := (Header{Alg: RS256, Kid: "the kid", Typ: "JWT", X5t: "thumb"}); got.Header != want {
		t.Errorf("got header %+v, want %+v", got.Header, want)
	}
	if string(got.Claims) != `{"sub":"system:serviceaccount:ns:sa"}` || got.Key.Kid() != "the kid" {
		t.Errorf("got claims %s by key %q", got.Claims, got.Key.Kid())
	}
}

func TestSignRefusesWhatIsNoObject(t *testing.T) {
	key := newKey(t, "a")
	for _, claims := range []any{nil, "text", []string{"a"}, json.RawMessage(""), json.RawMessage("[]"), func() {}} {
		if token, err := Sign(key, HeaderExtras{}, claims); err == nil {
			t.Errorf("Sign(%T) = %q, want an error", claims, token)
		}
	}
}

// TestVerifyForm signs every token properly, so that only its form can be the reason.
func TestVerifyForm(t *testing.T) {
	key := newKey(t, "a")
	tests := []struct {
		name, header, payload string
		want                  error
	}{
		{"plain", `{"alg":"RS256","kid":"a"}`, `{"iss":"i"}`, nil},
		{"no_kid", `{"alg":"RS256"}`, `{"iss":"i"}`, nil},
		{"white_space", " {\t\"alg\" : \"RS256\" }\r\n", ` { } `, nil},
		{"escaped_alg", `{"\u0061lg":"RS2\u0035\u0036"}`, `{}`, nil},
		{"b64_true", `{"alg":"RS256","b64":true}`, `{}`, nil},
		{"unknown_header", `{"alg":"RS256","x":{"y":[1,2]}}`, `{}`, nil},
		{"key_sources_ignored", `{"alg":"RS256","jku":"https://attacker.example","x5u":"u","jwk":{"kty":"oct"},"x5c":["!"]}`, `{}`, nil},
		{"b64_false", `{"alg":"RS256","b64":false}`, `{}`, ErrMalformed},
		{"crit", `{"alg":"RS256","crit":["exp"],"exp":1}`, `{}`, ErrMalformed},
		{"crit_empty", `{"alg":"RS256","crit":[]}`, `{}`, ErrMalformed},
		{"zip", `{"alg":"RS256","zip":"DEF"}`, `{}`, ErrMalformed},
		{"enc", `{"alg":"RS256","enc":"A256GCM"}`, `{}`, ErrMalformed},
		{"alg_twice", `{"alg":"RS256","alg":"RS256"}`, `{}`, ErrMalformed},
		{"alg_twice_escaped", `{"alg":"RS256","al\u0067":"none"}`, `{}`, ErrMalformed},
		{"alg_number", `{"alg":256}`, `{}`, ErrMalformed},
		{"alg_null", `{"alg":null}`, `{}`, ErrMalformed},
		{"alg_missing", `{"kid":"a"}`, `{}`, ErrMalformed},
		{"alg_other_case", `{"ALG":"RS256"}`, `{}`, ErrMalformed},
		{"kid_number", `{"alg":"RS256","kid":1}`, `{}`, ErrMalformed},
		{"header_array", `["RS256"]`, `{}`, ErrMalformed},
		{"header_two_objects", `{"alg":"RS256"}{}`, `{}`, ErrMalformed},
		{"header_not_utf8", "{\"alg\":\"RS256\",\"x\":\"\xff\"}", `{}`, ErrMalformed},
		{"header_bom", "\ufeff{\"alg\":\"RS256\"}", `{}`, ErrMalformed},
		{"claims_array", `{"alg":"RS256"}`, `[]`, ErrMalformed},
		{"claims_text", `{"alg":"RS256"}`, `foo`, ErrMalformed},
		{"claims_empty", `{"alg":"RS256"}`, ``, ErrMalformed},
		{"claims_twice", `{"alg":"RS256"}`, `{"sub":"a","sub":"b"}`, ErrMalformed},
		{"claims_twice_deep", `{"alg":"RS256"}`, `{"k":[{"sub":"a","s\u0075b":"a"}]}`, ErrMalformed},
		{"claims_not_utf8", `{"alg":"RS256"}`, "{\"sub\":\"\xc0\xae\"}", ErrMalformed},
		{"claims_half_surrogate", `{"alg":"RS256"}`, `{"sub":"\ud800"}`, ErrMalformed},
		{"claims_deep", `{"alg":"RS256"}`, `{"a":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, ErrMalformed},
		{"none", `{"alg":"none"}`, `{}`, ErrAlgorithm},
		{"none_case", `{"alg":"NonE"}`, `{}`, ErrAlgorithm},
		{"case_of_alg", `{"alg":"rs256"}`, `{}`, ErrAlgorithm},
		{"rs512", `{"alg":"RS512"}`, `{}`, ErrAlgorithm},
		{"ps256_not_in_policy", `{"alg":"PS256"}`, `{}`, ErrAlgorithm},
		{"kid_unknown", `{"alg":"RS256","kid":"A"}`, `{}`, ErrUnknownKey},
		{"kid_path", `{"alg":"RS256","kid":"../../../../dev/null"}`, `{}`, ErrUnknownKey},
		{"kid_sql", `{"alg":"RS256","kid":"' OR '1'='1"}`, `{}`, ErrUnknownKey},
		{"kid_url", `{"alg":"RS256","kid":"https://attacker.example/key"}`, `{}`, ErrUnknownKey},
		{"kid_nul", `{"alg":"RS256","kid":"a\u0000"}`, `{}`, ErrUnknownKey},
		{"kid_of_other_key", `{"alg":"RS256","kid":"b"}`, `{}`, ErrSignature},
	}
	keys := mustSet(t, key.Public(), otherKey(t).Public())
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			token, err := Verify(signRaw(t, key, test.header, test.payload), keys, rs256())
			if !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if (token == nil) != (test.want != nil) {
				t.Errorf("got token %v with error %v", token, err)
			}
		})
	}
}

func TestVerifyEncoding(t *testing.T) {
	key := newKey(t, "a")
	keys := mustSet(t, key.Public())
	token := mustSign(t, key, map[string]string{"sub": "s"})
	first, last := strings.IndexByte(token, '.'), strings.LastIndexByte(token, '.')
	tests := map[string]string{
		"empty":              "",
		"dots":               "..",
		"four_parts":         token + ".x",
		"five_parts":         token + ".x.y",
		"two_parts":          token[:last],
		"padding":            token + "==",
		"padding_in_header":  token[:first] + "=" + token[first:],
		"line_end":           token + "\n",
		"line_end_inside":    token[:last+9] + "\r\n" + token[last+9:],
		"space_before":       " " + token,
		"standard_alphabet":  token[:last+1] + "+/" + token[last+3:],
		"trailing_bits":      token[:len(token)-1] + string(token[len(token)-1]+1),
		"no_signature":       token[:last+1],
		"json_serialisation": `{"protected":"` + token[:first] + `","payload":"` + token[first+1:last] + `","signature":"` + token[last+1:] + `"}`,
		"bearer_prefix":      "Bearer " + token,
		"too_long":           strings.Repeat("a", DefaultMaxBytes) + token,
	}
	for name, bad := range tests {
		t.Run(name, func(t *testing.T) {
			if got, err := Verify(bad, keys, rs256()); err == nil || got != nil {
				t.Errorf("got %v, %v, want a refusal", got, err)
			}
		})
	}
	if _, err := Verify(token, keys, Policy{Algorithms: []Algorithm{RS256}, MaxBytes: len(token)}); err != nil {
		t.Errorf("a token of just the size: got %v", err)
	}
	if _, err := Verify(token, keys, Policy{Algorithms: []Algorithm{RS256}, MaxBytes: len(token) - 1}); !errors.Is(err, ErrMalformed) {
		t.Errorf("a token one byte too long: got %v, want %v", err, ErrMalformed)
	}
}

// TestVerifyEveryChange refuses each prefix, each suffix and each changed byte of a good token.
func TestVerifyEveryChange(t *testing.T) {
	key := newKey(t, "a")
	keys := mustSet(t, key.Public())
	token := mustSign(t, key, map[string]string{"iss": "https://issuer.example/", "sub": "s"})
	for i := range len(token) {
		for _, bad := range []string{token[:i], token[i+1:], flip(token, i, 1), flip(token, i, 2), flip(token, i, 0x20)} {
			if _, err := Verify(bad, keys, rs256()); err == nil {
				t.Errorf("changed at byte %d: accepted %q", i, bad)
			}
		}
	}
}

func flip(s string, i int, bits byte) string {
	b := []byte(s)
	b[i] ^= bits
	return string(b)
}

func TestVerifyAlgorithmConfusion(t *testing.T) {
	key := newKey(t, "a")
	keys := mustSet(t, key.Public())
	secret := key.private.N.Bytes()
	input := b64(`{"alg":"HS256","kid":"a"}`) + "." + b64(`{"sub":"s"}`)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	token := input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	for _, policy := range []Policy{rs256(), all(), {Algorithms: []Algorithm{"HS256", "none", ""}}, {}} {
		if _, err := Verify(token, keys, policy); !errors.Is(err, ErrAlgorithm) {
			t.Errorf("HS256 under %v: got %v, want %v", policy.Algorithms, err, ErrAlgorithm)
		}
	}
	es := signRaw(t, key, `{"alg":"ES256","kid":"a"}`, `{}`)
	if _, err := Verify(es, keys, all()); !errors.Is(err, ErrAlgorithm) {
		t.Errorf("ES256 header with an RSA key: got %v, want %v", err, ErrAlgorithm)
	}
	pinned := signRaw(t, key, `{"alg":"PS256","kid":"a"}`, `{}`)
	if _, err := Verify(pinned, keys, all()); !errors.Is(err, ErrAlgorithm) {
		t.Errorf("PS256 header with a key pinned to RS256: got %v, want %v", err, ErrAlgorithm)
	}
}

func TestVerifyES256AndPS256(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := NewPublicKey("ec", ES256, &private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey := newKey(t, "rsa")
	ps, err := NewPublicKey("rsa", "", &rsaKey.private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	keys := mustSet(t, ec, ps)
	input := b64(`{"alg":"ES256"}`) + "." + b64(`{}`)
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, private, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	if _, err := Verify(input+"."+base64.RawURLEncoding.EncodeToString(signature), keys, all()); err != nil {
		t.Errorf("ES256: got %v", err)
	}
	input = b64(`{"alg":"PS256","kid":"rsa"}`) + "." + b64(`{}`)
	digest = sha256.Sum256([]byte(input))
	signature, err = rsa.SignPSS(rand.Reader, rsaKey.private, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: 32})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(input+"."+base64.RawURLEncoding.EncodeToString(signature), keys, all()); err != nil {
		t.Errorf("PS256: got %v", err)
	}
	signature, err = rsa.SignPSS(rand.Reader, rsaKey.private, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: 20})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(input+"."+base64.RawURLEncoding.EncodeToString(signature), keys, all()); !errors.Is(err, ErrSignature) {
		t.Errorf("PS256 with a salt of 20 bytes: got %v, want %v", err, ErrSignature)
	}
}

func TestVerifyWithoutKidIsBounded(t *testing.T) {
	key := newKey(t, "")
	var keys []PublicKey
	for i := range maxTries + 1 {
		public, err := NewPublicKey(string(rune('a'+i)), RS256, &key.private.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, public)
	}
	token := signRaw(t, key, `{"alg":"RS256"}`, `{}`)
	if _, err := Verify(token, mustSet(t, keys[:maxTries]...), rs256()); err != nil {
		t.Errorf("with %d keys: got %v", maxTries, err)
	}
	if _, err := Verify(token, mustSet(t, keys...), rs256()); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("with %d keys: got %v, want %v", len(keys), err, ErrUnknownKey)
	}
	pinned, err := NewPublicKey("p", PS256, &key.private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(token, mustSet(t, pinned), rs256()); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("with a key for another algorithm: got %v, want %v", err, ErrUnknownKey)
	}
	if _, err := Verify(token, KeySet{}, rs256()); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("with no key: got %v, want %v", err, ErrUnknownKey)
	}
}

type hostileToken struct {
	name, token string
	most        int // bytes that refusing it may allocate
}

// hostile are tokens meant to cost more than they should (CVE-2025-30204 and its kin).
func hostile() []hostileToken {
	return []hostileToken{
		{"mebibyte_of_dots", strings.Repeat(".", 1<<20), 1 << 10},
		{"dots", strings.Repeat(".", DefaultMaxBytes), 1 << 10},
		{"five_parts", b64(`{"alg":"PBES2-HS256+A128KW","p2c":2147483647,"enc":"A128CBC-HS256"}`) + ".a.b.c." + strings.Repeat("d", 12<<10), 1 << 10},
		{"zip", b64(`{"alg":"RS256","zip":"DEF"}`) + "." + strings.Repeat("a", 12<<10) + ".a", 32 << 10},
		{"many_members", b64(`{"alg":"RS256"`+manyMembers(1000)+`}`) + ".e30.a", 256 << 10},
		{"deep", b64(strings.Repeat(`{"a":`, 2000)) + ".e30.a", 64 << 10},
		{"long_kid", b64(`{"alg":"RS256","kid":"`+strings.Repeat("k", 11<<10)+`"}`) + ".e30.a", 64 << 10},
	}
}

func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`,"` + string(rune(0x4e00+i)) + `":0`)
	}
	return b.String()
}

func TestHostileTokensCostLittle(t *testing.T) {
	keys := mustSet(t, newKey(t, "a").Public())
	for _, test := range hostile() {
		t.Run(test.name, func(t *testing.T) {
			const runs = 10
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range runs {
				if _, err := Verify(test.token, keys, rs256()); err == nil {
					t.Fatal("accepted")
				}
			}
			runtime.ReadMemStats(&after)
			if got := (after.TotalAlloc - before.TotalAlloc) / runs; got > uint64(test.most) {
				t.Errorf("got %d bytes allocated, want at most %d", got, test.most)
			}
		})
	}
}

func TestPeekUnverified(t *testing.T) {
	token := b64(`{"alg":"none","kid":"k"}`) + "." + b64(`{"iss":"i","sub":"s","aud":["a","b"]}`) + "."
	got, err := PeekUnverified(token, rs256())
	if err != nil {
		t.Fatal(err)
	}
	if got.Header.Kid != "k" || got.Claims.Issuer != "i" || got.Claims.Subject != "s" || len(got.Claims.Audience) != 2 {
		t.Errorf("got %+v", got)
	}
	for _, bad := range []string{"", "a.b", strings.Repeat(".", 1<<20), b64(`{"alg":"RS256"}`) + ".!.", b64(`{"alg":"RS256"}`) + ".W10."} {
		if _, err := PeekUnverified(bad, rs256()); !errors.Is(err, ErrMalformed) {
			t.Errorf("PeekUnverified(%.40q): got %v, want %v", bad, err, ErrMalformed)
		}
	}
}

func TestSigningKeyStorage(t *testing.T) {
	key := newKey(t, "stored")
	encoded, err := key.MarshalPEM()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseSigningKey("stored", encoded)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(mustSign(t, again, map[string]int{}), mustSet(t, key.Public()), rs256()); err != nil {
		t.Errorf("signed with the key read back: %v", err)
	}
	computed, err := ParseSigningKey("", encoded)
	if err != nil {
		t.Fatal(err)
	}
	if want, _ := KubernetesKeyID(&key.private.PublicKey); computed.Kid() != want || len(want) != 43 {
		t.Errorf("got kid %q, want %q", computed.Kid(), want)
	}
	for name, bad := range map[string][]byte{"empty": nil, "no_pem": []byte("x"), "wrong_type": bytes.Replace(encoded, []byte("PRIVATE"), []byte("PUBLIC"), 2), "cut": encoded[:len(encoded)/2]} {
		if _, err := ParseSigningKey("k", bad); !errors.Is(err, ErrKey) {
			t.Errorf("%s: got %v, want %v", name, err, ErrKey)
		}
	}
}
