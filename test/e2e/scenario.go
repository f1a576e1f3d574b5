package e2e

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/aksess/aksess/internal/deploy"
)

// The names of the scenario.
const (
	Namespace      = "widemo"
	ServiceAccount = "wi-demo-sa"

	vaultName   = "widemo-e2e"
	secretName  = "orders-key"
	storeName   = "widemo-e2e"
	storeURL    = "https://" + storeName + ".azconfig.io"
	accountName = "widemoe2e"

	// SecretURL is where the scenario's secret is, Canary its value: it must come
	// back exactly, and nowhere else.
	SecretURL = "https://" + vaultName + ".vault.azure.net/secrets/" + secretName + "?api-version=7.4"
	Canary    = "canary-5f2c-of-the-e2e-tier"
	// BlobURL is where the scenario's blob is, Blob its text.
	BlobURL = "https://" + accountName + ".blob.core.windows.net/widemo/welcome.txt"
	Blob    = "welcome to widemo"
)

const (
	location = "westeurope"

	apiGroups     = "2023-07-01"
	apiIdentities = "2024-11-30"
	apiVaults     = "2023-07-01"
	apiStores     = "2024-05-01"
	apiStorage    = "2025-08-01"
	apiRoles      = "2022-04-01"
	apiClusters   = "2025-10-01"
)

// https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
const (
	roleConfigReader = "516239f1-63e1-4d78-a4de-a74fb236a071" // App Configuration Data Reader
	roleConfigOwner  = "5ae67dd6-50cb-40e7-96ff-dc2bfa4b606b" // App Configuration Data Owner
	roleBlob         = "ba92f5b4-2d11-453d-a403-e96b0029c9fe" // Storage Blob Data Contributor
	roleQueue        = "974c5e8b-45b9-4653-ba55-5f855dd0fb88" // Storage Queue Data Contributor
)

// object is a JSON object.
type object = map[string]any

// A Scenario is what the reference scenario has in Azure.
type Scenario struct {
	ClientID, PrincipalID string // of the managed identity

	azure *Azure
	group string // its id
}

// Deploy creates the identity, its federated credential for the service account
// of the issuer's cluster, and a vault with one secret that the identity may read.
func (a *Azure) Deploy(t testing.TB, issuer string) *Scenario {
	t.Helper()
	s := &Scenario{azure: a, group: "/subscriptions/" + a.SubscriptionID + "/resourceGroups/widemo"}
	var identity struct {
		Properties struct{ ClientID, PrincipalID string }
	}
	a.Put(t, s.group, apiGroups, object{"location": location}, nil)
	a.Put(t, s.identityID(), apiIdentities, object{"location": location}, &identity)
	s.ClientID, s.PrincipalID = identity.Properties.ClientID, identity.Properties.PrincipalID
	s.Federate(t, issuer, Namespace)
	s.deployVault(t)
	return s
}

func (s *Scenario) identityID() string {
	return s.group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/wi-demo"
}

// Federate lets the scenario's service account of a namespace be the identity.
func (s *Scenario) Federate(t testing.TB, issuer, namespace string) {
	t.Helper()
	s.azure.Put(t, s.identityID()+"/federatedIdentityCredentials/"+namespace, apiIdentities, object{"properties": object{
		"issuer":    issuer,
		"subject":   "system:serviceaccount:" + namespace + ":" + ServiceAccount,
		"audiences": []string{ExchangeAudience},
	}}, nil)
}

func (s *Scenario) deployVault(t testing.TB) {
	t.Helper()
	a := s.azure
	deployer := a.sign(t, deploy.KeyVault)
	policy := func(principal string, permissions ...string) object {
		return object{"tenantId": a.TenantID, "objectId": principal, "permissions": object{"secrets": permissions}}
	}
	a.Put(t, s.group+"/providers/Microsoft.KeyVault/vaults/"+vaultName, apiVaults, object{
		"location": location,
		"properties": object{
			"tenantId": a.TenantID, "sku": object{"family": "A", "name": "standard"},
			"accessPolicies": []object{policy(objectID(t, deployer), "set"), policy(s.PrincipalID, "get")},
		},
	}, nil)
	a.write(t, deploy.Call{URL: SecretURL, Token: deployer, Body: object{"value": Canary}})
}

