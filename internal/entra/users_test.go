package entra

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/jose"
	"github.com/aksess/aksess/internal/store"
)

const (
	userName         = "ada@" + tenantDomain
	organizationsURL = "https://login.microsoftonline.com/organizations/oauth2/v2.0/"
)

// signedBody returns the claims of a token that the service signed.
func (b *workbench) signedBody(token string) map[string]any {
	b.t.Helper()
	keys, err := b.service.ring.KeySet(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	verified, err := jose.Verify(token, keys, accessTokenPolicy)
	if err != nil {
		b.t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(verified.Claims, &claims); err != nil {
		b.t.Fatal(err)
	}
	return claims
}

// wantClaims compares some claims.
func wantClaims(t testing.TB, got, want map[string]any) {
	t.Helper()
	for name, value := range want {
		if value == nil {
			if _, there := got[name]; there {
				t.Errorf("got %s %v, want none", name, got[name])
			}
			continue
		}
		g, _ := json.Marshal(got[name])
		w, _ := json.Marshal(value)
		if string(g) != string(w) {
			t.Errorf("got %s %s, want %s", name, g, w)
		}
	}
}

// TestPasswordGrant is what az login -u -p leads to, and what comes of it.
func TestPasswordGrant(t *testing.T) {
	b := newWorkbench(t, nil)
	user := b.user(userName, userPassword)
	got := b.post(organizationsURL+"token", b.passwordForm("ADA@contoso.onmicrosoft.com", userPassword))
	wantClaims(t, b.token(got), map[string]any{
		"aud": "https://management.core.windows.net/", "iss": "https://sts.windows.net/" + tenantID + "/", "ver": "1.0",
		"appid": azCLI, "appidacr": "0", "idtyp": "user", "oid": user.ObjectID, "tid": tenantID, "scp": "user_impersonation",
		"upn": userName, "unique_name": userName, "name": "Ada Lovelace", "amr": []string{"pwd"},
		"wids": []string{"b79fbf4d-3ef9-4689-8143-76b194e85509"}, "xms_mirid": nil,
	})
	wantClaims(t, b.signedBody(got.IDToken), map[string]any{
		"aud": azCLI, "iss": "https://login.microsoftonline.com/" + tenantID + "/v2.0", "ver": "2.0", "tid": tenantID,
		"oid": user.ObjectID, "preferred_username": userName, "name": "Ada Lovelace", "nonce": nil, "appid": nil, "azp": nil,
	})
	info, err := base64.RawURLEncoding.DecodeString(got.ClientInfo)
	if err != nil || string(info) != `{"uid":"`+user.ObjectID+`","utid":"`+tenantID+`"}` {
		t.Errorf("got client_info %s, %v", info, err)
	}
	words := strings.Fields(got.Scope)
	for _, word := range append(strings.Fields(armScope), "https://management.core.windows.net//user_impersonation") {
		if !slices.Contains(words, word) {
			t.Errorf("got scope %q, want %s in it: clients compare", got.Scope, word)
		}
	}
	if got.Family != "1" || got.ExpiresIn != 3599.0 {
		t.Errorf("got foci %q, expires_in %v, want 1, 3599", got.Family, got.ExpiresIn)
	}
	caller, err := b.service.Authenticator().Authenticate(t.Context(), got.AccessToken)
	if err != nil || caller.ObjectID != user.ObjectID || caller.AppID != azCLI || caller.TenantID != tenantID || caller.ResourceID != "" {
		t.Errorf("got caller %+v, %v", caller, err)
	}
	if _, err := b.service.Authenticator().Authenticate(t.Context(), got.IDToken); err == nil {
		t.Error("an id token was accepted as an access token")
	}
	if event := b.last.Load(); event.Caller.ObjectID != user.ObjectID || !event.Verdict.Allowed {
		t.Errorf("got event %+v, want the user in the trail", event)
	}
}

// TestGraphTokenOfUser: azurerm takes a token for a user's when scp holds openid.
func TestGraphTokenOfUser(t *testing.T) {
	b := newWorkbench(t, nil)
	b.user(userName, userPassword)
	form := b.passwordForm(userName, userPassword)
	form.Set("scope", "https://graph.microsoft.com/.default openid profile offline_access")
	claims := b.token(b.exchange(form))
	if scp, _ := claims["scp"].(string); !slices.Contains(strings.Fields(scp), "openid") || claims["aud"] != "https://graph.microsoft.com" {
		t.Errorf("got aud %v, scp %q", claims["aud"], scp)
	}
	form.Set("scope", "openid profile")
	if got := b.token(b.exchange(form)); got["aud"] != "https://graph.microsoft.com" {
		t.Errorf("got aud %v for a sign-in alone, want Graph", got["aud"])
	}
}

// TestUserTokenForApplication: an application's own API gets v2 tokens with the
// permissions that were asked for.
func TestUserTokenForApplication(t *testing.T) {
	b := newWorkbench(t, nil)
	user := b.user(userName, userPassword)
	form := b.passwordForm(userName, userPassword)
	form.Set("scope", "api://"+b.app.AppID+"/Orders.Read api://"+b.app.AppID+"/Orders.Write")
	got := b.exchange(form)
	wantClaims(t, b.token(got), map[string]any{
		"aud": b.app.AppID, "azp": azCLI, "azpacr": "0", "scp": "Orders.Read Orders.Write", "ver": "2.0", "oid": user.ObjectID, "preferred_username": userName,
	})
	if got.RefreshToken != "" || got.IDToken != "" {
		t.Error("got a refresh or id token that was not asked for")
	}
}

// TestRefresh: any resource, tokens rotate, older ones stay good for processes
// that share a cache, and what ended the session ends them all.
func TestRefresh(t *testing.T) {
	b := newWorkbench(t, nil)
	user := b.user(userName, userPassword)
	first := b.exchange(b.passwordForm(userName, userPassword)).RefreshToken
	refresh := func(token string) url.Values {
		return url.Values{
			"grant_type": {"refresh_token"}, "client_id": {azCLI}, "refresh_token": {token},
			"scope": {"https://vault.azure.net/.default offline_access openid profile"},
		}
	}
	got := b.exchange(refresh(first))
	if claims := b.token(got); claims["aud"] != "https://vault.azure.net" || claims["oid"] != user.ObjectID {
		t.Errorf("got aud %v, oid %v", claims["aud"], claims["oid"])
	}
	if got.RefreshToken == "" || got.RefreshToken == first {
		t.Error("the refresh token was not rotated")
	}
	b.token(b.exchange(refresh(first))) // another process that had read the old one
	b.token(b.post(organizationsURL+"token", refresh(got.RefreshToken)))

	powershell := refresh(got.RefreshToken)
	powershell.Set("client_id", "1950a258-227b-4e31-a9cf-717495945fc2")
	b.token(b.exchange(powershell)) // of the same family

	other := refresh(got.RefreshToken)
	other.Set("client_id", "14d82eec-204b-4c2f-b7e8-296a70dab67e")
	wantCode(t, b.exchange(other), "AADSTS70000")
	wantCode(t, b.post("https://login.microsoftonline.com/"+otherTenant+"/oauth2/v2.0/token", refresh(got.RefreshToken)), "AADSTS70000")
	wantCode(t, b.exchange(refresh(got.RefreshToken[:len(got.RefreshToken)-1]+"_")), "AADSTS70000")

	unsaid := refresh(got.RefreshToken)
	unsaid.Del("scope")
	if claims := b.token(b.exchange(unsaid)); claims["aud"] != "https://management.core.windows.net/" {
		t.Errorf("got aud %v, want that of the sign-in", claims["aud"])
	}

	b.clock.advance(refreshLifetime - time.Minute)
	last := b.exchange(refresh(got.RefreshToken)).RefreshToken
	b.clock.advance(2 * time.Minute)
	wantCode(t, b.exchange(refresh(got.RefreshToken)), "AADSTS700082")
	b.token(b.exchange(refresh(last)))
	if err := b.directory.SetPassword(t.Context(), user.ObjectID, "Another-canary-2"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, b.exchange(refresh(last)), "AADSTS50173")
}

// TestRefreshTokensAreBounded: a sign-in keeps a number of tokens, not all.
func TestRefreshTokensAreBounded(t *testing.T) {
	b := newWorkbench(t, nil)
	b.user(userName, userPassword)
	first := b.exchange(b.passwordForm(userName, userPassword)).RefreshToken
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {azCLI}, "refresh_token": {first}, "scope": {armScope}}
	for range maxRefreshTokens - 1 {
		form.Set("refresh_token", b.exchange(form).RefreshToken)
	}
	newest := form.Get("refresh_token")
	form.Set("refresh_token", first)
	b.token(b.exchange(form))
	wantCode(t, b.exchange(form), "AADSTS70000")
	form.Set("refresh_token", newest)
	b.token(b.exchange(form))
}

// TestTokensAreKeptAsDigests: nobody who reads the state can use what it holds.
func TestTokensAreKeptAsDigests(t *testing.T) {
	b := newWorkbench(t, nil)
	b.user(userName, userPassword)
	refresh := b.exchange(b.passwordForm(userName, userPassword)).RefreshToken
	started := b.post(organizationsURL+"devicecode", url.Values{"client_id": {azCLI}, "scope": {armScope}})
	_, secret, _ := strings.Cut(strings.TrimPrefix(refresh, refreshPrefix), ".")
	for _, collection := range []string{"entra.session", "entra.device", "entra.usercode", "entra.code"} {
		for _, document := range b.documents(collection) {
			for _, canary := range []string{secret, started.DeviceCode, userPassword} {
				if strings.Contains(document, canary) {
					t.Errorf("a document of %s holds a secret", collection)
				}
			}
		}
	}
	for _, canary := range []string{secret, started.DeviceCode, started.UserCode, userPassword} {
		if strings.Contains(b.log.String(), canary) {
			t.Error("the log holds a secret")
		}
	}
}

// TestUserClients: who may be the client of a user's sign-in, and how it proves itself.
func TestUserClients(t *testing.T) {
	b := newWorkbench(t, nil)
	b.user(userName, userPassword)
	public, err := b.directory.CreateApplication(t.Context(), tenantID, "tool")
	if err != nil {
		t.Fatal(err)
	}
	form := func(client string, pairs ...string) url.Values {
		values := b.passwordForm(userName, userPassword)
		values.Set("client_id", client)
		for i := 0; i < len(pairs); i += 2 {
			values.Set(pairs[i], pairs[i+1])
		}
		return values
	}
	for name, test := range map[string]struct {
		form url.Values
		code string // "" is a token
	}{
		"of_azure":                   {form: form(azCLI)},
		"of_azure_with_a_secret":     {form(azCLI, "client_secret", "x"), "AADSTS700025"},
		"public_application":         {form: form(public.AppID)},
		"public_with_a_secret":       {form(public.AppID, "client_secret", "x"), "AADSTS700025"},
		"confidential":               {form: form(b.app.AppID, "client_secret", guardSecret)},
		"confidential_wrong_secret":  {form(b.app.AppID, "client_secret", "wrong-secret"), "AADSTS7000215"},
		"confidential_without_proof": {form(b.app.AppID), "AADSTS7000218"},
		"managed_identity":           {form(b.identity.AppID), "AADSTS700016"},
		"nobody":                     {form("77777777-7777-4777-8777-777777777777"), "AADSTS700016"},
		"zero":                       {form(zeroGUID), "AADSTS700038"},
		"no_client":                  {form(""), "AADSTS900144"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := b.exchange(test.form); test.code == "" {
				b.token(got)
			} else {
				wantCode(t, got, test.code)
			}
		})
	}
}

