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
	t.Run("gateways", func(t *testing.T) { testGateways(t, m, group) })
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
	refused(client.BeginCreateOrUpdate(ctx, group, "net", "third", subnet("10.1.1.0/25"), nil))(t, 400, "NetcfgSubnetRangesOverlap")
	done(client.BeginDelete(ctx, group, "net", "second", nil))(t)
	refused(client.Get(ctx, group, "net", "second", nil))(t, 404, "ResourceNotFound")
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

// testGateways makes the least gateway that there is, of parts that refer to
// each other.
func testGateways(t *testing.T, m *manager, group string) {
	ctx, provider := t.Context(), m.scope(group)+"/providers/Microsoft.Network/"
	addresses := must(armnetwork.NewPublicIPAddressesClient(m.SubscriptionID, m.credential, m.options))(t)
	done(addresses.BeginCreateOrUpdate(ctx, group, "front", armnetwork.PublicIPAddress{Location: to.Ptr(deploy.Location), SKU: &armnetwork.PublicIPAddressSKU{Name: to.Ptr(armnetwork.PublicIPAddressSKUNameStandard)},
		Properties: &armnetwork.PublicIPAddressPropertiesFormat{PublicIPAllocationMethod: to.Ptr(armnetwork.IPAllocationMethodStatic)}}, nil))(t)
	client := must(armnetwork.NewApplicationGatewaysClient(m.SubscriptionID, m.credential, m.options))(t)
	made := done(client.BeginCreateOrUpdate(ctx, group, "gateway", gateway(provider), nil))(t)
	id(t, made.Properties.HTTPListeners[0].ID, provider+"applicationGateways/gateway/httpListeners/listener")
	patched := must(client.UpdateTags(ctx, group, "gateway", armnetwork.TagsObject{Tags: tags("c", "d")}, nil))(t)
	same(t, "tag", patched.Tags["c"], "d")
	read := must(client.Get(ctx, group, "gateway", nil))(t)
	same(t, "state", read.Properties.OperationalState, armnetwork.ApplicationGatewayOperationalStateRunning)
	list, _ := every(t, client.NewListPager(group, nil), func(p armnetwork.ApplicationGatewaysClientListResponse) []*armnetwork.ApplicationGateway {
		return p.Value
	})
	all, _ := every(t, client.NewListAllPager(nil), func(p armnetwork.ApplicationGatewaysClientListAllResponse) []*armnetwork.ApplicationGateway {
		return p.Value
	})
	if len(list) != 1 || len(all) != 1 {
		t.Errorf("got %d gateways in the group and %d in the subscription, want 1", len(list), len(all))
	}
	lost := gateway(provider)
	lost.Properties.RequestRoutingRules[0].Properties.HTTPListener = &armnetwork.SubResource{ID: to.Ptr(provider + "applicationGateways/gateway/httpListeners/none")}
	refused(client.BeginCreateOrUpdate(ctx, group, "gateway", lost, nil))(t, 400, "InvalidResourceReference")
	done(client.BeginDelete(ctx, group, "gateway", nil))(t)
	refused(client.Get(ctx, group, "gateway", nil))(t, 404, "ResourceNotFound")
	done(addresses.BeginDelete(ctx, group, "front", nil))(t)
}

func gateway(provider string) armnetwork.ApplicationGateway {
	part := func(path string) *armnetwork.SubResource {
		return &armnetwork.SubResource{ID: to.Ptr(provider + "applicationGateways/gateway/" + path)}
	}
	return armnetwork.ApplicationGateway{Location: to.Ptr(deploy.Location), Properties: &armnetwork.ApplicationGatewayPropertiesFormat{
		SKU: &armnetwork.ApplicationGatewaySKU{Name: to.Ptr(armnetwork.ApplicationGatewaySKUNameStandardV2), Tier: to.Ptr(armnetwork.ApplicationGatewayTierStandardV2), Capacity: to.Ptr[int32](1)},
		GatewayIPConfigurations: []*armnetwork.ApplicationGatewayIPConfiguration{{Name: to.Ptr("inside"), Properties: &armnetwork.ApplicationGatewayIPConfigurationPropertiesFormat{
			Subnet: &armnetwork.SubResource{ID: to.Ptr(provider + "virtualNetworks/net/subnets/first")},
		}}},
		FrontendIPConfigurations: []*armnetwork.ApplicationGatewayFrontendIPConfiguration{{Name: to.Ptr("public"), Properties: &armnetwork.ApplicationGatewayFrontendIPConfigurationPropertiesFormat{
			PublicIPAddress: &armnetwork.SubResource{ID: to.Ptr(provider + "publicIPAddresses/front")},
		}}},
		FrontendPorts:       []*armnetwork.ApplicationGatewayFrontendPort{{Name: to.Ptr("http"), Properties: &armnetwork.ApplicationGatewayFrontendPortPropertiesFormat{Port: to.Ptr[int32](80)}}},
		BackendAddressPools: []*armnetwork.ApplicationGatewayBackendAddressPool{{Name: to.Ptr("pool"), Properties: &armnetwork.ApplicationGatewayBackendAddressPoolPropertiesFormat{}}},
		BackendHTTPSettingsCollection: []*armnetwork.ApplicationGatewayBackendHTTPSettings{{Name: to.Ptr("settings"), Properties: &armnetwork.ApplicationGatewayBackendHTTPSettingsPropertiesFormat{
			Port: to.Ptr[int32](80), Protocol: to.Ptr(armnetwork.ApplicationGatewayProtocolHTTP),
		}}},
		HTTPListeners: []*armnetwork.ApplicationGatewayHTTPListener{{Name: to.Ptr("listener"), Properties: &armnetwork.ApplicationGatewayHTTPListenerPropertiesFormat{
			FrontendIPConfiguration: part("frontendIPConfigurations/public"), FrontendPort: part("frontendPorts/http"), Protocol: to.Ptr(armnetwork.ApplicationGatewayProtocolHTTP),
		}}},
		RequestRoutingRules: []*armnetwork.ApplicationGatewayRequestRoutingRule{{Name: to.Ptr("rule"), Properties: &armnetwork.ApplicationGatewayRequestRoutingRulePropertiesFormat{
			RuleType: to.Ptr(armnetwork.ApplicationGatewayRequestRoutingRuleTypeBasic), Priority: to.Ptr[int32](1),
			HTTPListener: part("httpListeners/listener"), BackendAddressPool: part("backendAddressPools/pool"), BackendHTTPSettings: part("backendHttpSettingsCollection/settings"),
		}}},
	}}
}
