package issuer

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/jose"
	"github.com/aksess/aksess/internal/store"
)

func create(t *testing.T, s *Issuers) Issuer {
	t.Helper()
	issuer, err := s.Create(t.Context(), "westeurope", testTenant)
	if err != nil {
		t.Fatal(err)
	}
	return issuer
}

func TestCreate(t *testing.T) {
	s := newWorkbench(t).issuers()
	issuer := create(t, s)
	if want := "https://westeurope.oic.prod-aks.azure.com/" + testTenant + "/" + issuer.ID + "/"; issuer.URL != want {
		t.Errorf("got %q, want %q", issuer.URL, want)
	}
	for _, bad := range []struct{ region, tenant string }{{"", testTenant}, {"west europe", testTenant}, {"a.b", testTenant}, {"westeurope", "contoso.com"}} {
		if got, err := s.Create(t.Context(), bad.region, bad.tenant); err == nil {
			t.Errorf("Create(%q, %q) = %v, want an error", bad.region, bad.tenant, got)
		}
	}
}

func TestByURLIsExact(t *testing.T) {
	s := newWorkbench(t).issuers()
	issuer := create(t, s)
	if got, err := s.ByURL(t.Context(), issuer.URL); err != nil || got != issuer {
		t.Errorf("got %v, %v, want %v", got, err, issuer)
	}
	for name, url := range map[string]string{
		"no_slash": strings.TrimSuffix(issuer.URL, "/"), "two_slashes": issuer.URL + "/", "case": strings.ToUpper(issuer.URL),
		"http": "http" + strings.TrimPrefix(issuer.URL, "https"), "region": strings.Replace(issuer.URL, "westeurope", "eastus", 1),
		"tenant": strings.Replace(issuer.URL, testTenant, issuer.ID, 1), "port": strings.Replace(issuer.URL, ".com/", ".com:443/", 1),
		"query": issuer.URL + "?", "empty": "", "not_a_url": "://", "other_host": "https://example.com/" + testTenant + "/" + issuer.ID + "/",
	} {
		if got, err := s.ByURL(t.Context(), url); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: ByURL(%q) = %v, %v, want ErrNotFound", name, url, got, err)
		}
	}
}

