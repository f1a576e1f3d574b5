package issuer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aksess/aksess/internal/jose"
)

var _ jose.KeySource = (*Issuers)(nil)

// Keys implements jose.KeySource for the issuers of this local Azure, without
// HTTP. For any other issuer the error wraps jose.ErrUnknownIssuer.
func (s *Issuers) Keys(ctx context.Context, issuerURL, _ string) (jose.KeySet, error) {
	issuer, err := s.ByURL(ctx, issuerURL)
	if errors.Is(err, ErrNotFound) {
		return jose.KeySet{}, fmt.Errorf("%w: %.200q is not a cluster of this local Azure", jose.ErrUnknownIssuer, issuerURL)
	}
	if err != nil {
		return jose.KeySet{}, err
	}
	return s.ring(issuer.ID).KeySet(ctx)
}

// Gone answers for issuers of one tenant that this local Azure would own but
// does not have: those of clusters that were deleted. Their keys are nowhere
// else, so nobody is to ask the real host of that name for them. Put it after
// the Issuers and before a remote source.
type Gone struct {
	TenantID string // the local Azure's own
}

// Keys implements jose.KeySource. It finds no keys: the error is a
// *jose.FetchError for the tenant's issuers and wraps jose.ErrUnknownIssuer for all others.
func (g Gone) Keys(_ context.Context, issuerURL, _ string) (jose.KeySet, error) {
	region, rest, found := strings.Cut(issuerURL, hostSuffix+"/")
	if !found || !strings.HasPrefix(region, "https://") || !strings.HasPrefix(rest, strings.ToLower(g.TenantID)+"/") {
		return jose.KeySet{}, fmt.Errorf("%w: %.200q is no issuer of tenant %s", jose.ErrUnknownIssuer, issuerURL, g.TenantID)
	}
	return jose.KeySet{}, &jose.FetchError{
		Reason: jose.ErrUnreachable, Issuer: issuerURL, URL: issuerURL + ".well-known/openid-configuration", Status: http.StatusNotFound,
	}
}
