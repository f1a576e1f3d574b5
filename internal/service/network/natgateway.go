package network

import (
	"context"
	"strings"

	"github.com/aksess/aksess/internal/arm"
)

// natGatewayType: https://learn.microsoft.com/rest/api/nat-gateway/nat-gateways
func (n *Networks) natGatewayType() *arm.Type {
	return &arm.Type{
		Name: typeNATGateway, ValidName: checkName, Put: n.putNATGateway, Delete: n.deleteNATGateway,
		Read: reader(func(ctx context.Context, r *arm.Resource, properties object) error {
			return n.showList(ctx, r, properties, "")
		}),
	}
}

func (n *Networks) putNATGateway(ctx context.Context, c arm.Change) error {
	properties, err := begin(c, n.NewID)
	if err != nil {
		return err
	}
	if err := completeSKU(c.New); err != nil {
		return err
	}
	delete(properties, "subnets")
	setDefault(properties, "idleTimeoutInMinutes", 4)
	addresses, ok := list(properties, "publicIpAddresses")
	if !ok {
		return badRequest.New("'publicIpAddresses' must be a list of references.")
	}
	for _, address := range addresses {
		if err := n.refer(ctx, writer{c.Request, c.New.ID, c.New.Location}, "properties.publicIpAddresses", address); err != nil {
			return err
		}
	}
	return c.New.SetProperties(properties)
}

func (n *Networks) deleteNATGateway(ctx context.Context, r *arm.Resource) error {
	users, err := n.holding(ctx, r, r.ID)
	if err != nil || len(users) == 0 {
		return err
	}
	return natGatewayInUse.New(r.ID, strings.Join(users[:min(len(users), 5)], ", "))
}
