package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/google/uuid"

	"github.com/aksess/aksess/internal/app"
	"github.com/aksess/aksess/internal/deploy"
)

// api-versions, the ones that Terraform's provider sends.
const (
	apiGroups     = "2023-07-01"
	apiIdentities = "2024-11-30"
	apiClusters   = "2025-10-01"
	apiRoles      = "2022-04-01"
	apiVaults     = "2026-02-01"
	apiStores     = "2024-05-01"
	apiStorage    = "2025-08-01"
)

// Roles of the scenario (https://learn.microsoft.com/azure/role-based-access-control/built-in-roles).
const (
	roleConfigReader = "516239f1-63e1-4d78-a4de-a74fb236a071" // App Configuration Data Reader
	roleConfigOwner  = "5ae67dd6-50cb-40e7-96ff-dc2bfa4b606b" // App Configuration Data Owner
	roleBlob         = "ba92f5b4-2d11-453d-a403-e96b0029c9fe" // Storage Blob Data Contributor
	roleQueue        = "974c5e8b-45b9-4653-ba55-5f855dd0fb88" // Storage Queue Data Contributor
)

// Names of the scenario, as its Terraform configuration makes them.
const (
	location       = "westeurope"
	root           = "ch-widemo-dev"
	vaultName      = root + "-kv"
	storeName      = root + "-appconf"
	accountName    = "chwidemodevst"
	identityName   = root + "-aks-uai"
	credentialName = root + "-aks-fic-blue"
	clusterName    = root + "-aks-blue"
	namespace      = "widemo"
	serviceAccount = "wi-demo-sa"
	label          = "dev-euw-001"
	sharedLabel    = "shared"
	queueName      = "orders"
	containerName  = "widemo"
	// owners is the group of the subscription's owners that the configuration names.
	owners = "5d0f3a1e-0c5b-4c0e-9a57-3b1f6d2a7c11"
	// deployerAddress is what callers on this machine are seen to come from.
	deployerAddress = "203.0.113.10"
)

// scenario is what was created and what the steps need of it.
type scenario struct {
	client      *deploy.Client
	account     app.Account
	group       string // id of the resource group
	clientID    string
	principalID string
	issuerURL   string
	kubeconfig  kubeconfig
	assignment  string // id of the role assignment that a step removes
}

func (s *scenario) identityID() string {
	return s.group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/" + identityName
}
func (s *scenario) credentialID() string {
	return s.identityID() + "/federatedIdentityCredentials/" + credentialName
}
func (s *scenario) clusterID() string {
	return s.group + "/providers/Microsoft.ContainerService/managedClusters/" + clusterName
}
func (s *scenario) vaultID() string {
	return s.group + "/providers/Microsoft.KeyVault/vaults/" + vaultName
}
func (s *scenario) storeID() string {
	return s.group + "/providers/Microsoft.AppConfiguration/configurationStores/" + storeName
}
func (s *scenario) accountID() string {
	return s.group + "/providers/Microsoft.Storage/storageAccounts/" + accountName
}

