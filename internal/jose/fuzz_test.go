package jose

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	gojose "github.com/go-jose/go-jose/v4"
)

// FuzzToken holds Verify against go-jose: what is accepted here, go-jose
// accepts with the same claims. The other way round is not so; see doc.go.
func FuzzToken(f *testing.F) {
	key := newKey(f, "a")
	keys := mustSet(f, key.Public())
	good := mustSign(f, key, json.RawMessage(`{"iss":"i","sub":"s"}`))
	f.Add(good)
	f.Add(good + "\n")
	f.Add(good[:len(good)-1])
	f.Add(signRaw(f, key, `{"alg":"RS256","b64":true}`, `{"a":[{}]}`))
	f.Add(signRaw(f, key, `{"alg":"none"}`, `{}`))
	f.Add(b64(`{"alg":"none"}`) + "." + b64(`{}`) + ".")
	f.Add("..")
	f.Add("a.b.c.d.e")
	f.Fuzz(func(t *testing.T, token string) {
		got, err := Verify(token, keys, all())
		if err != nil {
			if got != nil {
				t.Errorf("got %+v with %v", got, err)
			}
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrAlgorithm) && !errors.Is(err, ErrUnknownKey) && !errors.Is(err, ErrSignature) {
				t.Errorf("got %v, want one of the four reasons", err)
			}
			return
		}
		parsed, err := gojose.ParseSignedCompact(token, []gojose.SignatureAlgorithm{gojose.RS256})
		if err != nil {
			t.Fatalf("accepted %q, which go-jose does not parse: %v", token, err)
		}
		payload, err := parsed.Verify(key.Public().Key())
		if err != nil || !bytes.Equal(payload, got.Claims) {
			t.Errorf("got claims %s, go-jose has %s, %v", got.Claims, payload, err)
		}
		if peek, err := PeekUnverified(token, all()); err == nil && peek.Header != got.Header {
			t.Errorf("got header %+v, unverified %+v", got.Header, peek.Header)
		}
	})
}

