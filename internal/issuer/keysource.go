package issuer

import (
	"context"
	"errors"
	"fmt"

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
