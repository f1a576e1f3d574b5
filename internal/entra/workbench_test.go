package entra

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/issuer"
	"github.com/aksess/aksess/internal/jose"
	"github.com/aksess/aksess/internal/store"
	"github.com/aksess/aksess/internal/store/memory"
)

const (
	tenantID     = "11111111-1111-1111-1111-111111111111"
	tenantDomain = "contoso.onmicrosoft.com"
	otherTenant  = "99999999-9999-4999-8999-999999999999"
	identityARM  = "/subscriptions/55555555-5555-5555-5555-555555555555/resourceGroups/rg-widemo/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-wi-api"
	vaultScope   = "https://vault.azure.net/.default"
	guardSecret  = "canary-secret-8Q~2c1a7f6e5d4b3a29180716253"
)

// clock is moved by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// workbench is a token service with its real neighbours on a memory store: one
// cluster, one managed identity that trusts it, one application with a secret.
type workbench struct {
	t         testing.TB
	clock     *clock
	store     store.Store
	directory *directory.Directory
	issuers   *issuer.Issuers
	service   *TokenService
	server    *azapi.Server
	log       *bytes.Buffer
	last      atomic.Pointer[azapi.Event] // of the last request

	cluster  issuer.Issuer
	identity *directory.Principal
	app      *directory.Principal
	secretID string
}

// parsedKeys hands out keys that were made once: RSA keys are slow to make.
var parsedKeys = sync.OnceValue(func() [4]*jose.SigningKey {
	var keys [4]*jose.SigningKey
	for i := range keys {
		key, err := jose.NewSigningKey("")
		if err != nil {
			panic(err)
		}
		keys[i] = key
	}
	return keys
})

