package app_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/app"
	"github.com/aksess/aksess/internal/directory"
)

const (
	machineARM = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/"
	imdsToken  = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.azure.com"
)

// started is a running local Azure on a machine with identities.
func started(t *testing.T, identities ...string) *app.App {
	t.Helper()
	a := open(t, app.Config{MachineIdentities: identities})
	if err := a.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	return a
}

// answer is what an identity endpoint sends, good or bad.
type answer struct {
	status      int
	AccessToken string `json:"access_token"`
	ClientID    string `json:"client_id"`
	ExpiresOn   string `json:"expires_on"`
	Resource    string `json:"resource"`
	Error       string `json:"error"`
	Description string `json:"error_description"`
	Message     string `json:"message"`
}

// ask sends a request with headers in pairs, through a proxy if there is one.
func ask(t *testing.T, proxy, target string, headers ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	transport := &http.Transport{DisableKeepAlives: true}
	if proxy != "" {
		through, err := url.Parse(proxy)
		if err != nil {
			t.Fatal(err)
		}
		transport.Proxy = http.ProxyURL(through)
	}
	response, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := answer{status: response.StatusCode}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatalf("%s: got %d %s, which is not JSON", target, got.status, body)
	}
	return got
}

func claimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("got no token but %q", token)
	}
	decoded, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(decoded, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func identity(t *testing.T, a *app.App, name string) *directory.Principal {
	t.Helper()
	made, err := a.Directory.CreateManagedIdentity(t.Context(), a.Account.TenantID, machineARM+name, name)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// TestMachine: every way to the tokens of the machine's one identity.
func TestMachine(t *testing.T) {
	a := started(t, machineARM+"ONE")
	if got := ask(t, a.ProxyURL(), imdsToken, "Metadata", "true"); got.status != 400 || got.Description != "Identity not found" {
		t.Errorf("before the identity exists: got %+v", got)
	}
	one, two := identity(t, a, "one"), identity(t, a, "two")
	endpoint, header := a.IdentityEndpoint()
	query := strings.TrimPrefix(imdsToken, "http://169.254.169.254/metadata/identity/oauth2/token")
	for name, test := range map[string]struct {
		proxy, target string
		headers       []string
	}{
		"proxy":       {a.ProxyURL(), imdsToken, []string{"Metadata", "true"}},
		"listener":    {"", a.MetadataEndpoint() + query, []string{"Metadata", "true"}},
		"client_id":   {a.ProxyURL(), imdsToken + "&client_id=" + one.AppID, []string{"Metadata", "true"}},
		"object_id":   {a.ProxyURL(), imdsToken + "&object_id=" + strings.ToUpper(one.ObjectID), []string{"Metadata", "true"}},
		"resource_id": {a.ProxyURL(), imdsToken + "&msi_res_id=" + url.QueryEscape(strings.ToUpper(machineARM)+"One"), []string{"Metadata", "true"}},
		"app_service": {"", endpoint + "?api-version=2019-08-01&resource=https://management.azure.com", []string{"X-IDENTITY-HEADER", header}},
	} {
		t.Run(name, func(t *testing.T) {
			got := ask(t, test.proxy, test.target, test.headers...)
			if got.status != http.StatusOK || got.ClientID != one.AppID || got.ExpiresOn == "" || got.Resource != "https://management.azure.com" {
				t.Fatalf("got %+v", got)
			}
			claims := claimsOf(t, got.AccessToken)
			for claim, want := range map[string]any{"appid": one.AppID, "oid": one.ObjectID, "xms_mirid": one.ResourceID, "idtyp": "app", "aud": "https://management.azure.com"} {
				if claims[claim] != want {
					t.Errorf("got %s %v, want %v", claim, claims[claim], want)
				}
			}
		})
	}
	for name, test := range map[string]struct {
		proxy, target string
		headers       []string
		status        int
		says          string
	}{
		"not_the_machines": {a.ProxyURL(), imdsToken + "&client_id=" + two.AppID, []string{"Metadata", "true"}, 400, "Identity not found"},
		"no_metadata":      {a.ProxyURL(), imdsToken, nil, 400, "Required metadata header not specified"},
		"unknown_resource": {a.ProxyURL(), imdsToken + "x", []string{"Metadata", "true"}, 400, "AADSTS500011"},
		"instance":         {a.ProxyURL(), "http://169.254.169.254/metadata/instance?api-version=2021-02-01", []string{"Metadata", "true"}, 404, ""},
		"wrong_header":     {"", endpoint + query, []string{"X-IDENTITY-HEADER", "x"}, 401, "X-IDENTITY-HEADER"},
		"metadata_instead": {"", endpoint + query, []string{"Metadata", "true"}, 401, "X-IDENTITY-HEADER"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ask(t, test.proxy, test.target, test.headers...)
			if got.status != test.status || !strings.Contains(got.Description+got.Message, test.says) || got.AccessToken != "" {
				t.Errorf("got %+v, want %d %s", got, test.status, test.says)
			}
		})
	}
}

func TestMachineWithSeveralIdentities(t *testing.T) {
	a := started(t, machineARM+"one", machineARM+"two", "00000000-0000-4000-8000-000000000000")
	one, two := identity(t, a, "one"), identity(t, a, "two")
	if got := ask(t, a.ProxyURL(), imdsToken, "Metadata", "true"); got.status != 400 || !strings.HasPrefix(got.Description, "Multiple user assigned identities exist") {
		t.Errorf("got %+v", got)
	}
	for _, p := range []*directory.Principal{one, two} {
		if got := ask(t, a.ProxyURL(), imdsToken+"&client_id="+p.AppID, "Metadata", "true"); got.ClientID != p.AppID {
			t.Errorf("got %+v, want %s", got, p.AppID)
		}
	}
	if err := a.Directory.DeletePrincipal(t.Context(), two.ObjectID); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, a.ProxyURL(), imdsToken, "Metadata", "true"); got.ClientID != one.AppID {
		t.Errorf("one left: got %+v, want it", got)
	}
}

