package deploy

import (
	"context"
	"errors"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v6"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/keyvault/armkeyvault"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"
)

// Second is an identity that trusts the scenario's service account beside its
// own, as the annotation client-ids names them.
type Second struct {
	ClientID    string `json:"clientId"`
	PrincipalID string `json:"principalId"`
}

// RunSecond adds it to the scenario that is there, and lets it read secrets. From
// then on `aksess exec` has to be told whom the service account acts as.
func RunSecond(ctx context.Context, as Deployer) (Second, error) {
	credential, err := azidentity.NewClientSecretCredential(as.TenantID, as.ClientID, as.ClientSecret, nil)
	if err != nil {
		return Second{}, err
	}
	d := &deployment{Deployer: as, credential: credential}
	made, err := d.second(ctx)
	if err != nil {
		return Second{}, err
	}
	vaults, err := armkeyvault.NewVaultsClient(as.SubscriptionID, credential, nil)
	if err != nil {
		return Second{}, err
	}
	_, err = vaults.UpdateAccessPolicy(ctx, Group, Vault, armkeyvault.AccessPolicyUpdateKindAdd, armkeyvault.VaultAccessPolicyParameters{
		Properties: &armkeyvault.VaultAccessPolicyProperties{AccessPolicies: []*armkeyvault.AccessPolicyEntry{{
			TenantID: to.Ptr(as.TenantID), ObjectID: to.Ptr(made.PrincipalID),
			Permissions: &armkeyvault.Permissions{Secrets: []*armkeyvault.SecretPermissions{to.Ptr(armkeyvault.SecretPermissionsGet)}},
		}}},
	}, nil)
	return made, err
}

func (d *deployment) second(ctx context.Context) (Second, error) {
	identities, err := armmsi.NewClientFactory(d.SubscriptionID, d.credential, nil)
	if err != nil {
		return Second{}, err
	}
	made, err := identities.NewUserAssignedIdentitiesClient().CreateOrUpdate(ctx, Group, SecondIdentity, armmsi.Identity{Location: to.Ptr(Location)}, nil)
	if err != nil {
		return Second{}, err
	}
	if made.Properties == nil || made.Properties.ClientID == nil || made.Properties.PrincipalID == nil {
		return Second{}, errors.New("the identity has no client id or principal id")
	}
	clusters, err := armcontainerservice.NewManagedClustersClient(d.SubscriptionID, d.credential, nil)
	if err != nil {
		return Second{}, err
	}
	cluster, err := clusters.Get(ctx, Group, Cluster, nil)
	if err != nil {
		return Second{}, err
	}
	_, err = identities.NewFederatedIdentityCredentialsClient().CreateOrUpdate(ctx, Group, SecondIdentity, "blue", trust(*cluster.Properties.OidcIssuerProfile.IssuerURL), nil)
	return Second{*made.Properties.ClientID, *made.Properties.PrincipalID}, err
}
