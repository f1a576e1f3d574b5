package entra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/fault"
	"github.com/aksess/aksess/internal/issuer"
	"github.com/aksess/aksess/internal/jose"
)

// TestTruthTable lets every set of conditions fail: the exchange succeeds only
// when none does, and the refusal is that of the first in the documented order.
func TestTruthTable(t *testing.T) {
	conditions := []struct {
		name  string
		code  string
		spoil func(claims map[string]any, at time.Time)
	}{
		{"issuer", "AADSTS700211", func(c map[string]any, _ time.Time) { c["iss"] = "https://evil.example/" }},
		{"subject", "AADSTS700213", func(c map[string]any, _ time.Time) { c["sub"] = "system:serviceaccount:evil:evil" }},
		{"audience", "AADSTS700212", func(c map[string]any, _ time.Time) { c["aud"] = []string{"https://evil.example"} }},
		{"signature", "AADSTS700027", nil}, // spoilt after signing
		{"expiry", "AADSTS700024", func(c map[string]any, at time.Time) { c["exp"] = at.Add(-time.Hour).Unix() }},
	}
	b := newWorkbench(t, nil)
	for set := range 1 << len(conditions) {
		claims := map[string]any{
			"iss": b.cluster.URL, "sub": chain.Subject("widemo", "wi-demo-sa"), "aud": []string{chain.TokenAudience},
			"iat": b.clock.Now().Add(-2 * time.Hour).Unix(), "exp": b.clock.Now().Add(time.Hour).Unix(),
		}
		var name []string
		code := ""
		for i, condition := range conditions {
			if set&(1<<i) == 0 {
				continue
			}
			name = append(name, condition.name)
			if code == "" {
				code = condition.code
			}
			if condition.spoil != nil {
				condition.spoil(claims, b.clock.Now())
			}
		}
		t.Run("bad_"+strings.Join(name, "_"), func(t *testing.T) {
			assertion := b.sign(claims)
			if set&(1<<3) != 0 {
				assertion = flip(assertion)
			}
			got := b.exchange(b.federated(assertion))
			if code == "" {
				b.token(got)
				return
			}
			wantCode(t, got, code)
		})
	}
}

