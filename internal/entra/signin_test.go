package entra

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// page is an answer to a browser.
type page struct {
	status int
	header http.Header
	body   string
}

// browse sends what a browser would. Headers come in pairs.
func (b *workbench) browse(method, target string, form url.Values, headers ...string) page {
	b.t.Helper()
	return browse(b.t, b.server, method, target, form, headers...)
}

func browse(t testing.TB, h http.Handler, method, target string, form url.Values, headers ...string) page {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(form.Encode()))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	p := page{w.Code, w.Header(), string(body)}
	p.check(t)
	return p
}

var (
	styleTag = regexp.MustCompile(`(?s)<style>(.*?)</style>`)
	inputTag = regexp.MustCompile(`<input [^>]*>`)
	idOf     = regexp.MustCompile(` id="([^"]*)"`)
)

// check is what holds for every page: nothing runs in it, nothing frames it,
// its style is the one that the policy admits, and every field has a label.
func (p page) check(t testing.TB) {
	t.Helper()
	if !strings.HasPrefix(p.header.Get("Content-Type"), "text/html") {
		return
	}
	policy := p.header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("got policy %q, want %s in it", policy, want)
		}
	}
	if style := styleTag.FindStringSubmatch(p.body); style == nil {
		t.Error("the page has no style")
	} else if sum := sha256.Sum256([]byte(style[1])); !strings.Contains(policy, base64.StdEncoding.EncodeToString(sum[:])) {
		t.Errorf("the policy %q does not admit the page's own style", policy)
	}
	if strings.Contains(p.body, "<script") || strings.Contains(p.body, " style=") || !strings.Contains(p.body, `<html lang="en">`) {
		t.Error("the page holds a script or an inline style, or says no language")
	}
	if p.header.Get("Cache-Control") == "" || p.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("got headers %v", p.header)
	}
	for _, input := range inputTag.FindAllString(p.body, -1) {
		if strings.Contains(input, `type="hidden"`) {
			continue
		}
		id := idOf.FindStringSubmatch(input)
		if id == nil || !strings.Contains(p.body, `<label for="`+id[1]+`"`) {
			t.Errorf("%s has no label", input)
		}
	}
}

func (p page) want(t testing.TB, status int, texts ...string) {
	t.Helper()
	if p.status != status {
		t.Errorf("got %d %s, want %d", p.status, p.body, status)
	}
	for _, text := range texts {
		if !strings.Contains(html.UnescapeString(p.body), text) {
			t.Errorf("got %s\nwant %q in it", p.body, text)
		}
	}
}

const devicePageURL = "https://login.microsoftonline.com/device"

// TestFormsOfOtherSites: a page of another site cannot send ours.
func TestFormsOfOtherSites(t *testing.T) {
	b := newWorkbench(t, nil)
	b.user(userName, userPassword)
	started := b.startDevice()
	for _, headers := range [][]string{
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"},
	} {
		b.browse(http.MethodPost, devicePageURL, credentials(started.UserCode, userName, userPassword), headers...).want(t, 400, "page of another site")
	}
	b.browse(http.MethodPost, devicePageURL, credentials(started.UserCode, userName, userPassword),
		"Sec-Fetch-Site", "same-origin", "Origin", "https://login.microsoftonline.com").want(t, 200, "You are signed in")
}

const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // RFC 7636, appendix B
	localhost = "http://localhost:53682"
)

