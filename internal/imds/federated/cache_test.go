package federated

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aksess/aksess/internal/imds"
)

// TestCache follows one token through its life of an hour.
func TestCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorkbench(t)
		get := func(want int) {
			t.Helper()
			got, err := w.get(t.Context(), imds.Selector{}, vault)
			if err != nil || got.N != want {
				t.Fatalf("after %v: got token %d %v, want %d", time.Since(start()), got.N, err, want)
			}
			synctest.Wait()
		}
		get(1)
		time.Sleep(41 * time.Minute) // not yet 0.65 + 0.5/10 of the life
		get(1)
		if w.service.count() != 1 {
			t.Fatalf("got %d exchanges, want 1", w.service.count())
		}
		time.Sleep(2 * time.Minute)
		get(1) // and the refresh is started
		if w.service.count() != 2 {
			t.Fatalf("got %d exchanges, want a refresh", w.service.count())
		}
		get(2)

		w.service.answers(unreachable)
		time.Sleep(43 * time.Minute)
		get(2)
		tried := w.service.count()
		time.Sleep(2 * holdOutage)
		get(2) // the next refresh is half a minute away
		if w.service.count() != tried {
			t.Errorf("got a refresh at once after one that failed")
		}
		time.Sleep(29 * time.Second)
		get(2)
		if w.service.count() == tried {
			t.Errorf("got no refresh half a minute after one that failed")
		}
		time.Sleep(13 * time.Minute) // four minutes before its end
		get(2)                       // waits, and gets the old one since there is no other
		if got := w.Stats(); got.Stale != 1 || got.Unavailable != 0 {
			t.Errorf("got %+v, want one stale", got)
		}
		time.Sleep(4 * time.Minute)
		if _, err := w.get(t.Context(), imds.Selector{}, vault); refusal(t, err).Status != 503 {
			t.Errorf("got %v, want 503 for a token that has ended", err)
		}
		w.service.answers(nil)
		time.Sleep(holdOutage)
		get(w.service.count() + 1)
	})
}

// TestWallClock: a token ends by the wall clock, not by the one that stands still
// while a machine sleeps, which would hand out tokens that have ended.
func TestWallClock(t *testing.T) {
	w := newWorkbench(t)
	if _, err := w.get(t.Context(), imds.Selector{}, vault); err != nil {
		t.Fatal(err)
	}
	kept := w.cache.token(key{clientID, vault})
	for name, at := range map[string]time.Time{"end": kept.expires, "stale": kept.stale} {
		if at.String() != at.Round(0).String() {
			t.Errorf("%s: got %s, want no monotonic clock in it", name, at)
		}
	}
}

// start is when a bubble of synctest begins.
func start() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }

// TestRefreshIn: the service may say when, and a short life has its own bounds.
func TestRefreshIn(t *testing.T) {
	for name, test := range map[string]struct {
		life           string
		refresh, stale time.Duration
	}{
		"hour":       {`"expires_in":3600`, 42 * time.Minute, 55 * time.Minute},
		"day":        {`"expires_in":"86400"`, 16*time.Hour + 48*time.Minute, 24*time.Hour - 5*time.Minute},
		"refresh_in": {`"expires_in":86400,"refresh_in":43200`, 13*time.Hour + 12*time.Minute, 24*time.Hour - 5*time.Minute},
		"minute":     {`"expires_in":60,"refresh_in":40`, 43 * time.Second, 45 * time.Second},
		"too_late":   {`"expires_in":3600,"refresh_in":7200`, 42 * time.Minute, 55 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorkbench(t)
				w.service.answers(func(n int, form url.Values) (int, http.Header, string, error) {
					return http.StatusOK, nil, granted(n, form, test.life), nil
				})
				if _, err := w.get(t.Context(), imds.Selector{}, vault); err != nil {
					t.Fatal(err)
				}
				kept := w.cache.token(key{clientID, vault})
				if got := time.Unix(0, kept.refresh.Load()).Sub(start()); got != test.refresh {
					t.Errorf("got a refresh after %v, want %v", got, test.refresh)
				}
				if got := kept.stale.Sub(start()); got != test.stale {
					t.Errorf("got it stale after %v, want %v", got, test.stale)
				}
			})
		})
	}
}

// TestSingleFlight: who asks for the same waits for the same exchange, and who
// leaves does not end it.
func TestSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorkbench(t)
		w.service.hold = make(chan struct{})
		leaving, leave := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() {
			_, err := w.get(leaving, imds.Selector{}, vault)
			left <- err
		}()
		synctest.Wait()
		var others sync.WaitGroup
		for range 50 {
			others.Go(func() {
				if got, err := w.get(t.Context(), imds.Selector{ClientID: strings.ToUpper(clientID)}, vault); err != nil || got.N != 1 {
					t.Errorf("got token %d %v, want the first", got.N, err)
				}
			})
		}
		synctest.Wait()
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the context's error", err)
		}
		close(w.service.hold)
		others.Wait()
		if w.service.count() != 1 {
			t.Errorf("got %d exchanges, want 1", w.service.count())
		}
	})
}

// TestCacheKeepsApart: whatever happens in whatever order, the cache has for a key
// what was last kept for that very key, or nothing, and stays within its bounds.
func TestCacheKeepsApart(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	c, kept, refused := newCache(), map[key]*token{}, map[key]held{}
	now, hits := start(), 0
	for range 100_000 {
		now = now.Add(time.Second)
		k := key{string(rune('a' + random.IntN(30))), string(rune('a' + random.IntN(30)))}
		switch random.IntN(4) {
		case 0:
			kept[k] = &token{objectID: k.client + k.resource}
			delete(refused, k)
			c.keep(k, kept[k])
		case 1:
			refused[k] = held{&imds.Error{Code: k.client + k.resource}, now.Add(time.Duration(random.IntN(900)) * time.Second)}
			c.refuse(k, refused[k].refusal, refused[k].until)
		}
		if got := c.token(k); got != nil {
			hits++
			if got != kept[k] {
				t.Fatalf("%v: got the token of %s", k, got.objectID)
			}
		}
		if got, r := c.refusal(k, now), refused[k]; got != nil && (r.refusal == nil || got.Code != r.refusal.Code || !now.Before(r.until)) {
			t.Fatalf("%v: got %v at %v, want what is of %v", k, got, now, r)
		}
		if len(c.tokens) > maxTokens || len(c.refusals) > maxRefusals {
			t.Fatalf("got %d tokens and %d refusals", len(c.tokens), len(c.refusals))
		}
	}
	if hits == 0 {
		t.Error("the cache never had anything")
	}
}
