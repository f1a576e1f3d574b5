package deploy

import (
	"context"
	"fmt"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/appconfiguration/armappconfiguration"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v6"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/keyvault/armkeyvault"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/storage/armstorage"

	"github.com/aksess/aksess/test/sdk/check"
)

// Remove takes the scenario down, resource by resource and then the group, and
// reports for each that it was there, went and is gone.
func Remove(ctx context.Context, as Deployer, report *check.Report) error {
	credential, err := azidentity.NewClientSecretCredential(as.TenantID, as.ClientID, as.ClientSecret, nil)
	if err != nil {
		return err
	}
	r := &removal{subscription: as.SubscriptionID, credential: credential}
	report.Do(ctx, "remove/group-lists-all", r.listGroup)
	report.Do(ctx, "remove/role-assignments", r.assignments)
	report.Do(ctx, "remove/federated-credential", r.federatedCredential)
	report.Do(ctx, "remove/cluster", r.cluster)
	report.Do(ctx, "remove/store", r.store)
	report.Do(ctx, "remove/storage", r.storage)
	report.Do(ctx, "remove/vault", r.vault)
	report.Do(ctx, "remove/group", r.group)
	if report.Failed > 0 {
		return fmt.Errorf("%d checks failed", report.Failed)
	}
	return nil
}

type removal struct {
	subscription string
	credential   azcore.TokenCredential
}

// missing expects what reading a resource that is gone answers.
func missing(err error) error { return check.Refused(err, http.StatusNotFound, "ResourceNotFound") }

func (r *removal) listGroup(ctx context.Context) error {
	client, err := armresources.NewClient(r.subscription, r.credential, nil)
	if err != nil {
		return err
	}
	types := map[string]bool{}
	for pager := client.NewListByResourceGroupPager(Group, nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, resource := range page.Value {
			types[*resource.Type] = true
		}
	}
	for _, want := range []string{
		"Microsoft.ManagedIdentity/userAssignedIdentities", "Microsoft.ContainerService/managedClusters", "Microsoft.KeyVault/vaults",
		"Microsoft.AppConfiguration/configurationStores", "Microsoft.Storage/storageAccounts",
	} {
		if !types[want] {
			return fmt.Errorf("the group lists %v, want %s in it", types, want)
		}
	}
	return nil
}

func (r *removal) assignments(ctx context.Context) error {
	client, err := armauthorization.NewRoleAssignmentsClient(r.subscription, r.credential, nil)
	if err != nil {
		return err
	}
	scope := "/subscriptions/" + r.subscription + "/resourceGroups/" + Group + "/providers/Microsoft.AppConfiguration/configurationStores/" + Store
	var found []*armauthorization.RoleAssignment
	for pager := client.NewListForScopePager(scope, &armauthorization.RoleAssignmentsClientListForScopeOptions{Filter: to.Ptr("atScope()")}); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return err
		}
		found = append(found, page.Value...)
	}
	own := 0
	for _, assignment := range found {
		if *assignment.Properties.Scope != scope {
			continue // of a scope above: the deployer's own
		}
		own++
		if _, err := client.DeleteByID(ctx, *assignment.ID, nil); err != nil {
			return err
		}
		_, err := client.GetByID(ctx, *assignment.ID, nil)
		if err := check.Refused(err, http.StatusNotFound, "RoleAssignmentNotFound"); err != nil {
			return err
		}
	}
	return check.Equal("assignments at the store", own, 2)
}

func (r *removal) federatedCredential(ctx context.Context) error {
	client, err := armmsi.NewFederatedIdentityCredentialsClient(r.subscription, r.credential, nil)
	if err != nil {
		return err
	}
	if _, err := client.Get(ctx, Group, Identity, "blue", nil); err != nil {
		return err
	}
	if _, err := client.Delete(ctx, Group, Identity, "blue", nil); err != nil {
		return err
	}
	_, err = client.Get(ctx, Group, Identity, "blue", nil)
	return missing(err)
}

func (r *removal) cluster(ctx context.Context) error {
	client, err := armcontainerservice.NewManagedClustersClient(r.subscription, r.credential, nil)
	if err != nil {
		return err
	}
	poller, err := client.BeginDelete(ctx, Group, Cluster, nil)
	if err != nil {
		return err
	}
	if _, err := poller.PollUntilDone(ctx, nil); err != nil {
		return err
	}
	_, err = client.Get(ctx, Group, Cluster, nil)
	return missing(err)
}

func (r *removal) store(ctx context.Context) error {
	client, err := armappconfiguration.NewConfigurationStoresClient(r.subscription, r.credential, nil)
	if err != nil {
		return err
	}
	poller, err := client.BeginDelete(ctx, Group, Store, nil)
	if err != nil {
		return err
	}
	if _, err := poller.PollUntilDone(ctx, nil); err != nil {
		return err
	}
	_, err = client.Get(ctx, Group, Store, nil)
	return missing(err)
}

func (r *removal) storage(ctx context.Context) error {
	client, err := armstorage.NewAccountsClient(r.subscription, r.credential, nil)
	if err != nil {
		return err
	}
	keys, err := client.ListKeys(ctx, Group, Account, nil)
	if err != nil {
		return err
	}
	if len(keys.Keys) != 2 {
		return fmt.Errorf("got %d keys, want 2", len(keys.Keys))
	}
	if _, err := client.Delete(ctx, Group, Account, nil); err != nil {
		return err
	}
	_, err = client.GetProperties(ctx, Group, Account, nil)
	return missing(err)
}

func (r *removal) vault(ctx context.Context) error {
	client, err := armkeyvault.NewVaultsClient(r.subscription, r.credential, nil)
	if err != nil {
		return err
	}
	if _, err := client.Delete(ctx, Group, Vault, nil); err != nil {
		return err
	}
	_, err = client.Get(ctx, Group, Vault, nil)
	return missing(err)
}

func (r *removal) group(ctx context.Context) error {
	client, err := armresources.NewResourceGroupsClient(r.subscription, r.credential, nil)
	if err != nil {
		return err
	}
	poller, err := client.BeginDelete(ctx, Group, nil)
	if err != nil {
		return err
	}
	if _, err := poller.PollUntilDone(ctx, nil); err != nil {
		return err
	}
	identities, err := armmsi.NewUserAssignedIdentitiesClient(r.subscription, r.credential, nil)
	if err != nil {
		return err
	}
	_, err = identities.Get(ctx, Group, Identity, nil)
	return check.Refused(err, http.StatusNotFound, "ResourceGroupNotFound")
}
