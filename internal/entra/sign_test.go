package entra

import (
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/issuer"
	"github.com/aksess/aksess/internal/jose"
)

// gate is a source of randomness that stands still while it is closed: whoever
// signs waits in it, and holds a signing slot.
type gate struct {
	open    chan struct{}
	waiting atomic.Int64
}

func (g *gate) Read(p []byte) (int, error) {
	g.waiting.Add(1)
	<-g.open
	g.waiting.Add(-1)
	return rand.Read(p)
}

func waitFor(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); {
		if time.Now().After(deadline) {
			t.Fatalf("no %s within 20 s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestBurst is goal P2: 5,000 exchanges from 50 distinct assertions, every one
// verified, with at most 200 signatures.
func TestBurst(t *testing.T) {
	b := newWorkbench(t, nil)
	forms := make([]url.Values, 50)
	for i := range forms {
		forms[i] = b.federated(b.mint(nil))
	}
	before := b.service.Signatures()
	var group sync.WaitGroup
	var good, bad atomic.Int64
	work := make(chan int)
	for range 64 {
		group.Go(func() {
			for i := range work {
				form := forms[i%len(forms)]
				if i%100 == 99 { // one in a hundred is forged and must not profit from the others
					form = b.federated(flip(form.Get("client_assertion")))
				}
				switch got := b.exchange(form); got.status {
				case http.StatusOK:
					good.Add(1)
				case http.StatusUnauthorized:
					bad.Add(1)
				default:
					t.Errorf("got %d %s", got.status, got.body)
				}
			}
		})
	}
	for i := range 5000 {
		work <- i
	}
	close(work)
	group.Wait()
	if good.Load() != 4950 || bad.Load() != 50 {
		t.Errorf("got %d tokens and %d refusals, want 4950 and 50", good.Load(), bad.Load())
	}
	if got := b.service.Signatures() - before; got > 200 {
		t.Errorf("got %d signatures, want at most 200", got)
	}
}

// TestWhatSharesAToken: only the same proof of the same client for the same resource does.
func TestWhatSharesAToken(t *testing.T) {
	b := newWorkbench(t, nil)
	first := b.federated(b.mint(nil))
	base := b.exchange(first).AccessToken
	clone := func(change func(url.Values)) url.Values {
		form := url.Values{}
		for name, values := range first {
			form[name] = values
		}
		change(form)
		return form
	}
	same := map[string]url.Values{
		"identical":     first,
		"openid_words":  clone(func(f url.Values) { f.Set("scope", vaultScope+" openid") }),
		"telemetry":     clone(func(f url.Values) { f.Set("x-client-SKU", "MSAL") }),
		"client_upper":  clone(func(f url.Values) { f.Set("client_id", "X"); f.Set("client_id", first.Get("client_id")) }),
		"null_claims":   clone(func(f url.Values) { f.Set("claims", "{}") }),
		"client_info_1": clone(func(f url.Values) { f.Set("client_info", "1") }),
	}
	for name, form := range same {
		if got := b.exchange(form).AccessToken; got != base {
			t.Errorf("%s: got another token", name)
		}
	}
	other := map[string]url.Values{
		"assertion":   b.federated(b.mint(nil)),
		"resource":    clone(func(f url.Values) { f.Set("scope", "https://storage.azure.com/.default") }),
		"slash":       clone(func(f url.Values) { f.Set("scope", "https://vault.azure.net//.default") }),
		"capability":  clone(func(f url.Values) { f.Set("claims", `{"access_token":{"xms_cc":{"values":["CP1"]}}}`) }),
		"application": b.secret(guardSecret),
	}
	for name, form := range other {
		if got := b.exchange(form).AccessToken; got == base || got == "" {
			t.Errorf("%s: got the same token or none", name)
		}
	}
	b.clock.advance(DefaultReuse - time.Millisecond)
	again := b.exchange(first)
	if again.AccessToken != base || again.ExpiresIn != 86394.0 {
		t.Errorf("got expires_in %v, want the same token with what is left of it", again.ExpiresIn)
	}
	b.clock.advance(time.Millisecond)
	if got := b.exchange(first).AccessToken; got == base {
		t.Error("the token is shared for longer than a few seconds")
	}
}

// TestLeaderLeaves: a client that gives up does not take the token from those who wait for the same.
func TestLeaderLeaves(t *testing.T) {
	hold := &gate{open: make(chan struct{})}
	b := newWorkbench(t, func(o *Options) { o.Random = hold; o.Signers = 1 })
	form := b.federated(b.mint(nil))
	var group sync.WaitGroup
	replies := make([]reply, 8)
	for i := range replies {
		group.Go(func() { replies[i] = b.exchange(form) })
	}
	waitFor(t, "signature under way", func() bool { return hold.waiting.Load() == 1 })
	close(hold.open)
	group.Wait()
	for _, got := range replies {
		if got.AccessToken == "" || got.AccessToken != replies[0].AccessToken {
			t.Errorf("got %d %s, want one token for all", got.status, got.body)
		}
	}
	if got := b.service.Signatures(); got != 1 {
		t.Errorf("got %d signatures, want 1", got)
	}
}

// TestOverload fills the slots and the queue: the next is refused at once and
// those in the queue get their tokens.
func TestOverload(t *testing.T) {
	hold := &gate{open: make(chan struct{})}
	b := newWorkbench(t, func(o *Options) { o.Random, o.Signers, o.Queue = hold, 2, 3 })
	var group sync.WaitGroup
	var good atomic.Int64
	for range 5 {
		form := b.federated(b.mint(nil))
		group.Go(func() {
			if b.exchange(form).status == http.StatusOK {
				good.Add(1)
			}
		})
	}
	waitFor(t, "full queue", func() bool { return b.service.signer.queued.Load() == 5 && hold.waiting.Load() == 2 })
	form := b.federated(b.mint(nil))
	for range 3 { // a refusal is not remembered as the answer to identical requests, and takes no place
		got := b.exchange(form)
		wantCode(t, got, "AADSTS90055")
		if got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") != "1" {
			t.Errorf("got %d, Retry-After %q, want 429 and 1", got.status, got.header.Get("Retry-After"))
		}
	}
	close(hold.open)
	group.Wait()
	if good.Load() != 5 {
		t.Errorf("got %d tokens, want the 5 that had a place", good.Load())
	}
	b.token(b.exchange(form))
	if got := b.service.signer.queued.Load(); got != 0 {
		t.Errorf("got %d places taken at the end, want none", got)
	}
}

// TestFailedSignatureIsNotRemembered: the next identical request tries anew.
func TestFailedSignatureIsNotRemembered(t *testing.T) {
	broken := errors.New("no entropy")
	var fail atomic.Bool
	fail.Store(true)
	b := newWorkbench(t, func(o *Options) {
		o.Random = readerFunc(func(p []byte) (int, error) {
			if fail.Load() {
				return 0, broken
			}
			return rand.Read(p)
		})
	})
	form := b.federated(b.mint(nil))
	if got := b.exchange(form); got.status != http.StatusInternalServerError {
		t.Errorf("got %d, want 500", got.status)
	}
	fail.Store(false)
	b.token(b.exchange(form))
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

var _ io.Reader = readerFunc(nil)

// TestMemoryOfSharedTokensIsBounded floods with distinct requests within one moment.
func TestMemoryOfSharedTokensIsBounded(t *testing.T) {
	b := newWorkbench(t, nil)
	s := b.service.signer
	for i := range 5 * maxFlights {
		f, mine := s.join([32]byte{byte(i), byte(i >> 8), byte(i >> 16), 1})
		if !mine {
			t.Fatal("distinct requests share a flight")
		}
		close(f.done)
	}
	if got := len(s.young) + len(s.old); got > 2*maxFlights {
		t.Errorf("got %d remembered, want at most %d", got, 2*maxFlights)
	}
}

// TestRotationUnderLoad rotates the signing key again and again while tokens
// are issued and verified by a reader that honours the published key set.
func TestRotationUnderLoad(t *testing.T) {
	b := newWorkbench(t, func(o *Options) { o.Reuse = -1 })
	if err := b.service.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var group sync.WaitGroup
	var issued atomic.Int64
	for range 4 {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				token := b.exchange(b.secret(guardSecret)).AccessToken
				keys, err := jose.ParseJWKS(b.get("https://login.microsoftonline.com/common/discovery/v2.0/keys").body)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := jose.Verify(token, keys, accessTokenPolicy); err != nil {
					t.Errorf("published keys: %v", err)
				}
				if _, err := b.service.Authenticator().Authenticate(t.Context(), token); err != nil {
					t.Errorf("authenticator: %v", err)
				}
				issued.Add(1)
			}
		})
	}
	kids := map[string]bool{}
	for i := range int64(5) {
		if _, err := b.service.Ring().Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		key, err := b.service.Ring().Signing(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		kids[key.Kid()] = true
		waitFor(t, "token of each key", func() bool { return issued.Load() >= 8*(i+1) || t.Failed() })
	}
	close(stop)
	group.Wait()
	if len(kids) == 0 {
		t.Error("no key signed")
	}
}

// TestManyIdentitiesAtOnce: 10,000 requests of 40 identities, none crossed.
func TestManyIdentitiesAtOnce(t *testing.T) {
	b := newWorkbench(t, nil)
	type client struct {
		form url.Values
		oid  string
	}
	clients := make([]client, 40)
	for i := range clients {
		principal, err := b.directory.CreateManagedIdentity(t.Context(), tenantID, identityARM+"-"+decimal(int64(i)), "id-"+decimal(int64(i)))
		if err != nil {
			t.Fatal(err)
		}
		b.identity = principal
		name := "sa-" + decimal(int64(i))
		b.trust("fic", b.cluster.URL, chain.Subject("widemo", name), chain.TokenAudience)
		clients[i] = client{form: b.federated(b.mint(func(r *issuer.TokenRequest) { r.ServiceAccount = name })), oid: principal.ObjectID}
	}
	var group sync.WaitGroup
	for worker := range 16 {
		group.Go(func() {
			for i := range 625 {
				c := clients[(i*7+worker)%len(clients)]
				got := b.exchange(c.form)
				caller, err := b.service.Authenticator().Authenticate(t.Context(), got.AccessToken)
				if err != nil || caller.ObjectID != c.oid {
					t.Errorf("got %s, %v, want %s", caller.ObjectID, err, c.oid)
					return
				}
			}
		})
	}
	group.Wait()
}
