package directory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/store"
	"github.com/aksess/aksess/internal/store/memory"
)

const (
	tenantID   = "22222222-2222-2222-2222-222222222222"
	resourceID = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/wi-demo"
)

// clock is moved by the tests.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(by)
}

// counting counts what reaches the store.
type counting struct {
	store.Store
	mu   sync.Mutex
	gets int
}

func (c *counting) Get(ctx context.Context, kind, key string) (store.Doc, error) {
	c.mu.Lock()
	c.gets++
	c.mu.Unlock()
	return c.Store.Get(ctx, kind, key)
}

func (c *counting) take() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.gets
	c.gets = 0
	return n
}

// start returns a directory with one tenant in a store of its own.
func start(t testing.TB) (*Directory, *counting, *clock) {
	t.Helper()
	s := &counting{Store: memory.New()}
	c := &clock{now: time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)}
	d := New(s, Options{Now: c.Now})
	if _, err := d.EnsureTenant(t.Context(), Tenant{ID: tenantID, Domain: "contoso.onmicrosoft.com", DisplayName: "Contoso"}); err != nil {
		t.Fatal(err)
	}
	return d, s, c
}

func identity(t testing.TB, d *Directory) *Principal {
	t.Helper()
	p, err := d.CreateManagedIdentity(t.Context(), tenantID, resourceID, "wi-demo")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func application(t testing.TB, d *Directory) *Principal {
	t.Helper()
	p, err := d.CreateApplication(t.Context(), tenantID, "deployer")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTenant(t *testing.T) {
	d, _, _ := start(t)
	for _, name := range []string{tenantID, strings.ToUpper(tenantID), "contoso.onmicrosoft.com", "Contoso.OnMicrosoft.com"} {
		if tenant, err := d.Tenant(t.Context(), name); err != nil || tenant.ID != tenantID {
			t.Errorf("Tenant(%q) = %+v, %v", name, tenant, err)
		}
	}
	for _, name := range []string{"", "fabrikam.com", "33333333-3333-3333-3333-333333333333", "common", strings.Repeat("a", 5000)} {
		if tenant, err := d.Tenant(t.Context(), name); !errors.Is(err, ErrTenantNotFound) {
			t.Errorf("Tenant(%.20q) = %+v, %v, want ErrTenantNotFound", name, tenant, err)
		}
	}
}

func TestEnsureTenant(t *testing.T) {
	d, s, _ := start(t)
	ctx := t.Context()
	generation := s.Generation(d.kinds...)
	same := Tenant{ID: strings.ToUpper(tenantID), Domain: "contoso.onmicrosoft.com", DisplayName: "Contoso"}
	if _, err := d.EnsureTenant(ctx, same); err != nil || s.Generation(d.kinds...) != generation {
		t.Errorf("got %v and a write, want neither", err)
	}
	moved := Tenant{ID: tenantID, Domain: "Contoso.com", DisplayName: "Contoso Ltd"}
	if got, err := d.EnsureTenant(ctx, moved); err != nil || got != moved {
		t.Fatalf("got %+v, %v, want %+v", got, err, moved)
	}
	if _, err := d.Tenant(ctx, "contoso.onmicrosoft.com"); !errors.Is(err, ErrTenantNotFound) {
		t.Errorf("the old domain: got %v, want ErrTenantNotFound", err)
	}
	if got, err := d.Tenant(ctx, "contoso.com"); err != nil || got != moved {
		t.Errorf("the new domain: got %+v, %v, want %+v", got, err, moved)
	}
	other := Tenant{ID: "33333333-3333-3333-3333-333333333333", Domain: "CONTOSO.com"}
	if _, err := d.EnsureTenant(ctx, other); !errors.Is(err, ErrDomainTaken) {
		t.Errorf("a taken domain: got %v, want ErrDomainTaken", err)
	}
	other.Domain = ""
	if _, err := d.EnsureTenant(ctx, other); err != nil {
		t.Errorf("no domain: got %v", err)
	}
	for _, bad := range []Tenant{{ID: "x"}, {ID: tenantID, Domain: "nodots"}} {
		if _, err := d.EnsureTenant(ctx, bad); !errors.Is(err, ErrInvalid) {
			t.Errorf("EnsureTenant(%+v): got %v, want ErrInvalid", bad, err)
		}
	}
	if all, err := d.Tenants(ctx); err != nil || len(all) != 2 || all[0] != moved {
		t.Errorf("got %+v, %v, want two tenants", all, err)
	}
}

func TestEnsureTenantAtOnce(t *testing.T) {
	d := New(memory.New(), Options{})
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			if _, err := d.EnsureTenant(t.Context(), Tenant{ID: tenantID, Domain: fmt.Sprintf("d%d.com", i%2)}); err != nil {
				t.Errorf("got %v", err)
			}
		})
	}
	wait.Wait()
	found := 0
	for _, domain := range []string{"d0.com", "d1.com"} {
		if _, err := d.Tenant(t.Context(), domain); err == nil {
			found++
		}
	}
	if found != 1 {
		t.Errorf("got %d domains of the tenant, want 1", found)
	}
}

