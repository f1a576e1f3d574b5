package sdk

import (
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/appconfiguration/armappconfiguration"

	"github.com/aksess/aksess/test/sdk/deploy"
)

func testConfigurationStores(t *testing.T, m *manager) {
	ctx, group := t.Context(), m.group(t, "arm-appconfiguration")
	client := must(armappconfiguration.NewConfigurationStoresClient(m.SubscriptionID, m.credential, m.options))(t)
	store := armappconfiguration.ConfigurationStore{Location: to.Ptr(deploy.Location), SKU: &armappconfiguration.SKU{Name: to.Ptr("standard")}, Tags: tags("a", "b"),
		Properties: &armappconfiguration.ConfigurationStoreProperties{SoftDeleteRetentionInDays: to.Ptr[int32](1)}}
	made := done(client.BeginCreate(ctx, group, "arm-appcs-one", store, nil))(t)
	same(t, "endpoint", made.Properties.Endpoint, "https://arm-appcs-one.azconfig.io")
	done(client.BeginCreate(ctx, group, "arm-appcs-two", store, nil))(t)
	patched := done(client.BeginUpdate(ctx, group, "arm-appcs-one", armappconfiguration.ConfigurationStoreUpdateParameters{Tags: tags("c", "d")}, nil))(t)
	same(t, "tag", patched.Tags["c"], "d")
	same(t, "sku", must(client.Get(ctx, group, "arm-appcs-one", nil))(t).SKU.Name, "standard")
	list, _ := every(t, client.NewListByResourceGroupPager(group, nil), func(p armappconfiguration.ConfigurationStoresClientListByResourceGroupResponse) []*armappconfiguration.ConfigurationStore {
		return p.Value
	})
	all, _ := every(t, client.NewListPager(nil), func(p armappconfiguration.ConfigurationStoresClientListResponse) []*armappconfiguration.ConfigurationStore {
		return p.Value
	})
	if len(list) != 2 || len(all) < 2 {
		t.Errorf("got %d stores in the group and %d in the subscription, want 2 and at least those", len(list), len(all))
	}
	keys, _ := every(t, client.NewListKeysPager(group, "arm-appcs-one", nil), func(p armappconfiguration.ConfigurationStoresClientListKeysResponse) []*armappconfiguration.APIKey {
		return p.Value
	})
	if len(keys) != 4 || keys[0].ConnectionString == nil {
		t.Fatalf("got %d keys, want 4 with their connection strings", len(keys))
	}
	fresh := must(client.RegenerateKey(ctx, group, "arm-appcs-one", armappconfiguration.RegenerateKeyParameters{ID: keys[0].ID}, nil))(t)
	if fresh.Value == nil || *fresh.Value == *keys[0].Value {
		t.Error("the regenerated key has the value that it had")
	}
	operations := must(armappconfiguration.NewOperationsClient(m.SubscriptionID, m.credential, m.options))(t)
	taken := must(operations.CheckNameAvailability(ctx, armappconfiguration.CheckNameAvailabilityParameters{Name: to.Ptr("arm-appcs-one"), Type: to.Ptr(armappconfiguration.ConfigurationResourceTypeMicrosoftAppConfigurationConfigurationStores)}, nil))(t)
	same(t, "name is free", taken.NameAvailable, false)

	done(client.BeginDelete(ctx, group, "arm-appcs-one", nil))(t)
	refused(client.Get(ctx, group, "arm-appcs-one", nil))(t, 404, "ResourceNotFound")
	must(client.GetDeleted(ctx, deploy.Location, "arm-appcs-one", nil))(t)
	deleted, _ := every(t, client.NewListDeletedPager(nil), func(p armappconfiguration.ConfigurationStoresClientListDeletedResponse) []*armappconfiguration.DeletedConfigurationStore {
		return p.Value
	})
	if has(deleted, func(s *armappconfiguration.DeletedConfigurationStore) bool { return *s.Name == "arm-appcs-one" }) != 1 {
		t.Errorf("got %d deleted stores without it", len(deleted))
	}
	done(client.BeginPurgeDeleted(ctx, deploy.Location, "arm-appcs-one", nil))(t)
	refused(client.GetDeleted(ctx, deploy.Location, "arm-appcs-one", nil))(t, 404, "DeletedConfigurationStoreNotFound")
}