// TestClaimMatrix sends each claim in every shape that is not what it must be.
func TestClaimMatrix(t *testing.T) {
	b := newWorkbench(t, nil)
	aud, sub, iss := chain.TokenAudience, chain.Subject("widemo", "wi-demo-sa"), b.cluster.URL
	now := b.clock.Now().Unix()
	tests := []struct{ claim, json, code string }{
		{"aud", `"` + aud + `"`, ""},
		{"aud", `["` + aud + `"]`, ""},
		{"aud", `["other","` + aud + `"]`, ""}, // see package federation
		{"aud", `["` + aud + `","` + aud + `"]`, "AADSTS700212"},
		{"aud", `"` + aud + `/"`, "AADSTS700212"},
		{"aud", `"` + strings.ToLower(aud) + `"`, "AADSTS700212"},
		{"aud", `"` + aud[:len(aud)-1] + `"`, "AADSTS700212"},
		{"aud", `"` + tokenURL + `"`, "AADSTS700212"}, // RFC 7523's usual audience is no alias
		{"aud", `" ` + aud + `"`, "AADSTS700212"},
		{"aud", `["1","2","3","4","5","6","7","` + aud + `"]`, ""},
		{"aud", `["1","2","3","4","5","6","7","8","` + aud + `"]`, "AADSTS50027"},
		{"aud", `[]`, "AADSTS50027"},
		{"aud", `null`, "AADSTS50027"},
		{"aud", `7`, "AADSTS50027"},
		{"aud", `[7]`, "AADSTS50027"},
		{"aud", ``, "AADSTS50027"},
		{"sub", `"` + sub + `x"`, "AADSTS700213"},
		{"sub", `"` + strings.ToUpper(sub) + `"`, "AADSTS7002138"},
		{"sub", `"` + sub + `\u0000"`, "AADSTS700213"},
		{"sub", `"` + sub + strings.Repeat("x", 8000) + `"`, "AADSTS700213"},
		{"sub", `""`, "AADSTS50027"},
		{"sub", `null`, "AADSTS50027"},
		{"sub", `["` + sub + `"]`, "AADSTS50027"},
		{"iss", `"` + strings.TrimSuffix(iss, "/") + `"`, "AADSTS700211"},
		{"iss", `"` + iss + `/"`, "AADSTS700211"},
		{"iss", `"` + strings.Replace(iss, "https", "HTTPS", 1) + `"`, "AADSTS700211"},
		{"iss", `"` + strings.Replace(iss, ".com/", ".com:443/", 1) + `"`, "AADSTS700211"},
		{"iss", `"kubernetes/serviceaccount"`, "AADSTS700211"},
		{"iss", `{}`, "AADSTS50027"},
		{"exp", ``, "AADSTS50027"},
		{"exp", `null`, "AADSTS50027"},
		{"exp", `"` + fmt.Sprint(now+600) + `"`, "AADSTS50027"},
		{"exp", `-1`, "AADSTS50027"},
		{"exp", `9223372036854775807`, "AADSTS50027"},
		{"exp", `1e400`, "AADSTS50027"},
		{"exp", fmt.Sprint(now + 600), ""},
		{"exp", fmt.Sprint(now+600) + ".5", ""},
		{"exp", fmt.Sprint(now - 299), ""},
		{"exp", fmt.Sprint(now - 300), "AADSTS700024"},
		{"nbf", fmt.Sprint(now + 300), ""},
		{"nbf", fmt.Sprint(now + 301), "AADSTS700024"},
		{"nbf", `-1`, "AADSTS50027"},
		{"iat", fmt.Sprint(now + 300), ""},
		{"iat", fmt.Sprint(now + 301), "AADSTS700024"},
		{"iat", `true`, "AADSTS50027"},
		{"nbf", ``, ""},
		{"iat", ``, ""},
	}
	for _, test := range tests {
		t.Run(test.claim+"_"+strings.NewReplacer("/", "_", " ", "_").Replace(test.json), func(t *testing.T) {
			claims := map[string]json.RawMessage{
				"iss": json.RawMessage(`"` + iss + `"`), "sub": json.RawMessage(`"` + sub + `"`), "aud": json.RawMessage(`"` + aud + `"`),
				"iat": json.RawMessage(fmt.Sprint(now - 3600)), "nbf": json.RawMessage(fmt.Sprint(now - 3600)), "exp": json.RawMessage(fmt.Sprint(now + 3600)),
			}
			if claims[test.claim] = json.RawMessage(test.json); test.json == "" {
				delete(claims, test.claim)
			}
			// Not through encoding/json, which would refuse some of these.
			var parts []string
			for name, value := range claims {
				parts = append(parts, `"`+name+`":`+string(value))
			}
			got := b.exchange(b.federated(b.sign(json.RawMessage("{" + strings.Join(parts, ",") + "}"))))
			if test.code == "" {
				b.token(got)
				return
			}
			wantCode(t, got, test.code)
		})
	}
}

