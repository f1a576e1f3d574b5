package federated

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aksess/aksess/internal/imds"
)

func TestExchange(t *testing.T) {
	w := newWorkbench(t)
	w.project(t, " e.y.J\n")
	got, err := w.get(t.Context(), imds.Selector{}, vault)
	if err != nil {
		t.Fatal(err)
	}
	if got.Aud != vault+"/.default" || got.AppID != clientID || got.ClientID != clientID || got.Resource != vault || got.ExpiresIn < 3590 {
		t.Errorf("got %+v", got)
	}
	want := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {clientID}, "scope": {vault + "/.default"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {"e.y.J"},
	}
	if len(w.service.asked) != 1 { // nothing else is asked of anybody: no instance discovery
		t.Fatalf("got %+v, want one request", w.service.asked)
	}
	asked := w.service.asked[0]
	if asked.url != "POST https://login.microsoftonline.com/"+tenantID+"/oauth2/v2.0/token" || asked.form.Encode() != want.Encode() {
		t.Errorf("got %+v, want %v", asked, want)
	}
}

func TestScope(t *testing.T) {
	for resource, want := range map[string]string{
		"https://vault.azure.net":                   "https://vault.azure.net/.default",
		"https://management.core.windows.net/":      "https://management.core.windows.net//.default",
		"https://vault.azure.net/.default":          "https://vault.azure.net/.default",
		"api://x":                                   "api://x/.default",
		"00000003-0000-0000-c000-000000000000":      "00000003-0000-0000-c000-000000000000/.default",
		"https://vault.azure.net/.default/.default": "https://vault.azure.net/.default/.default",
	} {
		if got := scope(resource); got != want {
			t.Errorf("%q: got %q, want %q", resource, got, want)
		}
	}
}

func TestConfig(t *testing.T) {
	good := Config{TenantID: tenantID, ClientID: clientID, TokenFile: "/t", Authority: "https://login.microsoftonline.com/"}
	for name, test := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"tenant":       {func(c *Config) { c.TenantID = "a/../b" }, "neither a GUID nor a domain name"},
		"client":       {func(c *Config) { c.ClientID = " not-a-guid " }, "is not a GUID"},
		"file":         {func(c *Config) { c.TokenFile = "" }, "not named"},
		"plain":        {func(c *Config) { c.Authority = "http://login.microsoftonline.com/" }, "is not an https URL"},
		"user":         {func(c *Config) { c.Authority = "https://u:p@host/" }, "is not an https URL"},
		"binding":      {func(c *Config) { c.Binding = &Binding{URL: "https://host/?a=b"} }, "token proxy of the identity binding"},
		"two_cas":      {func(c *Config) { c.Binding = &Binding{URL: "https://h", CAFile: "/f", CAData: []byte("d")} }, "both as a file and as data"},
		"empty_ca":     {func(c *Config) { c.Binding = &Binding{URL: "https://h", CAFile: os.DevNull} }, "no certificate in it"},
		"no_ca_in_it":  {func(c *Config) { c.Binding = &Binding{URL: "https://h", CAData: []byte("x")} }, "no certificate in it"},
		"missing_file": {func(c *Config) { c.Binding = &Binding{URL: "https://h", CAFile: "/missing/ca"} }, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			config := good
			test.change(&config)
			if _, err := New(config); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

// TestRefusals: what the token service says, and what a client of the metadata
// service hears. Only an outage is a 5xx.
func TestRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		answer func(int, url.Values) (int, http.Header, string, error)
		want   imds.Error
		again  time.Duration // until it is asked again
	}{
		"no_credential": {refusing(401, "invalid_client", "AADSTS700213: No matching"), imds.Error{Status: 401, Code: "invalid_client", Description: "AADSTS700213: No matching"}, holdPermanent},
		"resource":      {refusing(400, "invalid_resource", "AADSTS500011: The"), imds.Error{Status: 400, Code: "invalid_resource", Description: "AADSTS500011: The"}, holdPermanent},
		"odd_4xx":       {refusing(404, "not_found", "a\r\nb"), imds.Error{Status: 400, Code: "not_found", Description: "a  b"}, holdPermanent},
		"no_json":       {func(int, url.Values) (int, http.Header, string, error) { return 403, nil, "<html>", nil }, imds.Error{Status: 403, Code: "invalid_request", Description: "The token service answered 403"}, holdPermanent},
		"throttled":     {refusing(429, "x", "AADSTS90055", "Retry-After", "7"), imds.Error{Status: 429, Code: "too_many_requests", Description: "AADSTS90055", RetryAfter: 7 * time.Second}, 7 * time.Second},
		"throttled_day": {refusing(429, "x", "", "Retry-After", "86400"), imds.Error{Status: 429, Code: "too_many_requests", RetryAfter: time.Minute}, time.Minute},
		"throttled_bad": {refusing(429, "x", ""), imds.Error{Status: 429, Code: "too_many_requests", RetryAfter: 5 * time.Second}, 5 * time.Second},
		"outage":        {refusing(503, "x", "down"), imds.Error{Status: 503, Code: "temporarily_unavailable", Description: "The token service answered 503 down", RetryAfter: time.Second}, holdOutage},
		"redirect":      {refusing(302, "", "", "Location", "https://evil.example/"), imds.Error{Status: 503, Code: "temporarily_unavailable", Description: "The token service answered 302 ", RetryAfter: time.Second}, holdOutage},
		"unreachable":   {unreachable, imds.Error{Status: 503, Code: "temporarily_unavailable", Description: "The token service cannot be reached", RetryAfter: time.Second}, holdOutage},
		"nonsense":      {func(int, url.Values) (int, http.Header, string, error) { return 200, nil, "{", nil }, imds.Error{Status: 503, Code: "temporarily_unavailable", Description: "The token service's answer is not understood", RetryAfter: time.Second}, holdOutage},
		"no_life": {func(n int, f url.Values) (int, http.Header, string, error) {
			return 200, nil, granted(n, f, `"expires_in":0`), nil
		},
			imds.Error{Status: 503, Code: "temporarily_unavailable", Description: "The token service's answer is not understood", RetryAfter: time.Second}, holdOutage},
		"other_type": {func(n int, f url.Values) (int, http.Header, string, error) {
			return 200, nil, strings.Replace(granted(n, f, `"expires_in":9`), "Bearer", "pop", 1), nil
		}, imds.Error{Status: 503, Code: "temporarily_unavailable", Description: "The token service's answer is not understood", RetryAfter: time.Second}, holdOutage},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorkbench(t)
				w.service.answers(test.answer)
				_, err := w.get(t.Context(), imds.Selector{}, vault)
				if got := refusal(t, err); *got != test.want {
					t.Fatalf("got %+v, want %+v", *got, test.want)
				}
				for _, a := range w.service.asked {
					if !strings.HasPrefix(a.url, "POST https://login.microsoftonline.com/") {
						t.Errorf("got a request for %s", a.url)
					}
				}
				before := w.service.count()
				time.Sleep(test.again - time.Millisecond)
				if _, err := w.get(t.Context(), imds.Selector{}, vault); refusal(t, err).Status != test.want.Status || w.service.count() != before {
					t.Errorf("got %v and %d exchanges, want it remembered", err, w.service.count()-before)
				}
				time.Sleep(time.Millisecond)
				w.service.answers(nil)
				if _, err := w.get(t.Context(), imds.Selector{}, vault); err != nil {
					t.Errorf("got %v once it is over", err)
				}
			})
		})
	}
}

