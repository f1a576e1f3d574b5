package entra

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aksess/aksess/internal/store"
)

// Maintain makes missing signing keys, rotates old ones and drops those whose
// last token has expired; it also forgets sign-ins that are over. Call it in
// the background at start and now and then.
func (s *TokenService) Maintain(ctx context.Context) error {
	if err := s.ring.Maintain(ctx); err != nil {
		return err
	}
	now := s.options.Now()
	return errors.Join(
		sweep(ctx, s.devices, func(d device) bool { return now.After(d.Expires.Add(deviceLifetime)) }),
		sweep(ctx, s.userCodes, func(c userCode) bool { return now.After(c.Expires.Add(deviceLifetime)) }),
		sweep(ctx, s.codes, func(c authorizationCode) bool { return now.After(c.Expires.Add(codeLifetime)) }),
		sweep(ctx, s.sessions, func(k session) bool { return now.After(k.expiry()) }),
		sweep(ctx, s.lockouts, func(l lockout) bool { return now.After(l.Until.Add(time.Hour)) }),
	)
}

// sweep deletes the documents that are over, unless they changed since they were looked at.
func sweep[T any](ctx context.Context, c store.Collection[T], over func(T) bool) error {
	after := ""
	for {
		items, more, err := c.List(ctx, store.Query{After: after})
		if err != nil {
			return fmt.Errorf("looking for sign-ins that are over: %w", err)
		}
		for _, item := range items {
			after = item.Key
			if !over(item.Value) {
				continue
			}
			if err := c.Delete(ctx, item.Key, store.At(item.Version)); err != nil && !errors.Is(err, store.ErrConflict) {
				return fmt.Errorf("forgetting a sign-in: %w", err)
			}
		}
		if !more || len(items) == 0 {
			return nil
		}
	}
}