// TestSameAsGoJose runs the library's own signer against Verify and Sign against its verifier.
func TestSameAsGoJose(t *testing.T) {
	key := newKey(t, "a")
	signer, err := gojose.NewSigner(gojose.SigningKey{Algorithm: gojose.RS256, Key: gojose.JSONWebKey{Key: key.Signer(), KeyID: "a"}}, (&gojose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte(`{"sub":"s"}`))
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	if token, err := Verify(theirs, mustSet(t, key.Public()), rs256()); err != nil || token.Header.Typ != "JWT" {
		t.Errorf("their token here: got %v, %v", token, err)
	}
	parsed, err := gojose.ParseSignedCompact(mustSign(t, key, json.RawMessage(`{"sub":"s"}`)), []gojose.SignatureAlgorithm{gojose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	if payload, err := parsed.Verify(key.Public().Key()); err != nil || string(payload) != `{"sub":"s"}` {
		t.Errorf("our token there: got %s, %v", payload, err)
	}
}

// FuzzJWKS: whatever is published, the keys that come out keep the policy.
func FuzzJWKS(f *testing.F) {
	document, err := MarshalJWKS(PublishedKey{Key: newKey(f, "a").Public()}, PublishedKey{Key: otherKey(f).Public(), Certificate: selfSigned(f, otherKey(f))})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(document)
	f.Add([]byte(`{"keys":[{"kty":"oct","k":""},{"kty":"EC","crv":"P-256"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQ","e":"AQ","kid":"a"},{"kid":"a"}]}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		set, err := ParseJWKS(document)
		if err != nil {
			if !errors.Is(err, ErrKeySet) || set.Len() != 0 {
				t.Errorf("got %d keys, %v", set.Len(), err)
			}
			return
		}
		if _, err := NewKeySet(set.keys...); err != nil {
			t.Errorf("the keys do not make a set: %v", err)
		}
		for _, key := range set.keys {
			if err := checkKey(key.Key()); err != nil {
				t.Errorf("key %q: %v", key.Kid(), err)
			}
		}
	})
}

// FuzzDiscovery: a document is accepted only when it is the issuer's own by every byte.
func FuzzDiscovery(f *testing.F) {
	f.Add([]byte(discovery(testIssuer, testKeys).body), testIssuer)
	f.Add([]byte(`{"issuer":"a","jwks_uri":"b"}`), "a")
	f.Add([]byte(`{"\u0069ssuer":"a\u002f","jwks_uri":""}`), "a/")
	f.Fuzz(func(t *testing.T, document []byte, issuer string) {
		address, err := parseDiscovery(document, issuer)
		if err != nil {
			return
		}
		var other map[string]any
		if err := json.Unmarshal(document, &other); err != nil || other["issuer"] != issuer || other["jwks_uri"] != address || address == "" || issuer == "" {
			t.Errorf("got %q for %q, encoding/json has %v, %v", address, issuer, other, err)
		}
	})
}

// FuzzClaims holds the claims against encoding/json's idea of the same members.
func FuzzClaims(f *testing.F) {
	f.Add([]byte(`{"iss":"i","sub":"s","aud":["a"],"exp":1,"nbf":1.5,"iat":1e3,"jti":"j"}`))
	f.Add([]byte(`{"iss":"i","ISS":"x","i\u0073s":"y"}`))
	f.Add([]byte(`{"aud":"\ud83d\ude00","exp":9223372036854775808}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		got, err := ParseClaims(document)
		if err != nil {
			return
		}
		var other map[string]any
		if err := json.Unmarshal(document, &other); err != nil {
			t.Fatalf("accepted %q, which encoding/json does not: %v", document, err)
		}
		for name, value := range map[string]string{"iss": got.Issuer, "sub": got.Subject, "jti": got.ID} {
			if text, _ := other[name].(string); text != value {
				t.Errorf("%s: got %q, encoding/json has %q", name, value, other[name])
			}
		}
		if text, ok := other["aud"].(string); ok && (len(got.Audience) != 1 || got.Audience[0] != text) {
			t.Errorf("aud: got %q, encoding/json has %q", got.Audience, text)
		}
		if list, ok := other["aud"].([]any); ok && fmt.Sprint(list) != fmt.Sprint(got.Audience) {
			t.Errorf("aud: got %q, encoding/json has %q", got.Audience, list)
		}
		if number, ok := other["exp"].(float64); ok && (got.Expiry.Unix() > int64(number)+1 || got.Expiry.Unix() < int64(number)-1) {
			t.Errorf("exp: got %v, encoding/json has %v", got.Expiry, number)
		}
	})
}

// FuzzObject holds the scanner against encoding/json with the strictness added.
func FuzzObject(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1}`, `{"a":{"b":[1,2,{"c":null}]}}`, `{"a":1,"a":2}`, `{"a":"\ud800\udc00"}`, `{"a":"\udc00"}`, `{"a":-0.0e-1}`, `{"a":01}`,
		`{"a":"` + "\x7f" + `"}`, `{"a":"\/"}`, `{"a":tru}`, `[1]`, `{} {}`, `{"a":"\u00e4","ä":1}`, `{"\u0061":1,"a":2}`, strings.Repeat(`{"a":`, 40),
		`{"a":"\udc00\udc00"}`, `{"a":"\ud800\ue000"}`, `{"a":"\ud800\ud800"}`, `{"a":"\ud800x"}`,
		`{"z":0` + manyMembers(30) + `}`, `{"z":0` + manyMembers(30) + `,"z":1}`, `{"z":0` + manyMembers(30) + manyMembers(1) + `}`,
		`{"z":{"y":0` + manyMembers(30) + `},"y":1` + manyMembers(30) + `}`, `{"y":0` + manyMembers(30) + `,"z":{"y":0},"x":1}`,
		`{"a":{"b":0},"b":{"a":0},"c":[{"a":0},{"a":0}]}`, `{"a":{"b":0},"a":0}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		got := visitObject(document, nil) == nil
		if want := strictly(document); got != want {
			t.Errorf("%q: got accepted %v, want %v", document, got, want)
		}
	})
}

// strictly is the rule of visitObject, in encoding/json's terms.
func strictly(document []byte) bool {
	trimmed := bytes.TrimLeft(document, " \t\r\n")
	if !utf8.Valid(document) || !json.Valid(document) || len(trimmed) == 0 || trimmed[0] != '{' || halfSurrogate(document) {
		return false
	}
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	var open []map[string]bool // nil for an array
	key := false               // the next token is a name
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			return true
		}
		if err != nil {
			return false
		}
		if name, ok := token.(string); ok && key {
			top := open[len(open)-1]
			if top[name] {
				return false
			}
			top[name], key = true, false
			continue
		}
		switch token {
		case json.Delim('{'):
			open = append(open, map[string]bool{})
		case json.Delim('['):
			open = append(open, nil)
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
		}
		if len(open) > maxDepth {
			return false
		}
		key = len(open) > 0 && open[len(open)-1] != nil
	}
}

// halfSurrogate reports an escape that encoding/json would replace by U+FFFD.
func halfSurrogate(document []byte) bool {
	for i := 0; i < len(document); i++ {
		if document[i] != '\\' {
			continue
		}
		if i++; document[i] != 'u' {
			continue
		}
		var unit, low int
		fmt.Sscanf(string(document[i+1:i+5]), "%04x", &unit)
		i += 4
		if unit < 0xd800 || unit > 0xdfff {
			continue
		}
		if unit >= 0xdc00 || i+6 >= len(document) || document[i+1] != '\\' || document[i+2] != 'u' {
			return true
		}
		fmt.Sscanf(string(document[i+3:i+7]), "%04x", &low)
		if low < 0xdc00 || low > 0xdfff {
			return true
		}
		i += 6
	}
	return false
}