// TestTries: an exchange whose connection failed is tried once more.
func TestTries(t *testing.T) {
	w := newWorkbench(t)
	w.service.answers(func(n int, form url.Values) (int, http.Header, string, error) {
		if n == 1 {
			return unreachable(n, form)
		}
		return http.StatusOK, nil, granted(n, form, `"expires_in":60`), nil
	})
	if got, err := w.get(t.Context(), imds.Selector{}, vault); err != nil || got.N != 2 {
		t.Errorf("got token %d %v, want the second", got.N, err)
	}
}

// TestSelectors: an identity is answered for or refused, never confused.
func TestSelectors(t *testing.T) {
	const other = "55555555-5555-5555-5555-555555555555"
	for name, test := range map[string]struct {
		selector imds.Selector
		client   string // "" is refused
	}{
		"none":           {imds.Selector{}, clientID},
		"client":         {imds.Selector{ClientID: other}, other},
		"object":         {imds.Selector{ObjectID: strings.ToUpper(objectID)}, clientID},
		"resource":       {imds.Selector{ResourceID: strings.ToLower(armID)}, clientID},
		"resource_slash": {imds.Selector{ResourceID: armID + "/"}, clientID},
		"other_object":   {imds.Selector{ObjectID: other}, ""},
		"client_is_none": {imds.Selector{ObjectID: clientID}, ""},
		"other_resource": {imds.Selector{ResourceID: armID + "2"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorkbench(t)
			got, err := w.get(t.Context(), test.selector, vault)
			switch {
			case test.client == "":
				if r := refusal(t, err); r.Status != 400 || r.Description != "Identity not found" {
					t.Errorf("got %v", r)
				}
			case err != nil || got.AppID != test.client || got.ClientID != test.client:
				t.Errorf("got %+v %v, want %s", got, err, test.client)
			}
		})
	}
	t.Run("opaque", func(t *testing.T) { // a token that says nothing is nobody's but its client's
		w := newWorkbench(t)
		w.service.answers(func(int, url.Values) (int, http.Header, string, error) {
			return 200, nil, `{"token_type":"Bearer","access_token":"opaque","expires_in":3600}`, nil
		})
		for _, s := range []imds.Selector{{ObjectID: objectID}, {ResourceID: armID}, {ResourceID: "/"}} {
			if _, err := w.Answer(t.Context(), s, vault); err == nil {
				t.Errorf("%+v: got a token", s)
			}
		}
	})
	t.Run("no_client", func(t *testing.T) {
		w := newWorkbench(t, func(c *Config) { c.ClientID = "" })
		if _, err := w.get(t.Context(), imds.Selector{}, vault); !strings.HasPrefix(refusal(t, err).Description, "Identity not found: ") {
			t.Errorf("got %v", err)
		}
		if got, err := w.get(t.Context(), imds.Selector{ClientID: other}, vault); err != nil || got.AppID != other {
			t.Errorf("got %+v %v", got, err)
		}
	})
}

