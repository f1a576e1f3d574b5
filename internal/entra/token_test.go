package entra

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/issuer"
	"github.com/aksess/aksess/internal/jose"
)

func TestFederatedExchange(t *testing.T) {
	b := newWorkbench(t, nil)
	got := b.exchange(b.federated(b.mint(nil)))
	claims := b.token(got)
	if got.TokenType != "Bearer" || got.ExpiresIn != 86399.0 || got.ExtExpires != 86399.0 || got.RefreshIn != 43199.0 {
		t.Errorf("got %s, want a bearer token of a day", got.body)
	}
	now := float64(b.clock.Now().Unix())
	for name, want := range map[string]any{
		"aud": "https://vault.azure.net", "iss": "https://sts.windows.net/" + tenantID + "/", "idp": "https://sts.windows.net/" + tenantID + "/",
		"iat": now - 300, "nbf": now - 300, "exp": now + 86400, "appid": b.identity.AppID, "appidacr": "2", "idtyp": "app",
		"oid": b.identity.ObjectID, "sub": b.identity.ObjectID, "tid": tenantID, "ver": "1.0", "xms_mirid": identityARM,
	} {
		if claims[name] != want {
			t.Errorf("claim %s: got %v, want %v", name, claims[name], want)
		}
	}
	want := []string{"aio", "appid", "appidacr", "aud", "exp", "iat", "idp", "idtyp", "iss", "nbf", "oid", "rh", "sub", "tid", "uti", "ver", "xms_mirid"}
	if names := slices.Sorted(maps.Keys(claims)); !slices.Equal(names, want) {
		t.Errorf("got claims %v, want %v", names, want)
	}
	header, err := jose.PeekUnverified(got.AccessToken, jose.Policy{})
	if err != nil || header.Header.Typ != "JWT" || header.Header.X5t == "" || header.Header.X5t != header.Header.Kid {
		t.Errorf("got header %+v, %v, want typ JWT and x5t equal to kid", header.Header, err)
	}
	for name, want := range map[string]string{"Cache-Control": "no-store, no-cache", "Pragma": "no-cache", "Content-Type": "application/json; charset=utf-8"} {
		if got.header.Get(name) != want {
			t.Errorf("header %s: got %q, want %q", name, got.header.Get(name), want)
		}
	}
}

func TestSecretExchange(t *testing.T) {
	b := newWorkbench(t, nil)
	inBody := b.secret(guardSecret)
	got := b.exchange(inBody)
	claims := b.token(got)
	if claims["appidacr"] != "1" || claims["xms_mirid"] != nil || claims["appid"] != b.app.AppID {
		t.Errorf("got claims %v", claims)
	}
	if got.ExpiresIn != 3599.0 || got.RefreshIn != nil {
		t.Errorf("got expires_in %v, refresh_in %v, want an hour and none", got.ExpiresIn, got.RefreshIn)
	}
	inBody.Del("client_id")
	inBody.Del("client_secret")
	request := httptest.NewRequest(http.MethodPost, tokenURL, strings.NewReader(inBody.Encode()))
	request.SetBasicAuth(b.app.AppID, url.QueryEscape(guardSecret))
	b.token(b.do(request))
	request = httptest.NewRequest(http.MethodPost, tokenURL, strings.NewReader(inBody.Encode()))
	request.SetBasicAuth(b.app.AppID, "wrong")
	if got := b.do(request); got.status != http.StatusUnauthorized || got.header.Get("WWW-Authenticate") == "" {
		t.Errorf("got %d %v, want 401 with WWW-Authenticate", got.status, got.header)
	}
}

func TestVersion1Endpoint(t *testing.T) {
	b := newWorkbench(t, nil)
	form := b.federated(b.mint(nil))
	form.Del("scope")
	form.Set("resource", "https://vault.azure.net")
	got := b.post(strings.Replace(tokenURL, "/v2.0", "", 1), form)
	b.token(got)
	var body map[string]any
	if err := json.Unmarshal(got.body, &body); err != nil {
		t.Fatal(err)
	}
	delete(body, "access_token")
	want := map[string]any{
		"token_type": "Bearer", "expires_in": "86399", "ext_expires_in": "86399", "refresh_in": "43199",
		"expires_on": decimal(b.clock.Now().Add(24 * time.Hour).Unix()), "not_before": decimal(b.clock.Now().Add(-5 * time.Minute).Unix()),
		"resource": "https://vault.azure.net",
	}
	if !maps.Equal(body, want) {
		t.Errorf("got %v, want %v", body, want)
	}
}

