package network

import (
	"context"
	"net/netip"

	"github.com/aksess/aksess/internal/arm"
)

// routeTableType: https://learn.microsoft.com/rest/api/virtualnetwork/route-tables
func (n *Networks) routeTableType() *arm.Type {
	t := &arm.Type{Name: typeRouteTable, ValidName: checkName, Delete: n.deleteRouteTable}
	routes := n.routes(t)
	t.Put = n.putList(routes, func(properties object) {
		delete(properties, "subnets")
		setDefault(properties, "disableBgpRoutePropagation", false)
	})
	t.Read = reader(func(ctx context.Context, r *arm.Resource, properties object) error {
		return n.showList(ctx, r, properties, routes.collection)
	})
	return t
}

// routes: https://learn.microsoft.com/rest/api/virtualnetwork/routes
func (n *Networks) routes(table *arm.Type) *children {
	return &children{
		networks: n, parent: table, collection: "routes", complete: completeRoute,
		check: func(*arm.Resource, object) error { return nil },
	}
}

var hops = []string{"VirtualNetworkGateway", "VnetLocal", "Internet", "VirtualAppliance", "None"}

func completeRoute(_ context.Context, _ writer, id string, properties, _ object) error {
	hop, ok := oneOf(text(properties, "nextHopType"), hops...)
	if !ok {
		return badRoute.New(id, "'"+clip(text(properties, "nextHopType"))+"' is not a type of next hop")
	}
	properties["nextHopType"] = hop
	to := text(properties, "addressPrefix")
	if to == "" {
		return badRoute.New(id, "it has no 'addressPrefix'")
	}
	if to[0] >= '0' && to[0] <= '9' { // anything else is a service tag
		if _, err := parsePrefix(id, to); err != nil {
			return err
		}
	}
	_, err := netip.ParseAddr(text(properties, "nextHopIpAddress"))
	switch {
	case hop == "VirtualAppliance" && err != nil:
		return badRoute.New(id, "a virtual appliance needs a 'nextHopIpAddress'")
	case hop != "VirtualAppliance" && text(properties, "nextHopIpAddress") != "":
		return badRoute.New(id, "only a virtual appliance has a 'nextHopIpAddress'")
	}
	properties["hasBgpOverride"] = false
	return nil
}

func (n *Networks) deleteRouteTable(ctx context.Context, r *arm.Resource) error {
	users, err := n.holding(ctx, r, r.ID)
	if err != nil || len(users) == 0 {
		return err
	}
	return routeTableInUse.New(r.ID)
}
