package entra

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// FuzzRedirect: what is taken for a loopback address leads to one, as Go's and
// browsers' parsers see it.
func FuzzRedirect(f *testing.F) {
	for _, seed := range []string{localhost, "http://127.0.0.1:1/x?y#z", "http://localhost@evil", "http://[::1]", "http://localhost\\.evil"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, redirect string) {
		if !isLoopback(redirect) {
			return
		}
		a := &authorization{redirect: redirect, mode: modeQuery, state: "s"}
		to, err := url.Parse(a.location(a.granted("c")))
		if err != nil {
			t.Fatalf("%q: %v", redirect, err)
		}
		if host := to.Hostname(); host != "localhost" && !strings.HasPrefix(host, "127.") && !strings.HasSuffix(host, ":1") && !strings.Contains(host, "127.") || to.User != nil {
			t.Fatalf("%q leads to %q", redirect, host)
		}
		if strings.ContainsAny(a.origin(), " ;,'\"\r\n") {
			t.Fatalf("%q breaks the policy: %q", redirect, a.origin())
		}
	})
}

// FuzzUserCode: a code that is accepted is one that could have been made.
func FuzzUserCode(f *testing.F) {
	f.Add("BCDF-GHJKL")
	f.Add("bcd fgh jkl")
	f.Add("ſſſſſſſſſ")
	f.Fuzz(func(t *testing.T, typed string) {
		code := normalizeUserCode(typed)
		if code == "" {
			return
		}
		if len(code) != userCodeLength || strings.Trim(code, userCodeLetters) != "" {
			t.Fatalf("%q became %q", typed, code)
		}
	})
}

// FuzzSignInPage: nothing that is sent to the authorization endpoint makes it
// fail inside, or lead anywhere but to a loopback address.
func FuzzSignInPage(f *testing.F) {
	b := newWorkbench(f, nil)
	_, query, _ := strings.Cut(authorize(), "?")
	f.Add(query, signInForm.Encode())
	f.Add("client_id="+azCLI+"&redirect_uri="+url.QueryEscape("http://localhost/\r\nX: y"), "a=b")
	f.Add("%zz", "%zz")
	f.Fuzz(func(t *testing.T, query, body string) {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			r := httptest.NewRequest(method, organizationsURL+"authorize", strings.NewReader(body))
			r.URL.RawQuery = query
			w := httptest.NewRecorder()
			b.server.ServeHTTP(w, r)
			if w.Code >= 500 {
				t.Fatalf("%s ?%s: got %d %s", method, query, w.Code, w.Body)
			}
			if to := w.Header().Get("Location"); to != "" && !isLoopback(strings.SplitN(strings.SplitN(to, "#", 2)[0], "?", 2)[0]) {
				t.Fatalf("%s ?%s: redirected to %q", method, query, to)
			}
		}
	})
}

// FuzzRefreshToken: no text makes the look-up of a refresh token fail inside.
func FuzzRefreshToken(f *testing.F) {
	b := newWorkbench(f, nil)
	b.user(userName, userPassword)
	good := b.exchange(b.passwordForm(userName, userPassword)).RefreshToken
	f.Add(good)
	f.Add("1.x.y")
	f.Add(good[:40] + "\x00" + good[41:])
	f.Fuzz(func(t *testing.T, token string) {
		b.t = t
		got := b.exchange(url.Values{"grant_type": {"refresh_token"}, "client_id": {azCLI}, "refresh_token": {token}, "scope": {armScope}})
		if got.status >= 500 || got.status == http.StatusOK && token != good {
			t.Fatalf("%q: got %d %s", token, got.status, got.body)
		}
	})
}