// TestSignInRefusals: Entra's codes for users.
func TestSignInRefusals(t *testing.T) {
	b := newWorkbench(t, nil)
	b.user(userName, userPassword)
	disabled := b.user("bob@"+tenantDomain, userPassword)
	if _, err := b.directory.UpdateUser(t.Context(), disabled.ObjectID, func(u *directory.User) error { u.Disabled = true; return nil }); err != nil {
		t.Fatal(err)
	}
	b.user("cleo@"+tenantDomain, "")
	for name, test := range map[string]struct{ url, user, password, code string }{
		"unknown":            {tokenURL, "nobody@" + tenantDomain, userPassword, "AADSTS50034"},
		"unknown_domain":     {organizationsURL + "token", "ada@nowhere.example", userPassword, "AADSTS50034"},
		"no_domain":          {organizationsURL + "token", "ada", userPassword, "AADSTS50034"},
		"another_tenant":     {"https://login.microsoftonline.com/" + otherTenant + "/oauth2/v2.0/token", userName, userPassword, "AADSTS50034"},
		"too_long":           {tokenURL, strings.Repeat("a", 400), userPassword, "AADSTS50034"},
		"wrong_password":     {tokenURL, userName, "wrong", "AADSTS50126"},
		"no_password_kept":   {tokenURL, "cleo@" + tenantDomain, "anything", "AADSTS50126"},
		"no_password":        {tokenURL, userName, "", "AADSTS900144"},
		"no_name":            {tokenURL, "", userPassword, "AADSTS900144"},
		"disabled":           {tokenURL, "bob@" + tenantDomain, userPassword, "AADSTS50057"},
		"disabled_and_wrong": {tokenURL, "bob@" + tenantDomain, "wrong", "AADSTS50126"},
		"unknown_tenant":     {"https://login.microsoftonline.com/nowhere.example/oauth2/v2.0/token", userName, userPassword, "AADSTS90002"},
	} {
		t.Run(name, func(t *testing.T) { wantCode(t, b.post(test.url, b.passwordForm(test.user, test.password)), test.code) })
	}
}

