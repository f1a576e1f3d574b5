package sdk

import (
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v6"

	"github.com/aksess/aksess/test/sdk/deploy"
)

func testNetworks(t *testing.T, m *manager) {
	ctx, group := t.Context(), m.group(t, "arm-network")
	client := must(armnetwork.NewVirtualNetworksClient(m.SubscriptionID, m.credential, m.options))(t)
	made := done(client.BeginCreateOrUpdate(ctx, group, "net", armnetwork.VirtualNetwork{Location: to.Ptr(deploy.Location), Tags: tags("a", "b"), Properties: &armnetwork.VirtualNetworkPropertiesFormat{
		AddressSpace: &armnetwork.AddressSpace{AddressPrefixes: []*string{to.Ptr("10.1.0.0/16")}},
		Subnets:      []*armnetwork.Subnet{{Name: to.Ptr("first"), Properties: &armnetwork.SubnetPropertiesFormat{AddressPrefix: to.Ptr("10.1.0.0/24")}}},
	}}, nil))(t)
	same(t, "state", made.Properties.ProvisioningState, armnetwork.ProvisioningStateSucceeded)
	patched := must(client.UpdateTags(ctx, group, "net", armnetwork.TagsObject{Tags: tags("c", "d")}, nil))(t)
	same(t, "tag", patched.Tags["c"], "d")
	list, _ := every(t, client.NewListPager(group, nil), func(p armnetwork.VirtualNetworksClientListResponse) []*armnetwork.VirtualNetwork { return p.Value })
	all, _ := every(t, client.NewListAllPager(nil), func(p armnetwork.VirtualNetworksClientListAllResponse) []*armnetwork.VirtualNetwork { return p.Value })
	if len(list) != 1 || len(all) < 1 {
		t.Errorf("got %d networks in the group and %d in the subscription, want 1 and at least that", len(list), len(all))
	}
	t.Run("subnets", func(t *testing.T) { testSubnets(t, m, group) })
	t.Run("addresses", func(t *testing.T) { testAddresses(t, m, group) })
	done(client.BeginDelete(ctx, group, "net", nil))(t)
	refused(client.Get(ctx, group, "net", nil))(t, 404, "ResourceNotFound")
}

func testSubnets(t *testing.T, m *manager, group string) {
	ctx := t.Context()
	client := must(armnetwork.NewSubnetsClient(m.SubscriptionID, m.credential, m.options))(t)
	subnet := func(prefix string) armnetwork.Subnet {
		return armnetwork.Subnet{Properties: &armnetwork.SubnetPropertiesFormat{AddressPrefix: to.Ptr(prefix)}}
	}
	made := done(client.BeginCreateOrUpdate(ctx, group, "net", "second", subnet("10.1.1.0/24"), nil))(t)
	id(t, made.ID, m.scope(group)+"/providers/Microsoft.Network/virtualNetworks/net/subnets/second")
	same(t, "prefix", must(client.Get(ctx, group, "net", "second", nil))(t).Properties.AddressPrefix, "10.1.1.0/24")
	list, _ := every(t, client.NewListPager(group, "net", nil), func(p armnetwork.SubnetsClientListResponse) []*armnetwork.Subnet { return p.Value })
	if len(list) != 2 {
		t.Errorf("got %d subnets, want 2", len(list))
	}
	if _, err := client.BeginCreateOrUpdate(ctx, group, "net", "third", subnet("10.1.1.0/25"), nil); err == nil {
		t.Error("a subnet within another: got it, want it refused")
	}
	done(client.BeginDelete(ctx, group, "net", "second", nil))(t)
	if _, err := client.Get(ctx, group, "net", "second", nil); err == nil {
		t.Error("a deleted subnet: got it")
	}
}

func testAddresses(t *testing.T, m *manager, group string) {
	ctx := t.Context()
	client := must(armnetwork.NewPublicIPAddressesClient(m.SubscriptionID, m.credential, m.options))(t)
	made := done(client.BeginCreateOrUpdate(ctx, group, "ip", armnetwork.PublicIPAddress{Location: to.Ptr(deploy.Location), SKU: &armnetwork.PublicIPAddressSKU{Name: to.Ptr(armnetwork.PublicIPAddressSKUNameStandard)},
		Properties: &armnetwork.PublicIPAddressPropertiesFormat{PublicIPAllocationMethod: to.Ptr(armnetwork.IPAllocationMethodStatic)}}, nil))(t)
	if made.Properties.IPAddress == nil {
		t.Error("a static address: got none")
	}
	list, _ := every(t, client.NewListPager(group, nil), func(p armnetwork.PublicIPAddressesClientListResponse) []*armnetwork.PublicIPAddress { return p.Value })
	if len(list) != 1 {
		t.Errorf("got %d addresses, want 1", len(list))
	}
	done(client.BeginDelete(ctx, group, "ip", nil))(t)
	refused(client.Get(ctx, group, "ip", nil))(t, 404, "ResourceNotFound")
}
