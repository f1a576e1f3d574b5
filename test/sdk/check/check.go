// Package check is how a program that tries an SDK reports, in every language:
// one line a check on standard output, "ok NAME" or "FAIL NAME: reason", and
// exit code 1 when one failed.
package check

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
)

// Report writes the lines.
type Report struct {
	Out    io.Writer
	Failed int
}

// Do runs one check, at most a minute, and reports it.
func (r *Report) Do(ctx context.Context, name string, f func(context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := f(ctx); err != nil {
		r.Failed++
		fmt.Fprintf(r.Out, "FAIL %s: %s\n", name, oneLine(err.Error()))
		return
	}
	fmt.Fprintf(r.Out, "ok %s\n", name)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// Equal compares what was read with what was expected.
func Equal[T comparable](what string, got, want T) error {
	if got == want {
		return nil
	}
	return fmt.Errorf("%s: got %v, want %v", what, got, want)
}

// Refused reports whether an SDK's error is the service's refusal with that
// status and code; the code may also be an inner one that only the body has.
func Refused(err error, status int, code string) error {
	var refusal *azcore.ResponseError
	if !errors.As(err, &refusal) {
		return fmt.Errorf("got %v, want a refusal with %d %s", err, status, code)
	}
	if refusal.StatusCode != status || (refusal.ErrorCode != code && !strings.Contains(refusal.Error(), `"`+code+`"`)) {
		return fmt.Errorf("got %d %s (%w), want %d %s", refusal.StatusCode, refusal.ErrorCode, err, status, code)
	}
	return nil
}

// Identity is the client id and object id that an access token says it is for.
// The signature is the service's to check.
func Identity(accessToken string) (clientID, objectID string, err error) {
	parts := strings.Split(accessToken, ".")
	if len(parts) != 3 {
		return "", "", fmt.Errorf("the access token has %d parts, want 3", len(parts))
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", "", fmt.Errorf("claims of the access token: %w", err)
	}
	var claims struct{ AppID, OID string }
	if err := json.Unmarshal(text, &claims); err != nil {
		return "", "", fmt.Errorf("claims of the access token: %w", err)
	}
	return claims.AppID, claims.OID, nil
}
