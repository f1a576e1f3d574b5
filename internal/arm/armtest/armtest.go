package armtest

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/store"
	"github.com/aksess/aksess/internal/store/memory"
)

// The world of every test.
const (
	TenantID       = "11111111-1111-1111-1111-111111111111"
	SubscriptionID = "22222222-2222-2222-2222-222222222222"
	S              = "/subscriptions/" + SubscriptionID
	RG             = S + "/resourceGroups/rg"
	Version        = "2025-01-01"
)

// Setup says what a server serves.
type Setup struct {
	Types      func(s *Server) []*arm.Type
	Operations func(s *Server, types []*arm.Type) []azapi.Operation
	// AcceptUnknown is that of Resource Manager.
	AcceptUnknown bool
	// Grants replaces the fixed roles of the callers; nil keeps them.
	Grants func(s *Server) azapi.Grants
	// Store is wrapped around the memory store, to interfere with it; nil for none.
	Store func(store.Store) store.Store
}

// Server is a running Resource Manager.
type Server struct {
	T         testing.TB
	Store     store.Store
	Resources *arm.Resources
	Grants    azapi.Grants
	URL       string
	Handler   http.Handler // what URL serves, for tests without a connection

	now atomic.Int64
	ids atomic.Int64
}

// New starts a server with a subscription and the resource group rg in westeurope.
func New(t testing.TB, setup Setup) *Server {
	t.Helper()
	s := &Server{T: t, Store: memory.New()}
	if setup.Store != nil {
		s.Store = setup.Store(s.Store)
	}
	s.now.Store(time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	s.Resources = arm.NewResources(s.Store)
	s.Resources.Now, s.Resources.NewID = s.Now, s.NewID
	t.Cleanup(s.Resources.Close)
	s.Grants = roles{}
	if setup.Grants != nil {
		s.Grants = setup.Grants(s)
	}
	s.save(t, &arm.Resource{ID: S, Name: SubscriptionID, Type: arm.SubscriptionType, Properties: json.RawMessage(`{"displayName":"Test","tenantId":"` + TenantID + `"}`)})
	s.save(t, &arm.Resource{ID: RG, Name: "rg", Type: arm.ResourceGroupType, Location: "westeurope", Properties: json.RawMessage(`{"provisioningState":"Succeeded"}`)})
	var types []*arm.Type
	if setup.Types != nil {
		types = setup.Types(s)
	}
	var operations []azapi.Operation
	if setup.Operations != nil {
		operations = setup.Operations(s, types)
	}
	service, err := arm.Service(arm.Options{Resources: s.Resources, Types: types, Operations: operations, TenantID: TenantID, AcceptUnknown: setup.AcceptUnknown})
	if err != nil {
		t.Fatalf("making the service: %v", err)
	}
	handler, err := azapi.New([]*azapi.Service{service}, azapi.Config{
		Authenticator: tokens{}, Grants: s.Grants, Roles: access.BuiltinRoles, Now: s.Now, NewID: s.NewID,
		Log: slog.New(slog.NewTextHandler(logWriter{t}, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		t.Fatalf("making the server: %v", err)
	}
	listener := httptest.NewServer(handler)
	t.Cleanup(func() {
		listener.Close()
		_ = s.Store.Close() // memory has nothing to lose
	})
	s.URL, s.Handler = listener.URL, handler
	return s
}

func (s *Server) save(t testing.TB, r *arm.Resource) {
	t.Helper()
	if err := s.Resources.Save(context.Background(), &arm.Type{Name: r.Type}, r, store.Absent()); err != nil {
		t.Fatalf("saving %s: %v", r.ID, err)
	}
}

// Now is the server's clock.
func (s *Server) Now() time.Time { return time.Unix(0, s.now.Load()).UTC() }

// Advance moves the clock.
func (s *Server) Advance(d time.Duration) { s.now.Add(int64(d)) }

// NewID makes the ids 00000000-0000-4000-8000-000000000001 and on.
func (s *Server) NewID() string { return fmt.Sprintf("00000000-0000-4000-8000-%012x", s.ids.Add(1)) }

// logWriter shows the server's errors in the test's log.
type logWriter struct{ t testing.TB }

func (w logWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// Parallel runs n copies of do at the same time and waits for all.
func Parallel(n int, do func(i int)) {
	var group sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		group.Go(func() {
			<-start
			do(i)
		})
	}
	close(start)
	group.Wait()
}
