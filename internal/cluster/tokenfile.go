package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// Token is a service account's token. Value is a secret: never log it.
type Token struct {
	Value   string
	Expires time.Time
}

const (
	// refreshAt is the part of its life after which the kubelet replaces a
	// projected token (https://kubernetes.io/docs/concepts/storage/projected-volumes/#serviceaccounttoken).
	refreshAt = 0.8
	retryMin  = time.Second
	retryMax  = time.Minute
	// glance is the longest time between two looks at the clock: timers stand
	// still while a machine sleeps, tokens do not.
	glance = 30 * time.Second
)

// TokenFile keeps a file with a valid token, as a projected volume does.
type TokenFile struct {
	Path    string // 0600, in a folder of its own that only its owner may read
	Request func(ctx context.Context) (Token, error)
	Now     func() time.Time
	After   func(time.Duration) <-chan time.Time // time.After, but for tests
	Log     *slog.Logger
}

// Write requests a token and replaces the file by it in one step.
func (f *TokenFile) Write(ctx context.Context) (Token, error) {
	token, err := f.Request(ctx)
	if err != nil {
		return token, err
	}
	next := filepath.Join(filepath.Dir(f.Path), ".next")
	if err := os.WriteFile(next, []byte(token.Value), 0o600); err != nil {
		return token, fmt.Errorf("writing the token: %w", err)
	}
	if err := os.Rename(next, f.Path); err != nil {
		return token, fmt.Errorf("writing the token: %w", err)
	}
	return token, nil
}

// Keep replaces the token before it expires until ctx ends. A failed request is
// tried again, sooner at first, while the old token stays where it is.
func (f *TokenFile) Keep(ctx context.Context, token Token) {
	due, retry := f.due(token), retryMin
	for f.waitUntil(ctx, due) {
		next, err := f.Write(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			f.Log.Warn("refreshing the service account's token", "error", err, "again_in", retry, "expires", token.Expires)
			due, retry = f.wall().Add(retry), min(2*retry, retryMax)
		default:
			token, due, retry = next, f.due(next), retryMin
			f.Log.Info("refreshed the service account's token", "expires", token.Expires)
		}
	}
}

// due is when the token is to be replaced.
func (f *TokenFile) due(token Token) time.Time {
	now := f.wall()
	left := token.Expires.Sub(now)
	return now.Add(max(time.Duration(float64(left)*refreshAt), retryMin))
}

// waitUntil waits for the moment; false means that ctx ended first.
func (f *TokenFile) waitUntil(ctx context.Context, moment time.Time) bool {
	for {
		left := moment.Sub(f.wall())
		if left <= 0 {
			return ctx.Err() == nil
		}
		select {
		case <-ctx.Done():
			return false
		case <-f.After(min(left, glance)):
		}
	}
}

// wall is the time of the clock on the wall, which Now's own comparisons leave
// aside while both times come from this process.
func (f *TokenFile) wall() time.Time { return f.Now().Round(0) }
