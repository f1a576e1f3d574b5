package main

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"
)

// spread of the ratios of a pair's rounds.
type spread struct {
	ratios      []float64
	ours, bares []float64 // CPU microseconds for a request
	p50, p99    time.Duration
	failed      int
}

func (s *spread) add(ours, bare result) {
	s.ratios = append(s.ratios, float64(ours.perRequest())/float64(bare.perRequest()))
	s.ours = append(s.ours, float64(ours.perRequest().Nanoseconds())/1e3)
	s.bares = append(s.bares, float64(bare.perRequest().Nanoseconds())/1e3)
	s.p50, s.p99 = ours.p50, ours.p99
	s.failed += ours.failed + bare.failed
}

func (s *spread) print(what, target string) {
	ours, bare, ratio := median(s.ours), median(s.bares), median(s.ratios)
	row(what, fmt.Sprintf("%.0f µs CPU, %.0f per core-second", ours, 1e6/ours), fmt.Sprintf("bare server %.0f µs, %.0f", bare, 1e6/bare),
		fmt.Sprintf("%.2f × the CPU (%.0f %% of the rate); %d failed", ratio, 100/ratio, s.failed), target)
}

// exchanges measures fresh tokens: every request has an assertion of its own,
// so nothing can be reused, and every assertion is verified.
func exchanges(ctx context.Context, o options) error {
	a, err := start(ctx, o, "--ephemeral")
	if err != nil {
		return err
	}
	defer a.stop()
	w, err := a.workload(ctx)
	if err != nil {
		return err
	}
	token, err := a.accessToken(ctx, w)
	if err != nil {
		return err
	}
	b, err := startBare(token)
	if err != nil {
		return err
	}
	defer b.stop()
	address := "https://login.microsoftonline.com/" + a.TenantID + "/oauth2/v2.0/token"
	bareBody := form(w.clientID, b.assertion)
	ours, theirs := a.http(o.conns), b.http(o.conns)
	var pair spread
	for range o.rounds {
		assertions, err := a.assertions(ctx, w, int(o.time.Seconds()*1200))
		if err != nil {
			return err
		}
		var used atomic.Int64
		mine, err := drive(ctx, ours, a.cmd.Process.Pid, o.conns, o.time, func() (*http.Request, error) {
			n := int(used.Add(1)) - 1
			if n >= len(assertions) {
				return nil, nil
			}
			return post(address, form(w.clientID, assertions[n]))
		})
		if err != nil {
			return err
		}
		bare, err := drive(ctx, theirs, b.cmd.Process.Pid, o.conns, o.time, func() (*http.Request, error) { return post(b.url+"/token", bareBody) })
		if err != nil {
			return err
		}
		pair.add(mine, bare)
	}
	pair.print("token exchange, fresh RS256 token, every assertion verified", "≤ 1.15 ×")
	return a.reuse(ctx, o, w, address)
}

// reuse measures identical requests: the assertion is verified or recognised
// each time, the signed token is shared.
func (a *azure) reuse(ctx context.Context, o options, w *workload, address string) error {
	assertion, err := a.assertion(ctx, w)
	if err != nil {
		return err
	}
	body := form(w.clientID, assertion)
	same, err := drive(ctx, a.http(o.conns), a.cmd.Process.Pid, o.conns, o.time, func() (*http.Request, error) { return post(address, body) })
	if err != nil {
		return err
	}
	us := float64(same.perRequest().Nanoseconds()) / 1e3
	row("token exchange, identical requests", fmt.Sprintf("%.0f µs CPU, %.0f per core-second", us, 1e6/us), "", fmt.Sprintf("%d failed", same.failed), "")
	return nil
}

// accessToken is what the workload gets for its assertion.
func (a *azure) accessToken(ctx context.Context, w *workload) (string, error) {
	assertion, err := a.assertion(ctx, w)
	if err != nil {
		return "", err
	}
	token, err := a.client.Assert(ctx, w.clientID, assertion, "https://vault.azure.net")
	return token.AccessToken, err
}

// assertions requests n tokens of the service account.
func (a *azure) assertions(ctx context.Context, w *workload, n int) ([]string, error) {
	tokens := make([]string, n)
	for i := range tokens {
		token, err := a.assertion(ctx, w)
		if err != nil {
			return nil, err
		}
		tokens[i] = token
	}
	return tokens, nil
}

// secretReads measures a secret read by role with a token that was seen before.
func secretReads(ctx context.Context, o options) error {
	a, err := start(ctx, o, "--ephemeral")
	if err != nil {
		return err
	}
	defer a.stop()
	w, err := a.workload(ctx)
	if err != nil {
		return err
	}
	if err := a.vault(ctx, w); err != nil {
		return err
	}
	token, err := a.accessToken(ctx, w)
	if err != nil {
		return err
	}
	b, err := startBare(token)
	if err != nil {
		return err
	}
	defer b.stop()
	read := func(address, bearer string) func() (*http.Request, error) {
		return func() (*http.Request, error) {
			request, err := http.NewRequest(http.MethodGet, address, nil)
			if err == nil {
				request.Header.Set("Authorization", "Bearer "+bearer)
			}
			return request, err
		}
	}
	ours, theirs := a.http(o.conns), b.http(o.conns)
	var pair spread
	for range o.rounds {
		mine, err := drive(ctx, ours, a.cmd.Process.Pid, o.conns, o.time, read("https://bench-kv.vault.azure.net/secrets/name/?api-version=7.4", token))
		if err != nil {
			return err
		}
		bare, err := drive(ctx, theirs, b.cmd.Process.Pid, o.conns, o.time, read(b.url+"/secret", b.bearer))
		if err != nil {
			return err
		}
		pair.add(mine, bare)
	}
	pair.print("secret read by role, token seen before", "≥ 80 % of the rate")
	return nil
}