func TestLockout(t *testing.T) {
	b := newWorkbench(t, nil)
	b.user(userName, userPassword)
	for range lockoutAfter - 1 {
		wantCode(t, b.exchange(b.passwordForm(userName, "wrong")), "AADSTS50126")
	}
	b.token(b.exchange(b.passwordForm(userName, userPassword))) // a right one clears the count
	for range lockoutAfter {
		wantCode(t, b.exchange(b.passwordForm(userName, "wrong")), "AADSTS50126")
	}
	wantCode(t, b.exchange(b.passwordForm(userName, userPassword)), "AADSTS50053")
	b.clock.advance(lockoutFor)
	b.token(b.exchange(b.passwordForm(userName, userPassword)))
}

// heldLockout holds the first look at a lockout back until it is let go.
type heldLockout struct {
	store.Store
	held          atomic.Bool
	seen, release chan struct{}
}

func (h *heldLockout) Get(ctx context.Context, kind, key string) (store.Doc, error) {
	doc, err := h.Store.Get(ctx, kind, key)
	if kind == "entra.lockout" && h.held.CompareAndSwap(false, true) {
		close(h.seen)
		<-h.release
	}
	return doc, err
}

// TestLockoutOfGuessesUnderWay: who sends many guesses at once gets no more of
// them than who sends one after the other.
func TestLockoutOfGuessesUnderWay(t *testing.T) {
	h := &heldLockout{seen: make(chan struct{}), release: make(chan struct{})}
	b := newWorkbench(t, func(o *Options) { h.Store, o.Store = o.Store, h })
	b.user(userName, userPassword)
	guess := make(chan reply)
	go func() { guess <- b.exchange(b.passwordForm(userName, userPassword)) }()
	<-h.seen // no lock yet
	for range lockoutAfter {
		wantCode(t, b.exchange(b.passwordForm(userName, "wrong")), "AADSTS50126")
	}
	close(h.release)
	wantCode(t, <-guess, "AADSTS50053")
}