// TestTokenFile: what the kubelet has written since counts, and what cannot be
// read is said to be so.
func TestTokenFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorkbench(t)
		for name, test := range map[string]struct {
			text string
			want string
		}{
			"empty": {" \n", ""}, "long": {strings.Repeat("a", maxAssertion+1), ""}, "first": {"first", "first"}, "second": {"second\n", "second"},
		} {
			w.project(t, test.text)
			_, err := w.get(t.Context(), imds.Selector{}, vault+"/"+name)
			if test.want == "" {
				if got := refusal(t, err); got.Status != 503 || got.Description != "The service account token cannot be read" {
					t.Errorf("%s: got %v", name, got)
				}
				continue
			}
			if got := w.service.asked[len(w.service.asked)-1].form.Get("client_assertion"); err != nil || got != test.want {
				t.Errorf("%s: got %q %v, want %q", name, got, err, test.want)
			}
		}
		if err := os.Remove(w.file); err != nil {
			t.Fatal(err)
		}
		if _, err := w.get(t.Context(), imds.Selector{}, "gone"); refusal(t, err).Status != 503 {
			t.Errorf("got %v", err)
		}
	})
}

// TestBounds: neither a thousand resources that do not exist nor a thousand that
// do make the cache grow, and the former drive out no token.
func TestBounds(t *testing.T) {
	w := newWorkbench(t)
	if _, err := w.get(t.Context(), imds.Selector{}, vault); err != nil {
		t.Fatal(err)
	}
	w.service.answers(refusing(400, "invalid_resource", "no"))
	for i := range 4 * maxRefusals {
		if _, err := w.get(t.Context(), imds.Selector{}, fmt.Sprint(i)); err == nil {
			t.Fatal("got a token")
		}
	}
	if got, err := w.get(t.Context(), imds.Selector{}, vault); err != nil || got.N != 1 {
		t.Errorf("got token %d %v, want the first", got.N, err)
	}
	w.service.answers(nil)
	for i := range 4 * maxTokens {
		if _, err := w.get(t.Context(), imds.Selector{}, fmt.Sprint("r", i)); err != nil {
			t.Fatal(err)
		}
		if _, err := w.get(t.Context(), imds.Selector{}, vault); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.cache.tokens) > maxTokens || len(w.cache.refusals) > maxRefusals {
		t.Errorf("got %d tokens and %d refusals", len(w.cache.tokens), len(w.cache.refusals))
	}
	if got, err := w.get(t.Context(), imds.Selector{}, vault); err != nil || got.N != 1 {
		t.Errorf("got token %d %v, want the first, which was used all the time", got.N, err)
	}
}

// TestBusy: so many exchanges at the same time and no more; what is cached is
// served meanwhile, and Close ends what is under way.
func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorkbench(t)
		if _, err := w.get(t.Context(), imds.Selector{}, vault); err != nil {
			t.Fatal(err)
		}
		w.service.mu.Lock()
		w.service.hold = make(chan struct{})
		w.service.mu.Unlock()
		var waiting sync.WaitGroup
		for i := range maxFlights {
			waiting.Go(func() {
				if _, err := w.get(t.Context(), imds.Selector{}, fmt.Sprint(i)); refusal(t, err).Status != 503 {
					t.Errorf("got %v, want 503 for an exchange that was ended", err)
				}
			})
		}
		synctest.Wait()
		if _, err := w.get(t.Context(), imds.Selector{}, "more"); refusal(t, err).Status != 429 || refusal(t, err).RetryAfter != time.Second {
			t.Errorf("got %v, want 429", err)
		}
		if _, err := w.get(t.Context(), imds.Selector{}, vault); err != nil {
			t.Errorf("got %v for a token that is cached", err)
		}
		w.Close()
		waiting.Wait()
	})
}

// TestSlow: a token service that says nothing is given up after ten seconds.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorkbench(t)
		w.service.hold = make(chan struct{})
		began := time.Now()
		_, err := w.get(t.Context(), imds.Selector{}, vault)
		if got := time.Since(began); refusal(t, err).Status != 503 || got != exchangeWithin {
			t.Errorf("got %v after %v, want 503 after %v", err, got, exchangeWithin)
		}
	})
}