func TestCreateManagedIdentity(t *testing.T) {
	d, _, c := start(t)
	ctx := t.Context()
	p := identity(t, d)
	if !chain.IsGUID(p.AppID) || !chain.IsGUID(p.ObjectID) || p.AppID == p.ObjectID || p.AppObjectID != "" || p.Type != TypeManagedIdentity ||
		p.ResourceID != resourceID || p.TenantID != tenantID || !p.Created.Equal(c.Now()) {
		t.Errorf("got %+v", p)
	}
	again, err := d.CreateManagedIdentity(ctx, tenantID, strings.ToLower(resourceID), "wi-demo")
	if err != nil || again.ObjectID != p.ObjectID || again.ResourceID != resourceID {
		t.Errorf("again: got %+v, %v, want the same principal", again, err)
	}
	lookups := map[string]func() (*Principal, error){
		"ByAppID":      func() (*Principal, error) { return d.ByAppID(ctx, strings.ToUpper(tenantID), strings.ToUpper(p.AppID)) },
		"ByObjectID":   func() (*Principal, error) { return d.ByObjectID(ctx, strings.ToUpper(p.ObjectID)) },
		"ByResourceID": func() (*Principal, error) { return d.ByResourceID(ctx, strings.ToUpper(resourceID)+"/") },
	}
	for name, lookup := range lookups {
		if got, err := lookup(); err != nil || got.ObjectID != p.ObjectID {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	if _, err := d.ByAppID(ctx, "33333333-3333-3333-3333-333333333333", p.AppID); !errors.Is(err, ErrPrincipalNotFound) {
		t.Errorf("in another tenant: got %v, want ErrPrincipalNotFound", err)
	}
	if err := d.DeletePrincipal(ctx, p.ObjectID); err != nil {
		t.Fatal(err)
	}
	for name, lookup := range lookups {
		if got, err := lookup(); !errors.Is(err, ErrPrincipalNotFound) {
			t.Errorf("%s after the delete: got %+v, %v, want ErrPrincipalNotFound", name, got, err)
		}
	}
	if err := d.DeletePrincipal(ctx, p.ObjectID); !errors.Is(err, ErrPrincipalNotFound) {
		t.Errorf("second delete: got %v, want ErrPrincipalNotFound", err)
	}
	if fresh := identity(t, d); fresh.ObjectID == p.ObjectID || fresh.AppID == p.AppID {
		t.Errorf("got the ids of the deleted identity again: %+v", fresh)
	}
}

func TestCreateManagedIdentityAtOnce(t *testing.T) {
	d, _, _ := start(t)
	ids := make([]string, 16)
	var wait sync.WaitGroup
	for i := range ids {
		wait.Go(func() {
			p, err := d.CreateManagedIdentity(t.Context(), tenantID, resourceID, "wi-demo")
			if err != nil {
				t.Errorf("got %v", err)
				return
			}
			ids[i] = p.ObjectID
		})
	}
	wait.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("got principals %s and %s of one resource", ids[0], id)
		}
	}
	if all, _, err := d.List(t.Context(), store.Query{}); err != nil || len(all) != 1 {
		t.Errorf("got %d principals, %v, want 1", len(all), err)
	}
}