// TestClientOfCredentialsOnTheirWay: an application whose credentials are not
// known everywhere yet is not a public client meanwhile.
func TestClientOfCredentialsOnTheirWay(t *testing.T) {
	b := newWorkbench(t, func(o *Options) {
		o.Known = func(p *directory.Principal) *directory.Principal {
			seen := *p
			seen.Federated = nil
			return &seen
		}
	})
	b.user(userName, userPassword)
	client, err := b.directory.CreateApplication(t.Context(), tenantID, "federated only")
	if err != nil {
		t.Fatal(err)
	}
	credential := directory.FederatedCredential{Name: "credential", Issuer: b.cluster.URL, Subject: "system:serviceaccount:a:b", Audiences: []string{"api://AzureADTokenExchange"}}
	if _, _, err := b.directory.PutCredential(t.Context(), client.ObjectID, credential, store.Absent()); err != nil {
		t.Fatal(err)
	}
	form := b.passwordForm(userName, userPassword)
	form.Set("client_id", client.AppID)
	wantCode(t, b.exchange(form), "AADSTS7000218")
}

// TestUserWhoIsGone: what a user signed in to ends with the user.
func TestUserWhoIsGone(t *testing.T) {
	b := newWorkbench(t, nil)
	user := b.user(userName, userPassword)
	form := url.Values{
		"grant_type": {"refresh_token"}, "client_id": {azCLI}, "scope": {armScope},
		"refresh_token": {b.exchange(b.passwordForm(userName, userPassword)).RefreshToken},
	}
	setDisabled := func(disabled bool) {
		if _, err := b.directory.UpdateUser(t.Context(), user.ObjectID, func(u *directory.User) error { u.Disabled = disabled; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	setDisabled(true)
	wantCode(t, b.exchange(form), "AADSTS50057")
	setDisabled(false)
	b.token(b.exchange(form))
	if err := b.directory.DeleteUser(t.Context(), user.ObjectID); err != nil {
		t.Fatal(err)
	}
	wantCode(t, b.exchange(form), "AADSTS50034")
}

func TestUserRealm(t *testing.T) {
	b := newWorkbench(t, nil)
	for name, want := range map[string]string{userName: `"account_type":"Managed","domain_name":"contoso.onmicrosoft.com"`, "x@nowhere.example": `"account_type":"Unknown"`, "x": `"account_type":"Unknown"`} {
		got := b.get("https://login.microsoftonline.com/common/userrealm/" + name + "?api-version=1.0")
		if !strings.Contains(string(got.body), want) {
			t.Errorf("%s: got %s, want %s", name, got.body, want)
		}
	}
}

// TestHomeTenant: where there is one tenant, "organizations" means it, also for
// applications of its own.
func TestHomeTenant(t *testing.T) {
	b := newWorkbench(t, nil)
	b.user(userName, userPassword)
	public, err := b.directory.CreateApplication(t.Context(), tenantID, "tool")
	if err != nil {
		t.Fatal(err)
	}
	form := b.passwordForm(userName, userPassword)
	form.Set("client_id", public.AppID)
	wantCode(t, b.post(organizationsURL+"token", form), "AADSTS700016") // two tenants: which one's application?
	b.forget("directory.tenant", otherTenant)
	b.token(b.post(organizationsURL+"token", form))
	wantCode(t, b.post(organizationsURL+"token", b.secret(guardSecret)), "AADSTS50059")
}

func TestParseWish(t *testing.T) {
	for scope, want := range map[string]struct {
		resource    string
		permissions []string
		code        string
	}{
		"https://management.core.windows.net//.default openid": {resource: "https://management.core.windows.net/"},
		"https://vault.azure.net/user_impersonation":           {resource: "https://vault.azure.net", permissions: []string{"user_impersonation"}},
		"User.Read openid": {resource: graph, permissions: []string{"User.Read"}},
		"User.Read https://graph.microsoft.com/Group.Read.All": {resource: graph, permissions: []string{"User.Read", "Group.Read.All"}},
		"openid":                                {resource: graph},
		"https://a/.default https://b/.default": {code: "AADSTS70011"},
		"https://vault.azure.net/":              {code: "AADSTS70011"},
		"/":                                     {code: "AADSTS70011"},
		strings.Repeat("a ", maxScopes+1):       {code: "AADSTS70011"},
	} {
		got, err := parseWish(scope)
		if want.code != "" {
			if err == nil || !strings.HasPrefix(err.Error(), want.code) {
				t.Errorf("%.60s: got %v, want %s", scope, err, want.code)
			}
			continue
		}
		if err != nil || got.resource != want.resource || !slices.Equal(got.permissions, want.permissions) {
			t.Errorf("%s: got %+v, %v, want %+v", scope, got, err, want)
		}
	}
}
