package jose

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
)

const (
	signingBits = 2048 // what Entra and AKS sign with; a larger key costs tokens per second
	pemType     = "PRIVATE KEY"
)

// SigningKey is an RSA key that signs tokens with RS256. It may be used from
// several goroutines. Make it with [NewSigningKey] or [ParseSigningKey].
type SigningKey struct {
	kid     string
	private *rsa.PrivateKey // with its precomputed values
	public  PublicKey
}

// NewSigningKey generates an RSA-2048 key, which takes about 0.1 s of one core.
// An empty kid becomes the one that kube-apiserver would compute, see
// [KubernetesKeyID].
func NewSigningKey(kid string) (*SigningKey, error) {
	private, err := rsa.GenerateKey(nil, signingBits) // the reader is ignored since Go 1.26
	if err != nil {
		return nil, fmt.Errorf("generating a signing key: %w", err)
	}
	return newSigningKey(kid, private)
}

// ParseSigningKey reads what [SigningKey.MarshalPEM] wrote: an RSA key in
// PKCS #8. The kid is not part of it; an empty one is computed as in
// [NewSigningKey].
func ParseSigningKey(kid string, encoded []byte) (*SigningKey, error) {
	block, _ := pem.Decode(encoded)
	if block == nil || block.Type != pemType {
		return nil, refuse(ErrKey, "no PEM block of type %s", pemType)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, refuse(ErrKey, "%v", err)
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, refuse(ErrKey, "key of type %T where RSA is expected", parsed)
	}
	return newSigningKey(kid, private)
}

func newSigningKey(kid string, private *rsa.PrivateKey) (*SigningKey, error) {
	if kid == "" {
		var err error
		if kid, err = KubernetesKeyID(&private.PublicKey); err != nil {
			return nil, err
		}
	}
	public, err := NewPublicKey(kid, RS256, &private.PublicKey)
	if err != nil {
		return nil, err
	}
	return &SigningKey{kid: kid, private: private, public: public}, nil
}

// Kid returns the key's id.
func (k *SigningKey) Kid() string { return k.kid }

// Public returns the key to publish, pinned to RS256.
func (k *SigningKey) Public() PublicKey { return k.public }

// Signer returns the private key for other uses, such as a certificate or the
// key file of a kube-apiserver. It must not be changed.
func (k *SigningKey) Signer() *rsa.PrivateKey { return k.private }

// MarshalPEM writes the private key in PKCS #8 for storage. It is a secret.
func (k *SigningKey) MarshalPEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return nil, fmt.Errorf("encoding signing key %q: %w", k.kid, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}), nil
}

// HeaderExtras are the header's members beside alg and kid, which are the key's.
type HeaderExtras struct {
	Typ string // "JWT" in Entra's tokens, absent in Kubernetes'
	X5t string // in Entra's v1 tokens, equal to the kid
}

// Sign encodes the claims and signs them with RS256. claims is a JSON object
// as json.RawMessage, or anything that encoding/json makes one of. All but a
// few microseconds of it is the signature itself.
func Sign(key *SigningKey, extras HeaderExtras, claims any) (string, error) {
	payload, ok := claims.(json.RawMessage)
	if !ok {
		var err error
		if payload, err = json.Marshal(claims); err != nil {
			return "", fmt.Errorf("encoding claims: %w", err)
		}
	}
	if len(payload) == 0 || payload[0] != '{' {
		return "", fmt.Errorf("claims of type %T are not a JSON object", claims)
	}
	header, err := json.Marshal(struct { // in Entra's order
		Typ string    `json:"typ,omitempty"`
		Alg Algorithm `json:"alg"`
		X5t string    `json:"x5t,omitempty"`
		Kid string    `json:"kid"`
	}{extras.Typ, RS256, extras.X5t, key.kid})
	if err != nil {
		return "", fmt.Errorf("encoding header: %w", err)
	}
	b64 := base64.RawURLEncoding
	size := b64.EncodedLen(len(header)) + b64.EncodedLen(len(payload)) + b64.EncodedLen(key.private.Size()) + 2
	token := b64.AppendEncode(make([]byte, 0, size), header)
	token = b64.AppendEncode(append(token, '.'), payload)
	digest := sha256.Sum256(token)
	signature, err := rsa.SignPKCS1v15(nil, key.private, crypto.SHA256, digest[:])
	if err != nil {
		return "", fmt.Errorf("signing with key %q: %w", key.kid, err)
	}
	return string(b64.AppendEncode(append(token, '.'), signature)), nil
}
