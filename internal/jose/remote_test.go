package jose

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
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

// TestRemoteURLs holds hostile issuers against a transport that must not be asked.
func TestRemoteURLs(t *testing.T) {
	hostile := []string{
		"", "/", "issuer", "http://example.com/", "HTTP://example.com", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/",
		"//example.com/", "https:", "https:/", "https://", "https:///path", "https://:443/", "https:example.com",
		"https://user@example.com/", "https://user:pw@example.com/", "https://example.com@attacker.example/", "https://@example.com/",
		"https://example.com/?query", "https://example.com/?", "https://example.com/#", "https://example.com/#fragment",
		"https://example.com\\@attacker.example/", `https://example.com\`, "https://example.com/a\\b",
		"https://example.com/ ", " https://example.com/", "https://exam ple.com/", "https://example.com/\n", "https://example.com/\r\nHost: x",
		"https://example.com/\t", "https://example.com/\x00", "https://example.com/\u00e4", "https://ex\u0430mple.com/", "https://example.com/\u200b",
		"https://example.com:port/", "https://example.com:443:443/", "https://[::1", "https://::1/", "https://example.com/%zz", "https://%31/",
		"https://" + strings.Repeat("a", 4096) + ".example/", "javascript:alert(1)", "data:application/json,{}", "unix:///run/docker.sock",
		"kubernetes/serviceaccount", "jar:https://example.com!/", "https//example.com/", "\\\\example.com\\share",
	}
	web := &fakeWeb{hits: map[string]int{}, pages: map[string]page{}}
	r := NewRemote(RemoteConfig{Transport: web})
	for _, issuer := range hostile {
		if _, err := r.Keys(t.Context(), issuer, ""); !errors.Is(err, ErrForbidden) || !errors.Is(err, ErrUnreachable) {
			t.Errorf("Keys(%.60q): got %v, want %v", issuer, err, ErrForbidden)
		}
	}
	if len(web.hits) != 0 {
		t.Errorf("got requests %v, want none", web.hits)
	}
}

// forbiddenAddresses live in every range that is not public, some in disguise.
func forbiddenAddresses() []string {
	return []string{
		"127.0.0.1", "127.1.2.3", "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.254", "192.168.0.1", "192.168.255.255",
		"169.254.169.254", "169.254.0.1", "100.64.0.1", "100.127.255.254", "168.63.129.16", "192.0.0.1", "192.0.0.170", "192.0.2.1", "198.18.0.1", "198.19.255.255",
		"198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "192.88.99.1",
		"::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "ff0e::1", "2001::1", "2001:db8::1", "2001:10::1", "2002:7f00:1::", "2002:a9fe:a9fe::1",
		"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0.0.0.0", "::127.0.0.1", "::a9fe:a9fe", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "3fff::1",
	}
}

// TestRemoteAddresses: 0 connections outside the policy, whether the address is
// in the URL or behind a name.
func TestRemoteAddresses(t *testing.T) {
	var dialled []string
	var answer []netip.Addr
	r := NewRemote(RemoteConfig{
		LookupIP: func(context.Context, string, string) ([]netip.Addr, error) { return answer, nil },
		DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
			dialled = append(dialled, address)
			return nil, errors.New("dialled")
		},
	})
	for _, address := range forbiddenAddresses() {
		ip := netip.MustParseAddr(address)
		answer = []netip.Addr{ip}
		literal := "https://" + net.JoinHostPort(strings.Replace(address, "%", "%25", 1), "443") + "/"
		for _, issuer := range []string{literal, "https://name-of-" + strings.NewReplacer(":", "-", "%", "-").Replace(address) + ".example/"} {
			if _, err := r.Keys(t.Context(), issuer, ""); !errors.Is(err, ErrForbidden) {
				t.Errorf("%s at %s: got %v, want %v", issuer, address, err, ErrForbidden)
			}
		}
	}
	if len(dialled) != 0 {
		t.Errorf("got connections to %v, want none", dialled)
	}
	answer = []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("93.184.216.34"), netip.MustParseAddr("::ffff:93.184.216.35"), netip.MustParseAddr("2606:2800:220:1::1")}
	_, err := r.Keys(t.Context(), "https://mixed.example/", "")
	want := []string{"93.184.216.34:443", "93.184.216.35:443", "[2606:2800:220:1::1]:443"}
	if errors.Is(err, ErrForbidden) || strings.Join(dialled, " ") != strings.Join(want, " ") {
		t.Errorf("got %v after connections to %v, want %v", err, dialled, want)
	}
}

func TestRemoteAllowPrivate(t *testing.T) {
	allowed := &dialer{private: true}
	for _, address := range []string{"127.0.0.1", "::1", "10.0.0.1", "169.254.1.1", "fd00::1"} {
		if !allowed.allows(netip.MustParseAddr(address)) {
			t.Errorf("%s is refused with AllowPrivate", address)
		}
	}
	for _, address := range []string{"0.0.0.0", "::", "224.0.0.1", "ff02::1", "fe80::1%eth0"} {
		if allowed.allows(netip.MustParseAddr(address)) {
			t.Errorf("%s is allowed with AllowPrivate", address)
		}
	}
}

// TestRemoteOverTLS uses the real transport: a pinned address, own roots and a
// name that resolves differently the second time.
func TestRemoteOverTLS(t *testing.T) {
	web := goodWeb(t, "a")
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, web.pages["https://example.com"+request.URL.Path].body)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // the handshake that fails below
	server.StartTLS()
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	lookups := 0
	var dialled []string
	config := RemoteConfig{
		RootCAs: roots,
		LookupIP: func(context.Context, string, string) ([]netip.Addr, error) {
			if lookups++; lookups > 1 {
				return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil // rebinding
			}
			return []netip.Addr{netip.MustParseAddr("93.184.216.34")}, nil
		},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			dialled = append(dialled, address)
			return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
		},
	}
	r := NewRemote(config)
	defer r.Close()
	if kids, err := ask(t, r, "a"); kids != "a" || err != nil {
		t.Fatalf("got %q, %v, want a", kids, err)
	}
	for _, address := range dialled {
		if address != "93.184.216.34:443" {
			t.Errorf("got a connection to %s, want only 93.184.216.34:443", address)
		}
	}
	config.RootCAs = x509.NewCertPool()
	lookups = 0
	strict := NewRemote(config)
	defer strict.Close()
	_, err := ask(t, strict, "a")
	if wrong := new(tls.CertificateVerificationError); !errors.As(err, &wrong) || !errors.Is(err, ErrUnreachable) {
		t.Errorf("without the root: got %v, want a certificate error", err)
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