// authorize is the address that az login opens in the browser.
func authorize(change ...string) string {
	values := url.Values{
		"client_id": {azCLI}, "response_type": {"code"}, "redirect_uri": {localhost}, "scope": {armScope}, "state": {"st&te"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"}, "nonce": {"n-1"}, "client_info": {"1"}, "prompt": {"select_account"},
		"login_hint": {userName},
	}
	for i := 0; i < len(change); i += 2 {
		if values.Set(change[i], change[i+1]); change[i+1] == "" {
			values.Del(change[i])
		}
	}
	return organizationsURL + "authorize?" + values.Encode()
}

var signInForm = url.Values{"username": {userName}, "password": {userPassword}, "action": {"accept"}}

// redeem is the token request that follows.
func redeem(code string, change ...string) url.Values {
	values := url.Values{
		"grant_type": {"authorization_code"}, "client_id": {azCLI}, "code": {code}, "redirect_uri": {localhost},
		"code_verifier": {verifier}, "client_info": {"1"}, "scope": {armScope},
	}
	for i := 0; i < len(change); i += 2 {
		values.Set(change[i], change[i+1])
	}
	return values
}

// code signs in and returns the code that the client gets.
func (b *workbench) code() string {
	b.t.Helper()
	p := b.browse(http.MethodPost, authorize(), signInForm)
	to, err := url.Parse(p.header.Get("Location"))
	if err != nil || p.status != http.StatusSeeOther || to.Query().Get("code") == "" {
		b.t.Fatalf("got %d to %v, %v", p.status, to, err)
	}
	return to.Query().Get("code")
}

func TestAuthorizationCode(t *testing.T) {
	b := newWorkbench(t, nil)
	user := b.user(userName, userPassword)
	shown := b.browse(http.MethodGet, authorize(), nil)
	shown.want(t, 200, "Sign in to Microsoft Azure CLI", userName, "https://management.core.windows.net/")
	if policy := shown.header.Get("Content-Security-Policy"); !strings.HasSuffix(policy, "form-action 'self' "+localhost) {
		t.Errorf("got policy %q, want it to admit the redirect: browsers check it too", policy)
	}
	b.browse(http.MethodPost, authorize(), url.Values{"username": {userName}, "password": {"wrong"}, "action": {"accept"}}).want(t, 400, "AADSTS50126")
	answer := b.browse(http.MethodPost, authorize(), signInForm)
	to, err := url.Parse(answer.header.Get("Location"))
	if err != nil || to.Host != "localhost:53682" || to.Query().Get("state") != "st&te" {
		t.Fatalf("got redirect to %v, %v", to, err)
	}
	got := b.post(organizationsURL+"token", redeem(to.Query().Get("code")))
	wantClaims(t, b.token(got), map[string]any{"oid": user.ObjectID, "appid": azCLI})
	wantClaims(t, b.signedBody(got.IDToken), map[string]any{"nonce": "n-1", "aud": azCLI})
	if got.RefreshToken == "" || got.ClientInfo == "" {
		t.Errorf("got %s", got.body)
	}

	// A code in two hands ends what the first made of it.
	wantCode(t, b.post(organizationsURL+"token", redeem(to.Query().Get("code"))), "AADSTS54005")
	wantCode(t, b.exchange(url.Values{"grant_type": {"refresh_token"}, "client_id": {azCLI}, "refresh_token": {got.RefreshToken}, "scope": {armScope}}), "AADSTS70000")
}

func TestRedeemRefusals(t *testing.T) {
	b := newWorkbench(t, nil)
	b.user(userName, userPassword)
	for name, test := range map[string]struct {
		change []string
		code   string
	}{
		"no_verifier":      {[]string{"code_verifier", ""}, "AADSTS501481"},
		"other_verifier":   {[]string{"code_verifier", strings.Repeat("a", 43)}, "AADSTS501481"},
		"challenge_itself": {[]string{"code_verifier", challenge}, "AADSTS501481"},
		"other_redirect":   {[]string{"redirect_uri", localhost + "/"}, "AADSTS70000"},
		"no_redirect":      {[]string{"redirect_uri", ""}, "AADSTS900144"},
		"other_client":     {[]string{"client_id", "1950a258-227b-4e31-a9cf-717495945fc2"}, "AADSTS70000"},
		"unknown_code":     {[]string{"code", "nonsense"}, "AADSTS70000"},
		"no_code":          {[]string{"code", ""}, "AADSTS900144"},
	} {
		t.Run(name, func(t *testing.T) {
			code := b.code()
			wantCode(t, b.post(organizationsURL+"token", redeem(code, test.change...)), test.code)
			b.token(b.post(organizationsURL+"token", redeem(code))) // a refusal does not spend it
		})
	}
	wantCode(t, b.post("https://login.microsoftonline.com/"+otherTenant+"/oauth2/v2.0/token", redeem(b.code())), "AADSTS70000")
	late := b.code()
	b.clock.advance(codeLifetime)
	wantCode(t, b.post(organizationsURL+"token", redeem(late)), "AADSTS70008")
}

// TestAuthorizeRefusals: what is shown to the person, because nobody else may
// be told, and what the client is told.
func TestAuthorizeRefusals(t *testing.T) {
	b := newWorkbench(t, nil)
	b.user(userName, userPassword)
	for name, test := range map[string]struct {
		change []string
		code   string
		told   string // the error that the client reads; "" for a page
	}{
		"foreign_redirect": {[]string{"redirect_uri", "https://evil.example/"}, "AADSTS50011", ""},
		"no_redirect":      {[]string{"redirect_uri", ""}, "AADSTS900144", ""},
		"unknown_client":   {[]string{"client_id", "77777777-7777-4777-8777-777777777777"}, "AADSTS700016", ""},
		"no_client":        {[]string{"client_id", ""}, "AADSTS900144", ""},
		"strange_mode":     {[]string{"response_mode", "web_message"}, "AADSTS90023", ""},
		"implicit":         {[]string{"response_type", "token"}, "AADSTS700051", unsupportedResponseType},
		"hybrid":           {[]string{"response_type", "code id_token"}, "AADSTS700051", unsupportedResponseType},
		"no_challenge":     {[]string{"code_challenge", ""}, "AADSTS9002325", invalidRequest},
		"plain_challenge":  {[]string{"code_challenge_method", "plain"}, "AADSTS9002325", invalidRequest},
		"short_challenge":  {[]string{"code_challenge", "abc"}, "AADSTS9002325", invalidRequest},
		"silent":           {[]string{"prompt", "none"}, "AADSTS50058", interactionRequired},
		"no_scope":         {[]string{"scope", ""}, "AADSTS900144", invalidRequest},
		"two_resources":    {[]string{"scope", "https://a/.default https://b/.default"}, "AADSTS70011", invalidScope},
	} {
		t.Run(name, func(t *testing.T) {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				p := b.browse(method, authorize(test.change...), signInForm)
				if test.told == "" {
					p.want(t, 400, test.code, `role="alert"`)
					if p.header.Get("Location") != "" {
						t.Errorf("%s: redirected to %s", method, p.header.Get("Location"))
					}
					continue
				}
				to, err := url.Parse(p.header.Get("Location"))
				if err != nil || to.Host != "localhost:53682" || to.Query().Get("error") != test.told ||
					!strings.HasPrefix(to.Query().Get("error_description"), test.code+": ") || to.Query().Get("state") != "st&te" {
					t.Errorf("%s: got %d to %v, %v, want %s %s", method, p.status, to, err, test.told, test.code)
				}
			}
		})
	}
	p := b.browse(http.MethodPost, authorize(), url.Values{"action": {"decline"}})
	if to, _ := url.Parse(p.header.Get("Location")); to.Query().Get("error") != accessDenied {
		t.Errorf("declined: got %v", to)
	}
	b.browse(http.MethodGet, authorize()+"&state=2", nil).want(t, 400, "AADSTS9000411")
	b.browse(http.MethodGet, authorize("state", strings.Repeat("a", maxAuthorization)), nil).want(t, 400, "too long")
}

