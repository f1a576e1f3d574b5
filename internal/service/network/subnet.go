package network

import (
	"context"
	"slices"
	"strings"

	"github.com/aksess/aksess/internal/arm"
)

// subnets: https://learn.microsoft.com/rest/api/virtualnetwork/subnets
func (n *Networks) subnets(network *arm.Type) *children {
	return &children{
		networks: n, parent: network, collection: "subnets",
		complete: n.completeSubnet, check: checkNetwork, removable: n.removableSubnet, show: n.showSubnet,
	}
}

// joins are the members of a subnet that refer to another resource.
var joins = []string{"networkSecurityGroup", "routeTable", "natGateway"}

// computed are the members of a subnet that say what uses it.
var computed = []string{"ipConfigurations", "applicationGatewayIPConfigurations", "privateEndpoints", "resourceNavigationLinks", "serviceAssociationLinks", "purpose"}

func (n *Networks) completeSubnet(ctx context.Context, w writer, id string, properties, old object) error {
	prefixes, err := prefixesOf(id, properties)
	if err != nil {
		return err
	}
	if len(prefixes) == 0 {
		return badRequest.New("Subnet " + id + " must have 'addressPrefix' or 'addressPrefixes'.")
	}
	if err := n.keepsPrefixes(ctx, id, properties, old); err != nil {
		return err
	}
	for _, member := range joins {
		if properties[member] == nil {
			continue
		}
		if err := n.refer(ctx, w, "properties."+member, inner(properties, member)); err != nil {
			return err
		}
	}
	for _, member := range computed {
		delete(properties, member)
	}
	setDefault(properties, "privateEndpointNetworkPolicies", "Disabled")
	setDefault(properties, "privateLinkServiceNetworkPolicies", "Enabled")
	setDefault(properties, "delegations", []any{})
	setDefault(properties, "serviceEndpoints", []any{})
	if properties["sharingScope"] == "" {
		delete(properties, "sharingScope")
	}
	if err := completeEndpoints(w.location, properties); err != nil {
		return err
	}
	return completeDelegations(id, properties)
}

// keepsPrefixes refuses to take a prefix away from what uses it.
func (n *Networks) keepsPrefixes(ctx context.Context, id string, properties, old object) error {
	if old == nil {
		return nil
	}
	before, err := prefixesOf(id, old)
	if err != nil {
		return err
	}
	now, err := prefixesOf(id, properties)
	if err != nil {
		return err
	}
	for _, prefix := range before {
		if within(now, prefix) {
			continue
		}
		users, err := n.users(ctx, id)
		if err != nil {
			return err
		}
		if len(users) > 0 {
			return prefixInUse.New(prefix, id[strings.LastIndexByte(id, '/')+1:])
		}
	}
	return nil
}

// completeEndpoints fills what Azure answers for service endpoints: the regions
// whose services are reached
// (https://learn.microsoft.com/azure/virtual-network/virtual-network-service-endpoints-overview).
func completeEndpoints(location string, properties object) error {
	endpoints, ok := list(properties, "serviceEndpoints")
	if !ok {
		return badRequest.New("'serviceEndpoints' must be a list of objects.")
	}
	for _, endpoint := range endpoints {
		service := text(endpoint, "service")
		if service == "" {
			return badRequest.New("A service endpoint must name its 'service'.")
		}
		endpoint["provisioningState"] = succeeded
		if strings.EqualFold(service, "Microsoft.Storage") || strings.EqualFold(service, "Microsoft.Sql") {
			setDefault(endpoint, "locations", []any{location})
			continue
		}
		setDefault(endpoint, "locations", []any{"*"})
	}
	return nil
}

func completeDelegations(id string, properties object) error {
	delegations, ok := list(properties, "delegations")
	if !ok {
		return badRequest.New("'delegations' must be a list of objects.")
	}
	for _, delegation := range delegations {
		of, name := inner(delegation, "properties"), text(delegation, "name")
		if of == nil || text(of, "serviceName") == "" || checkName(name) != nil {
			return badRequest.New("A delegation must have a 'name' and 'properties.serviceName'.")
		}
		delegation["id"] = id + "/delegations/" + name
		delegation["type"] = typeSubnet + "/delegations"
		of["provisioningState"] = succeeded
		delete(delegation, "etag")
	}
	return nil
}

// showSubnet adds what uses the subnet.
func (n *Networks) showSubnet(ctx context.Context, id string, properties object) error {
	users, err := n.users(ctx, id)
	if err != nil {
		return err
	}
	var gateways, others []string
	for _, user := range users {
		if strings.Contains(user, "/gatewayIPConfigurations/") {
			gateways = append(gateways, user)
		} else {
			others = append(others, user)
		}
	}
	if gateways != nil {
		properties["applicationGatewayIPConfigurations"] = idsOf(gateways)
	}
	if others != nil {
		properties["ipConfigurations"] = idsOf(others)
	}
	return nil
}

func (n *Networks) removableSubnet(ctx context.Context, network *arm.Resource, subnet object) error {
	users, err := n.holding(ctx, network, text(subnet, "id"))
	if err != nil || len(users) == 0 {
		return err
	}
	users = slices.Compact(users)
	return subnetInUse.New(text(subnet, "name"), strings.Join(users[:min(len(users), 5)], ", "))
}
