package sdk

import (
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v6"

	"github.com/aksess/aksess/test/sdk/deploy"
)

func testClusters(t *testing.T, m *manager) {
	ctx, group := t.Context(), m.group(t, "arm-containerservice")
	client := must(armcontainerservice.NewManagedClustersClient(m.SubscriptionID, m.credential, m.options))(t)
	made := done(client.BeginCreateOrUpdate(ctx, group, "arm-aks", armcontainerservice.ManagedCluster{
		Location: to.Ptr(deploy.Location), Tags: tags("a", "b"),
		Identity: &armcontainerservice.ManagedClusterIdentity{Type: to.Ptr(armcontainerservice.ResourceIdentityTypeSystemAssigned)},
		Properties: &armcontainerservice.ManagedClusterProperties{
			DNSPrefix: to.Ptr("arm-aks"), OidcIssuerProfile: &armcontainerservice.ManagedClusterOIDCIssuerProfile{Enabled: to.Ptr(true)},
			AgentPoolProfiles: []*armcontainerservice.ManagedClusterAgentPoolProfile{{
				Name: to.Ptr("system"), Mode: to.Ptr(armcontainerservice.AgentPoolModeSystem), Count: to.Ptr[int32](1), VMSize: to.Ptr("Standard_DS2_v2"),
			}},
		},
	}, nil))(t)
	same(t, "state", made.Properties.ProvisioningState, "Succeeded")
	if made.Properties.OidcIssuerProfile == nil || made.Properties.OidcIssuerProfile.IssuerURL == nil {
		t.Fatal("the cluster has no issuer")
	}
	patched := done(client.BeginUpdateTags(ctx, group, "arm-aks", armcontainerservice.TagsObject{Tags: tags("c", "d")}, nil))(t)
	same(t, "tag", patched.Tags["c"], "d")
	same(t, "issuer", must(client.Get(ctx, group, "arm-aks", nil))(t).Properties.OidcIssuerProfile.IssuerURL, *made.Properties.OidcIssuerProfile.IssuerURL)
	list, _ := every(t, client.NewListByResourceGroupPager(group, nil), func(p armcontainerservice.ManagedClustersClientListByResourceGroupResponse) []*armcontainerservice.ManagedCluster {
		return p.Value
	})
	all, _ := every(t, client.NewListPager(nil), func(p armcontainerservice.ManagedClustersClientListResponse) []*armcontainerservice.ManagedCluster {
		return p.Value
	})
	if len(list) != 1 || len(all) < 1 {
		t.Errorf("got %d clusters in the group and %d in the subscription, want 1 and at least that", len(list), len(all))
	}
	for name, credentials := range map[string][]*armcontainerservice.CredentialResult{
		"admin": must(client.ListClusterAdminCredentials(ctx, group, "arm-aks", nil))(t).Kubeconfigs,
		"user":  must(client.ListClusterUserCredentials(ctx, group, "arm-aks", nil))(t).Kubeconfigs,
	} {
		if len(credentials) != 1 || len(credentials[0].Value) == 0 {
			t.Errorf("%s credentials: got %d, want a kubeconfig", name, len(credentials))
		}
	}
	t.Run("pools", func(t *testing.T) { testAgentPools(t, m, group) })
	done(client.BeginDelete(ctx, group, "arm-aks", nil))(t)
	refused(client.Get(ctx, group, "arm-aks", nil))(t, 404, "ResourceNotFound")
}

func testAgentPools(t *testing.T, m *manager, group string) {
	ctx := t.Context()
	client := must(armcontainerservice.NewAgentPoolsClient(m.SubscriptionID, m.credential, m.options))(t)
	pool := func(count int32) armcontainerservice.AgentPool {
		return armcontainerservice.AgentPool{Properties: &armcontainerservice.ManagedClusterAgentPoolProfileProperties{
			Mode: to.Ptr(armcontainerservice.AgentPoolModeUser), Count: to.Ptr(count), VMSize: to.Ptr("Standard_DS2_v2"),
		}}
	}
	made := done(client.BeginCreateOrUpdate(ctx, group, "arm-aks", "work", pool(1), nil))(t)
	same(t, "count", made.Properties.Count, 1)
	done(client.BeginCreateOrUpdate(ctx, group, "arm-aks", "work", pool(3), nil))(t)
	same(t, "count", must(client.Get(ctx, group, "arm-aks", "work", nil))(t).Properties.Count, 3)
	list, _ := every(t, client.NewListPager(group, "arm-aks", nil), func(p armcontainerservice.AgentPoolsClientListResponse) []*armcontainerservice.AgentPool {
		return p.Value
	})
	if len(list) != 2 {
		t.Errorf("got %d pools, want 2", len(list))
	}
	done(client.BeginDelete(ctx, group, "arm-aks", "work", nil))(t)
	refused(client.Get(ctx, group, "arm-aks", "work", nil))(t, 404, "ResourceNotFound")
}