// DeployData creates the configuration store and the storage account, lets the
// identity at their data, and puts in what the application reads.
func (s *Scenario) DeployData(t testing.TB) {
	t.Helper()
	a := s.azure
	config, storage := a.sign(t, deploy.AppConfig), a.sign(t, deploy.Storage)
	deployer := objectID(t, config)
	store := s.group + "/providers/Microsoft.AppConfiguration/configurationStores/" + storeName
	account := s.group + "/providers/Microsoft.Storage/storageAccounts/" + accountName
	a.Put(t, store, apiStores, object{"location": location, "sku": object{"name": "standard"}}, nil)
	a.Put(t, account, apiStorage, object{"location": location, "kind": "StorageV2", "sku": object{"name": "Standard_LRS"}, "properties": object{}}, nil)
	a.Put(t, account+"/blobServices/default/containers/widemo", apiStorage, object{"properties": object{}}, nil)
	for i, grant := range []struct{ scope, role, principal string }{
		{store, roleConfigOwner, deployer},
		{store, roleConfigReader, s.PrincipalID},
		{account, roleBlob, deployer},
		{account, roleBlob, s.PrincipalID},
		{account, roleQueue, s.PrincipalID},
	} {
		id := grant.scope + fmt.Sprintf("/providers/Microsoft.Authorization/roleAssignments/00000000-0000-4000-8000-%012d", i)
		a.Put(t, id, apiRoles, object{"properties": object{
			"roleDefinitionId": "/subscriptions/" + a.SubscriptionID + "/providers/Microsoft.Authorization/roleDefinitions/" + grant.role,
			"principalId":      grant.principal, "principalType": "ServicePrincipal",
		}}, nil)
	}
	s.putSettings(t, config)
	a.write(t, deploy.Call{
		URL: BlobURL, Token: storage, Body: Blob,
		Header: map[string]string{"x-ms-blob-type": "BlockBlob", "x-ms-version": "2023-11-03"},
	})
}

func (s *Scenario) putSettings(t testing.TB, token string) {
	t.Helper()
	const reference = "application/vnd.microsoft.appconfig.keyvaultref+json;charset=utf-8"
	for _, setting := range []struct{ key, label, value, contentType string }{
		{"Greeting", "shared", "hello", ""},
		{"DemoConfig", "shared", "everybody's", ""},
		{"DemoConfig", "dev-euw-001", "own", ""},
		{"DemoSecret", "dev-euw-001", `{"uri":"https://` + vaultName + `.vault.azure.net/secrets/` + secretName + `"}`, reference},
	} {
		s.azure.write(t, deploy.Call{
			URL: storeURL + "/kv/" + setting.key + "?api-version=1.0&label=" + url.QueryEscape(setting.label), Token: token,
			Body: object{"value": setting.value, "content_type": setting.contentType},
		})
	}
}

// What the application answers once [Scenario.DeployData] is done, as JSON.
const (
	Settings = `{"data": {
  "Greeting": {"value": "hello", "label": "shared", "from": "App Configuration"},
  "DemoConfig": {"value": "own", "label": "dev-euw-001", "from": "App Configuration"},
  "DemoSecret": {"value": "` + Canary + `", "label": "dev-euw-001", "from": "Key Vault"}}}`
	Blobs    = `{"data": {"welcome.txt": "` + Blob + `"}}`
	Messages = `{"data": ["hello from wi-api"]}`
)

// Values are what the manifests' ${NAME} stand for.
func (s *Scenario) Values() map[string]string {
	return map[string]string{
		"USER_ASSIGNED_CLIENT_ID": s.ClientID,
		"AZURE_TENANT_ID":         s.azure.TenantID,
		"KEY_VAULT_NAME":          vaultName,
		"APP_CONFIG_ENDPOINT":     storeURL,
		"STORAGE_ACCOUNT_NAME":    accountName,
	}
}

// ApplyScenario applies the manifests of the folder as they stand, in the order
// of their names, with the ${NAME} values that Terraform's outputs give.
func (c *Cluster) ApplyScenario(t testing.TB, folder string, values map[string]string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("manifests in %s: got %d (%v), want some", folder, len(paths), err)
	}
	for _, path := range paths {
		manifest, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		c.Apply(t, substitute(t, manifest, values))
	}
}

// substitute puts the values in place of their ${NAME}, as envsubst does.
func substitute(t testing.TB, manifest []byte, values map[string]string) []byte {
	t.Helper()
	return regexp.MustCompile(`\$\{[A-Z_]+\}`).ReplaceAllFunc(manifest, func(reference []byte) []byte {
		value, known := values[string(reference[2:len(reference)-1])]
		if !known {
			t.Fatalf("no value for %s", reference)
		}
		return []byte(value)
	})
}

// AttachCluster creates the managed cluster that stands for the one that the
// local Azure was attached to, and returns its issuer.
func (a *Azure) AttachCluster(t testing.TB) (issuer string) {
	t.Helper()
	group := "/subscriptions/" + a.SubscriptionID + "/resourceGroups/widemo"
	a.Put(t, group, apiGroups, object{"location": location}, nil)
	var cluster struct {
		Properties struct {
			OIDCIssuerProfile struct{ IssuerURL string }
		}
	}
	a.Put(t, group+"/providers/Microsoft.ContainerService/managedClusters/widemo", apiClusters, object{
		"location": location, "identity": object{"type": "SystemAssigned"},
		"properties": object{
			"dnsPrefix": "widemo", "oidcIssuerProfile": object{"enabled": true}, "securityProfile": object{"workloadIdentity": object{"enabled": true}},
			"agentPoolProfiles": []object{{"name": "linux", "mode": "System", "count": 1, "vmSize": "Standard_DS4_v2"}},
		},
	}, &cluster)
	return cluster.Properties.OIDCIssuerProfile.IssuerURL
}