// TestNothingIsFetchedForStrangers counts what an assertion makes us ask for.
func TestNothingIsFetchedForStrangers(t *testing.T) {
	b := newWorkbench(t, nil)
	var asked atomic.Int64
	b.service.options.Keys = sourceFunc(func(context.Context, string, string) (jose.KeySet, error) {
		asked.Add(1)
		return jose.NewKeySet(parsedKeys()[0].Public())
	})
	b.trust("remote", remoteIssuer, "system:serviceaccount:far:away", chain.TokenAudience)
	for name, spoil := range map[string]func(map[string]any){
		"issuer":   func(c map[string]any) { c["iss"] = "http://169.254.169.254/metadata" },
		"subject":  func(c map[string]any) { c["sub"] = "system:serviceaccount:far:near" },
		"audience": func(c map[string]any) { c["aud"] = "x" },
		"expiry":   func(c map[string]any) { delete(c, "exp") },
	} {
		claims := remoteClaims(b.clock.Now())
		spoil(claims)
		if got := b.exchange(b.federated(b.sign(claims))); got.status == 200 || asked.Load() != 0 {
			t.Errorf("%s: got %d after %d requests for keys, want a refusal and none", name, got.status, asked.Load())
		}
	}
	for _, header := range []string{`{"alg":"none"}`, `{"alg":"HS256"}`, `{"alg":"ES256"}`, `{"alg":"PS256"}`, `{"alg":"rs256"}`, `{"alg":"RS256","crit":["x"],"x":1}`} {
		if got := b.exchange(b.federated(reheader(b.sign(remoteClaims(b.clock.Now())), header))); got.status == 200 || asked.Load() != 0 {
			t.Errorf("header %s: got %d after %d requests for keys, want a refusal and none", header, got.status, asked.Load())
		}
	}
	own := signedBy(t, parsedKeys()[0], remoteClaims(b.clock.Now()))
	b.token(b.exchange(b.federated(own)))
	if asked.Load() != 1 {
		t.Errorf("got %d requests for keys, want 1", asked.Load())
	}
}

