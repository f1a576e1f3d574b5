package jose

import (
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// all allows every algorithm of the package.
func all() Policy { return Policy{Algorithms: []Algorithm{RS256, PS256, ES256}} }

type refusal struct {
	want   error
	reason string
}

// notOffered is the written policy for the cases that the vectors call valid
// and that are refused here, by the algorithm of the group's key.
var notOffered = map[string]refusal{
	"HS256": {ErrKeySet, "symmetric keys have no place where a public key is expected"},
	"HS384": {ErrKeySet, "symmetric keys have no place where a public key is expected"},
	"HS512": {ErrKeySet, "symmetric keys have no place where a public key is expected"},
	"RS384": {ErrAlgorithm, "no party of the chain signs with it"},
	"RS512": {ErrAlgorithm, "no party of the chain signs with it"},
	"PS384": {ErrAlgorithm, "no party of the chain signs with it"},
	"PS512": {ErrAlgorithm, "no party of the chain signs with it"},
	"ES521": {ErrAlgorithm, "no party of the chain signs with it, and RFC 7518 calls it ES512"},
}

var encrypted = refusal{ErrMalformed, "an encrypted token where a signed one is expected"}

// singular holds the cases of json_web_signature whose reason is their own.
var singular = map[int]refusal{
	346: {ErrAlgorithm, "the key says PS256 and the token PS384: the key decides"},
	350: {ErrAlgorithm, "the key says PS256 and the token PS384: the key decides"},
	372: {ErrMalformed, "'?' is not base64url; the case expects that it be skipped"},
	373: {ErrMalformed, "'?' is not base64url; the case expects that it be skipped"},
}

type webGroup struct {
	Comment string          `json:"comment"`
	Private json.RawMessage `json:"private"`
	Public  json.RawMessage `json:"public"`
	Tests   []struct {
		ID      int             `json:"tcId"`
		Comment string          `json:"comment"`
		JWS     json.RawMessage `json:"jws"`
		JWE     json.RawMessage `json:"jwe"`
		Result  string          `json:"result"`
	} `json:"tests"`
}

// document returns the group's key as a key set, and the algorithm of its first key.
func (g webGroup) document(t *testing.T) (set []byte, alg string) {
	t.Helper()
	key := g.Public
	if len(key) == 0 || string(key) == "null" {
		key = g.Private
	}
	var shape struct {
		Keys []struct {
			Alg string `json:"alg"`
		} `json:"keys"`
		Alg string `json:"alg"`
	}
	if err := json.Unmarshal(key, &shape); err != nil {
		t.Fatal(err)
	}
	if len(shape.Keys) > 0 {
		return key, shape.Keys[0].Alg
	}
	return fmt.Appendf(nil, `{"keys":[%s]}`, key), shape.Alg
}

func readVectors[Group any](t *testing.T, name string) []Group {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", "wycheproof", name+"_test.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []Group `json:"testGroups"`
	}
	if err := json.Unmarshal(content, &file); err != nil {
		t.Fatal(err)
	}
	return file.Groups
}

// verifyPayload is Verify without its demand that the payload be claims; the
// payloads of the vectors are not.
func verifyPayload(token string, document []byte) error {
	c, err := parseCompact(token, 0)
	if err != nil {
		return err
	}
	keys, err := ParseJWKS(document)
	if err != nil {
		return err
	}
	if err := all().allows(c.header.Alg); err != nil {
		return err
	}
	candidates, err := keys.candidates(c.header.Kid, c.header.Alg)
	if err != nil {
		return err
	}
	_, _, err = c.payloadBy(candidates)
	return err
}

func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw) // JSON serialisation
}

func TestWycheproofTokens(t *testing.T) {
	tests := []struct {
		file                    string
		accepted, policy, cases int
	}{
		{"json_web_signature", 16, 30, 401},
		{"json_web_key", 1, 4, 26},
		{"json_web_crypto", 2, 4, 83},
		{"json_web_encryption", 0, 65, 139},
	}
	for _, test := range tests {
		t.Run(test.file, func(t *testing.T) {
			accepted, policy, cases := 0, 0, 0
			for _, group := range readVectors[webGroup](t, test.file) {
				document, alg := group.document(t)
				for _, c := range group.Tests {
					cases++
					token := c.JWS
					if len(token) == 0 {
						token = c.JWE
					}
					err := verifyPayload(text(token), document)
					deviation, refused := notOffered[alg]
					if own, ok := singular[c.ID]; ok && test.file == "json_web_signature" {
						deviation, refused = own, true
					}
					if len(c.JWE) > 0 {
						deviation, refused = encrypted, true
					}
					switch {
					case c.Result == "valid" && refused:
						policy++
						if !errors.Is(err, deviation.want) {
							t.Errorf("%d %s: got %v, want %v: %s", c.ID, c.Comment, err, deviation.want, deviation.reason)
						}
					case c.Result == "valid":
						accepted++
						if err != nil {
							t.Errorf("%d %s: got %v, want it accepted", c.ID, c.Comment, err)
						}
					case err == nil:
						t.Errorf("%d %s: accepted, want it refused", c.ID, c.Comment)
					}
				}
			}
			if accepted != test.accepted || policy != test.policy || cases != test.cases {
				t.Errorf("got %d accepted, %d refused by policy of %d, want %d, %d of %d", accepted, policy, cases, test.accepted, test.policy, test.cases)
			}
		})
	}
}

type rawGroup struct {
	DER   string `json:"publicKeyDer"`
	Tests []struct {
		ID        int    `json:"tcId"`
		Comment   string `json:"comment"`
		Message   string `json:"msg"`
		Signature string `json:"sig"`
		Result    string `json:"result"`
	} `json:"tests"`
}

func TestWycheproofSignatures(t *testing.T) {
	tests := []struct {
		file      string
		algorithm Algorithm
		cases     int
	}{
		{"rsa_signature_2048_sha256", RS256, 259},
		{"rsa_pss_2048_sha256_mgf1_32", PS256, 108},
		{"ecdsa_secp256r1_sha256_p1363", ES256, 262},
	}
	for _, test := range tests {
		t.Run(test.file, func(t *testing.T) {
			cases := 0
			for _, group := range readVectors[rawGroup](t, test.file) {
				key := parseDER(t, group.DER)
				for _, c := range group.Tests {
					cases++
					got := test.algorithm.verify(key, unhex(t, c.Message), unhex(t, c.Signature))
					if got != (c.Result == "valid") && c.Result != "acceptable" {
						t.Errorf("%d %s: got %v, want %s", c.ID, c.Comment, got, c.Result)
					}
				}
			}
			if cases != test.cases {
				t.Errorf("got %d cases, want %d", cases, test.cases)
			}
		})
	}
}

func parseDER(t *testing.T, encoded string) crypto.PublicKey {
	t.Helper()
	key, err := x509.ParsePKIXPublicKey(unhex(t, encoded))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