func TestCreateRefuses(t *testing.T) {
	d, _, _ := start(t)
	ctx := t.Context()
	const nobody = "33333333-3333-3333-3333-333333333333"
	if _, err := d.CreateApplication(ctx, nobody, "x"); !errors.Is(err, ErrTenantNotFound) {
		t.Errorf("unknown tenant: got %v, want ErrTenantNotFound", err)
	}
	if _, err := d.CreateManagedIdentity(ctx, nobody, resourceID, "x"); !errors.Is(err, ErrTenantNotFound) {
		t.Errorf("unknown tenant: got %v, want ErrTenantNotFound", err)
	}
	if _, err := d.CreateApplication(ctx, "x", "x"); !errors.Is(err, ErrInvalid) {
		t.Errorf("malformed tenant: got %v, want ErrInvalid", err)
	}
	if _, err := d.CreateApplication(ctx, tenantID, ""); !errors.Is(err, ErrInvalid) {
		t.Errorf("no name: got %v, want ErrInvalid", err)
	}
	for _, id := range []string{"", "x", "/", "/subscriptions//x", resourceID[:strings.LastIndex(resourceID, "/")]} {
		if _, err := d.CreateManagedIdentity(ctx, tenantID, id, "x"); !errors.Is(err, ErrInvalid) {
			t.Errorf("resource id %q: got %v, want ErrInvalid", id, err)
		}
		if _, err := d.ByResourceID(ctx, id); !errors.Is(err, ErrPrincipalNotFound) {
			t.Errorf("ByResourceID(%q): got %v, want ErrPrincipalNotFound", id, err)
		}
	}
	constant := New(d.store, Options{NewID: func() string { return nobody }})
	if _, err := constant.CreateManagedIdentity(ctx, tenantID, resourceID, "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := constant.CreateManagedIdentity(ctx, tenantID, resourceID+"2", "b"); !errors.Is(err, store.ErrConflict) {
		t.Errorf("an id source that repeats itself: got %v, want ErrConflict", err)
	}
}

