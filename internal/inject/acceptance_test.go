package inject

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// served is a handler behind TLS whose certificate can be changed.
type servedPair struct {
	acceptance *Acceptance
	leaf       atomic.Pointer[tls.Certificate]
	published  atomic.Pointer[[]byte]
}

func startServed(t *testing.T, handler http.Handler) *servedPair {
	t.Helper()
	s := new(servedPair)
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.leaf.Load(), nil }}
	server.Config.ErrorLog = discardLogger()
	server.StartTLS()
	t.Cleanup(server.Close)
	s.acceptance = &Acceptance{
		Address: server.Listener.Addr().String(), ServerName: serviceNames[0], Log: discard(), Look: NewBell(),
		Published: func() ([][]byte, error) {
			if bundle := s.published.Load(); bundle != nil {
				return [][]byte{*bundle, *bundle}, nil
			}
			return nil, errors.New("no configuration")
		},
		Serving: func() (*tls.Certificate, error) { return s.leaf.Load(), nil },
	}
	return s
}

func reviewHandler() http.Handler {
	return NewHandler(HandlerConfig{Pods: demoConfig, Accounts: demoAccounts(), Log: discard()})
}

// use serves a new pair, and publishes its authority if told to.
func (s *servedPair) use(t *testing.T, publish bool) {
	t.Helper()
	a, err := newAuthority(servicePolicy, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := a.leaf(servicePolicy, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s.leaf.Store(leaf)
	if publish {
		bundle := encodeCertificates(a.certificate)
		s.published.Store(&bundle)
	}
}

func TestAcceptance(t *testing.T) {
	s := startServed(t, reviewHandler())
	check := func(want string) {
		t.Helper()
		err := s.acceptance.check(context.Background())
		ready := s.acceptance.Ready()
		if want == "" && (err != nil || ready != nil) {
			t.Fatalf("got %v, ready %v, want ready", err, ready)
		}
		if want != "" && (err == nil || ready == nil || !strings.Contains(ready.Error(), want)) {
			t.Fatalf("got %v, ready %v, want not ready: %s", err, ready, want)
		}
	}
	if err := s.acceptance.Ready(); err == nil {
		t.Fatal("got ready before the first call")
	}
	s.use(t, false)
	check("no configuration")
	empty := []byte("\n")
	s.published.Store(&empty)
	check("no CA bundle")
	s.use(t, true)
	check("")
	if chain := s.acceptance.Chain(); len(chain) != 2 || !chain[0].Equal(s.leaf.Load().Leaf) || !chain[1].IsCA {
		t.Errorf("got chain %v, want the serving certificate and its authority", chain)
	}
	s.use(t, false)
	check("certificate signed by unknown authority")
	s.use(t, true)
	check("")
	s.acceptance.ServerName = "other.svc" // "localhost" would do
	s.use(t, true)
	check("certificate is valid for")
	s.acceptance.ServerName = serviceNames[0]
	check("")
}

// TestAcceptanceOfEveryBundle: API servers trust each webhook's bundle for
// itself, so that all have to do, and none is none.
func TestAcceptanceOfEveryBundle(t *testing.T) {
	s := startServed(t, reviewHandler())
	s.use(t, true)
	wrong := *s.published.Load()
	s.use(t, true)
	right := *s.published.Load()
	for _, test := range []struct {
		name    string
		bundles [][]byte
		ready   bool
	}{{"none", nil, false}, {"second", [][]byte{right, wrong}, false}, {"first", [][]byte{wrong, right}, false}, {"all", [][]byte{right, right}, true}} {
		s.acceptance.Published = func() ([][]byte, error) { return test.bundles, nil }
		if err := s.acceptance.check(t.Context()); (err == nil) != test.ready || (s.acceptance.Ready() == nil) != test.ready {
			t.Errorf("%s: got %v, want ready %t", test.name, err, test.ready)
		}
	}
}

func TestAcceptanceOfOtherAnswers(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"error":  func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) },
		"denied": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"response":{"allowed":false}}`)) },
		"text":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) },
	} {
		t.Run(name, func(t *testing.T) {
			s := startServed(t, answer)
			s.use(t, true)
			if err := s.acceptance.check(context.Background()); err == nil || s.acceptance.Ready() == nil {
				t.Errorf("got %v, want not ready", err)
			}
		})
	}
}

// TestAcceptanceRun: it is asked again when the bell rings, not by the minute.
func TestAcceptanceRun(t *testing.T) {
	calls := make(chan struct{}, 8)
	reviews := reviewHandler()
	s := startServed(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls <- struct{}{}
		reviews.ServeHTTP(w, r)
	}))
	s.use(t, true)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.acceptance.Run(ctx)
	}()
	for range 2 { // one call for each webhook of the configuration
		<-calls
		<-calls
		s.use(t, true)
		s.acceptance.Look.Ring()
	}
	cancel()
	<-done
}
