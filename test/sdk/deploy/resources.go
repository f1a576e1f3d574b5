package deploy

import (
	"context"
	"errors"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/appconfiguration/armappconfiguration"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v6"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/keyvault/armkeyvault"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/storage/armstorage"

	"github.com/aksess/aksess/test/sdk/check"
)

// whoami reads the deployer's object id where a program can: in its own token.
func (d *deployment) whoami(ctx context.Context) error {
	token, err := d.credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{"https://management.azure.com/.default"}})
	if err != nil {
		return err
	}
	client, object, err := check.Identity(token.Token)
	if err != nil {
		return err
	}
	if client != d.Deployer.ClientID || object == "" {
		return fmt.Errorf("the access token is for appid %q and oid %q, want appid %q", client, object, d.Deployer.ClientID)
	}
	d.objectID = object
	return nil
}

func (d *deployment) group(ctx context.Context) error {
	client, err := armresources.NewResourceGroupsClient(d.SubscriptionID, d.credential, nil)
	if err != nil {
		return err
	}
	if _, err := client.CreateOrUpdate(ctx, Group, armresources.ResourceGroup{Location: to.Ptr(Location)}, nil); err != nil {
		return err
	}
	exists, err := client.CheckExistence(ctx, Group, nil)
	if err != nil || !exists.Success {
		return fmt.Errorf("the group that was just made: exists %v, error %w", exists.Success, err)
	}
	return nil
}

func (d *deployment) identity(ctx context.Context) error {
	client, err := armmsi.NewUserAssignedIdentitiesClient(d.SubscriptionID, d.credential, nil)
	if err != nil {
		return err
	}
	made, err := client.CreateOrUpdate(ctx, Group, Identity, armmsi.Identity{Location: to.Ptr(Location)}, nil)
	if err != nil {
		return err
	}
	if made.ID == nil || made.Properties == nil || made.Properties.ClientID == nil || made.Properties.PrincipalID == nil {
		return errors.New("the identity has no id, client id or principal id")
	}
	d.made.ClientID, d.made.PrincipalID, d.made.ResourceID = *made.Properties.ClientID, *made.Properties.PrincipalID, *made.ID
	return nil
}

func (d *deployment) cluster(ctx context.Context) error {
	client, err := armcontainerservice.NewManagedClustersClient(d.SubscriptionID, d.credential, nil)
	if err != nil {
		return err
	}
	poller, err := client.BeginCreateOrUpdate(ctx, Group, Cluster, armcontainerservice.ManagedCluster{
		Location: to.Ptr(Location),
		Identity: &armcontainerservice.ManagedClusterIdentity{Type: to.Ptr(armcontainerservice.ResourceIdentityTypeSystemAssigned)},
		Properties: &armcontainerservice.ManagedClusterProperties{
			DNSPrefix:         to.Ptr(Cluster + "-dns"),
			OidcIssuerProfile: &armcontainerservice.ManagedClusterOIDCIssuerProfile{Enabled: to.Ptr(true)},
			SecurityProfile: &armcontainerservice.ManagedClusterSecurityProfile{
				WorkloadIdentity: &armcontainerservice.ManagedClusterSecurityProfileWorkloadIdentity{Enabled: to.Ptr(true)},
			},
			AgentPoolProfiles: []*armcontainerservice.ManagedClusterAgentPoolProfile{{
				Name: to.Ptr("chlinux"), Mode: to.Ptr(armcontainerservice.AgentPoolModeSystem), Count: to.Ptr[int32](1), VMSize: to.Ptr("Standard_DS4_v2"),
			}},
		},
	}, nil)
	if err != nil {
		return err
	}
	made, err := poller.PollUntilDone(ctx, nil)
	if err != nil {
		return err
	}
	if p := made.Properties; p == nil || p.OidcIssuerProfile == nil || p.OidcIssuerProfile.IssuerURL == nil {
		return errors.New("the cluster has no issuer URL")
	}
	d.made.IssuerURL = *made.Properties.OidcIssuerProfile.IssuerURL
	credentials, err := client.ListClusterAdminCredentials(ctx, Group, Cluster, nil)
	if err != nil {
		return err
	}
	if len(credentials.Kubeconfigs) != 1 {
		return fmt.Errorf("got %d kubeconfigs, want 1", len(credentials.Kubeconfigs))
	}
	d.kubeconfig = credentials.Kubeconfigs[0].Value
	return nil
}

// trust is the federated credential for the scenario's service account.
func trust(issuer string) armmsi.FederatedIdentityCredential {
	return armmsi.FederatedIdentityCredential{Properties: &armmsi.FederatedIdentityCredentialProperties{
		Issuer: to.Ptr(issuer), Subject: to.Ptr("system:serviceaccount:" + Namespace + ":" + ServiceAccount),
		Audiences: []*string{to.Ptr("api://AzureADTokenExchange")},
	}}
}

