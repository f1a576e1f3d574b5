package entra

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/issuer"
	"github.com/aksess/aksess/internal/jose"
)

// Token is an issued access token. Its value is a secret.
type Token struct {
	Value   string
	Issued  time.Time // five minutes after its iat
	Expires time.Time
}

// NotBefore is the token's nbf.
func (t Token) NotBefore() time.Time { return t.Issued.Add(-backdate) }

// grant is what a client was found entitled to.
type grant struct {
	client     *directory.Principal // whom the token is about: for users a stand-in, see delegation
	resource   resource
	proof      proof
	continuous bool        // the client can handle continuous access evaluation
	user       *delegation // nil for a client that acts for itself
}

// key is equal for grants that the same token serves. It holds everything that
// the token's claims depend on, and the proof.
func (g grant) key() [sha256.Size]byte {
	var user [sha256.Size]byte
	if g.user != nil {
		user = g.user.digest()
	}
	return digest(g.client.TenantID, g.client.AppID, g.client.ObjectID, g.client.ResourceID, g.client.Type,
		g.resource.audience, strconv.Itoa(int(g.resource.version)), strconv.FormatBool(g.continuous),
		string(g.proof.method), string(g.proof.digest[:]), string(user[:]))
}

// signer makes access tokens. Signing is nearly all that an exchange costs, so
// identical requests share a signature, as many are made at a time as there
// are processors, and the others wait in order.
type signer struct {
	ring       *issuer.Ring
	now        func() time.Time
	random     io.Reader
	slots      chan struct{} // one for each signature being made; waiters are served in order
	queued     atomic.Int64  // signatures being made or waited for
	limit      int64         // of queued
	reuse      time.Duration
	signatures atomic.Int64

	mu     sync.Mutex
	young  map[[sha256.Size]byte]*flight // begun since turned
	old    map[[sha256.Size]byte]*flight // begun in the period before
	turned time.Time
}

// flight is a token being made, or made within the last moments.
type flight struct {
	done  chan struct{} // closed when token and err are set
	begun time.Time
	token Token
	err   error
}

// maxFlights bounds what is remembered for reuse: about 2 KiB each, twice.
const maxFlights = 1024

func newSigner(ring *issuer.Ring, o Options) *signer {
	return &signer{
		ring: ring, now: o.Now, random: o.Random, reuse: max(o.Reuse, 0),
		slots: make(chan struct{}, o.Signers), limit: int64(o.Signers + o.Queue),
		young: map[[sha256.Size]byte]*flight{},
	}
}

// issue returns a token for a grant: a new one, or that of an identical
// request which is under way or was a moment ago.
func (s *signer) issue(ctx context.Context, g grant) (Token, error) {
	key := g.key()
	f, mine := s.join(key)
	if mine {
		s.fly(ctx, key, f, g)
		return f.token, f.err
	}
	select {
	case <-f.done:
		return f.token, f.err
	case <-ctx.Done():
		return Token{}, ctx.Err()
	}
}

// fly makes the flight's token and ends it, whatever happens. Others may depend
// on it, so it goes on when the client that began it is gone.
func (s *signer) fly(ctx context.Context, key [sha256.Size]byte, f *flight, g grant) {
	f.err = errors.New("signing ended early")
	defer func() {
		if f.err != nil {
			s.forget(key, f)
		}
		close(f.done)
	}()
	f.token, f.err = s.sign(context.WithoutCancel(ctx), g)
}

// join returns the flight for a key, and whether the caller is to make its token.
func (s *signer) join(key [sha256.Size]byte) (f *flight, mine bool) {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if since := now.Sub(s.turned); since >= s.reuse || since < 0 || len(s.young) >= maxFlights {
		s.old, s.young, s.turned = s.young, map[[sha256.Size]byte]*flight{}, now
	}
	for _, flights := range []map[[sha256.Size]byte]*flight{s.young, s.old} {
		if f := flights[key]; f != nil && f.serves(now, s.reuse) {
			return f, false
		}
	}
	f = &flight{done: make(chan struct{}), begun: now}
	s.young[key] = f
	return f, true
}

// serves reports whether a request at this moment may have the flight's token.
func (f *flight) serves(now time.Time, reuse time.Duration) bool {
	select {
	case <-f.done:
		since := now.Sub(f.begun)
		return since >= 0 && since < reuse
	default:
		return true
	}
}

func (s *signer) forget(key [sha256.Size]byte, f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, flights := range []map[[sha256.Size]byte]*flight{s.young, s.old} {
		if flights[key] == f {
			delete(flights, key)
		}
	}
}

// sign makes a token when its turn comes.
func (s *signer) sign(ctx context.Context, g grant) (token Token, err error) {
	err = s.inTurn(ctx, func(key *issuer.Key) error {
		token, err = s.make(key, g)
		return err
	})
	return token, err
}

// identify signs an id token, which no other request shares.
func (s *signer) identify(ctx context.Context, claims idClaims) (token string, err error) {
	err = s.inTurn(ctx, func(key *issuer.Key) error {
		extras := jose.HeaderExtras{Typ: "JWT"}
		if claims.Version == "1.0" {
			extras.X5t = key.Kid()
		}
		token, err = jose.Sign(key.SigningKey, extras, claims)
		return err
	})
	return token, err
}

// inTurn makes one signature when its turn comes, or refuses when too many wait.
func (s *signer) inTurn(ctx context.Context, do func(*issuer.Key) error) error {
	key, err := s.ring.Signing(ctx)
	if err != nil {
		return err
	}
	if s.queued.Add(1) > s.limit {
		s.queued.Add(-1)
		return overloaded.New().SetHeader("Retry-After", "1")
	}
	defer s.queued.Add(-1)
	s.slots <- struct{}{}
	defer func() { <-s.slots }()
	s.signatures.Add(1)
	return do(key)
}

func (s *signer) make(key *issuer.Key, g grant) (Token, error) {
	now := s.now()
	lifetime := applicationLifetime
	if g.client.Type == directory.TypeManagedIdentity {
		lifetime = identityLifetime
	}
	token := Token{Issued: now, Expires: now.Add(lifetime).Truncate(time.Second)}
	random := make([]byte, randomBytes)
	if _, err := io.ReadFull(s.random, random); err != nil {
		return Token{}, err
	}
	extras := jose.HeaderExtras{Typ: "JWT"}
	var claims any
	if g.resource.version == version1 {
		extras.X5t = key.Kid()
	}
	switch {
	case g.user != nil && g.resource.version == version1:
		claims = newUserClaims1(g, token, random)
	case g.user != nil:
		claims = newUserClaims2(g, token, random)
	case g.resource.version == version1:
		claims = newClaims1(g, token, random)
	default:
		claims = newClaims2(g, token, random)
	}
	var err error
	token.Value, err = jose.Sign(key.SigningKey, extras, claims)
	return token, err
}