func TestRegister(t *testing.T) {
	d, _, _ := start(t)
	ctx := t.Context()
	p := Principal{TenantID: tenantID, ObjectID: "AAAAAAAA-0000-0000-0000-000000000001", AppID: "aaaaaaaa-0000-0000-0000-000000000002",
		AppObjectID: "aaaaaaaa-0000-0000-0000-000000000003", Type: TypeApplication, DisplayName: "deployer"}
	made, err := d.Register(ctx, p)
	if err != nil || made.ObjectID != strings.ToLower(p.ObjectID) || made.Created.IsZero() {
		t.Fatalf("got %+v, %v", made, err)
	}
	if got, err := d.ByAppObjectID(ctx, p.AppObjectID); err != nil || got.ObjectID != made.ObjectID {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := d.Register(ctx, p); !errors.Is(err, store.ErrConflict) {
		t.Errorf("twice: got %v, want ErrConflict", err)
	}
	p.Type = "Person"
	if _, err := d.Register(ctx, p); !errors.Is(err, ErrInvalid) {
		t.Errorf("a person: got %v, want ErrInvalid", err)
	}
}

func TestUpdate(t *testing.T) {
	d, _, _ := start(t)
	ctx := t.Context()
	p := identity(t, d)
	got, err := d.Update(ctx, p.ObjectID, func(p *Principal) error { p.Disabled, p.Owners = true, []string{"o"}; return nil })
	if err != nil || !got.Disabled || len(got.Owners) != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
	if read, err := d.ByAppID(ctx, tenantID, p.AppID); err != nil || !read.Disabled {
		t.Errorf("got %+v, %v, want it disabled", read, err)
	}
	changes := map[string]func(*Principal) error{
		"object_id":   func(p *Principal) error { p.ObjectID = "x"; return nil },
		"app_id":      func(p *Principal) error { p.AppID = "x"; return nil },
		"tenant":      func(p *Principal) error { p.TenantID = "x"; return nil },
		"resource":    func(p *Principal) error { p.ResourceID = "x"; return nil },
		"credentials": func(p *Principal) error { p.Federated = []FederatedCredential{{Name: "x"}}; return nil },
	}
	for name, change := range changes {
		if _, err := d.Update(ctx, p.ObjectID, change); !errors.Is(err, ErrImmutable) {
			t.Errorf("%s: got %v, want ErrImmutable", name, err)
		}
	}
	if _, err := d.Update(ctx, "nobody", func(*Principal) error { return nil }); !errors.Is(err, ErrPrincipalNotFound) {
		t.Errorf("got %v, want ErrPrincipalNotFound", err)
	}
}

func TestUpdateLosesNothing(t *testing.T) {
	d, _, _ := start(t)
	p := application(t, d)
	var wait sync.WaitGroup
	for i := range 20 {
		wait.Go(func() {
			if _, err := d.ImportSecret(t.Context(), p.ObjectID, "s", fmt.Sprintf("secret-%02d", i), time.Time{}); err != nil {
				t.Errorf("got %v", err)
			}
		})
	}
	wait.Wait()
	if got, err := d.ByObjectID(t.Context(), p.ObjectID); err != nil || len(got.Secrets) != 20 {
		t.Errorf("got %d secrets, %v, want 20", len(got.Secrets), err)
	}
}

func TestList(t *testing.T) {
	d, _, _ := start(t)
	want := map[string]bool{}
	for range 5 {
		want[application(t, d).ObjectID] = true
	}
	var after string
	for more := true; more; {
		page, next, err := d.List(t.Context(), store.Query{After: after, Limit: 2})
		if err != nil || len(page) == 0 || len(page) > 2 {
			t.Fatalf("got %d principals, %v", len(page), err)
		}
		for _, p := range page {
			delete(want, p.ObjectID)
			after = p.ObjectID
		}
		more = next
	}
	if len(want) != 0 {
		t.Errorf("not listed: %v", want)
	}
}

func TestLookupReadsNothingWhenNothingChanged(t *testing.T) {
	d, s, _ := start(t)
	ctx := t.Context()
	p := identity(t, d)
	first, err := d.ByAppID(ctx, tenantID, p.AppID)
	if err != nil {
		t.Fatal(err)
	}
	s.take()
	second, err := d.ByAppID(ctx, tenantID, p.AppID)
	if err != nil || second != first || s.take() != 0 {
		t.Errorf("got %p, %v and reads, want %p and none", second, err, first)
	}
	// A write elsewhere: looked at once, decoded not at all.
	application(t, d)
	s.take()
	third, err := d.ByAppID(ctx, tenantID, p.AppID)
	if reads := s.take(); err != nil || third != first || reads != 2 {
		t.Errorf("got %p, %v and %d reads, want %p and 2", third, err, reads, first)
	}
	if _, err = d.ByAppID(ctx, tenantID, p.AppID); err != nil || s.take() != 0 {
		t.Errorf("got %v and reads, want none", err)
	}
	// A write to it.
	if _, _, err := d.PutCredential(ctx, p.ObjectID, credential("aks", "default"), store.Always()); err != nil {
		t.Fatal(err)
	}
	fourth, err := d.ByAppID(ctx, tenantID, p.AppID)
	if err != nil || fourth == first || len(fourth.Matchable()) != 1 {
		t.Errorf("got %+v, %v, want the new credential", fourth, err)
	}
}

func TestCacheStartsAnewWhenFull(t *testing.T) {
	var c cache
	for i := range maxCached + 1 {
		c.put(cacheKey{id: fmt.Sprint(i)}, &cacheEntry{})
	}
	if len(c.entries) != 1 {
		t.Errorf("got %d entries, want 1", len(c.entries))
	}
}

func TestStoreFailuresAreNotAbsence(t *testing.T) {
	d, s, _ := start(t)
	p := identity(t, d)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	fresh := New(s, Options{})
	ctx := context.Background()
	failures := map[string]func() error{
		"Tenant":          func() error { _, err := fresh.Tenant(ctx, tenantID); return err },
		"Tenant_domain":   func() error { _, err := fresh.Tenant(ctx, "contoso.com"); return err },
		"Tenants":         func() error { _, err := fresh.Tenants(ctx); return err },
		"EnsureTenant":    func() error { _, err := fresh.EnsureTenant(ctx, Tenant{ID: tenantID}); return err },
		"ByAppID":         func() error { _, err := fresh.ByAppID(ctx, tenantID, p.AppID); return err },
		"Create":          func() error { _, err := fresh.CreateApplication(ctx, tenantID, "x"); return err },
		"DeletePrincipal": func() error { return fresh.DeletePrincipal(ctx, p.ObjectID) },
		"List":            func() error { _, _, err := fresh.List(ctx, store.Query{}); return err },
		"Update": func() error {
			_, err := fresh.Update(ctx, p.ObjectID, func(*Principal) error { return nil })
			return err
		},
		"PutCredential": func() error {
			_, _, err := fresh.PutCredential(ctx, p.ObjectID, credential("a", "b"), store.Always())
			return err
		},
		"Credentials": func() error { _, err := fresh.Credentials(ctx, p.ObjectID); return err },
		"Credential":  func() error { _, err := fresh.Credential(ctx, p.ObjectID, "x"); return err },
	}
	for name, fail := range failures {
		if err := fail(); !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s: got %v, want ErrClosed", name, err)
		}
	}
}

func BenchmarkByAppID(b *testing.B) {
	d, _, _ := start(b)
	p := identity(b, d)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.ByAppID(ctx, tenantID, p.AppID); err != nil {
			b.Fatal(err)
		}
	}
}