func (d *deployment) federatedCredential(ctx context.Context) error {
	client, err := armmsi.NewFederatedIdentityCredentialsClient(d.SubscriptionID, d.credential, nil)
	if err != nil {
		return err
	}
	if _, err := client.CreateOrUpdate(ctx, Group, Identity, "blue", trust(d.made.IssuerURL), nil); err != nil {
		return err
	}
	var names []string
	for pager := client.NewListPager(Group, Identity, nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, have := range page.Value {
			names = append(names, *have.Name)
		}
	}
	if len(names) != 1 || names[0] != "blue" {
		return fmt.Errorf("the identity lists the credentials %q, want [blue]", names)
	}
	return nil
}

// vault lets the workload read and list, and no more.
func (d *deployment) vault(ctx context.Context) error {
	client, err := armkeyvault.NewVaultsClient(d.SubscriptionID, d.credential, nil)
	if err != nil {
		return err
	}
	policyOf := func(objectID string, permissions ...armkeyvault.SecretPermissions) *armkeyvault.AccessPolicyEntry {
		p := &armkeyvault.Permissions{}
		for _, permission := range permissions {
			p.Secrets = append(p.Secrets, to.Ptr(permission))
		}
		return &armkeyvault.AccessPolicyEntry{TenantID: to.Ptr(d.TenantID), ObjectID: to.Ptr(objectID), Permissions: p}
	}
	poller, err := client.BeginCreateOrUpdate(ctx, Group, Vault, armkeyvault.VaultCreateOrUpdateParameters{
		Location: to.Ptr(Location),
		Properties: &armkeyvault.VaultProperties{
			TenantID: to.Ptr(d.TenantID), EnableRbacAuthorization: to.Ptr(false),
			SKU: &armkeyvault.SKU{Family: to.Ptr(armkeyvault.SKUFamilyA), Name: to.Ptr(armkeyvault.SKUNameStandard)},
			AccessPolicies: []*armkeyvault.AccessPolicyEntry{
				policyOf(d.made.PrincipalID, armkeyvault.SecretPermissionsGet, armkeyvault.SecretPermissionsList),
				policyOf(d.objectID, armkeyvault.SecretPermissionsGet, armkeyvault.SecretPermissionsList, armkeyvault.SecretPermissionsSet,
					armkeyvault.SecretPermissionsDelete, armkeyvault.SecretPermissionsRecover, armkeyvault.SecretPermissionsPurge),
			},
			NetworkACLs: &armkeyvault.NetworkRuleSet{
				Bypass: to.Ptr(armkeyvault.NetworkRuleBypassOptionsAzureServices), DefaultAction: to.Ptr(armkeyvault.NetworkRuleActionDeny),
				IPRules: []*armkeyvault.IPRule{{Value: to.Ptr("198.51.100.0/24")}, {Value: to.Ptr(Address + "/32")}},
			},
		},
	}, nil)
	if err != nil {
		return err
	}
	made, err := poller.PollUntilDone(ctx, nil)
	if err != nil {
		return err
	}
	if made.Properties == nil || made.Properties.VaultURI == nil || *made.Properties.VaultURI != "https://"+Vault+".vault.azure.net/" {
		return fmt.Errorf("the vault's properties are %+v, want its URI", made.Properties)
	}
	return nil
}

func (d *deployment) store(ctx context.Context) error {
	client, err := armappconfiguration.NewConfigurationStoresClient(d.SubscriptionID, d.credential, nil)
	if err != nil {
		return err
	}
	poller, err := client.BeginCreate(ctx, Group, Store, armappconfiguration.ConfigurationStore{
		Location: to.Ptr(Location), SKU: &armappconfiguration.SKU{Name: to.Ptr("standard")},
	}, nil)
	if err != nil {
		return err
	}
	made, err := poller.PollUntilDone(ctx, nil)
	if err != nil {
		return err
	}
	if made.Properties == nil || made.Properties.Endpoint == nil || *made.Properties.Endpoint != "https://"+Store+".azconfig.io" {
		return fmt.Errorf("the store's properties are %+v, want its endpoint", made.Properties)
	}
	return nil
}

func (d *deployment) storage(ctx context.Context) error {
	accounts, err := armstorage.NewAccountsClient(d.SubscriptionID, d.credential, nil)
	if err != nil {
		return err
	}
	poller, err := accounts.BeginCreate(ctx, Group, Account, armstorage.AccountCreateParameters{
		Location: to.Ptr(Location), Kind: to.Ptr(armstorage.KindStorageV2), SKU: &armstorage.SKU{Name: to.Ptr(armstorage.SKUNameStandardLRS)},
		Properties: &armstorage.AccountPropertiesCreateParameters{AllowBlobPublicAccess: to.Ptr(false)},
	}, nil)
	if err != nil {
		return err
	}
	if _, err := poller.PollUntilDone(ctx, nil); err != nil {
		return err
	}
	containers, err := armstorage.NewBlobContainersClient(d.SubscriptionID, d.credential, nil)
	if err != nil {
		return err
	}
	if _, err := containers.Create(ctx, Group, Account, Container, armstorage.BlobContainer{}, nil); err != nil {
		return fmt.Errorf("container: %w", err)
	}
	queues, err := armstorage.NewQueueClient(d.SubscriptionID, d.credential, nil)
	if err != nil {
		return err
	}
	if _, err := queues.Create(ctx, Group, Account, Queue, armstorage.Queue{}, nil); err != nil {
		return fmt.Errorf("queue: %w", err)
	}
	return nil
}