// newWorkbench makes a workbench; change may alter the options of the token service.
func newWorkbench(t testing.TB, change func(*Options)) *workbench {
	t.Helper()
	b := &workbench{t: t, clock: &clock{now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}, store: memory.New(), log: new(bytes.Buffer)}
	var ids, keys atomic.Int64
	newID := func() string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", ids.Add(1)) }
	log := slog.New(slog.NewTextHandler(&lockedWriter{w: b.log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	pool := issuer.NewKeyPool(issuer.PoolOptions{Store: b.store, NewID: newID, Log: log, Generate: func() (*jose.SigningKey, error) {
		if n := keys.Add(1); n <= 4 {
			return parsedKeys()[n-1], nil
		}
		return jose.NewSigningKey("")
	}})
	t.Cleanup(pool.Close)
	b.directory = directory.New(b.store, directory.Options{Now: b.clock.Now, NewID: newID, PasswordWork: 1})
	b.issuers = issuer.New(issuer.Options{Store: b.store, Pool: pool, Now: b.clock.Now, NewID: newID})
	options := Options{
		Directory: b.directory, Keys: b.issuers, Store: b.store, Pool: pool,
		Now: b.clock.Now, NewID: newID, Log: log,
	}
	if change != nil {
		change(&options)
	}
	b.service = New(options)
	var err error
	b.server, err = azapi.New([]*azapi.Service{b.service.Service()}, azapi.Config{
		Authenticator: b.service.Authenticator(), Now: b.clock.Now, NewID: newID, Log: log,
		Roles:   func() []access.RoleDefinition { return nil },
		Observe: func(e azapi.Event) { b.last.Store(&e) }, Local: azapi.NewLocal("aksess.localhost"),
	})
	if err != nil {
		t.Fatal(err)
	}
	b.populate()
	return b
}

func (b *workbench) populate() {
	ctx := b.t.Context()
	for _, tenant := range []directory.Tenant{{ID: tenantID, Domain: tenantDomain, DisplayName: "Contoso"}, {ID: otherTenant, Domain: "fabrikam.com"}} {
		if _, err := b.directory.EnsureTenant(ctx, tenant); err != nil {
			b.t.Fatal(err)
		}
	}
	var err error
	if b.cluster, err = b.issuers.Create(ctx, "westeurope", tenantID); err != nil {
		b.t.Fatal(err)
	}
	if b.identity, err = b.directory.CreateManagedIdentity(ctx, tenantID, identityARM, "id-wi-api"); err != nil {
		b.t.Fatal(err)
	}
	b.trust("wi-api", b.cluster.URL, chain.Subject("widemo", "wi-demo-sa"), chain.TokenAudience)
	if b.app, err = b.directory.CreateApplication(ctx, tenantID, "deployer"); err != nil {
		b.t.Fatal(err)
	}
	secret, err := b.directory.ImportSecret(ctx, b.app.ObjectID, "test", guardSecret, b.clock.Now().Add(24*time.Hour))
	if err != nil {
		b.t.Fatal(err)
	}
	b.secretID = secret.ID
}

// trust adds a federated credential to the identity, or replaces it.
func (b *workbench) trust(name, iss, sub, aud string) {
	b.t.Helper()
	_, _, err := b.directory.PutCredential(b.t.Context(), b.identity.ObjectID,
		directory.FederatedCredential{Name: name, Issuer: iss, Subject: sub, Audiences: []string{aud}}, store.Always())
	if err != nil {
		b.t.Fatal(err)
	}
}

// mint returns the token of the scenario's service account; change may alter the request.
func (b *workbench) mint(change func(*issuer.TokenRequest)) string {
	b.t.Helper()
	request := issuer.TokenRequest{Namespace: "widemo", ServiceAccount: "wi-demo-sa", Audiences: []string{chain.TokenAudience}}
	if change != nil {
		change(&request)
	}
	token, err := b.issuers.Mint(b.t.Context(), b.cluster.ID, request)
	if err != nil {
		b.t.Fatal(err)
	}
	return token
}

// sign signs any claims with the cluster's key.
func (b *workbench) sign(claims any) string {
	b.t.Helper()
	key, err := b.issuers.SigningKey(b.t.Context(), b.cluster.ID)
	if err != nil {
		b.t.Fatal(err)
	}
	token, err := jose.Sign(key, jose.HeaderExtras{}, claims)
	if err != nil {
		b.t.Fatal(err)
	}
	return token
}

// federated is the request of the scenario's application.
func (b *workbench) federated(assertion string) url.Values {
	return url.Values{
		"grant_type": {"client_credentials"}, "client_id": {b.identity.AppID}, "scope": {vaultScope},
		"client_assertion_type": {assertionType}, "client_assertion": {assertion},
	}
}

// secret is the request of the deployer.
func (b *workbench) secret(value string) url.Values {
	return url.Values{
		"grant_type": {"client_credentials"}, "client_id": {b.app.AppID}, "scope": {vaultScope}, "client_secret": {value},
	}
}

const userPassword = "Canary-password-1"

// user makes a user.
func (b *workbench) user(name, password string) *directory.User {
	b.t.Helper()
	user, err := b.directory.CreateUser(b.t.Context(), directory.User{TenantID: tenantID, Name: name, DisplayName: "Ada Lovelace"}, password)
	if err != nil {
		b.t.Fatal(err)
	}
	return user
}

// group makes a security group and returns its id.
func (b *workbench) group(name string) string {
	b.t.Helper()
	group, err := b.directory.CreateGroup(b.t.Context(), directory.Group{TenantID: tenantID, DisplayName: name, MailNickname: name, SecurityEnabled: true})
	if err != nil {
		b.t.Fatal(err)
	}
	return group.ObjectID
}

const (
	azCLI    = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
	armScope = "https://management.core.windows.net//.default offline_access openid profile"
)

// passwordForm is what az login sends with a user name and a password.
func (b *workbench) passwordForm(name, password string) url.Values {
	return url.Values{
		"grant_type": {"password"}, "client_id": {azCLI}, "username": {name}, "password": {password},
		"scope": {armScope}, "client_info": {"1"},
	}
}

// disable turns a principal off.
func (b *workbench) disable(p *directory.Principal) {
	b.t.Helper()
	_, err := b.directory.Update(b.t.Context(), p.ObjectID, func(p *directory.Principal) error {
		p.Disabled = true
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// ownClaims are those of an assertion that the application makes itself.
func (b *workbench) ownClaims(change map[string]any) map[string]any {
	now := b.clock.Now()
	claims := map[string]any{
		"aud": tokenURL, "iss": b.app.AppID, "sub": b.app.AppID, "jti": "b0a1d9de-2a6b-4f3e-8f65-0c7d55e1f1aa",
		"nbf": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
	}
	maps.Copy(claims, change)
	return claims
}

// ownForm is the application's request with an assertion of its own.
func (b *workbench) ownForm(assertion string) url.Values {
	return url.Values{
		"grant_type": {"client_credentials"}, "client_id": {b.app.AppID}, "scope": {vaultScope},
		"client_assertion_type": {assertionType}, "client_assertion": {assertion},
	}
}

// certificate registers a certificate of the application and returns its key.
func (b *workbench) certificate() (*jose.SigningKey, *x509.Certificate) {
	b.t.Helper()
	key := parsedKeys()[3]
	certificate, err := key.SelfSigned("deployer", b.clock.Now().Add(-time.Hour), b.clock.Now().Add(time.Hour))
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.directory.AddCertificate(b.t.Context(), b.app.ObjectID, certificate.Raw); err != nil {
		b.t.Fatal(err)
	}
	return key.WithKid(jose.Thumbprint(certificate)), certificate
}

// certified is the application's request with claims that its certificate's key signed.
func (b *workbench) certified(claims map[string]any) url.Values {
	b.t.Helper()
	key, _ := b.certificate()
	return b.ownForm(signedBy(b.t, key, claims))
}

// reheader replaces the header of a token and leaves the rest.
func reheader(token, header string) string {
	_, rest, _ := strings.Cut(token, ".")
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + rest
}

// flip changes one bit of a token's signature.
func flip(token string) string {
	dot := strings.LastIndexByte(token, '.')
	signature, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
	if err != nil {
		panic(err)
	}
	signature[7] ^= 1
	return token[:dot+1] + base64.RawURLEncoding.EncodeToString(signature)
}

// failingStore is a store whose disk is gone.
type failingStore struct{ store.Store }

func (failingStore) Get(context.Context, string, string) (store.Doc, error) {
	return store.Doc{}, errors.New("the disk is gone")
}

func (failingStore) List(context.Context, string, store.Query) (store.Page, error) {
	return store.Page{}, errors.New("the disk is gone")
}

// reply is an answer with what tests look at.
type reply struct {
	status int
	header http.Header
	body   []byte

	// of a token
	TokenType   string `json:"token_type"`
	ExpiresIn   any    `json:"expires_in"`
	ExtExpires  any    `json:"ext_expires_in"`
	RefreshIn   any    `json:"refresh_in"`
	AccessToken string `json:"access_token"`

	// of a user's sign-in
	Scope        string `json:"scope"`
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
	ClientInfo   string `json:"client_info"`
	Family       string `json:"foci"`
	DeviceCode   string `json:"device_code"`
	UserCode     string `json:"user_code"`
	Message      string `json:"message"`

	// of an error
	Error       string `json:"error"`
	Description string `json:"error_description"`
	Codes       []int  `json:"error_codes"`
	Timestamp   string `json:"timestamp"`
	Trace       string `json:"trace_id"`
	Correlation string `json:"correlation_id"`
	URI         string `json:"error_uri"`
}

func (b *workbench) do(request *http.Request) reply {
	b.t.Helper()
	recorder := httptest.NewRecorder()
	b.server.ServeHTTP(recorder, request)
	response := recorder.Result()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	got := reply{status: response.StatusCode, header: response.Header, body: body}
	if err := json.Unmarshal(body, &got); err != nil {
		b.t.Fatalf("%s %s: %d with a body that is not JSON: %v: %s", request.Method, request.URL, got.status, err, body)
	}
	return got
}

func (b *workbench) get(target string) reply {
	b.t.Helper()
	return b.do(httptest.NewRequest(http.MethodGet, target, nil))
}

func (b *workbench) post(target string, values url.Values) reply {
	b.t.Helper()
	request := httptest.NewRequest(http.MethodPost, target, strings.NewReader(values.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(request)
}

const tokenURL = "https://login.microsoftonline.com/" + tenantID + "/oauth2/v2.0/token"

// exchange posts to the tenant's v2 token endpoint.
func (b *workbench) exchange(values url.Values) reply {
	b.t.Helper()
	return b.post(tokenURL, values)
}

// wantCode fails unless the answer is this refusal.
func wantCode(t testing.TB, got reply, kind string) {
	t.Helper()
	if !strings.HasPrefix(got.Description, kind+": ") {
		t.Errorf("got %d %s %q, want %s", got.status, got.Error, got.Description, kind)
	}
	if got.AccessToken != "" {
		t.Errorf("a refusal came with an access token")
	}
}

// token fails unless the answer is a token, and returns its claims.
func (b *workbench) token(got reply) map[string]any {
	b.t.Helper()
	if got.status != http.StatusOK || got.AccessToken == "" {
		b.t.Fatalf("got %d %s, want a token", got.status, got.body)
	}
	keys, err := b.service.ring.KeySet(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	verified, err := jose.Verify(got.AccessToken, keys, accessTokenPolicy)
	if err != nil {
		b.t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(verified.Claims, &claims); err != nil {
		b.t.Fatal(err)
	}
	return claims
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// documents returns the documents of a kind, with their keys, as they are stored.
func (b *workbench) documents(kind string) []string {
	b.t.Helper()
	page, err := b.store.List(b.t.Context(), kind, store.Query{})
	if err != nil {
		b.t.Fatal(err)
	}
	var documents []string
	for _, doc := range page.Docs {
		documents = append(documents, doc.Key+" "+string(doc.Value))
	}
	return documents
}

// forget deletes a document behind everybody's back.
func (b *workbench) forget(kind, key string) {
	b.t.Helper()
	if _, err := b.store.Apply(b.t.Context(), store.Op{Kind: kind, Key: key, Delete: true, If: store.Present()}); err != nil {
		b.t.Fatal(err)
	}
}