// create makes the scenario's resources in the order in which they need each other.
func create(ctx context.Context, c *deploy.Client, account app.Account) (*scenario, error) {
	s := &scenario{client: c, account: account, group: "/subscriptions/" + account.SubscriptionID + "/resourceGroups/" + root + "-rg"}
	for _, step := range []func(context.Context) error{
		s.createGroup, s.createIdentity, s.createCluster, s.createCredential, s.createVault, s.createStore, s.createStorage, s.writeData,
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *scenario) createGroup(ctx context.Context) error {
	return s.client.Manage(ctx, http.MethodPut, s.group, apiGroups, m{"location": location}, nil)
}

// m is a JSON object.
type m = map[string]any

func (s *scenario) createIdentity(ctx context.Context) error {
	var identity struct {
		Properties struct{ ClientID, PrincipalID string }
	}
	err := s.client.Manage(ctx, http.MethodPut, s.identityID(), apiIdentities, m{"location": location}, &identity)
	s.clientID, s.principalID = identity.Properties.ClientID, identity.Properties.PrincipalID
	return err
}

func (s *scenario) createCluster(ctx context.Context) error {
	var cluster struct {
		Properties struct {
			OIDCIssuerProfile struct{ IssuerURL string }
		}
	}
	err := s.client.Manage(ctx, http.MethodPut, s.clusterID(), apiClusters, m{
		"location": location, "identity": m{"type": "SystemAssigned"}, "sku": m{"name": "Base", "tier": "Standard"},
		"properties": m{
			"dnsPrefix": clusterName + "-dns", "oidcIssuerProfile": m{"enabled": true}, "securityProfile": m{"workloadIdentity": m{"enabled": true}},
			"agentPoolProfiles": []m{{"name": "chlinux", "mode": "System", "count": 1, "vmSize": "Standard_DS4_v2"}},
		},
	}, &cluster)
	if err != nil {
		return err
	}
	s.issuerURL = cluster.Properties.OIDCIssuerProfile.IssuerURL
	var credentials struct {
		Kubeconfigs []struct{ Value []byte }
	}
	if err := s.client.Manage(ctx, http.MethodPost, s.clusterID()+"/listClusterAdminCredential", apiClusters, nil, &credentials); err != nil {
		return err
	}
	if len(credentials.Kubeconfigs) == 0 {
		return fmt.Errorf("the cluster gave no kubeconfig")
	}
	return json.Unmarshal(credentials.Kubeconfigs[0].Value, &s.kubeconfig)
}

func (s *scenario) createCredential(ctx context.Context) error {
	return s.putCredential(ctx, s.issuerURL, "system:serviceaccount:"+namespace+":"+serviceAccount)
}

func (s *scenario) putCredential(ctx context.Context, issuer, subject string) error {
	return s.client.Manage(ctx, http.MethodPut, s.credentialID(), apiIdentities, m{"properties": m{
		"issuer": issuer, "subject": subject, "audiences": []string{"api://AzureADTokenExchange"},
	}}, nil)
}

func (s *scenario) createVault(ctx context.Context) error {
	return s.putVault(ctx, []string{"Get", "List"}, deployerAddress+"/32")
}

// putVault writes the vault with the pods' permissions and one address let in
// beside the office's.
func (s *scenario) putVault(ctx context.Context, podPermissions []string, address string) error {
	tenant := s.account.TenantID
	operators := []string{"Get", "List", "Set", "Delete", "Purge", "Recover"}
	return s.client.Manage(ctx, http.MethodPut, s.vaultID(), apiVaults, m{"location": location, "properties": m{
		"tenantId": tenant, "sku": m{"family": "A", "name": "standard"}, "enableRbacAuthorization": false,
		"networkAcls": m{"bypass": "AzureServices", "defaultAction": "Deny", "ipRules": []m{{"value": "198.51.100.0/24"}, {"value": address}}},
		"accessPolicies": []m{
			{"tenantId": tenant, "objectId": owners, "permissions": m{"secrets": operators}},
			{"tenantId": tenant, "objectId": s.account.Deployer.ObjectID, "permissions": m{"secrets": operators}},
			{"tenantId": tenant, "objectId": s.principalID, "permissions": m{"secrets": podPermissions}},
		},
	}}, nil)
}

func (s *scenario) createStore(ctx context.Context) error {
	err := s.client.Manage(ctx, http.MethodPut, s.storeID(), apiStores, m{"location": location, "sku": m{"name": "standard"}}, nil)
	if err != nil {
		return err
	}
	if _, err := s.assign(ctx, s.storeID(), roleConfigOwner, s.account.Deployer.ObjectID); err != nil {
		return err
	}
	s.assignment, err = s.assign(ctx, s.storeID(), roleConfigReader, s.principalID)
	return err
}

func (s *scenario) assign(ctx context.Context, scope, role, principal string) (string, error) {
	id := scope + "/providers/Microsoft.Authorization/roleAssignments/" + uuid.NewString()
	return id, s.client.Manage(ctx, http.MethodPut, id, apiRoles, m{"properties": m{
		"roleDefinitionId": "/subscriptions/" + s.account.SubscriptionID + "/providers/Microsoft.Authorization/roleDefinitions/" + role,
		"principalId":      principal, "principalType": "ServicePrincipal",
	}}, nil)
}

func (s *scenario) createStorage(ctx context.Context) error {
	err := s.client.Manage(ctx, http.MethodPut, s.accountID(), apiStorage, m{
		"location": location, "kind": "StorageV2", "sku": m{"name": "Standard_LRS"}, "properties": m{"allowBlobPublicAccess": false},
	}, nil)
	if err != nil {
		return err
	}
	if err := s.client.Manage(ctx, http.MethodPut, s.accountID()+"/blobServices/default/containers/"+containerName, apiStorage, m{"properties": m{"publicAccess": "None"}}, nil); err != nil {
		return err
	}
	if err := s.client.Manage(ctx, http.MethodPut, s.accountID()+"/queueServices/default/queues/"+queueName, apiStorage, m{"properties": m{}}, nil); err != nil {
		return err
	}
	for _, grant := range []struct{ role, principal string }{
		{roleBlob, s.principalID}, {roleQueue, s.principalID}, {roleBlob, s.account.Deployer.ObjectID},
	} {
		if _, err := s.assign(ctx, s.accountID(), grant.role, grant.principal); err != nil {
			return err
		}
	}
	return nil
}

// writeData puts a secret, three settings and a blob where the application reads them.
func (s *scenario) writeData(ctx context.Context) error {
	vault, err := s.client.Token(ctx, deploy.KeyVault)
	if err != nil {
		return err
	}
	err = s.client.Do(ctx, deploy.Call{
		Method: http.MethodPut, URL: "https://" + vaultName + ".vault.azure.net/secrets/DemoSecret?api-version=7.4", Token: vault, Body: m{"value": "not-a-secret"},
	}, nil)
	if err != nil {
		return err
	}
	for _, setting := range []struct{ key, label, value, contentType string }{
		{"DemoConfig", sharedLabel, "shared by all instances", ""},
		{"DemoConfig", label, "value from App Configuration", ""},
		{"Greeting", sharedLabel, "hello", ""},
		{"DemoSecret", label, `{"uri":"https://` + vaultName + `.vault.azure.net/secrets/DemoSecret"}`, "application/vnd.microsoft.appconfig.keyvaultref+json;charset=utf-8"},
	} {
		if err := s.putSetting(ctx, setting.key, setting.label, setting.value, setting.contentType); err != nil {
			return err
		}
	}
	storage, err := s.client.Token(ctx, deploy.Storage)
	if err != nil {
		return err
	}
	return s.client.Do(ctx, deploy.Call{
		Method: http.MethodPut, URL: "https://" + accountName + ".blob.core.windows.net/" + containerName + "/welcome.txt", Token: storage, Body: "welcome to widemo",
		Header: map[string]string{"x-ms-blob-type": "BlockBlob", "x-ms-version": "2023-11-03"},
	}, nil)
}

func (s *scenario) putSetting(ctx context.Context, key, label, value, contentType string) error {
	token, err := s.client.Token(ctx, deploy.AppConfig)
	if err != nil {
		return err
	}
	return s.client.Do(ctx, deploy.Call{
		Method: http.MethodPut, URL: "https://" + storeName + ".azconfig.io/kv/" + key + "?label=" + label + "&api-version=1.0", Token: token,
		Body: m{"value": value, "content_type": contentType},
	}, nil)
}
