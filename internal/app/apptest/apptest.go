package apptest

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/issuer"
	"github.com/aksess/aksess/internal/jose"
	"github.com/aksess/aksess/internal/service"
	"github.com/aksess/aksess/internal/service/resources"
	"github.com/aksess/aksess/internal/store"
	"github.com/aksess/aksess/internal/store/memory"
)

// The world of every test.
const (
	TenantID       = "11111111-1111-1111-1111-111111111111"
	ForeignID      = "99999999-9999-9999-9999-999999999999" // tenant of callers whose name begins with "foreign"
	SubscriptionID = "22222222-2222-2222-2222-222222222222"
	Subscription   = "/subscriptions/" + SubscriptionID
	Group          = Subscription + "/resourceGroups/rg"
	Location       = "westeurope"
)

// Owner is the caller who is Owner of the subscription. Every other name is a
// caller without roles until the test assigns some.
const Owner = "owner"

// World is a running local Azure.
type World struct {
	T         testing.TB // a fuzz target sets its own
	Store     store.Store
	Resources *arm.Resources
	Directory *directory.Directory
	Book      *access.Book
	Issuers   *issuer.Issuers
	Handler   http.Handler

	registered map[string]bool // by object id

	now  atomic.Int64
	ids  atomic.Int64
	mu   sync.Mutex
	last azapi.Event
}

// One key signs for the issuers of all worlds of a process: making one is slow.
var signingKey = sync.OnceValues(func() (*jose.SigningKey, error) { return jose.NewSigningKey("") })

// New starts a world with the resource group rg. wrap, which may be nil, is put
// around the store to interfere with it.
func New(t testing.TB, wrap func(store.Store) store.Store) *World {
	t.Helper()
	w := &World{T: t, Store: memory.New(), registered: map[string]bool{}}
	if wrap != nil {
		w.Store = wrap(w.Store)
	}
	w.now.Store(time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	log := slog.New(slog.NewTextHandler(logWriter{w}, &slog.HandlerOptions{Level: slog.LevelError}))
	pool := issuer.NewKeyPool(issuer.PoolOptions{Store: w.Store, NewID: w.NewID, Log: log, Generate: signingKey})
	t.Cleanup(func() {
		pool.Close()
		_ = w.Store.Close() // memory has nothing to lose
	})
	w.Directory = directory.New(w.Store, directory.Options{Now: w.Now, NewID: w.NewID, PasswordWork: 1})
	w.Book = access.NewBook(w.Store, w.Now)
	w.Issuers = issuer.New(issuer.Options{Store: w.Store, Pool: pool, Now: w.Now, NewID: w.NewID})
	w.Resources = arm.NewResources(w.Store)
	t.Cleanup(w.Resources.Close)
	w.bootstrap(t)
	services, err := service.All(service.Deps{
		Store: w.Store, Directory: w.Directory, Book: w.Book, Issuers: w.Issuers, Resources: w.Resources,
		Tenant: resources.Tenant{ID: TenantID, Name: "test", Domain: "test.onmicrosoft.com", Country: "US"},
		CA:     []byte("the authority"), Now: w.Now, NewID: w.NewID,
	})
	if err != nil {
		t.Fatalf("listing the services: %v", err)
	}
	w.Handler, err = azapi.New(services.Hosts, azapi.Config{
		Authenticator: tokens{}, Grants: w.Book, Roles: access.BuiltinRoles, Now: w.Now, NewID: w.NewID, Log: log, Observe: w.observe,
		SubnetOf: services.SubnetOf, Principals: w.principal,
	})
	if err != nil {
		t.Fatalf("making the server: %v", err)
	}
	w.Put(Group, `{"location":"`+Location+`"}`, 201)
	return w
}

func (w *World) bootstrap(t testing.TB) {
	t.Helper()
	if _, err := w.Directory.EnsureTenant(t.Context(), directory.Tenant{ID: TenantID, Domain: "test.onmicrosoft.com"}); err != nil {
		t.Fatal(err)
	}
	subscription := resources.Subscription{ID: SubscriptionID, Name: "test", TenantID: TenantID}
	if err := resources.Bootstrap(t.Context(), w.Resources, subscription, w.Now()); err != nil {
		t.Fatal(err)
	}
	w.Assign(Owner, "Owner", Subscription)
	w.Register(Owner, directory.ReadWriteAll)
}

// Assign gives a caller a built-in role at a scope.
func (w *World) Assign(caller, role, scope string) {
	w.T.Helper()
	definition, found := access.BuiltinRole(role)
	if !found {
		w.T.Fatalf("no built-in role %q", role)
	}
	_, _, err := w.Book.PutAssignment(w.T.Context(), access.Assignment{
		Name: w.NewID(), Scope: scope, RoleID: definition.ID, PrincipalID: ObjectID(caller), PrincipalType: "ServicePrincipal",
	}, store.Always())
	if err != nil {
		w.T.Fatalf("assigning %q to %s: %v", role, caller, err)
	}
}

// Register makes an application of a caller, with permissions on the directory.
func (w *World) Register(caller string, permissions ...string) {
	w.T.Helper()
	w.registered[ObjectID(caller)] = true
	_, err := w.Directory.Register(w.T.Context(), directory.Principal{
		TenantID: TenantID, ObjectID: ObjectID(caller), AppID: AppID(caller), AppObjectID: guid('c', caller),
		Type: directory.TypeApplication, DisplayName: caller, Directory: permissions,
	})
	if err != nil {
		w.T.Fatalf("registering %s: %v", caller, err)
	}
}

// principal finds the groups of a caller in the directory. Callers that were
// never registered are there, too: tests make them up.
func (w *World) principal(ctx context.Context, objectID string) (groups []string, found bool, err error) {
	if _, err := w.Directory.Object(ctx, objectID); err != nil && w.registered[objectID] {
		return nil, false, nil
	}
	groups, err = w.Directory.MemberOf(ctx, objectID)
	return groups, true, err
}

// Now is the world's clock.
func (w *World) Now() time.Time { return time.Unix(0, w.now.Load()).UTC() }

// Advance moves the clock.
func (w *World) Advance(d time.Duration) { w.now.Add(int64(d)) }

// NewID makes the ids 00000000-0000-4000-8000-000000000001 and on.
func (w *World) NewID() string { return fmt.Sprintf("00000000-0000-4000-8000-%012x", w.ids.Add(1)) }

func (w *World) observe(e azapi.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = e
}

// Last is what was observed of the last request.
func (w *World) Last() azapi.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// logWriter shows the server's errors in the test's log.
type logWriter struct{ w *World }

func (l logWriter) Write(b []byte) (int, error) {
	l.w.T.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}