// TestConfusedDeputy presents what is good for one client to get the token of another.
func TestConfusedDeputy(t *testing.T) {
	fresh := func(b *workbench, tenant, name string) *directory.Principal {
		id := strings.Replace(identityARM, "id-wi-api", name, 1)
		principal, err := b.directory.CreateManagedIdentity(b.t.Context(), tenant, id, name)
		if err != nil {
			b.t.Fatal(err)
		}
		return principal
	}
	tests := []struct {
		name, code string
		send       func(b *workbench) reply
	}{
		{"identity_without_credential", "AADSTS70025", func(b *workbench) reply {
			form := b.federated(b.mint(nil))
			form.Set("client_id", fresh(b, tenantID, "id-other").AppID)
			return b.exchange(form)
		}},
		{"identity_with_another_credential", "AADSTS700213", func(b *workbench) reply {
			b.identity = fresh(b, tenantID, "id-other")
			b.trust("other", b.cluster.URL, chain.Subject("widemo", "other"), chain.TokenAudience)
			return b.exchange(b.federated(b.mint(nil)))
		}},
		{"other_tenant_in_the_path", "AADSTS700016", func(b *workbench) reply {
			return b.post(strings.Replace(tokenURL, tenantID, otherTenant, 1), b.federated(b.mint(nil)))
		}},
		{"object_id_as_client", "AADSTS700016", func(b *workbench) reply {
			form := b.federated(b.mint(nil))
			form.Set("client_id", b.identity.ObjectID)
			return b.exchange(form)
		}},
		{"another_cluster", "AADSTS700211", func(b *workbench) reply {
			other, err := b.issuers.Create(b.t.Context(), "westeurope", tenantID)
			if err != nil {
				b.t.Fatal(err)
			}
			b.cluster = other
			return b.exchange(b.federated(b.mint(nil)))
		}},
		{"another_cluster_in_the_name_of_this", "AADSTS7000272", func(b *workbench) reply {
			other, err := b.issuers.Create(b.t.Context(), "westeurope", tenantID)
			if err != nil {
				b.t.Fatal(err)
			}
			claims, err := jose.PeekUnverified(b.mint(nil), jose.Policy{})
			if err != nil {
				b.t.Fatal(err)
			}
			b.cluster = other
			return b.exchange(b.federated(b.sign(map[string]any{
				"iss": claims.Claims.Issuer, "sub": claims.Claims.Subject, "aud": claims.Claims.Audience, "exp": claims.Claims.Expiry.Unix(),
			})))
		}},
		{"deleted_credential", "AADSTS700213", func(b *workbench) reply {
			b.trust("another", b.cluster.URL, chain.Subject("widemo", "another"), chain.TokenAudience)
			form := b.federated(b.mint(nil))
			b.token(b.exchange(form))
			if err := b.directory.DeleteCredential(b.t.Context(), b.identity.ObjectID, "wi-api"); err != nil {
				b.t.Fatal(err)
			}
			return b.exchange(form) // within the time in which tokens are shared
		}},
		{"disabled_identity", "AADSTS7000112", func(b *workbench) reply {
			form := b.federated(b.mint(nil))
			b.token(b.exchange(form))
			b.disable(b.identity)
			return b.exchange(form)
		}},
		{"deleted_identity", "AADSTS700016", func(b *workbench) reply {
			form := b.federated(b.mint(nil))
			b.token(b.exchange(form))
			if err := b.directory.DeletePrincipal(b.t.Context(), b.identity.ObjectID); err != nil {
				b.t.Fatal(err)
			}
			return b.exchange(form)
		}},
		{"deleted_cluster", "AADSTS90061", func(b *workbench) reply {
			form := b.federated(b.mint(nil))
			b.token(b.exchange(form))
			if err := b.issuers.Delete(b.t.Context(), b.cluster.ID); err != nil {
				b.t.Fatal(err)
			}
			return b.exchange(form)
		}},
		{"secret_of_another_client", "AADSTS7000215", func(b *workbench) reply {
			other, err := b.directory.CreateApplication(b.t.Context(), tenantID, "other")
			if err != nil {
				b.t.Fatal(err)
			}
			form := b.secret(guardSecret)
			form.Set("client_id", other.AppID)
			return b.exchange(form)
		}},
		{"removed_secret", "AADSTS7000215", func(b *workbench) reply {
			b.token(b.exchange(b.secret(guardSecret)))
			if err := b.directory.RemoveSecret(b.t.Context(), b.app.ObjectID, b.secretID); err != nil {
				b.t.Fatal(err)
			}
			return b.exchange(b.secret(guardSecret))
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { wantCode(t, test.send(newWorkbench(t, nil)), test.code) })
	}
}

// TestEveryByteOfAnAssertionCounts cuts and changes a good one.
func TestEveryByteOfAnAssertionCounts(t *testing.T) {
	b := newWorkbench(t, nil)
	good := b.mint(nil)
	b.token(b.exchange(b.federated(good)))
	refuse := func(what, assertion string) {
		if got := b.exchange(b.federated(assertion)); got.status == 200 {
			t.Errorf("%s was accepted", what)
		}
	}
	for i := range len(good) {
		refuse(fmt.Sprintf("a prefix of %d bytes", i), good[:i])
		changed := []byte(good)
		if changed[i]++; changed[i] == '.' || changed[i] == '{' {
			changed[i]++
		}
		refuse(fmt.Sprintf("byte %d changed", i), string(changed))
	}
	for i := 1; i < len(good); i += 7 {
		refuse(fmt.Sprintf("a suffix from byte %d", i), good[i:])
	}
	for _, more := range []string{".", "=", " ", "\n", "A", "." + good} {
		refuse(fmt.Sprintf("%q after it", more[:1]), good+more)
		refuse(fmt.Sprintf("%q before it", more[:1]), more+good)
	}
}

// TestRefusalsExplainAndNameTheirLink holds what doctor shows; none of it is sent.
func TestRefusalsExplainAndNameTheirLink(t *testing.T) {
	b := newWorkbench(t, nil)
	b.trust("wi-api", strings.TrimSuffix(b.cluster.URL, "/"), chain.Subject("widemo", "wi-demo-sa"), chain.TokenAudience)
	got := b.exchange(b.federated(b.mint(nil)))
	wantCode(t, got, "AADSTS700211")
	var coded *fault.Error
	if !errors.As(b.last.Load().Err, &coded) {
		t.Fatalf("got error %v, want a coded one", b.last.Load().Err)
	}
	if coded.Kind.Link != chain.LinkFederatedCredential || !strings.Contains(coded.Explain, "trailing slash") || !strings.Contains(coded.Explain, `"wi-api"`) {
		t.Errorf("got link %q, explanation %q", coded.Kind.Link, coded.Explain)
	}
	if strings.Contains(string(got.body), "trailing slash") {
		t.Errorf("the explanation was sent: %s", got.body)
	}
}

// TestLongestValues: a credential may have values of 600 characters, and what
// is cut from a longer one never makes it match.
func TestLongestValues(t *testing.T) {
	for name, letter := range map[string]string{"ascii": "x", "four_bytes": "\U0001F511"} {
		t.Run(name, func(t *testing.T) {
			b := newWorkbench(t, nil)
			longest := strings.Repeat(letter, 600)
			b.trust("long", b.cluster.URL, longest, longest)
			send := func(sub, aud string) reply {
				return b.exchange(b.federated(b.sign(map[string]any{"iss": b.cluster.URL, "sub": sub, "aud": aud, "exp": b.clock.Now().Add(time.Hour).Unix()})))
			}
			b.token(send(longest, longest))
			wantCode(t, send(longest+letter, longest), "AADSTS700213")
			wantCode(t, send(longest, longest+letter), "AADSTS700212")
			wantCode(t, send(longest, longest+"…"), "AADSTS700212")
		})
	}
}

// TestTimesWithoutStart: nbf and iat are optional, and what stands for them is shown.
func TestTimesWithoutStart(t *testing.T) {
	b := newWorkbench(t, nil)
	now := b.clock.Now()
	for _, test := range []struct {
		name   string
		claims map[string]any
		want   string
	}{
		{"neither_expired", map[string]any{"exp": now.Add(-time.Hour).Unix()}, "assertion valid from 1970-01-01T00:00:00.0000000Z"},
		{"iat_expired", map[string]any{"exp": now.Add(-time.Hour).Unix(), "iat": now.Add(-2 * time.Hour).Unix()}, "assertion valid from 2026-11-23T10:00:00.0000000Z"},
		{"neither_long", map[string]any{"exp": now.Add(26 * time.Hour).Unix()}, "Token issued at 1795435200. Token expires on 1795528800."},
		{"nbf_long", map[string]any{"exp": now.Add(24 * time.Hour).Unix(), "nbf": now.Add(-2 * time.Hour).Unix()}, "Token issued at 1795428000. Token expires on 1795521600."},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.claims["iss"], test.claims["sub"], test.claims["aud"] = b.cluster.URL, chain.Subject("widemo", "wi-demo-sa"), chain.TokenAudience
			got := b.exchange(b.federated(b.sign(test.claims)))
			if got.status == 200 || !strings.Contains(got.Description, test.want) {
				t.Errorf("got %d %q, want %q", got.status, got.Description, test.want)
			}
		})
	}
}