func TestResponseModes(t *testing.T) {
	b := newWorkbench(t, nil)
	b.user(userName, userPassword)
	p := b.browse(http.MethodPost, authorize("response_mode", "fragment"), signInForm)
	if to := p.header.Get("Location"); !strings.HasPrefix(to, localhost+"#code=") || !strings.Contains(to, "state=st%26te") {
		t.Errorf("fragment: got %s", to)
	}
	p = b.browse(http.MethodPost, authorize("response_mode", "form_post", "state", `"><b>`), signInForm)
	p.want(t, 200, `<form method="post" action="`+localhost+`">`, `name="code" value="`, "Continue")
	if strings.Contains(p.body, `"><b>`) {
		t.Errorf("the page holds what the client sent as it is: %s", p.body)
	}
	p = b.browse(http.MethodPost, authorize("redirect_uri", localhost+"/cb?x=1"), signInForm)
	if to := p.header.Get("Location"); !strings.HasPrefix(to, localhost+"/cb?x=1&code=") {
		t.Errorf("query: got %s", to)
	}
}

func TestLogout(t *testing.T) {
	b := newWorkbench(t, nil)
	for _, path := range []string{"/common/oauth2/v2.0/logout", "/" + tenantID + "/oauth2/logout?post_logout_redirect_uri=https://evil.example/"} {
		p := b.browse(http.MethodGet, "https://login.microsoftonline.com"+path, nil)
		p.want(t, 200, "You signed out")
		if p.header.Get("Location") != "" {
			t.Error("signing out redirects")
		}
	}
}

