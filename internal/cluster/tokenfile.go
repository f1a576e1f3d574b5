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
	wait, retry := f.pause(token), retryMin
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.After(wait):
		}
		next, err := f.Write(ctx)
		if err != nil {
			f.Log.Warn("refreshing the service account's token", "error", err, "again_in", retry, "expires", token.Expires)
			wait, retry = retry, min(2*retry, retryMax)
			continue
		}
		token, wait, retry = next, f.pause(next), retryMin
		f.Log.Info("refreshed the service account's token", "expires", token.Expires)
	}
}

func (f *TokenFile) pause(token Token) time.Duration {
	left := token.Expires.Sub(f.Now())
	return max(time.Duration(float64(left)*refreshAt), retryMin)
}
