package issuer

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/aksess/aksess/internal/jose"
	"github.com/aksess/aksess/internal/store"
	"github.com/aksess/aksess/internal/store/memory"
)

func TestPoolKeepsItsSpareAcrossRestarts(t *testing.T) {
	s := memory.New()
	options := PoolOptions{Store: s, NewID: ids(), Log: slog.New(slog.DiscardHandler)}
	first := NewKeyPool(options)
	waitFor(t, "spare key", func() bool { return first.Generated() == 1 })
	first.Close()
	stored, err := store.Collection[spareRecord]{Store: s, Kind: sparesKind}.All(t.Context(), "")
	if err != nil || len(stored) != 1 {
		t.Fatalf("got %d stored spares, %v, want 1", len(stored), err)
	}
	want, err := jose.ParseSigningKey("", stored[0].Value.PEM)
	if err != nil {
		t.Fatal(err)
	}

	second := NewKeyPool(options)
	defer second.Close()
	got, err := second.Take(t.Context())
	if err != nil || got.Kid() != want.Kid() {
		t.Errorf("got key %v, %v, want the stored one %s", got, err, want.Kid())
	}
}

func TestPoolsOfOneStoreNeverShareAKey(t *testing.T) {
	s := memory.New()
	options := PoolOptions{Store: s, NewID: ids(), Log: slog.New(slog.DiscardHandler)}
	first := NewKeyPool(options)
	waitFor(t, "spare key", func() bool { return first.Generated() == 1 })
	first.Close()

	a, b := NewKeyPool(options), NewKeyPool(options)
	defer a.Close()
	defer b.Close()
	waitFor(t, "both pools have the stored spare", func() bool { return len(a.ready) == 1 && len(b.ready) == 1 })
	one, err := a.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	other, err := b.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if one.Kid() == other.Kid() {
		t.Errorf("both pools gave out key %s", one.Kid())
	}
}

func TestPoolTakeEnds(t *testing.T) {
	hold := make(chan struct{})
	pool := NewKeyPool(PoolOptions{
		Store: memory.New(), NewID: ids(), Log: slog.New(slog.DiscardHandler),
		Generate: func() (*jose.SigningKey, error) { <-hold; return nil, errors.New("no entropy") },
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := pool.Take(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	close(hold)
	pool.Close()
	if _, err := pool.Take(t.Context()); !errors.Is(err, ErrPoolClosed) {
		t.Errorf("got %v, want ErrPoolClosed", err)
	}
}

func TestPoolTriesAgain(t *testing.T) {
	var calls atomic.Int64
	pool := NewKeyPool(PoolOptions{
		Store: memory.New(), NewID: ids(), Log: slog.New(slog.DiscardHandler),
		Generate: func() (*jose.SigningKey, error) {
			if calls.Add(1) == 1 {
				return nil, errors.New("not this time")
			}
			return jose.NewSigningKey("")
		},
	})
	defer pool.Close()
	if _, err := pool.Take(t.Context()); err != nil {
		t.Errorf("got %v, want a key at the second attempt", err)
	}
}
