package jose

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const (
	testIssuer    = "https://example.com/tenant/cluster/"
	testDiscovery = "https://example.com/tenant/cluster/.well-known/openid-configuration"
	testKeys      = "https://example.com/tenant/cluster/openid/v1/jwks"
)

type page struct {
	status int
	header http.Header
	body   string
}

// fakeWeb is a transport that answers from pages and counts the requests.
type fakeWeb struct {
	mu    sync.Mutex
	pages map[string]page
	hits  map[string]int
	gate  chan struct{} // when set, an answer waits for it to be closed
}

func (w *fakeWeb) RoundTrip(request *http.Request) (*http.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	address := request.URL.String()
	w.hits[address]++
	if gate := w.gate; gate != nil {
		w.mu.Unlock()
		var err error
		select {
		case <-gate:
		case <-request.Context().Done():
			err = request.Context().Err()
		}
		w.mu.Lock()
		if err != nil {
			return nil, err
		}
	}
	p, ok := w.pages[address]
	if !ok {
		p = page{status: http.StatusNotFound}
	}
	if p.status == 0 {
		p.status = http.StatusOK
	}
	return &http.Response{
		StatusCode: p.status, Header: p.header.Clone(), Body: io.NopCloser(strings.NewReader(p.body)), Request: request,
	}, nil
}

func (w *fakeWeb) set(address string, p page) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pages[address] = p
}

func (w *fakeWeb) count(address string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hits[address]
}