// TestPagesSurviveAFailingStore: a person reads Entra's text, not the cause.
func TestPagesSurviveAFailingStore(t *testing.T) {
	b := newWorkbench(t, nil)
	b.service.userCodes.Store = failingStore{b.store}
	p := b.browse(http.MethodPost, devicePageURL, url.Values{"user_code": {"BCDFGHJKL"}})
	p.want(t, 500, "AADSTS50000")
	if strings.Contains(p.body, "disk") || !strings.Contains(b.log.String(), "the disk is gone") {
		t.Errorf("got %s with log %s", p.body, b.log)
	}
}

func TestIsLoopback(t *testing.T) {
	for redirect, want := range map[string]bool{
		"http://localhost:8400": true, "http://localhost": true, "http://localhost/": true, "http://127.0.0.1:5/cb?a=b": true, "http://[::1]:80/x": true,
		"http://127.9.9.9:1": true, "http://LOCALHOST:1": false, "https://localhost:1": false, "http://localhost.evil.example:1": false,
		"http://localhost@evil.example": false, "http://evil.example": false, "http://localhost:99999": false, "http://localhost:": false, "http://localhost:0": false,
		"http://localhost\\@evil.example": false, "http://localhost:1#f": false, "http:localhost": false, "http:///x": false, "urn:ietf:wg:oauth:2.0:oob": false,
		"http://169.254.169.254/": false, "http://[::ffff:127.0.0.1]:1": true, "http://[::1%25lo]:1": false, "": false, "http://0.0.0.0:1": false,
		"http://127.0.0.1.evil.example": false, "http://local\thost": false,
	} {
		if got := isLoopback(redirect); got != want {
			t.Errorf("%q: got %v, want %v", redirect, got, want)
		}
	}
}

// TestEveryUserFault: each is provoked by a test of this package.
func TestEveryUserFault(t *testing.T) {
	provoked := "AADSTS50034 AADSTS50126 AADSTS50057 AADSTS50053 AADSTS50058 AADSTS65004 AADSTS7000218 AADSTS700025 AADSTS50011 AADSTS700051 " +
		"AADSTS9002325 AADSTS70000 AADSTS70008 AADSTS54005 AADSTS501481 AADSTS700082 AADSTS50173 AADSTS70016 AADSTS70020 AADSTS70018"
	for _, code := range declaredCodes(t, "faults_user.go") {
		if !slices.Contains(strings.Fields(provoked), code) {
			t.Errorf("no test provokes %s", code)
		}
	}
}