func TestDelete(t *testing.T) {
	b := newWorkbench(t)
	s := b.issuers()
	issuer := create(t, s)
	if err := s.Delete(t.Context(), issuer.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Mint(t.Context(), issuer.ID, TokenRequest{Namespace: "a", ServiceAccount: "b"}); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
	if _, err := b.store.Get(t.Context(), keysKind, issuer.ID); err == nil {
		t.Error("the key of the deleted issuer is still stored")
	}
	if err := s.Delete(t.Context(), issuer.ID); err != nil {
		t.Errorf("got %v from a second delete", err)
	}
}

func TestMintHasKubernetesClaims(t *testing.T) {
	b := newWorkbench(t)
	s := b.issuers()
	issuer := create(t, s)
	token, err := s.Mint(t.Context(), issuer.ID, TokenRequest{
		Namespace: "widemo", ServiceAccount: "wi-demo-sa", UID: "8a6e3d1c-0000-4000-8000-000000000001",
		Audiences: []string{"api://AzureADTokenExchange"}, ExpirationSeconds: 3600,
		Pod:  &ObjectRef{Name: "wi-api-7c5d9f7b9b-x2x9z", UID: "8a6e3d1c-0000-4000-8000-000000000002"},
		Node: &ObjectRef{Name: "node-1", UID: "8a6e3d1c-0000-4000-8000-000000000003"},
	})
	if err != nil {
		t.Fatal(err)
	}
	ring, err := s.Ring(t.Context(), issuer.ID)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := ring.KeySet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	verified := verify(t, token, keys)
	want := `{"aud":["api://AzureADTokenExchange"],"exp":1795438800,"iat":1795435200,"iss":"` + issuer.URL + `",` +
		`"jti":"JTI","kubernetes.io":{"namespace":"widemo","node":{"name":"node-1","uid":"8a6e3d1c-0000-4000-8000-000000000003"},` +
		`"pod":{"name":"wi-api-7c5d9f7b9b-x2x9z","uid":"8a6e3d1c-0000-4000-8000-000000000002"},` +
		`"serviceaccount":{"name":"wi-demo-sa","uid":"8a6e3d1c-0000-4000-8000-000000000001"}},` +
		`"nbf":1795435200,"sub":"system:serviceaccount:widemo:wi-demo-sa"}`
	claims, err := jose.ParseClaims(verified.Claims)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Replace(string(verified.Claims), claims.ID, "JTI", 1); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	kid, err := jose.KubernetesKeyID(verified.Key.Key())
	if err != nil || verified.Header.Kid != kid || verified.Header.Typ != "" {
		t.Errorf("got header %+v, want kid %s and no typ", verified.Header, kid)
	}
}

func TestMintDefaultsAndRefusals(t *testing.T) {
	b := newWorkbench(t)
	s := b.issuers()
	issuer := create(t, s)
	claims, err := s.claims(issuer, TokenRequest{Namespace: "a", ServiceAccount: "b", Now: time.Unix(1000, 0)})
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.claims(issuer, TokenRequest{Namespace: "a", ServiceAccount: "b"})
	if err != nil {
		t.Fatal(err)
	}
	if claims.Audience[0] != issuer.URL || claims.Expiry != 4600 || claims.IssuedAt != 1000 {
		t.Errorf("got %+v, want the issuer as audience and an hour", claims)
	}
	if uid := claims.Kubernetes.ServiceAccount.UID; len(uid) != 36 || uid != again.Kubernetes.ServiceAccount.UID || claims.ID == again.ID {
		t.Errorf("got uids %q %q, jti %q %q, want equal uids and distinct jti", uid, again.Kubernetes.ServiceAccount.UID, claims.ID, again.ID)
	}
	for name, request := range map[string]TokenRequest{
		"no_namespace": {ServiceAccount: "b"}, "no_name": {Namespace: "a"}, "colon": {Namespace: "a", ServiceAccount: "b:c"},
		"short": {Namespace: "a", ServiceAccount: "b", ExpirationSeconds: 599}, "negative": {Namespace: "a", ServiceAccount: "b", ExpirationSeconds: -1},
		"long": {Namespace: "a", ServiceAccount: "b", ExpirationSeconds: 1<<32 + 1},
	} {
		if token, err := s.Mint(t.Context(), issuer.ID, request); err == nil {
			t.Errorf("%s: got token %s, want an error", name, token)
		}
	}
}

func serve(t *testing.T, b *workbench, s *Issuers) func(url string) (*http.Response, string) {
	t.Helper()
	server, err := azapi.New([]*azapi.Service{s.Service()}, azapi.Config{
		Now: b.clock.Now, NewID: b.newID, Log: slog.New(slog.DiscardHandler), Roles: func() []access.RoleDefinition { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return func(url string) (*http.Response, string) {
		recorder := httptest.NewRecorder()
		server.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, url, nil))
		response := recorder.Result()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response, string(body)
	}
}

func TestDocuments(t *testing.T) {
	b := newWorkbench(t)
	s := b.issuers()
	issuer := create(t, s)
	get := serve(t, b, s)

	response, body := get(issuer.URL + ".well-known/openid-configuration")
	want := `{"issuer":"` + issuer.URL + `","jwks_uri":"` + issuer.URL + `openid/v1/jwks","response_types_supported":["id_token"],` +
		`"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["RS256"]}`
	if response.StatusCode != http.StatusOK || body != want || response.Header.Get("Content-Type") != "application/json" {
		t.Errorf("got %d %s\n%s\nwant\n%s", response.StatusCode, response.Header.Get("Content-Type"), body, want)
	}
	if got := response.Header.Get("Cache-Control"); got != "public, max-age=3600" {
		t.Errorf("got Cache-Control %q", got)
	}
	var document Discovery
	if err := json.Unmarshal([]byte(body), &document); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Rotate(t.Context(), issuer.ID); err != nil {
		t.Fatal(err)
	}
	response, body = get(document.JWKSURI)
	keys, err := jose.ParseJWKS([]byte(body))
	if err != nil || response.StatusCode != http.StatusOK || keys.Len() != 2 || len(keys.Ignored()) != 0 {
		t.Fatalf("got %d, %d keys, %d ignored, %v, want both keys of the rotation", response.StatusCode, keys.Len(), len(keys.Ignored()), err)
	}
	token, err := s.Mint(t.Context(), issuer.ID, TokenRequest{Namespace: "a", ServiceAccount: "b"})
	if err != nil {
		t.Fatal(err)
	}
	verify(t, token, keys)
}

func TestDocumentsOfNobody(t *testing.T) {
	b := newWorkbench(t)
	s := b.issuers()
	issuer := create(t, s)
	get := serve(t, b, s)
	for _, url := range []string{
		strings.Replace(issuer.URL, "westeurope", "eastus", 1) + ".well-known/openid-configuration",
		strings.Replace(issuer.URL, issuer.ID, testTenant, 1) + "openid/v1/jwks",
		issuer.URL, issuer.URL + "openid/v2/jwks", "https://westeurope.oic.prod-aks.azure.com/",
	} {
		if response, body := get(url); response.StatusCode != http.StatusNotFound || !strings.Contains(body, "ResourceNotFound") {
			t.Errorf("GET %s: got %d %s, want 404 ResourceNotFound", url, response.StatusCode, body)
		}
	}
}

func TestKeySource(t *testing.T) {
	b := newWorkbench(t)
	s := b.issuers()
	issuer := create(t, s)
	token, err := s.Mint(t.Context(), issuer.ID, TokenRequest{Namespace: "a", ServiceAccount: "b"})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := s.Keys(t.Context(), issuer.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	verify(t, token, keys)
	for _, url := range []string{"https://oidc.example.test/", strings.TrimSuffix(issuer.URL, "/"), ""} {
		if _, err := s.Keys(t.Context(), url, ""); !errors.Is(err, jose.ErrUnknownIssuer) {
			t.Errorf("Keys(%q): got %v, want ErrUnknownIssuer", url, err)
		}
	}
}

func TestMaintainAllIssuers(t *testing.T) {
	b := newWorkbench(t)
	s := b.issuers()
	one, other := create(t, s), create(t, s)
	if _, err := s.Rotate(t.Context(), one.ID); err != nil {
		t.Fatal(err)
	}
	b.clock.advance(CacheAge + keyLinger)
	if err := s.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, issuer := range []Issuer{one, other} {
		ring, err := s.Ring(t.Context(), issuer.ID)
		if err != nil {
			t.Fatal(err)
		}
		want(t, issuer.ID, states(t, b, ring), StateActive)
	}
	if _, err := s.Rotate(t.Context(), "nobody"); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
	if _, err := s.SigningKey(t.Context(), "nobody"); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

// TestSigningKeySigns: a kube-apiserver that is given the key issues tokens of this issuer.
func TestSigningKeySigns(t *testing.T) {
	b := newWorkbench(t)
	s := b.issuers()
	issuer := create(t, s)
	key, err := s.SigningKey(t.Context(), issuer.ID)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jose.Sign(key, jose.HeaderExtras{}, map[string]string{"iss": issuer.URL})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := s.Keys(t.Context(), issuer.URL, key.Kid())
	if err != nil {
		t.Fatal(err)
	}
	verify(t, token, keys)
}

// failing is a store whose medium is gone.
type failing struct{ store.Store }

var errMedium = errors.New("the disk is gone")

func (failing) Get(context.Context, string, string) (store.Doc, error) { return store.Doc{}, errMedium }
func (failing) List(context.Context, string, store.Query) (store.Page, error) {
	return store.Page{}, errMedium
}
func (failing) Apply(context.Context, ...store.Op) ([]int64, error) { return nil, errMedium }

func TestStoreFails(t *testing.T) {
	b := newWorkbench(t)
	s := b.issuers()
	issuer := create(t, s)
	b.store = failing{b.store}
	broken := b.issuers()
	ring := newRing(b, nil)
	for name, call := range map[string]func() error{
		"create":    func() error { _, err := broken.Create(t.Context(), "westeurope", testTenant); return err },
		"get":       func() error { _, err := broken.Get(t.Context(), issuer.ID); return err },
		"mint":      func() error { _, err := broken.Mint(t.Context(), issuer.ID, TokenRequest{}); return err },
		"keys":      func() error { _, err := broken.Keys(t.Context(), issuer.URL, ""); return err },
		"delete":    func() error { return broken.Delete(t.Context(), issuer.ID) },
		"maintain":  func() error { return broken.Maintain(t.Context()) },
		"signing":   func() error { _, err := ring.Signing(t.Context()); return err },
		"published": func() error { _, err := ring.Published(t.Context()); return err },
		"keyset":    func() error { _, err := ring.KeySet(t.Context()); return err },
		"verifying": func() error { _, _, err := ring.Verifying(t.Context(), "x"); return err },
		"ensure":    func() error { return ring.Ensure(t.Context()) },
		"rotate":    func() error { _, err := ring.Rotate(t.Context()); return err },
		"revoke":    func() error { return ring.Revoke(t.Context(), "x") },
		"upkeep":    func() error { return ring.Maintain(t.Context()) },
	} {
		if err := call(); !errors.Is(err, errMedium) {
			t.Errorf("%s: got %v, want the store's error", name, err)
		}
	}
	server, err := azapi.New([]*azapi.Service{broken.Service()}, azapi.Config{
		Now: b.clock.Now, NewID: b.newID, Log: slog.New(slog.DiscardHandler), Roles: func() []access.RoleDefinition { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	recorder := httptest.NewRecorder()
	server.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, issuer.URL+"openid/v1/jwks", nil))
	if recorder.Code != http.StatusInternalServerError || strings.Contains(recorder.Body.String(), "disk") {
		t.Errorf("got %d %s, want 500 and nothing of the inside", recorder.Code, recorder.Body)
	}
}