// TestUnusableKeys: keys that the issuer publishes for something else do not verify.
func TestUnusableKeys(t *testing.T) {
	b := newWorkbench(t, nil)
	b.trust("remote", remoteIssuer, "system:serviceaccount:far:away", chain.TokenAudience)
	signing := parsedKeys()[0]
	pss, err := jose.NewPublicKey(signing.Kid(), jose.PS256, &signing.Signer().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		keys jose.KeySet
		err  error
		code string
	}{
		"for_another_algorithm": {keys: mustSet(t, pss), code: "AADSTS5002730"},
		"of_another_kid":        {keys: mustSet(t, parsedKeys()[1].Public()), code: "AADSTS7000272"},
		"same_kid":              {keys: mustSet(t, parsedKeys()[1].WithKid(signing.Kid()).Public()), code: "AADSTS700027"},
		"empty":                 {code: "AADSTS7000272"},
		"fetched_without_it":    {err: &jose.FetchError{Reason: jose.ErrUnknownKey, Issuer: remoteIssuer}, code: "AADSTS7000272"},
		"document_of_another":   {err: &jose.FetchError{Reason: jose.ErrIssuerMismatch, Issuer: remoteIssuer}, code: "AADSTS90061"},
	} {
		t.Run(name, func(t *testing.T) {
			b.service.options.Keys = sourceFunc(func(context.Context, string, string) (jose.KeySet, error) { return test.keys, test.err })
			wantCode(t, b.exchange(b.federated(signedBy(t, signing, remoteClaims(b.clock.Now())))), test.code)
		})
	}
}

