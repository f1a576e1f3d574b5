package network

import (
	"context"
	"encoding/json"
	"net/netip"

	"github.com/aksess/aksess/internal/arm"
)

// networkType: https://learn.microsoft.com/rest/api/virtualnetwork/virtual-networks
func (n *Networks) networkType() *arm.Type {
	t := &arm.Type{Name: typeNetwork, ValidName: checkName, Delete: n.deleteNetwork, Written: n.writtenNetwork}
	subnets := n.subnets(t)
	t.Put = func(ctx context.Context, c arm.Change) error { return n.putNetwork(ctx, c, subnets) }
	t.Read = reader(func(ctx context.Context, r *arm.Resource, properties object) error {
		all, _ := list(properties, subnets.collection)
		for _, one := range all {
			one["etag"] = tagOf(r)
			if err := n.showSubnet(ctx, text(one, "id"), inner(one, "properties")); err != nil {
				return err
			}
		}
		return nil
	})
	t.Operations = n.availability()
	return t
}

// lost is the Private of a network: the ids of the subnets that its last PUT
// removed, for what is written after it.
type lost struct {
	Subnets []string `json:"subnets,omitempty"`
}

func (n *Networks) putNetwork(ctx context.Context, c arm.Change, subnets *children) error {
	properties, err := begin(c, n.NewID)
	if err != nil {
		return err
	}
	if peerings, ok := list(properties, "virtualNetworkPeerings"); !ok || len(peerings) > 0 {
		return notServed.New("'virtualNetworkPeerings'", c.New.ID)
	}
	properties["virtualNetworkPeerings"] = []any{}
	setDefault(properties, "enableDdosProtection", false)
	setDefault(properties, "privateEndpointVNetPolicies", "Disabled")
	var old []object
	if c.Old != nil {
		if _, old, err = subnets.of(c.Old); err != nil {
			return err
		}
	}
	c.New.Private = nil
	if properties[subnets.collection] == nil {
		properties[subnets.collection] = old // what a PUT does not speak of stays: subnets have writers of their own
		if old == nil {
			properties[subnets.collection] = []any{}
		}
	} else if c.Request.Method != "PATCH" {
		gone, err := subnets.replace(ctx, c, properties, old)
		if err != nil {
			return err
		}
		if c.New.Private, err = json.Marshal(lost{gone}); err != nil {
			return err
		}
	}
	if err := checkNetwork(c.New, properties); err != nil {
		return err
	}
	return c.New.SetProperties(properties)
}

// writtenNetwork ends the role assignments at subnets that are gone.
func (n *Networks) writtenNetwork(ctx context.Context, r *arm.Resource) error {
	var gone lost
	if len(r.Private) == 0 {
		return nil
	}
	if err := json.Unmarshal(r.Private, &gone); err != nil {
		return err
	}
	return n.forget(ctx, gone.Subnets...)
}

// checkNetwork looks at a network with all its subnets: each within the address
// space, no two of them overlapping.
func checkNetwork(r *arm.Resource, properties object) error {
	space, err := addressSpace(r.ID, properties)
	if err != nil {
		return err
	}
	subnets, _ := list(properties, "subnets")
	var taken []netip.Prefix
	for _, subnet := range subnets {
		prefixes, err := prefixesOf(text(subnet, "id"), inner(subnet, "properties"))
		if err != nil {
			return err
		}
		for _, prefix := range prefixes {
			if !within(space, prefix) {
				return outsideNetwork.New(text(subnet, "name"), r.Name)
			}
			if overlapsAny(taken, prefix) {
				return rangesOverlap.New(text(subnet, "name"), r.Name)
			}
			taken = append(taken, prefix)
		}
	}
	return nil
}

// addressSpace are the prefixes of a network.
func addressSpace(id string, properties object) ([]netip.Prefix, error) {
	space, err := parsePrefixes(id, inner(properties, "addressSpace")["addressPrefixes"])
	if err != nil {
		return nil, err
	}
	if len(space) == 0 {
		return nil, badRequest.New("'addressSpace.addressPrefixes' must name at least one address prefix.")
	}
	for i, prefix := range space {
		for _, other := range space[:i] {
			if prefix.Overlaps(other) {
				return nil, spaceOverlaps.New(other, prefix, id)
			}
		}
	}
	return space, nil
}

// deleteNetwork refuses while something has its addresses in one of the subnets.
func (n *Networks) deleteNetwork(ctx context.Context, r *arm.Resource) error {
	properties := object{}
	if err := r.Decode(&properties); err != nil {
		return err
	}
	subnets, _ := list(properties, "subnets")
	for _, subnet := range subnets {
		if err := n.removableSubnet(ctx, r, subnet); err != nil {
			return err
		}
	}
	return nil
}