func discovery(issuer, keys string) page {
	return page{body: fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q,"response_types_supported":["id_token"]}`, issuer, keys)}
}

func jwks(tb testing.TB, kids ...string) page {
	tb.Helper()
	var keys []PublishedKey
	for _, kid := range kids {
		keys = append(keys, PublishedKey{Key: newKey(tb, kid).Public()})
	}
	body, err := MarshalJWKS(keys...)
	if err != nil {
		tb.Fatal(err)
	}
	return page{body: string(body)}
}

func goodWeb(tb testing.TB, kids ...string) *fakeWeb {
	tb.Helper()
	return &fakeWeb{hits: map[string]int{}, pages: map[string]page{
		testDiscovery: discovery(testIssuer, testKeys),
		testKeys:      jwks(tb, kids...),
	}}
}

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newRemote(t *testing.T, web *fakeWeb) (*Remote, *clock) {
	t.Helper()
	c := &clock{now: time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)}
	r := NewRemote(RemoteConfig{Transport: web, Now: c.Now})
	t.Cleanup(r.Close)
	return r, c
}

// ask fetches and reports the kids found, or the reason why not.
func ask(t *testing.T, r *Remote, kid string) (kids string, err error) {
	t.Helper()
	keys, err := r.Keys(t.Context(), testIssuer, kid)
	return strings.Join(keys.Kids(), " "), err
}

func TestRemoteKeeps(t *testing.T) {
	web := goodWeb(t, "a")
	r, clock := newRemote(t, web)
	expect := func(step, kid, want string, reason error, fetches int) {
		t.Helper()
		got, err := ask(t, r, kid)
		if got != want || !errors.Is(err, reason) {
			t.Errorf("%s: got %q, %v, want %q, %v", step, got, err, want, reason)
		}
		if got := web.count(testKeys); got != fetches {
			t.Errorf("%s: got %d fetches, want %d", step, got, fetches)
		}
	}
	expect("first", "a", "a", nil, 1)
	expect("again", "a", "a", nil, 1)
	expect("no kid", "", "a", nil, 1)
	expect("unknown kid too early", "b", "", ErrUnknownKey, 1)
	web.set(testKeys, jwks(t, "b"))
	for range 1000 {
		if _, err := ask(t, r, "flood"); !errors.Is(err, ErrUnknownKey) {
			t.Fatalf("got %v, want %v", err, ErrUnknownKey)
		}
	}
	clock.add(DefaultRefetchInterval - 1)
	expect("not yet", "b", "", ErrUnknownKey, 1)
	clock.add(1)
	expect("unknown kid refetches", "b", "b", nil, 2)
	expect("the removed key is gone", "a", "", ErrUnknownKey, 2)
	clock.add(DefaultRefetchInterval)
	expect("and stays away", "a", "", ErrUnknownKey, 3)
	clock.add(defaultLifetime)
	expect("lifetime over", "b", "b", nil, 4)
}

func TestRemoteLifetime(t *testing.T) {
	tests := []struct {
		name   string
		header []string
		want   time.Duration
	}{
		{"none", nil, defaultLifetime},
		{"hour", []string{"public, max-age=3600"}, time.Hour},
		{"quoted", []string{`max-age="3600"`}, time.Hour},
		{"case", []string{"Max-Age=3600"}, time.Hour},
		{"short", []string{"max-age=1"}, minLifetime},
		{"long", []string{"max-age=999999"}, maxLifetime},
		{"beyond_int", []string{"max-age=99999999999999999999"}, defaultLifetime},
		{"negative", []string{"max-age=-1"}, defaultLifetime},
		{"no_store", []string{"max-age=3600, no-store"}, minLifetime},
		{"two_lines", []string{"public", "max-age=3600"}, time.Hour},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := lifetime(http.Header{"Cache-Control": test.header}); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// TestRemoteFailure: a failure is remembered for a moment, a set that could not be renewed is not used.
func TestRemoteFailure(t *testing.T) {
	web := goodWeb(t, "a")
	r, clock := newRemote(t, web)
	web.set(testDiscovery, page{status: http.StatusServiceUnavailable})
	for range 100 {
		if _, err := ask(t, r, "a"); !errors.Is(err, ErrUnreachable) {
			t.Fatalf("got %v, want %v", err, ErrUnreachable)
		}
	}
	if got := web.count(testDiscovery); got != 1 {
		t.Errorf("got %d fetches, want 1", got)
	}
	web.set(testDiscovery, discovery(testIssuer, testKeys))
	clock.add(failureInterval)
	if kids, err := ask(t, r, "a"); kids != "a" || err != nil {
		t.Errorf("after the issuer came back: got %q, %v", kids, err)
	}
	web.set(testDiscovery, page{status: http.StatusServiceUnavailable})
	clock.add(DefaultRefetchInterval)
	if _, err := ask(t, r, "b"); !errors.Is(err, ErrUnreachable) {
		t.Errorf("refetch for an unknown kid: got %v, want %v", err, ErrUnreachable)
	}
	if kids, err := ask(t, r, "a"); kids != "a" || err != nil {
		t.Errorf("a known kid while the issuer is away: got %q, %v", kids, err)
	}
	clock.add(defaultLifetime)
	if kids, err := ask(t, r, "a"); !errors.Is(err, ErrUnreachable) || kids != "" {
		t.Errorf("lifetime over: got %q, %v, want %v", kids, err, ErrUnreachable)
	}
}

func TestRemoteReasons(t *testing.T) {
	private := `{"keys":[{"kty":"oct","k":"AAAA"}]}`
	tests := []struct {
		name    string
		change  func(*fakeWeb)
		reason  error
		url     string
		status  int
		message string
	}{
		{"discovery_404", func(w *fakeWeb) { w.set(testDiscovery, page{status: 404}) }, ErrUnreachable, testDiscovery, 404, testDiscovery + " -> 404"},
		{"keys_403", func(w *fakeWeb) { w.set(testKeys, page{status: 403}) }, ErrUnreachable, testKeys, 403, testKeys + " -> 403"},
		{"no_json", func(w *fakeWeb) { w.set(testDiscovery, page{body: "<html>"}) }, ErrDocument, testDiscovery, 200, "JSON does not begin"},
		{"no_issuer", func(w *fakeWeb) { w.set(testDiscovery, page{body: `{"jwks_uri":"x"}`}) }, ErrDocument, testDiscovery, 200, "no issuer"},
		{"issuer_number", func(w *fakeWeb) { w.set(testDiscovery, page{body: `{"issuer":1}`}) }, ErrDocument, testDiscovery, 200, "issuer is not a string"},
		{"issuer_twice", func(w *fakeWeb) {
			w.set(testDiscovery, page{body: `{"issuer":"` + testIssuer + `","issuer":"x","jwks_uri":"y"}`})
		}, ErrDocument, testDiscovery, 200, "twice"},
		{"no_keys_url", func(w *fakeWeb) { w.set(testDiscovery, page{body: `{"issuer":"` + testIssuer + `"}`}) }, ErrDocument, testDiscovery, 200, "no jwks_uri"},
		{"issuer_slash", func(w *fakeWeb) { w.set(testDiscovery, discovery(strings.TrimSuffix(testIssuer, "/"), testKeys)) }, ErrIssuerMismatch, testDiscovery, 200, `"https://example.com/tenant/cluster"`},
		{"issuer_case", func(w *fakeWeb) {
			w.set(testDiscovery, discovery(strings.Replace(testIssuer, "example", "Example", 1), testKeys))
		}, ErrIssuerMismatch, testDiscovery, 200, "Example"},
		{"issuer_port", func(w *fakeWeb) {
			w.set(testDiscovery, discovery(strings.Replace(testIssuer, ".com", ".com:443", 1), testKeys))
		}, ErrIssuerMismatch, testDiscovery, 200, ":443"},
		{"keys_http", func(w *fakeWeb) { w.set(testDiscovery, discovery(testIssuer, "http://example.com/keys")) }, ErrForbidden, "http://example.com/keys", 0, "https is required"},
		{"keys_file", func(w *fakeWeb) { w.set(testDiscovery, discovery(testIssuer, "file:///etc/passwd")) }, ErrForbidden, "file:///etc/passwd", 0, "https is required"},
		{"keys_relative", func(w *fakeWeb) { w.set(testDiscovery, discovery(testIssuer, "/keys")) }, ErrForbidden, "/keys", 0, "https is required"},
		{"keys_private", func(w *fakeWeb) { w.set(testKeys, page{body: private}) }, ErrDocument, testKeys, 200, "symmetric"},
		{"too_large", func(w *fakeWeb) { w.set(testKeys, page{body: strings.Repeat(" ", maxDocumentBytes) + private}) }, ErrDocument, testKeys, 200, "more than"},
		{"redirect_elsewhere", func(w *fakeWeb) {
			w.set(testKeys, page{status: 302, header: http.Header{"Location": {"https://attacker.example/keys"}}})
		}, ErrForbidden, testKeys, 0, "redirect to another host"},
		{"redirect_to_port", func(w *fakeWeb) {
			w.set(testKeys, page{status: 302, header: http.Header{"Location": {"https://example.com:8443/keys"}}})
		}, ErrForbidden, testKeys, 0, "redirect to another host"},
		{"redirect_to_http", func(w *fakeWeb) {
			w.set(testKeys, page{status: 302, header: http.Header{"Location": {"http://example.com/keys"}}})
		}, ErrForbidden, testKeys, 0, "https is required"},
		{"redirect_loop", func(w *fakeWeb) {
			w.set(testKeys, page{status: 302, header: http.Header{"Location": {testKeys}}})
		}, ErrForbidden, testKeys, 0, "redirects"},
		{"kid_missing", func(w *fakeWeb) { w.set(testKeys, page{body: `{"keys":[]}`}) }, ErrUnknownKey, testKeys, 200, `key "a" is not among the 0`},
		{"kid_unusable", func(w *fakeWeb) {
			w.set(testKeys, page{body: `{"keys":[{"kty":"RSA","kid":"a","use":"enc"}]}`})
		}, ErrUnknownKey, testKeys, 200, `its use is "enc"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			web := goodWeb(t, "a")
			test.change(web)
			r, _ := newRemote(t, web)
			_, err := ask(t, r, "a")
			got := new(FetchError)
			if !errors.Is(err, test.reason) || !errors.As(err, &got) {
				t.Fatalf("got %v, want a *FetchError because of %v", err, test.reason)
			}
			if got.URL != test.url || got.Status != test.status || got.Issuer != testIssuer || !strings.Contains(err.Error(), test.message) {
				t.Errorf("got URL %q, status %d, %v\nwant URL %q, status %d, %s", got.URL, got.Status, err, test.url, test.status, test.message)
			}
		})
	}
}