func mustSet(t *testing.T, keys ...jose.PublicKey) jose.KeySet {
	t.Helper()
	set, err := jose.NewKeySet(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestTrail holds what the log and the web page are told of an exchange.
func TestTrail(t *testing.T) {
	b := newWorkbench(t, nil)
	form := b.federated(b.mint(nil))
	b.token(b.exchange(form))
	event := b.last.Load()
	if !event.Verdict.Allowed || event.Verdict.Link != chain.LinkFederatedCredential || !strings.Contains(event.Verdict.By, `"wi-api"`) || event.Caller.ObjectID != b.identity.ObjectID {
		t.Errorf("got verdict %+v, caller %+v", event.Verdict, event.Caller)
	}
	b.exchange(b.federated(flip(form.Get("client_assertion"))))
	if event = b.last.Load(); event.Verdict.Allowed || event.Verdict.By != "" || event.Caller.ObjectID != "" {
		t.Errorf("forged: got verdict %+v, caller %+v", event.Verdict, event.Caller)
	}
	b.exchange(b.federated(b.mint(func(r *issuer.TokenRequest) { r.Namespace = "staging" })))
	if event = b.last.Load(); event.Verdict.Allowed || !strings.Contains(event.Verdict.Nearest, "namespace") {
		t.Errorf("other namespace: got verdict %+v", event.Verdict)
	}
	b.token(b.exchange(b.secret(guardSecret)))
	if event = b.last.Load(); event.Verdict.By != "client secret" || event.Caller.AppID != b.app.AppID {
		t.Errorf("secret: got verdict %+v, caller %+v", event.Verdict, event.Caller)
	}
}

// TestRotatedClusterKey holds that tokens of a retired key work until they expire, and no longer.
func TestRotatedClusterKey(t *testing.T) {
	b := newWorkbench(t, nil)
	before := b.mint(func(r *issuer.TokenRequest) { r.ExpirationSeconds = 86400 })
	if _, err := b.issuers.Rotate(t.Context(), b.cluster.ID); err != nil {
		t.Fatal(err)
	}
	b.clock.advance(2 * time.Hour)
	b.token(b.exchange(b.federated(before)))
	b.token(b.exchange(b.federated(b.mint(nil))))
	b.clock.advance(24 * time.Hour)
	wantCode(t, b.exchange(b.federated(before)), "AADSTS700024")
	b.clock.advance(24 * time.Hour)
	wantCode(t, b.exchange(b.federated(before)), "AADSTS7000272")
}

// TestAssertionIsReusable: SDKs send one projected token for all of its life.
func TestAssertionIsReusable(t *testing.T) {
	b := newWorkbench(t, nil)
	form := b.federated(b.mint(nil))
	for range 3 {
		b.token(b.exchange(form))
		b.clock.advance(10 * time.Minute)
	}
}

// TestOnlyTheBodyCounts: parameters in the query are not credentials.
func TestOnlyTheBodyCounts(t *testing.T) {
	b := newWorkbench(t, nil)
	form := b.federated(b.mint(nil))
	wantCode(t, b.post(tokenURL+"?"+form.Encode(), url.Values{}), "AADSTS900144")
}
