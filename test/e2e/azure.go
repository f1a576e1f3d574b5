package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/deploy"
)

// StartLimit is how long a program of this repository may take to serve.
const StartLimit = time.Minute

// An Azure is a running local Azure, as `aksess up -o json` describes it.
type Azure struct {
	ProxyURL       string `json:"proxyUrl"`
	CAFile         string `json:"caFile"`
	State          string `json:"state"`
	TenantID       string `json:"tenantId"`
	SubscriptionID string `json:"subscriptionId"`
	Deployer       struct {
		ClientID     string `json:"clientId"`
		ClientSecret string `json:"clientSecret"`
	} `json:"deployer"`

	// Client acts as the deployer.
	Client *deploy.Client `json:"-"`
	// Process is `aksess up`.
	Process *Process `json:"-"`
}

// StartAzure runs `aksess up` of the folder bin with the arguments, on a state
// of its own, and ends it with the test.
func StartAzure(t testing.TB, bin string, args ...string) *Azure {
	t.Helper()
	up := StartProcess(t, Command{
		Name: "aksess-up", Path: filepath.Join(bin, "aksess"),
		Args: append([]string{"up", "-o", "json", "--state", t.TempDir()}, args...),
		Env:  CleanEnv(t),
	})
	a := &Azure{Process: up}
	EventuallyRunning(t, StartLimit, "local Azure up", func() error {
		return json.Unmarshal([]byte(up.Output()), a)
	}, up)
	a.Client = &deploy.Client{
		HTTP:     a.httpClient(t),
		TenantID: a.TenantID, ClientID: a.Deployer.ClientID, ClientSecret: a.Deployer.ClientSecret,
	}
	return a
}

// httpClient reaches the local Azure by Azure's host names.
func (a *Azure) httpClient(t testing.TB) *http.Client {
	t.Helper()
	pem, err := os.ReadFile(a.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatalf("%s holds no certificate", a.CAFile)
	}
	proxy, err := url.Parse(a.ProxyURL)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

// Put creates a resource.
func (a *Azure) Put(t testing.TB, id, apiVersion string, body, answer any) {
	t.Helper()
	if err := a.Client.Manage(t.Context(), http.MethodPut, id, apiVersion, body, answer); err != nil {
		t.Fatal(err)
	}
}

// write puts data where a data plane keeps it.
func (a *Azure) write(t testing.TB, call deploy.Call) {
	t.Helper()
	call.Method = http.MethodPut
	if err := a.Client.Do(t.Context(), call, nil); err != nil {
		t.Fatal(err)
	}
}

// sign returns the deployer's token for a resource.
func (a *Azure) sign(t testing.TB, resource string) string {
	t.Helper()
	token, err := a.Client.Token(t.Context(), resource)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// objectID is whom a token is of. The token is not checked.
func objectID(t testing.TB, token string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("token parts: got %d, want 3", len(parts))
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatalf("decoding the claims of a token: %v", err)
	}
	var claims struct {
		ObjectID string `json:"oid"`
	}
	if err := json.Unmarshal(text, &claims); err != nil {
		t.Fatalf("reading the claims of a token: %v", err)
	}
	return claims.ObjectID
}

// CleanEnv is an environment without what this machine has in its own.
func CleanEnv(t testing.TB, more ...string) []string {
	t.Helper()
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, more...)
}