// TestMachineHasNone: an ordinary start lends nobody an identity, and a
// deployer, whose secret the machine has, is none.
func TestMachineHasNone(t *testing.T) {
	a := started(t)
	if a.HasMachineIdentities() {
		t.Error("a machine without identities says that it has some")
	}
	deployer := a.Account.Deployer.ClientID
	for _, target := range []string{imdsToken, imdsToken + "&client_id=" + deployer} {
		if got := ask(t, a.ProxyURL(), target, "Metadata", "true"); got.status != 400 || got.Description != "Identity not found" {
			t.Errorf("got %+v", got)
		}
	}
	other := open(t, app.Config{MachineIdentities: []string{deployer}})
	if endpoint, _ := other.IdentityEndpoint(); endpoint != "" || other.MetadataEndpoint() != "" || other.DevicePage() != "" {
		t.Error("endpoints before the start")
	}
}

// TestDevicePage: the page works at the plain control address, and through the
// proxy at Azure's name it is the same.
func TestDevicePage(t *testing.T) {
	a := started(t)
	response, err := http.Get(a.DevicePage()) //nolint:noctx // a page of this process
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(body), "Sign in on another device") {
		t.Errorf("got %d %s, %v", response.StatusCode, body, err)
	}
	w := httptest.NewRecorder()
	a.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "https://login.microsoftonline.com/device", nil))
	if w.Body.String() != string(body) {
		t.Errorf("got %s through the proxy", w.Body)
	}
	w = httptest.NewRecorder()
	form := strings.NewReader("client_id=04b07795-8ddb-461a-bbee-02f9e1bf7b46&scope=https%3A%2F%2Fmanagement.core.windows.net%2F%2F.default")
	a.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "https://login.microsoftonline.com/organizations/oauth2/v2.0/devicecode", form))
	if !strings.Contains(w.Body.String(), "open the page "+a.DevicePage()+" and") {
		t.Errorf("got %s, want the page's address in the message", w.Body)
	}
}
