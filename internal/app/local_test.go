package app_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/app"
)

// localClient is a client that knows nothing but the metadata's address.
type localClient struct {
	t       *testing.T
	handler http.Handler
	bearer  string
}

func (c *localClient) do(method, address, contentType, body string, want int) (map[string]any, http.Header) {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	if c.bearer != "" {
		request.Header.Set("Authorization", "Bearer "+c.bearer)
	}
	response, err := transport{c.handler}.RoundTrip(request)
	if err != nil {
		c.t.Fatal(err)
	}
	content, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if response.StatusCode != want {
		c.t.Fatalf("%s %s: got %d, want %d: %s", method, address, response.StatusCode, want, content)
	}
	if strings.Contains(string(content), ".vault.azure.net") || strings.Contains(string(content), "management.azure.com") {
		c.t.Errorf("%s %s: the answer names Azure's hosts: %s", method, address, content)
	}
	var answer map[string]any
	_ = json.Unmarshal(content, &answer)
	return answer, response.Header
}

func (c *localClient) token(login, tenant, clientID, secret, scope string) string {
	c.t.Helper()
	c.bearer = ""
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {secret}, "scope": {scope}}
	answer, _ := c.do(http.MethodPost, login+"/"+tenant+"/oauth2/v2.0/token", "application/x-www-form-urlencoded", form.Encode(), http.StatusOK)
	token, _ := answer["access_token"].(string)
	return token
}

// TestLocalNames sets a vault up and reads from it without one of Azure's
// names: what a client is told leads it on.
func TestLocalNames(t *testing.T) {
	a := open(t, app.Config{})
	c := &localClient{t: t, handler: a.Handler()}
	cloud, _ := c.do(http.MethodGet, "https://management.aksess.localhost:8443/metadata/endpoints?api-version=2022-09-01", "", "", http.StatusOK)
	login := cloud["authentication"].(map[string]any)["loginEndpoint"].(string)
	manager := cloud["resourceManager"].(string)
	suffix := cloud["suffixes"].(map[string]any)["keyVaultDns"].(string)
	if want := "https://login.aksess.localhost:8443"; login != want {
		t.Errorf("got loginEndpoint %s, want %s", login, want)
	}
	d, tenant := a.Account.Deployer, a.Account.TenantID

	c.bearer = c.token(login, tenant, d.ClientID, d.ClientSecret, manager+"/.default")
	group := manager + "/subscriptions/" + a.Account.SubscriptionID + "/resourceGroups/rg"
	c.do(http.MethodPut, group+"?api-version=2023-07-01", "application/json", `{"location":"westeurope"}`, http.StatusCreated)
	vault, _ := c.do(http.MethodPut, group+"/providers/Microsoft.KeyVault/vaults/localkv?api-version=2023-07-01", "application/json",
		`{"location":"westeurope","properties":{"tenantId":"`+tenant+`","sku":{"family":"A","name":"standard"},"accessPolicies":[{"tenantId":"`+tenant+
			`","objectId":"`+d.ObjectID+`","permissions":{"secrets":["get","set"]}}]}}`, http.StatusCreated)
	uri := vault["properties"].(map[string]any)["vaultUri"].(string)
	if want := "https://localkv." + suffix + "/"; uri != want {
		t.Errorf("got vaultUri %s, want %s", uri, want)
	}

	c.bearer = ""
	_, headers := c.do(http.MethodGet, uri+"secrets/s?api-version=7.4", "", "", http.StatusUnauthorized)
	challenge := headers.Get("WWW-Authenticate")
	if !strings.Contains(challenge, `"`+login+"/"+tenant+`"`) || !strings.Contains(challenge, `"https://`+suffix+`"`) {
		t.Errorf("got the challenge %s, want one that names %s and https://%s", challenge, login, suffix)
	}
	c.bearer = c.token(login, tenant, d.ClientID, d.ClientSecret, "https://"+suffix+"/.default")
	secret, _ := c.do(http.MethodPut, uri+"secrets/s?api-version=7.4", "application/json", `{"value":"v"}`, http.StatusOK)
	if id, _ := secret["id"].(string); !strings.HasPrefix(id, uri) {
		t.Errorf("got the secret's id %s, want it below %s", id, uri)
	}
}
