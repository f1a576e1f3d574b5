package issuer

import (
	"context"
	"crypto/sha1" //nolint:gosec // UUID version 5 is defined with SHA-1 (RFC 9562, section 5.5)
	"fmt"
	"time"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/jose"
)

// Bounds of a TokenRequest's lifetime, in seconds (Kubernetes,
// pkg/apis/authentication/validation).
const (
	minExpiration = 600
	maxExpiration = 1 << 32
)

// ObjectRef names a Kubernetes object that a token is bound to.
type ObjectRef struct {
	Name string `json:"name,omitempty"`
	UID  string `json:"uid,omitempty"`
}

// TokenRequest asks for a token as the TokenRequest API does
// (https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/).
type TokenRequest struct {
	Namespace         string
	ServiceAccount    string
	UID               string     // of the service account; "" derives one that stays the same
	Audiences         []string   // none: the issuer itself, as AKS' API server defaults to
	ExpirationSeconds int64      // 600 to 2^32; 0 means 3600
	Pod               *ObjectRef // the pod that mounts the token, if any
	Node              *ObjectRef // the pod's node, if known; alone it binds the token to the node
	Now               time.Time  // zero: the issuers' clock
}

// tokenClaims has kube-apiserver's claims in the order in which it writes them
// (pkg/serviceaccount/claims.go): by name.
type tokenClaims struct {
	Audience   []string         `json:"aud"`
	Expiry     int64            `json:"exp"`
	IssuedAt   int64            `json:"iat"`
	Issuer     string           `json:"iss"`
	ID         string           `json:"jti"`
	Kubernetes kubernetesClaims `json:"kubernetes.io"`
	NotBefore  int64            `json:"nbf"`
	Subject    string           `json:"sub"`
}

type kubernetesClaims struct {
	Namespace      string     `json:"namespace,omitempty"`
	Node           *ObjectRef `json:"node,omitempty"`
	Pod            *ObjectRef `json:"pod,omitempty"`
	ServiceAccount ObjectRef  `json:"serviceaccount"`
}

// Mint signs a service account's token as the cluster's API server would. It
// fails with ErrNotFound when there is no such issuer, and on a request that
// the TokenRequest API refuses.
func (s *Issuers) Mint(ctx context.Context, id string, request TokenRequest) (string, error) {
	issuer, err := s.Get(ctx, id)
	if err != nil {
		return "", err
	}
	claims, err := s.claims(issuer, request)
	if err != nil {
		return "", err
	}
	key, err := s.ring(issuer.ID).Signing(ctx)
	if err != nil {
		return "", err
	}
	return jose.Sign(key.SigningKey, jose.HeaderExtras{}, claims)
}

func (s *Issuers) claims(issuer Issuer, request TokenRequest) (tokenClaims, error) {
	subject := chain.Subject(request.Namespace, request.ServiceAccount)
	if _, _, err := chain.ParseSubject(subject); err != nil {
		return tokenClaims{}, err
	}
	seconds := request.ExpirationSeconds
	if seconds == 0 {
		seconds = chain.DefaultTokenExpiration
	}
	if seconds < minExpiration {
		return tokenClaims{}, fmt.Errorf("expirationSeconds %d: may not specify a duration less than 10 minutes", seconds)
	}
	if seconds > maxExpiration {
		return tokenClaims{}, fmt.Errorf("expirationSeconds %d: may not specify a duration larger than 2^32 seconds", seconds)
	}
	audiences := request.Audiences
	if len(audiences) == 0 {
		audiences = []string{issuer.URL}
	}
	uid := request.UID
	if uid == "" {
		uid = stableUID(issuer.URL + " " + subject)
	}
	now := request.Now
	if now.IsZero() {
		now = s.options.Now()
	}
	return tokenClaims{
		Audience: audiences, Issuer: issuer.URL, Subject: subject, ID: s.options.NewID(),
		IssuedAt: now.Unix(), NotBefore: now.Unix(), Expiry: now.Unix() + seconds,
		Kubernetes: kubernetesClaims{
			Namespace: request.Namespace, Node: request.Node, Pod: request.Pod,
			ServiceAccount: ObjectRef{Name: request.ServiceAccount, UID: uid},
		},
	}, nil
}

// stableUID is a UUID that follows from a name alone (RFC 9562, section 5.5,
// within the namespace of URLs).
func stableUID(name string) string {
	namespace := [16]byte{0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8}
	sum := sha1.Sum(append(namespace[:], name...)) //nolint:gosec // see above
	sum[6] = sum[6]&0x0f | 0x50
	sum[8] = sum[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}