func TestRemoteFollowsRedirectOnTheHost(t *testing.T) {
	web := goodWeb(t, "a")
	web.set("https://example.com/moved", jwks(t, "a"))
	web.set(testKeys, page{status: http.StatusFound, header: http.Header{"Location": {"/moved"}}})
	r, _ := newRemote(t, web)
	if kids, err := ask(t, r, "a"); kids != "a" || err != nil {
		t.Errorf("got %q, %v, want a", kids, err)
	}
}

// strictWeb answers 406 unless the client takes the document's media type, as
// kube-apiserver does.
type strictWeb struct{ *fakeWeb }

func (w strictWeb) RoundTrip(request *http.Request) (*http.Response, error) {
	mediaType := "application/json"
	if request.URL.String() == testKeys {
		mediaType = "application/jwk-set+json"
	}
	if !strings.Contains(request.Header.Get("Accept"), mediaType) {
		return &http.Response{StatusCode: http.StatusNotAcceptable, Body: http.NoBody, Request: request}, nil
	}
	return w.fakeWeb.RoundTrip(request)
}

func TestRemoteTakesKeySetType(t *testing.T) {
	r := NewRemote(RemoteConfig{Transport: strictWeb{goodWeb(t, "a")}})
	t.Cleanup(r.Close)
	if got, err := ask(t, r, "a"); got != "a" || err != nil {
		t.Errorf("got keys %q, error %v, want a", got, err)
	}
}

func TestRemoteSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		web := goodWeb(t, "a")
		web.gate = make(chan struct{})
		r := NewRemote(RemoteConfig{Transport: web})
		leaving, leave := context.WithCancel(t.Context())
		left := make(chan error, 1)
		var waiting sync.WaitGroup
		for i := range 100 {
			waiting.Go(func() {
				if _, err := r.Keys(t.Context(), testIssuer, "a"); err != nil {
					t.Errorf("%d: %v", i, err)
				}
			})
		}
		synctest.Wait()
		go func() {
			_, err := r.Keys(leaving, testIssuer, "a")
			left <- err
		}()
		synctest.Wait()
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("a caller that gave up: got %v, want %v", err, context.Canceled)
		}
		close(web.gate)
		waiting.Wait()
		if got := web.count(testDiscovery); got != 1 {
			t.Errorf("got %d fetches, want 1", got)
		}
	})
}

// TestRemoteTimeLimit: an issuer that never answers costs five seconds once,
// also when the caller that started the fetch is gone.
func TestRemoteTimeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		web := goodWeb(t, "a")
		web.gate = make(chan struct{})
		r := NewRemote(RemoteConfig{Transport: web})
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		start := time.Now()
		for range 3 {
			if _, err := r.Keys(cancelled, testIssuer, "a"); !errors.Is(err, ErrUnreachable) {
				t.Errorf("got %v, want %v", err, ErrUnreachable)
			}
		}
		if got := time.Since(start); got != DefaultFetchTimeout {
			t.Errorf("got %v, want %v", got, DefaultFetchTimeout)
		}
		if got := web.count(testDiscovery); got != 1 {
			t.Errorf("got %d fetches, want 1", got)
		}
	})
}

func TestRemoteForgetsIssuers(t *testing.T) {
	web := &fakeWeb{hits: map[string]int{}, pages: map[string]page{}}
	r := NewRemote(RemoteConfig{Transport: web, MaxIssuers: 4})
	for i := range 100 {
		for _, issuer := range []string{fmt.Sprintf("https://h%d.example/", i), "https://used.example/"} {
			if _, err := r.Keys(t.Context(), issuer, ""); !errors.Is(err, ErrUnreachable) {
				t.Fatalf("got %v, want %v", err, ErrUnreachable)
			}
		}
	}
	if got := web.count("https://used.example/.well-known/openid-configuration"); got != 1 {
		t.Errorf("got %d fetches from the issuer in use, want 1", got)
	}
	if len(r.issuers) != 4 || r.recent.Len() != 4 {
		t.Errorf("got %d and %d issuers, want 4", len(r.issuers), r.recent.Len())
	}
	if _, err := r.Keys(t.Context(), "https://h99.example/", ""); err == nil || web.count("https://h99.example/.well-known/openid-configuration") != 1 {
		t.Errorf("got %v, want the remembered failure", err)
	}
}

type fixed map[string]KeySet

func (f fixed) Keys(_ context.Context, issuer, _ string) (KeySet, error) {
	keys, ok := f[issuer]
	if !ok {
		return KeySet{}, fmt.Errorf("%w %s", ErrUnknownIssuer, issuer)
	}
	return keys, nil
}

func TestSources(t *testing.T) {
	one, two := mustSet(t, newKey(t, "1").Public()), mustSet(t, newKey(t, "2").Public())
	sources := Sources{fixed{"a": one}, fixed{"a": two, "b": two}}
	for issuer, want := range map[string]string{"a": "1", "b": "2"} {
		if keys, err := sources.Keys(t.Context(), issuer, ""); err != nil || keys.Kids()[0] != want {
			t.Errorf("%s: got %v, %v, want %s", issuer, keys.Kids(), err, want)
		}
	}
	if _, err := sources.Keys(t.Context(), "c", ""); !errors.Is(err, ErrUnknownIssuer) {
		t.Errorf("got %v, want %v", err, ErrUnknownIssuer)
	}
}
