package issuer

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/jose"
	"github.com/aksess/aksess/internal/store"
	"github.com/aksess/aksess/internal/store/memory"
)

const testTenant = "11111111-1111-1111-1111-111111111111"

// clock is moved by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func ids() func() string {
	var n atomic.Int64
	return func() string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n.Add(1)) }
}

// madeKeys are shared by all tests, as RSA keys are slow to make: each
// workbench takes them from the first on.
var madeKeys keyList

type keyList struct {
	mu   sync.Mutex
	keys []*jose.SigningKey
}

func (l *keyList) get(n int) (*jose.SigningKey, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.keys) <= n {
		key, err := jose.NewSigningKey("")
		if err != nil {
			return nil, err
		}
		l.keys = append(l.keys, key)
	}
	return l.keys[n], nil
}

// workbench is what the tests of this package share: one store, clock and pool.
type workbench struct {
	store store.Store
	clock *clock
	pool  *KeyPool
	newID func() string
}

func newWorkbench(t testing.TB) *workbench {
	t.Helper()
	b := &workbench{store: memory.New(), clock: &clock{now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}, newID: ids()}
	var made atomic.Int64
	b.pool = NewKeyPool(PoolOptions{
		Store: b.store, NewID: b.newID, Log: slog.New(slog.DiscardHandler),
		Generate: func() (*jose.SigningKey, error) { return madeKeys.get(int(made.Add(1)) - 1) },
	})
	t.Cleanup(b.pool.Close)
	return b
}

func (b *workbench) issuers() *Issuers {
	return New(Options{Store: b.store, Pool: b.pool, Now: b.clock.Now, NewID: b.newID})
}

// waitFor polls a condition that another goroutine brings about.
func waitFor(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); {
		if time.Now().After(deadline) {
			t.Fatalf("no %s within 20 s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func verify(t *testing.T, token string, keys jose.KeySet) *jose.Token {
	t.Helper()
	verified, err := jose.Verify(token, keys, jose.Policy{Algorithms: []jose.Algorithm{jose.RS256}})
	if err != nil {
		t.Fatalf("verifying: %v", err)
	}
	return verified
}
