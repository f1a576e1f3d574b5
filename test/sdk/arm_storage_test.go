package sdk

import (
	"fmt"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/storage/armstorage"

	"github.com/aksess/aksess/test/sdk/deploy"
)

func testStorageAccounts(t *testing.T, m *manager) {
	ctx, group := t.Context(), m.group(t, "arm-storage")
	client := must(armstorage.NewAccountsClient(m.SubscriptionID, m.credential, m.options))(t)
	account := armstorage.AccountCreateParameters{Location: to.Ptr(deploy.Location), Kind: to.Ptr(armstorage.KindStorageV2), SKU: &armstorage.SKU{Name: to.Ptr(armstorage.SKUNameStandardLRS)},
		Tags: tags("a", "b"), Properties: &armstorage.AccountPropertiesCreateParameters{MinimumTLSVersion: to.Ptr(armstorage.MinimumTLSVersionTLS12), AllowBlobPublicAccess: to.Ptr(false)}}
	free := must(client.CheckNameAvailability(ctx, armstorage.AccountCheckNameAvailabilityParameters{Name: to.Ptr("armstorageone"), Type: to.Ptr("Microsoft.Storage/storageAccounts")}, nil))(t)
	same(t, "name is free", free.NameAvailable, true)
	made := done(client.BeginCreate(ctx, group, "armstorageone", account, nil))(t)
	same(t, "blob endpoint", made.Properties.PrimaryEndpoints.Blob, "https://armstorageone.blob.core.windows.net/")
	taken := must(client.CheckNameAvailability(ctx, armstorage.AccountCheckNameAvailabilityParameters{Name: to.Ptr("armstorageone"), Type: to.Ptr("Microsoft.Storage/storageAccounts")}, nil))(t)
	same(t, "name is free", taken.NameAvailable, false)
	patched := must(client.Update(ctx, group, "armstorageone", armstorage.AccountUpdateParameters{Tags: tags("c", "d")}, nil))(t)
	same(t, "tag", patched.Tags["c"], "d")
	same(t, "tls", must(client.GetProperties(ctx, group, "armstorageone", nil))(t).Properties.MinimumTLSVersion, armstorage.MinimumTLSVersionTLS12)
	list, _ := every(t, client.NewListByResourceGroupPager(group, nil), func(p armstorage.AccountsClientListByResourceGroupResponse) []*armstorage.Account { return p.Value })
	all, _ := every(t, client.NewListPager(nil), func(p armstorage.AccountsClientListResponse) []*armstorage.Account { return p.Value })
	if len(list) != 1 || len(all) < 1 {
		t.Errorf("got %d accounts in the group and %d in the subscription, want 1 and at least that", len(list), len(all))
	}
	keys := must(client.ListKeys(ctx, group, "armstorageone", nil))(t).Keys
	if len(keys) != 2 {
		t.Fatalf("got %d keys, want 2", len(keys))
	}
	fresh := must(client.RegenerateKey(ctx, group, "armstorageone", armstorage.AccountRegenerateKeyParameters{KeyName: keys[0].KeyName}, nil))(t)
	if *fresh.Keys[0].Value == *keys[0].Value || *fresh.Keys[1].Value != *keys[1].Value {
		t.Error("regenerating key1: got another result than a new key1")
	}
	t.Run("containers", func(t *testing.T) { testContainers(t, m, group) })
	t.Run("queues", func(t *testing.T) { testQueues(t, m, group) })
	must(client.Delete(ctx, group, "armstorageone", nil))(t)
	refused(client.GetProperties(ctx, group, "armstorageone", nil))(t, 404, "ResourceNotFound")
	refused(client.BeginCreate(ctx, group, "Not_A_Name", account, nil))(t, 400, "AccountNameInvalid")
}

func testContainers(t *testing.T, m *manager, group string) {
	ctx := t.Context()
	services := must(armstorage.NewBlobServicesClient(m.SubscriptionID, m.credential, m.options))(t)
	same(t, "blob service", must(services.GetServiceProperties(ctx, group, "armstorageone", nil))(t).Name, "default")
	client := must(armstorage.NewBlobContainersClient(m.SubscriptionID, m.credential, m.options))(t)
	for i := range 3 {
		must(client.Create(ctx, group, "armstorageone", fmt.Sprintf("container%d", i), armstorage.BlobContainer{}, nil))(t)
	}
	must(client.Update(ctx, group, "armstorageone", "container0", armstorage.BlobContainer{ContainerProperties: &armstorage.ContainerProperties{Metadata: tags("k", "v")}}, nil))(t)
	same(t, "metadata", must(client.Get(ctx, group, "armstorageone", "container0", nil))(t).ContainerProperties.Metadata["k"], "v")
	list, pages := every(t, client.NewListPager(group, "armstorageone", &armstorage.BlobContainersClientListOptions{Maxpagesize: to.Ptr("2")}),
		func(p armstorage.BlobContainersClientListResponse) []*armstorage.ListContainerItem { return p.Value })
	if len(list) != 3 || pages != 2 {
		t.Errorf("got %d containers on %d pages, want 3 on 2", len(list), pages)
	}
	must(client.Delete(ctx, group, "armstorageone", "container1", nil))(t)
	refused(client.Get(ctx, group, "armstorageone", "container1", nil))(t, 404, "ResourceNotFound")
}

func testQueues(t *testing.T, m *manager, group string) {
	ctx := t.Context()
	client := must(armstorage.NewQueueClient(m.SubscriptionID, m.credential, m.options))(t)
	for i := range 2 {
		must(client.Create(ctx, group, "armstorageone", fmt.Sprintf("queue%d", i), armstorage.Queue{}, nil))(t)
	}
	must(client.Update(ctx, group, "armstorageone", "queue0", armstorage.Queue{QueueProperties: &armstorage.QueueProperties{Metadata: tags("k", "v")}}, nil))(t)
	same(t, "metadata", must(client.Get(ctx, group, "armstorageone", "queue0", nil))(t).QueueProperties.Metadata["k"], "v")
	list, pages := every(t, client.NewListPager(group, "armstorageone", &armstorage.QueueClientListOptions{Maxpagesize: to.Ptr("1")}),
		func(p armstorage.QueueClientListResponse) []*armstorage.ListQueue { return p.Value })
	if len(list) != 2 || pages != 2 {
		t.Errorf("got %d queues on %d pages, want 2 on 2", len(list), pages)
	}
	must(client.Delete(ctx, group, "armstorageone", "queue1", nil))(t)
	refused(client.Get(ctx, group, "armstorageone", "queue1", nil))(t, 404, "ResourceNotFound")
}
