package issuer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/aksess/aksess/internal/jose"
	"github.com/aksess/aksess/internal/store"
)

// ErrPoolClosed is what Take returns after Close.
var ErrPoolClosed = errors.New("key pool is closed")

const (
	sparesKind = "issuer.spares"
	// poolRetry is the pause after a failed generation or a failing store.
	poolRetry = time.Second
)

// PoolOptions configures a KeyPool.
type PoolOptions struct {
	Store    store.Store
	Size     int                              // keys kept ready; 0 means 1
	Generate func() (*jose.SigningKey, error) // nil generates RSA-2048 keys
	NewID    func() string                    // names of spare keys in the store
	Log      *slog.Logger
}

// KeyPool keeps signing keys ready so that no request waits for the generation
// of one. Spare keys are stored: a restart finds them. Replicas on one store
// never hand out the same key.
type KeyPool struct {
	options PoolOptions
	spares  store.Collection[spareRecord]
	slots   chan struct{} // one for each spare that is ready or being made
	ready   chan spare
	stop    context.CancelFunc
	done    chan struct{}
	made    atomic.Int64
}

type spareRecord struct {
	PEM []byte `json:"pem"` // PKCS #8; a secret
}

type spare struct {
	name    string
	version int64
	key     *jose.SigningKey
}

// NewKeyPool starts to fill a pool in the background. The caller closes it.
func NewKeyPool(o PoolOptions) *KeyPool {
	if o.Size <= 0 {
		o.Size = 1
	}
	if o.Generate == nil {
		o.Generate = func() (*jose.SigningKey, error) { return jose.NewSigningKey("") }
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &KeyPool{
		options: o,
		spares:  store.Collection[spareRecord]{Store: o.Store, Kind: sparesKind},
		slots:   make(chan struct{}, o.Size),
		ready:   make(chan spare, o.Size),
		stop:    stop,
		done:    make(chan struct{}),
	}
	go p.fill(ctx)
	return p
}

// Take returns a key that nobody else gets, at once when a spare is ready.
// It fails when ctx ends first, the pool is closed or the store fails.
func (p *KeyPool) Take(ctx context.Context) (*jose.SigningKey, error) {
	for {
		select {
		case s := <-p.ready:
			<-p.slots
			err := p.spares.Delete(ctx, s.name, store.At(s.version))
			if errors.Is(err, store.ErrConflict) {
				continue // another replica took it
			}
			if err != nil {
				return nil, fmt.Errorf("taking a spare key: %w", err)
			}
			return s.key, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-p.done:
			return nil, ErrPoolClosed
		}
	}
}

// Generated counts the keys that this pool has generated since its start.
func (p *KeyPool) Generated() int { return int(p.made.Load()) }

// Close stops the generation and waits for it: at most as long as one key takes.
func (p *KeyPool) Close() {
	p.stop()
	<-p.done
}

// fill is the pool's one goroutine.
func (p *KeyPool) fill(ctx context.Context) {
	defer close(p.done)
	p.attempt(ctx, func() error { return p.load(ctx) })
	for {
		select {
		case p.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		p.attempt(ctx, func() error { return p.generate(ctx) })
		if ctx.Err() != nil {
			return
		}
	}
}

// attempt repeats a step until it succeeds or the pool is closed.
func (p *KeyPool) attempt(ctx context.Context, step func() error) {
	for {
		err := step()
		if err == nil || ctx.Err() != nil || errors.Is(err, store.ErrClosed) {
			return
		}
		p.options.Log.Error("no spare signing key", "error", err.Error())
		pause := time.NewTimer(poolRetry)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
		}
	}
}

// load readies the spares that an earlier run stored.
func (p *KeyPool) load(ctx context.Context) error {
	items, _, err := p.spares.List(ctx, store.Query{Limit: p.options.Size})
	if err != nil {
		return fmt.Errorf("listing spare keys: %w", err)
	}
	for _, item := range items {
		key, err := jose.ParseSigningKey("", item.Value.PEM)
		if err != nil {
			p.options.Log.Warn("a stored spare key is unusable", "name", item.Key, "error", err.Error())
			continue
		}
		select {
		case p.slots <- struct{}{}:
			p.ready <- spare{name: item.Key, version: item.Version, key: key}
		default:
			return nil // full: a retry after half a load
		}
	}
	return nil
}

// generate makes one key, stores it and readies it. Its slot is taken already.
func (p *KeyPool) generate(ctx context.Context) error {
	key, err := p.options.Generate()
	if err != nil {
		return err
	}
	encoded, err := key.MarshalPEM()
	if err != nil {
		return err
	}
	name := p.options.NewID()
	version, err := p.spares.Put(ctx, name, spareRecord{PEM: encoded}, store.Absent())
	if err != nil {
		return fmt.Errorf("storing a spare key: %w", err)
	}
	p.made.Add(1)
	p.ready <- spare{name: name, version: version, key: key}
	return nil
}
