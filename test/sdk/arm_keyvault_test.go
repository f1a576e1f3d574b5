package sdk

import (
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/keyvault/armkeyvault"

	"github.com/aksess/aksess/test/sdk/deploy"
)

func testVaults(t *testing.T, m *manager) {
	ctx, group := t.Context(), m.group(t, "arm-keyvault")
	client := must(armkeyvault.NewVaultsClient(m.SubscriptionID, m.credential, m.options))(t)
	parameters := armkeyvault.VaultCreateOrUpdateParameters{Location: to.Ptr(deploy.Location), Tags: tags("a", "b"), Properties: &armkeyvault.VaultProperties{
		TenantID: to.Ptr(m.TenantID), EnableRbacAuthorization: to.Ptr(true), SoftDeleteRetentionInDays: to.Ptr[int32](7),
		SKU: &armkeyvault.SKU{Family: to.Ptr(armkeyvault.SKUFamilyA), Name: to.Ptr(armkeyvault.SKUNameStandard)},
	}}
	free := must(client.CheckNameAvailability(ctx, armkeyvault.VaultCheckNameAvailabilityParameters{Name: to.Ptr("arm-kv-one"), Type: to.Ptr("Microsoft.KeyVault/vaults")}, nil))(t)
	same(t, "name is free", free.NameAvailable, true)
	made := done(client.BeginCreateOrUpdate(ctx, group, "arm-kv-one", parameters, nil))(t)
	same(t, "uri", made.Properties.VaultURI, "https://arm-kv-one.vault.azure.net/")
	done(client.BeginCreateOrUpdate(ctx, group, "arm-kv-two", parameters, nil))(t)
	taken := must(client.CheckNameAvailability(ctx, armkeyvault.VaultCheckNameAvailabilityParameters{Name: to.Ptr("arm-kv-one"), Type: to.Ptr("Microsoft.KeyVault/vaults")}, nil))(t)
	same(t, "name is free", taken.NameAvailable, false)

	patched := must(client.Update(ctx, group, "arm-kv-one", armkeyvault.VaultPatchParameters{Tags: tags("c", "d")}, nil))(t)
	same(t, "tag", patched.Tags["c"], "d")
	same(t, "retention", must(client.Get(ctx, group, "arm-kv-one", nil))(t).Properties.SoftDeleteRetentionInDays, 7)
	added := must(client.UpdateAccessPolicy(ctx, group, "arm-kv-two", armkeyvault.AccessPolicyUpdateKindAdd, armkeyvault.VaultAccessPolicyParameters{Properties: &armkeyvault.VaultAccessPolicyProperties{
		AccessPolicies: []*armkeyvault.AccessPolicyEntry{{TenantID: to.Ptr(m.TenantID), ObjectID: to.Ptr("44444444-4444-4444-8444-444444444444"),
			Permissions: &armkeyvault.Permissions{Secrets: []*armkeyvault.SecretPermissions{to.Ptr(armkeyvault.SecretPermissionsGet)}}}},
	}}, nil))(t)
	if len(added.Properties.AccessPolicies) != 1 {
		t.Errorf("access policies: got %d, want 1", len(added.Properties.AccessPolicies))
	}
	list, pages := every(t, client.NewListByResourceGroupPager(group, &armkeyvault.VaultsClientListByResourceGroupOptions{Top: to.Ptr[int32](1)}),
		func(p armkeyvault.VaultsClientListByResourceGroupResponse) []*armkeyvault.Vault { return p.Value })
	if len(list) != 2 || pages < 2 {
		t.Errorf("got %d vaults on %d pages of one, want 2", len(list), pages)
	}
	t.Run("deleted", func(t *testing.T) { testDeletedVault(t, client, group, parameters) })
	bad := parameters
	bad.Properties = &armkeyvault.VaultProperties{TenantID: parameters.Properties.TenantID, SKU: parameters.Properties.SKU, SoftDeleteRetentionInDays: to.Ptr[int32](1)}
	refused(client.BeginCreateOrUpdate(ctx, group, "arm-kv-three", bad, nil))(t, 400, "BadRequest")
}

// testDeletedVault deletes a vault, finds it, recovers it, and purges it.
func testDeletedVault(t *testing.T, client *armkeyvault.VaultsClient, group string, parameters armkeyvault.VaultCreateOrUpdateParameters) {
	ctx := t.Context()
	must(client.Delete(ctx, group, "arm-kv-one", nil))(t)
	refused(client.Get(ctx, group, "arm-kv-one", nil))(t, 404, "ResourceNotFound")
	found := must(client.GetDeleted(ctx, "arm-kv-one", deploy.Location, nil))(t)
	if found.Properties == nil || found.Properties.ScheduledPurgeDate == nil {
		t.Error("the deleted vault does not say when it is purged")
	}
	list, _ := every(t, client.NewListDeletedPager(nil), func(p armkeyvault.VaultsClientListDeletedResponse) []*armkeyvault.DeletedVault { return p.Value })
	if has(list, func(v *armkeyvault.DeletedVault) bool { return *v.Name == "arm-kv-one" }) != 1 {
		t.Errorf("got %d deleted vaults without it", len(list))
	}
	recover := parameters
	properties := *parameters.Properties
	properties.CreateMode = to.Ptr(armkeyvault.CreateModeRecover)
	recover.Properties = &properties
	done(client.BeginCreateOrUpdate(ctx, group, "arm-kv-one", recover, nil))(t)
	must(client.Get(ctx, group, "arm-kv-one", nil))(t)
	must(client.Delete(ctx, group, "arm-kv-one", nil))(t)
	done(client.BeginPurgeDeleted(ctx, "arm-kv-one", deploy.Location, nil))(t)
	refused(client.GetDeleted(ctx, "arm-kv-one", deploy.Location, nil))(t, 404, "DeletedVaultNotFound")
}
