package entra

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/jose"
)

// TestAuthenticateUser reads who a user is from tokens of both versions.
func TestAuthenticateUser(t *testing.T) {
	b := newWorkbench(t, nil)
	user := b.user(userName, userPassword)
	second := b.passwordForm(userName, userPassword)
	second.Set("scope", "api://"+b.app.AppID+"/Orders.Read")
	for version, form := range map[string]url.Values{"v1": b.passwordForm(userName, userPassword), "v2": second} {
		t.Run(version, func(t *testing.T) {
			caller, err := b.service.Authenticator().Authenticate(t.Context(), b.exchange(form).AccessToken)
			if err != nil || caller.ObjectID != user.ObjectID || caller.AppID != azCLI || caller.UserName != userName || caller.Name() != userName {
				t.Errorf("got %+v, %v, want the user %s by %s", caller, err, userName, azCLI)
			}
		})
	}
}

func TestAuthenticate(t *testing.T) {
	b := newWorkbench(t, nil)
	token := b.exchange(b.federated(b.mint(nil))).AccessToken
	for range 2 { // verified, then remembered
		caller, err := b.service.Authenticator().Authenticate(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		if caller.TenantID != tenantID || caller.ObjectID != b.identity.ObjectID || caller.AppID != b.identity.AppID || caller.UserName != "" || caller.Name() != b.identity.AppID || caller.ResourceID != identityARM ||
			caller.Audience != "https://vault.azure.net" || caller.Issuer != issuerOf(version1, tenantID) || caller.Scheme != "Bearer" ||
			!caller.Expires.Equal(b.clock.Now().Add(24*time.Hour)) {
			t.Errorf("got %+v", caller)
		}
	}
}

func TestAccessTokenExpires(t *testing.T) {
	b := newWorkbench(t, nil)
	token := b.exchange(b.secret(guardSecret)).AccessToken
	check := func(want bool) {
		t.Helper()
		for _, a := range []*Authenticator{b.service.Authenticator(), New(b.service.options).Authenticator()} { // with and without memory of it
			if _, err := a.Authenticate(t.Context(), token); (err == nil) != want {
				t.Errorf("at %s: got %v, want good %v", b.clock.Now(), err, want)
			}
		}
	}
	check(true)
	b.clock.advance(time.Hour - time.Second)
	check(true)
	b.clock.advance(time.Second)
	check(false)
	b.clock.advance(-time.Hour)
	check(true)
	b.clock.advance(-10*time.Minute - time.Second) // before nbf by more than the leeway
	check(false)
}

// TestDisabledPrincipalKeepsItsTokens pins Azure's behaviour.
func TestDisabledPrincipalKeepsItsTokens(t *testing.T) {
	b := newWorkbench(t, nil)
	token := b.exchange(b.federated(b.mint(nil))).AccessToken
	b.disable(b.identity)
	if _, err := b.service.Authenticator().Authenticate(t.Context(), token); err != nil {
		t.Errorf("disabled: got %v, want the token to be good until it expires", err)
	}
	if err := b.directory.DeletePrincipal(t.Context(), b.identity.ObjectID); err != nil {
		t.Fatal(err)
	}
	if caller, err := b.service.Authenticator().Authenticate(t.Context(), token); err != nil || caller.Groups != nil {
		t.Errorf("deleted: got %v, %v, want the token to be good and of no group", caller, err)
	}
}

// TestGroupsAreThoseOfNow: memberships are looked at when a token is used, also
// those of groups in groups, and not when it was issued.
func TestGroupsAreThoseOfNow(t *testing.T) {
	b := newWorkbench(t, nil)
	ctx := t.Context()
	user := b.user("ada@"+tenantDomain, userPassword)
	for name, token := range map[string]string{
		"identity":    b.exchange(b.federated(b.mint(nil))).AccessToken,
		"application": b.exchange(b.secret(guardSecret)).AccessToken,
		"user":        b.exchange(b.passwordForm(user.Name, userPassword)).AccessToken,
	} {
		t.Run(name, func(t *testing.T) {
			want := func(groups ...string) {
				t.Helper()
				slices.Sort(groups)
				caller, err := b.service.Authenticator().Authenticate(ctx, token)
				if err != nil || !slices.Equal(caller.Groups, groups) {
					t.Errorf("got groups %v, %v, want %v", caller.Groups, err, groups)
				}
			}
			want()
			inner, outer := b.group("inner"), b.group("outer")
			caller, err := b.service.Authenticator().Authenticate(ctx, token)
			if err != nil {
				t.Fatal(err)
			}
			for _, member := range [][2]string{{inner, caller.ObjectID}, {outer, inner}} {
				if err := b.directory.AddMember(ctx, member[0], member[1]); err != nil {
					t.Fatal(err)
				}
			}
			want(inner, outer)
			if err := b.directory.RemoveMember(ctx, outer, inner); err != nil {
				t.Fatal(err)
			}
			want(inner)
		})
	}
}

func TestRevokedKeyEndsItsTokens(t *testing.T) {
	b := newWorkbench(t, nil)
	token := b.exchange(b.federated(b.mint(nil))).AccessToken
	if _, err := b.service.Authenticator().Authenticate(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	seen, err := jose.PeekUnverified(token, jose.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.service.Ring().Revoke(t.Context(), seen.Header.Kid); err != nil {
		t.Fatal(err)
	}
	if _, err := b.service.Authenticator().Authenticate(t.Context(), token); err == nil {
		t.Error("a token of a revoked key is good")
	}
	b.clock.advance(time.Minute)
	b.token(b.exchange(b.federated(b.mint(nil))))
}

// TestCrossUse presents each kind of token at each place where another kind belongs.
func TestCrossUse(t *testing.T) {
	b := newWorkbench(t, nil)
	application := b.federated(b.mint(nil))
	application.Set("scope", "api://"+b.app.AppID+"/.default")
	key, _ := b.certificate()
	tokens := map[string]string{
		"service_account": b.mint(nil),
		"access_v1":       b.exchange(b.federated(b.mint(nil))).AccessToken,
		"access_v2":       b.exchange(application).AccessToken,
		"client_own":      signedBy(t, key, b.ownClaims(nil)),
	}
	places := map[string]func(token string) bool{
		"bearer": func(token string) bool {
			_, err := b.service.Authenticator().Authenticate(t.Context(), token)
			return err == nil
		},
		"federated_assertion":   func(token string) bool { return b.exchange(b.federated(token)).status == http.StatusOK },
		"certificate_assertion": func(token string) bool { return b.exchange(b.ownForm(token)).status == http.StatusOK },
		"secret":                func(token string) bool { return b.exchange(b.secret(token)).status == http.StatusOK },
	}
	good := map[string]string{
		"service_account": "federated_assertion", "access_v1": "bearer", "access_v2": "bearer", "client_own": "certificate_assertion",
	}
	for kind, token := range tokens {
		for place, accepts := range places {
			if got, want := accepts(token), good[kind] == place; got != want {
				t.Errorf("%s as %s: got accepted %v, want %v", kind, place, got, want)
			}
		}
	}
}

// TestCrossUseWithTrust: not even a credential that names Entra as issuer makes an access token an assertion.
func TestCrossUseWithTrust(t *testing.T) {
	b := newWorkbench(t, nil)
	token := b.exchange(b.federated(b.mint(nil))).AccessToken
	seen, err := jose.PeekUnverified(token, jose.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	b.service.options.Keys = sourceFunc(nil) // would panic if asked
	b.trust("entra", seen.Claims.Issuer, seen.Claims.Subject, seen.Claims.Audience[0])
	wantCode(t, b.exchange(b.federated(token)), "AADSTS700222")
}

// TestForgedAccessTokens signs what looks like ours with what is not, and what is not with ours.
func TestForgedAccessTokens(t *testing.T) {
	b := newWorkbench(t, nil)
	good := b.exchange(b.federated(b.mint(nil))).AccessToken
	ours, err := b.service.ring.Signing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	extras := jose.HeaderExtras{Typ: "JWT"}
	now := b.clock.Now()
	claims := func(change func(map[string]any)) map[string]any {
		c := map[string]any{
			"aud": "https://vault.azure.net", "iss": issuerOf(version1, tenantID), "exp": now.Add(time.Hour).Unix(), "nbf": now.Unix(),
			"oid": b.identity.ObjectID, "appid": b.identity.AppID, "tid": tenantID, "ver": "1.0",
		}
		change(c)
		return c
	}
	forged := map[string]string{
		"header_of_ours_key_of_another": sign(t, parsedKeys()[2].WithKid(ours.Kid()), extras, claims(func(map[string]any) {})),
		"own_kid":                       sign(t, parsedKeys()[2], extras, claims(func(map[string]any) {})),
		"no_typ":                        sign(t, ours.SigningKey, jose.HeaderExtras{}, claims(func(map[string]any) {})),
		"at_jwt":                        sign(t, ours.SigningKey, jose.HeaderExtras{Typ: "at+jwt"}, claims(func(map[string]any) {})),
		"other_issuer":                  sign(t, ours.SigningKey, extras, claims(func(c map[string]any) { c["iss"] = "https://evil.example/" })),
		"issuer_of_another_tenant":      sign(t, ours.SigningKey, extras, claims(func(c map[string]any) { c["iss"] = issuerOf(version1, otherTenant) })),
		"v1_issuer_in_v2":               sign(t, ours.SigningKey, extras, claims(func(c map[string]any) { c["ver"], c["azp"] = "2.0", c["appid"] })),
		"no_tid":                        sign(t, ours.SigningKey, extras, claims(func(c map[string]any) { delete(c, "tid"); c["iss"] = issuerOf(version1, "") })),
		"no_oid":                        sign(t, ours.SigningKey, extras, claims(func(c map[string]any) { delete(c, "oid") })),
		"no_appid":                      sign(t, ours.SigningKey, extras, claims(func(c map[string]any) { delete(c, "appid") })),
		"no_exp":                        sign(t, ours.SigningKey, extras, claims(func(c map[string]any) { delete(c, "exp") })),
		"two_audiences":                 sign(t, ours.SigningKey, extras, claims(func(c map[string]any) { c["aud"] = []string{"a", "b"} })),
		"oid_of_another_type":           sign(t, ours.SigningKey, extras, claims(func(c map[string]any) { c["oid"] = 7 })),
		"alg_none":                      reheader(good, `{"typ":"JWT","alg":"none"}`),
		"hs256":                         reheader(good, `{"typ":"JWT","alg":"HS256","kid":"`+ours.Kid()+`"}`),
		"flipped":                       flip(good),
		"cut":                           good[:len(good)-1],
		"lengthened":                    good + "A",
		"no_signature":                  good[:strings.LastIndexByte(good, '.')+1],
		"empty":                         "",
		"dots":                          strings.Repeat(".", 1<<20),
	}
	for name, token := range forged {
		if caller, err := b.service.Authenticator().Authenticate(t.Context(), token); err == nil {
			t.Errorf("%s: got %+v, want a refusal", name, caller)
		}
	}
	if _, err := b.service.Authenticator().Authenticate(t.Context(), sign(t, ours.SigningKey, extras, claims(func(map[string]any) {}))); err != nil {
		t.Errorf("got %v for what a token service would sign", err)
	}
}

func sign(t *testing.T, key *jose.SigningKey, extras jose.HeaderExtras, claims any) string {
	t.Helper()
	token, err := jose.Sign(key, extras, claims)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestLRU(t *testing.T) {
	c := newLRU[string, int](2)
	c.add("a", 1)
	c.add("b", 2)
	c.get("a")
	c.add("c", 3)
	c.add("a", 4)
	for key, want := range map[string]int{"a": 4, "b": 0, "c": 3} {
		if got, _ := c.get(key); got != want {
			t.Errorf("%s: got %d, want %d", key, got, want)
		}
	}
	c.remove("a")
	c.remove("nobody")
	if _, ok := c.get("a"); ok || c.recent.Len() != 1 || len(c.entries) != 1 {
		t.Errorf("got %d and %d entries after a remove, want 1", c.recent.Len(), len(c.entries))
	}
}

// TestVerifiedTokensAreBounded: memory does not grow with the number of tokens seen.
func TestVerifiedTokensAreBounded(t *testing.T) {
	b := newWorkbench(t, func(o *Options) { o.Reuse = -1 })
	a := b.service.Authenticator()
	a.verified = newLRU[[32]byte, verifiedToken](8)
	for range 20 {
		if _, err := a.Authenticate(t.Context(), b.exchange(b.secret(guardSecret)).AccessToken); err != nil {
			t.Fatal(err)
		}
	}
	if got := a.verified.recent.Len(); got != 8 {
		t.Errorf("got %d remembered tokens, want 8", got)
	}
	for i := range 20 {
		if _, err := a.Authenticate(t.Context(), fmt.Sprintf("a.b.%d", i)); err == nil {
			t.Error("nonsense was accepted")
		}
	}
	if got := a.verified.recent.Len(); got != 8 {
		t.Errorf("got %d remembered tokens after bad ones, want 8", got)
	}
}

// TestErrorsTellNothing: a bad bearer's text never repeats the token.
func TestErrorsTellNothing(t *testing.T) {
	b := newWorkbench(t, nil)
	for _, token := range []string{"canary", "canary.canary.canary", reheader(b.mint(nil), `{"alg":"RS256","kid":"canary","typ":"canary"}`)} {
		if _, err := b.service.Authenticator().Authenticate(t.Context(), token); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("got %v", err)
		}
	}
	token := b.exchange(b.federated(b.mint(nil))).AccessToken
	b.service.authenticator.directory = directory.New(failingStore{b.store}, directory.Options{})
	if _, err := b.service.Authenticator().Authenticate(t.Context(), token); !errors.Is(err, errUnchecked) {
		t.Errorf("got %v from a store that fails, want nothing of the inside", err)
	}
	request := httptest.NewRequest(http.MethodPost, tokenURL, strings.NewReader(b.secret(guardSecret).Encode()))
	request.Header.Set("Authorization", "Bearer canary")
	b.token(b.do(request)) // a bearer token at the token endpoint has no meaning
}