func TestScopes(t *testing.T) {
	b := newWorkbench(t, nil)
	tests := []struct{ name, scope, audience, code string }{
		{name: "vault", scope: "https://vault.azure.net/.default", audience: "https://vault.azure.net"},
		{name: "vault_slash", scope: "https://vault.azure.net//.default", audience: "https://vault.azure.net/"},
		{name: "go_words", scope: "https://management.azure.com/.default openid offline_access profile", audience: "https://management.azure.com"},
		{name: "words_first", scope: "openid  https://management.azure.com/.default", audience: "https://management.azure.com"},
		{name: "az_double_slash", scope: "https://management.core.windows.net//.default", audience: "https://management.core.windows.net/"},
		{name: "storage", scope: "https://storage.azure.com/.default", audience: "https://storage.azure.com"},
		{name: "blob_account", scope: "https://wi-demo1.blob.core.windows.net/.default", audience: "https://wi-demo1.blob.core.windows.net"},
		{name: "queue_account", scope: "https://widemo.queue.core.windows.net/.default", audience: "https://widemo.queue.core.windows.net"},
		{name: "config_store", scope: "https://ac-widemo.azconfig.io/.default", audience: "https://ac-widemo.azconfig.io"},
		{name: "config_old", scope: "https://azconfig.io/.default", audience: "https://azconfig.io"},
		{name: "config_new", scope: "https://appconfig.azure.com/.default", audience: "https://appconfig.azure.com"},
		{name: "graph", scope: "https://graph.microsoft.com/.default", audience: "https://graph.microsoft.com"},
		{name: "guid", scope: "cfa8b339-82a2-471a-a3c9-0fc0be7a4093/.default", audience: "cfa8b339-82a2-471a-a3c9-0fc0be7a4093"},
		{name: "application", scope: "api://" + b.app.AppID + "/.default", audience: b.app.AppID},
		{name: "application_guid", scope: b.app.AppID + "/.default", audience: b.app.AppID},
		{name: "identity_is_no_resource", scope: "api://" + b.identity.AppID + "/.default", code: "AADSTS500011"},
		{name: "one_vault", scope: "https://kv-widemo.vault.azure.net/.default", code: "AADSTS500011"},
		{name: "dot_vault", scope: "https://.vault.azure.net/.default", code: "AADSTS500011"},
		{name: "three_slashes", scope: "https://vault.azure.net///.default", code: "AADSTS500011"},
		{name: "no_account", scope: "https://.blob.core.windows.net/.default", code: "AADSTS500011"},
		{name: "below_account", scope: "https://a.b.blob.core.windows.net/.default", code: "AADSTS500011"},
		{name: "http", scope: "http://vault.azure.net/.default", code: "AADSTS500011"},
		{name: "prefix", scope: "https://vault.azure.net.evil.example/.default", code: "AADSTS500011"},
		{name: "permission", scope: "https://vault.azure.net/user_impersonation", code: "AADSTS1002012"},
		{name: "no_suffix", scope: "https://vault.azure.net", code: "AADSTS1002012"},
		{name: "only_words", scope: "openid profile", code: "AADSTS1002012"},
		{name: "only_suffix", scope: "/.default", code: "AADSTS1002012"},
		{name: "two", scope: "https://vault.azure.net/.default https://storage.azure.com/.default", code: "AADSTS70011"},
		{name: "none", scope: "", code: "AADSTS900144"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			form := b.federated(b.mint(nil))
			form.Set("scope", test.scope)
			got := b.exchange(form)
			if test.code != "" {
				wantCode(t, got, test.code)
				return
			}
			if claims := b.token(got); claims["aud"] != test.audience {
				t.Errorf("got aud %v, want %s", claims["aud"], test.audience)
			}
		})
	}
}

func TestApplicationGetsVersion2(t *testing.T) {
	b := newWorkbench(t, nil)
	form := b.federated(b.mint(nil))
	form.Set("scope", "api://"+b.app.AppID+"/.default")
	claims := b.token(b.exchange(form))
	want := []string{"aio", "aud", "azp", "azpacr", "exp", "iat", "iss", "nbf", "oid", "rh", "sub", "tid", "uti", "ver", "xms_ftd", "xms_mirid"}
	if names := slices.Sorted(maps.Keys(claims)); !slices.Equal(names, want) {
		t.Errorf("got claims %v, want %v", names, want)
	}
	if claims["iss"] != "https://login.microsoftonline.com/"+tenantID+"/v2.0" || claims["ver"] != "2.0" || claims["azp"] != b.identity.AppID {
		t.Errorf("got %v", claims)
	}
}

