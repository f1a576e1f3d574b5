package e2e_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/deploy"
	"github.com/aksess/aksess/test/e2e"
)

const (
	apiGroups     = "2023-07-01"
	apiIdentities = "2024-11-30"
	apiVaults     = "2023-07-01"

	location   = "westeurope"
	vaultName  = "widemo-e2e"
	secretName = "orders-key"
	secretURL  = "https://" + vaultName + ".vault.azure.net/secrets/" + secretName + "?api-version=7.4"
	// canary is the secret's value; it must come back exactly.
	canary = "canary-5f2c-of-the-e2e-tier"
)

// object is a JSON object.
type object = map[string]any

// azure is a running local Azure, as `aksess up -o json` describes it.
type azure struct {
	ProxyURL       string `json:"proxyUrl"`
	CAFile         string `json:"caFile"`
	State          string `json:"state"`
	TenantID       string `json:"tenantId"`
	SubscriptionID string `json:"subscriptionId"`
	Deployer       struct {
		ClientID     string `json:"clientId"`
		ClientSecret string `json:"clientSecret"`
	} `json:"deployer"`

	client *deploy.Client
}

// A deployment is what the scenario needs in Azure.
type deployment struct {
	group                 string // its id
	clientID, principalID string // of the managed identity
}

// startAzure runs a local Azure that trusts the cluster's certificate, so that
// it can fetch the keys of the cluster's issuer.
func startAzure(t *testing.T, bin string, cluster *e2e.Cluster) *azure {
	t.Helper()
	up := e2e.StartProcess(t, e2e.Command{
		Name: "aksess-up", Path: filepath.Join(bin, "aksess"),
		Args: []string{"up", "-o", "json", "--state", t.TempDir(), "--allow-private-issuers", "--issuer-ca", cluster.CAFile},
		Env:  clean(t),
	})
	a := &azure{}
	e2e.EventuallyRunning(t, startLimit, "local Azure up", func() error {
		return json.Unmarshal([]byte(up.Output()), a)
	}, up)
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
	a.client = &deploy.Client{
		HTTP:     &http.Client{Transport: transport, Timeout: 30 * time.Second},
		TenantID: a.TenantID, ClientID: a.Deployer.ClientID, ClientSecret: a.Deployer.ClientSecret,
	}
	return a
}

// deploy creates the identity, its federated credential for the cluster's
// service account, and a vault with one secret that the identity may read.
func (a *azure) deploy(t *testing.T, cluster *e2e.Cluster) deployment {
	t.Helper()
	group := "/subscriptions/" + a.SubscriptionID + "/resourceGroups/widemo"
	identityID := group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/wi-demo"
	a.put(t, group, apiGroups, object{"location": location}, nil)
	var identity struct {
		Properties struct{ ClientID, PrincipalID string }
	}
	a.put(t, identityID, apiIdentities, object{"location": location}, &identity)
	a.put(t, identityID+"/federatedIdentityCredentials/aks", apiIdentities, object{"properties": object{
		"issuer":    cluster.IssuerURL,
		"subject":   "system:serviceaccount:" + scenarioNamespace + ":" + scenarioAccount,
		"audiences": []string{e2e.ExchangeAudience},
	}}, nil)
	deployer := a.sign(t, deploy.KeyVault)
	policy := func(principal string, permissions ...string) object {
		return object{"tenantId": a.TenantID, "objectId": principal, "permissions": object{"secrets": permissions}}
	}
	a.put(t, group+"/providers/Microsoft.KeyVault/vaults/"+vaultName, apiVaults, object{
		"location": location,
		"properties": object{
			"tenantId": a.TenantID, "sku": object{"family": "A", "name": "standard"},
			"accessPolicies": []object{policy(claim(t, deployer, "oid"), "set"), policy(identity.Properties.PrincipalID, "get")},
		},
	}, nil)
	a.write(t, deploy.Call{URL: secretURL, Token: deployer, Body: object{"value": canary}})
	return deployment{group: group, clientID: identity.Properties.ClientID, principalID: identity.Properties.PrincipalID}
}

// put creates a resource.
func (a *azure) put(t *testing.T, id, apiVersion string, body, answer any) {
	t.Helper()
	if err := a.client.Manage(t.Context(), http.MethodPut, id, apiVersion, body, answer); err != nil {
		t.Fatal(err)
	}
}

// write puts data where a data plane keeps it.
func (a *azure) write(t *testing.T, call deploy.Call) {
	t.Helper()
	call.Method = http.MethodPut
	if err := a.client.Do(t.Context(), call, nil); err != nil {
		t.Fatal(err)
	}
}

// sign returns the deployer's token for a resource.
func (a *azure) sign(t *testing.T, resource string) string {
	t.Helper()
	token, err := a.client.Token(t.Context(), resource)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// values are what the manifests' ${NAME} stand for.
func (a *azure) values(d deployment) map[string]string {
	return map[string]string{
		"USER_ASSIGNED_CLIENT_ID": d.clientID,
		"AZURE_TENANT_ID":         a.TenantID,
		"KEY_VAULT_NAME":          vaultName,
		"APP_CONFIG_ENDPOINT":     storeURL,
		"STORAGE_ACCOUNT_NAME":    accountName,
	}
}

// testExchange shows that a token of the scenario's service account becomes an
// access token that reads the secret.
func testExchange(t *testing.T, cluster *e2e.Cluster, a *azure, d deployment) {
	assertion := cluster.Token(t, scenarioNamespace, scenarioAccount, e2e.ExchangeAudience)
	got, err := readSecret(t.Context(), a.client, d.clientID, assertion)
	if err != nil {
		t.Fatal(err)
	}
	if got != canary {
		t.Errorf("secret: got %q, want %q", got, canary)
	}
}

// testForeignAccount shows that the token of another service account of the
// same cluster is refused for its subject.
func testForeignAccount(t *testing.T, cluster *e2e.Cluster, a *azure, d deployment) {
	assertion := cluster.Token(t, scenarioNamespace, "default", e2e.ExchangeAudience)
	_, err := a.client.Assert(t.Context(), d.clientID, assertion, deploy.KeyVault)
	var refused *deploy.Error
	if !errors.As(err, &refused) {
		t.Fatalf("exchange: got error %v, want a refusal", err)
	}
	var answer struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Codes       []int  `json:"error_codes"`
	}
	if err := json.Unmarshal([]byte(refused.Body), &answer); err != nil {
		t.Fatalf("reading the refusal %q: %v", refused.Body, err)
	}
	if refused.Status != http.StatusUnauthorized || answer.Error != "invalid_client" || len(answer.Codes) != 1 || answer.Codes[0] != 700213 {
		t.Errorf("exchange: got %d %q %v, want 401 invalid_client [700213]", refused.Status, answer.Error, answer.Codes)
	}
	for _, want := range []string{"AADSTS700213: ", "'system:serviceaccount:" + scenarioNamespace + ":default'"} {
		if !strings.Contains(answer.Description, want) {
			t.Errorf("refusal: got %q, want %q in it", answer.Description, want)
		}
	}
}

// claim reads one claim of a token without checking it.
func claim(t *testing.T, token, name string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("token parts: got %d, want 3", len(parts))
	}
	var claims object
	if err := json.Unmarshal(decodeBase64(t, parts[1]), &claims); err != nil {
		t.Fatal(err)
	}
	value, _ := claims[name].(string)
	return value
}
