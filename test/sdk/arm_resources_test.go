package sdk

import (
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"

	"github.com/aksess/aksess/test/sdk/deploy"
)

func testResources(t *testing.T, m *manager) {
	ctx := t.Context()
	groups := must(armresources.NewResourceGroupsClient(m.SubscriptionID, m.credential, m.options))(t)
	made := must(groups.CreateOrUpdate(ctx, "arm-resources", armresources.ResourceGroup{Location: to.Ptr(deploy.Location), Tags: tags("env", "dev")}, nil))(t)
	id(t, made.ID, m.scope("arm-resources"))
	same(t, "state", made.Properties.ProvisioningState, "Succeeded")

	patched := must(groups.Update(ctx, "arm-resources", armresources.ResourceGroupPatchable{Tags: tags("env", "test", "team", "a")}, nil))(t)
	same(t, "tag env", patched.Tags["env"], "test")
	same(t, "tag team", must(groups.Get(ctx, "ARM-RESOURCES", nil))(t).Tags["team"], "a")

	m.group(t, "arm-resources-2")
	all, pages := every(t, groups.NewListPager(&armresources.ResourceGroupsClientListOptions{Top: to.Ptr[int32](1)}), func(p armresources.ResourceGroupsClientListResponse) []*armresources.ResourceGroup { return p.Value })
	if n := has(all, func(g *armresources.ResourceGroup) bool {
		return *g.Name == "arm-resources" || *g.Name == "arm-resources-2"
	}); n != 2 || pages < 2 {
		t.Errorf("got %d of 2 groups on %d pages of one", n, pages)
	}
	tagged, _ := every(t, groups.NewListPager(&armresources.ResourceGroupsClientListOptions{Filter: to.Ptr("tagName eq 'team' and tagValue eq 'a'")}), func(p armresources.ResourceGroupsClientListResponse) []*armresources.ResourceGroup { return p.Value })
	if len(tagged) != 1 || *tagged[0].Name != "arm-resources" {
		t.Errorf("got %d groups with the tag, want arm-resources", len(tagged))
	}

	t.Run("generic", func(t *testing.T) { testGenericResource(t, m) })
	t.Run("providers", func(t *testing.T) { testProviders(t, m) })
	t.Run("tags", func(t *testing.T) { testTags(t, m) })

	if got := must(groups.CheckExistence(ctx, "arm-resources-2", nil))(t); !got.Success {
		t.Error("arm-resources-2: got that it is not there")
	}
	done(groups.BeginDelete(ctx, "arm-resources-2", nil))(t)
	if got := must(groups.CheckExistence(ctx, "arm-resources-2", nil))(t); got.Success {
		t.Error("arm-resources-2: got that it is there after its deletion")
	}
	refused(groups.Get(ctx, "arm-resources-2", nil))(t, 404, "ResourceGroupNotFound")
	refused(groups.CreateOrUpdate(ctx, "arm-resources", armresources.ResourceGroup{Location: to.Ptr("northeurope")}, nil))(t, 409, "InvalidResourceGroupLocation")
}

// testGenericResource makes an identity without its own client, by its id.
func testGenericResource(t *testing.T, m *manager) {
	ctx := t.Context()
	client := must(armresources.NewClient(m.SubscriptionID, m.credential, m.options))(t)
	const version = "2023-01-31"
	resource := m.scope("arm-resources") + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/generic"
	made := done(client.BeginCreateOrUpdateByID(ctx, resource, version, armresources.GenericResource{Location: to.Ptr(deploy.Location), Tags: tags("a", "b")}, nil))(t)
	id(t, made.ID, resource)
	same(t, "tag", must(client.GetByID(ctx, resource, version, nil))(t).Tags["a"], "b")
	if got := must(client.CheckExistenceByID(ctx, resource, version, nil))(t); !got.Success {
		t.Error("got that the identity is not there")
	}
	list, _ := every(t, client.NewListByResourceGroupPager("arm-resources", &armresources.ClientListByResourceGroupOptions{Filter: to.Ptr("resourceType eq 'Microsoft.ManagedIdentity/userAssignedIdentities'")}),
		func(p armresources.ClientListByResourceGroupResponse) []*armresources.GenericResourceExpanded {
			return p.Value
		})
	if len(list) != 1 || *list[0].Name != "generic" {
		t.Errorf("got %d identities in the group, want generic", len(list))
	}
	done(client.BeginDeleteByID(ctx, resource, version, nil))(t)
	refused(client.GetByID(ctx, resource, version, nil))(t, 404, "ResourceNotFound")
}

func testProviders(t *testing.T, m *manager) {
	client := must(armresources.NewProvidersClient(m.SubscriptionID, m.credential, m.options))(t)
	all, _ := every(t, client.NewListPager(nil), func(p armresources.ProvidersClientListResponse) []*armresources.Provider { return p.Value })
	for _, namespace := range []string{"Microsoft.KeyVault", "Microsoft.Storage", "Microsoft.ContainerService", "Microsoft.ManagedIdentity"} {
		if has(all, func(p *armresources.Provider) bool { return *p.Namespace == namespace }) != 1 {
			t.Errorf("%s is not among the %d providers", namespace, len(all))
		}
	}
	same(t, "state", must(client.Register(t.Context(), "Microsoft.KeyVault", nil))(t).RegistrationState, "Registered")
	same(t, "state", must(client.Get(t.Context(), "Microsoft.KeyVault", nil))(t).RegistrationState, "Registered")
}

func testTags(t *testing.T, m *manager) {
	client := must(armresources.NewTagsClient(m.SubscriptionID, m.credential, m.options))(t)
	scope := m.scope("arm-resources")
	client2 := must(client.UpdateAtScope(t.Context(), scope, armresources.TagsPatchResource{
		Operation: to.Ptr(armresources.TagsPatchOperationMerge), Properties: &armresources.Tags{Tags: tags("merged", "yes")},
	}, nil))(t)
	same(t, "merged", client2.Properties.Tags["merged"], "yes")
	read := must(client.GetAtScope(t.Context(), scope, nil))(t)
	same(t, "env", read.Properties.Tags["env"], "test")
}