func TestCapabilities(t *testing.T) {
	b := newWorkbench(t, nil)
	for name, test := range map[string]struct {
		claims string
		want   any
		code   string
	}{
		"none":      {},
		"go":        {claims: `{"access_token":{"xms_cc":{"values":["CP1"]}}}`, want: "CP1"},
		"js":        {claims: `{"access_token":{"xms_cc":{"values":["cp1"]}},"id_token":{"signin_state":{"essential":true},"login_hint":{"essential":true}}}`, want: "CP1"},
		"challenge": {claims: `{"access_token":{"acrs":{"essential":true,"value":"c1"},"xms_cc":{"values":["CP1"]}}}`, want: "CP1"},
		"other":     {claims: `{"access_token":{"xms_cc":{"values":["llt"]}}}`},
		"null":      {claims: `{"access_token":{"nbf":null}}`},
		"malformed": {claims: `{"access_token":`, code: "AADSTS90023"},
		"large":     {claims: `{"a":"` + strings.Repeat("x", maxClaims) + `"}`, code: "AADSTS90023"},
	} {
		t.Run(name, func(t *testing.T) {
			form := b.federated(b.mint(nil))
			form.Set("claims", test.claims)
			got := b.exchange(form)
			if test.code != "" {
				wantCode(t, got, test.code)
				return
			}
			claims := b.token(got)
			var have any
			if list, ok := claims["xms_cc"].([]any); ok && len(list) == 1 {
				have = list[0]
			}
			if have != test.want {
				t.Errorf("got xms_cc %v, want %v", claims["xms_cc"], test.want)
			}
		})
	}
}

func TestEveryAliasAndDomain(t *testing.T) {
	b := newWorkbench(t, nil)
	for _, host := range aliases {
		for _, name := range []string{tenantID, tenantDomain, strings.ToUpper(tenantDomain)} {
			got := b.post("https://"+host+"/"+name+"/oauth2/v2.0/token?client-request-id=0a794dbc-6f5b-420d-87e7-98a059c01b87", b.federated(b.mint(nil)))
			if claims := b.token(got); claims["tid"] != tenantID {
				t.Errorf("%s/%s: got tid %v", host, name, claims["tid"])
			}
		}
	}
}

func TestClientRequestID(t *testing.T) {
	b := newWorkbench(t, nil)
	const id = "0a794dbc-6f5b-420d-87e7-98a059c01b87"
	for name, test := range map[string]struct {
		id, want, echo string
		asked          string
	}{
		"echoed":     {id: id, asked: "true", want: id, echo: id},
		"not_echoed": {id: id, asked: "false", want: id},
		"no_guid":    {id: "a\r\nb", asked: "true"},
	} {
		t.Run(name, func(t *testing.T) {
			request := httptest.NewRequest(http.MethodPost, tokenURL, strings.NewReader("grant_type=password"))
			request.Header["Client-Request-Id"] = []string{test.id}
			request.Header.Set("return-client-request-id", test.asked)
			got := b.do(request)
			want := test.want
			if want == "" {
				want = got.Trace
			}
			if got.Correlation != want || got.header.Get("client-request-id") != test.echo {
				t.Errorf("got correlation %q, header %q, want %q, %q", got.Correlation, got.header.Get("client-request-id"), want, test.echo)
			}
			if got.Trace == "" || got.header.Get("x-ms-request-id") != got.Trace {
				t.Errorf("got trace %q, x-ms-request-id %q, want them equal", got.Trace, got.header.Get("x-ms-request-id"))
			}
		})
	}
}

func TestIssueWithoutRequest(t *testing.T) {
	b := newWorkbench(t, nil)
	token, err := b.service.Issue(t.Context(), b.identity, "https://vault.azure.net")
	if err != nil {
		t.Fatal(err)
	}
	caller, err := b.service.Authenticator().Authenticate(t.Context(), token.Value)
	if err != nil || caller.ObjectID != b.identity.ObjectID || caller.ResourceID != identityARM {
		t.Errorf("got %+v, %v", caller, err)
	}
	if _, err := b.service.Issue(t.Context(), b.identity, "https://nobody.example"); err == nil {
		t.Error("got a token for an unknown resource")
	}
	if _, err := b.service.Issue(t.Context(), &directory.Principal{TenantID: "nowhere"}, "https://vault.azure.net"); err == nil {
		t.Error("got a token for nobody")
	}
	b.disable(b.identity)
	disabled, err := b.directory.ByObjectID(t.Context(), b.identity.ObjectID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.service.Issue(t.Context(), disabled, "https://vault.azure.net"); !errors.Is(err, disabledClient) {
		t.Errorf("got %v for a disabled identity", err)
	}
}

func TestMintedTokenOfAnyLifetimeUpToADay(t *testing.T) {
	b := newWorkbench(t, nil)
	for _, seconds := range []int64{600, 3600, 86400, 90000} {
		b.token(b.exchange(b.federated(b.mint(func(r *issuer.TokenRequest) { r.ExpirationSeconds = seconds }))))
	}
	wantCode(t, b.exchange(b.federated(b.mint(func(r *issuer.TokenRequest) { r.ExpirationSeconds = 90001 }))), "AADSTS70023")
}
