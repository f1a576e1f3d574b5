package network

import (
	"context"
	"slices"
	"strings"

	"github.com/aksess/aksess/internal/arm"
)

// securityGroupType: https://learn.microsoft.com/rest/api/virtualnetwork/network-security-groups
func (n *Networks) securityGroupType() *arm.Type {
	t := &arm.Type{Name: typeSecurityGroup, ValidName: checkName, Delete: n.deleteSecurityGroup}
	rules := n.rules(t)
	t.Put = n.putList(rules, func(properties object) {
		for _, member := range []string{"defaultSecurityRules", "subnets", "networkInterfaces", "flowLogs"} {
			delete(properties, member)
		}
	})
	t.Read = reader(func(ctx context.Context, r *arm.Resource, properties object) error {
		properties["defaultSecurityRules"] = defaultRules(r)
		return n.showList(ctx, r, properties, rules.collection)
	})
	return t
}

// putList makes the Put hook of a type that is little more than a list of children.
func (n *Networks) putList(kept *children, strip func(properties object)) func(context.Context, arm.Change) error {
	return func(ctx context.Context, c arm.Change) error {
		properties, err := begin(c, n.NewID)
		if err != nil {
			return err
		}
		if c.Request.Method == "PATCH" {
			return c.New.SetProperties(properties)
		}
		strip(properties)
		var old []object
		if c.Old != nil {
			if _, old, err = kept.of(c.Old); err != nil {
				return err
			}
		}
		if _, err := kept.replace(ctx, c, properties, old); err != nil {
			return err
		}
		if err := kept.check(c.New, properties); err != nil {
			return err
		}
		return c.New.SetProperties(properties)
	}
}

// showList adds the etags of the children and the subnets that use r.
func (n *Networks) showList(ctx context.Context, r *arm.Resource, properties object, collection string) error {
	for _, one := range mustList(properties, collection) {
		one["etag"] = tagOf(r)
	}
	users, err := n.users(ctx, r.ID)
	if err == nil && len(users) > 0 {
		properties["subnets"] = idsOf(users)
	}
	return err
}

// rules: https://learn.microsoft.com/rest/api/virtualnetwork/security-rules
func (n *Networks) rules(group *arm.Type) *children {
	return &children{networks: n, parent: group, collection: "securityRules", complete: completeRule, check: checkRules}
}

// ranks are the priorities that a rule can have.
const (
	firstRank = 100
	lastRank  = 4096
)

func completeRule(_ context.Context, _ writer, id string, properties, _ object) error {
	priority, _ := properties["priority"].(float64)
	if priority < firstRank || priority > lastRank || priority != float64(int(priority)) {
		return badRule.New(id, "Priority", properties["priority"], "100-4096")
	}
	for member, allowed := range map[string][]string{
		"direction": {"Inbound", "Outbound"}, "access": {"Allow", "Deny"}, "protocol": {"*", "Tcp", "Udp", "Icmp", "Esp", "Ah"},
	} {
		value, ok := oneOf(text(properties, member), allowed...)
		if !ok {
			return badRule.New(id, member, clip(text(properties, member)), strings.Join(allowed, ", "))
		}
		properties[member] = value
	}
	for _, member := range []string{"sourceAddressPrefixes", "destinationAddressPrefixes", "sourcePortRanges", "destinationPortRanges"} {
		setDefault(properties, member, []any{})
	}
	return nil
}

func clip(s string) string { return s[:min(len(s), 60)] }

func checkRules(group *arm.Resource, properties object) error {
	type rank struct{ direction, priority any }
	have := map[rank]string{}
	for _, rule := range mustList(properties, "securityRules") {
		of := inner(rule, "properties")
		at := rank{of["direction"], of["priority"]}
		if other, taken := have[at]; taken {
			return ruleConflict.New(text(rule, "name"), other)
		}
		have[at] = text(rule, "name")
	}
	return nil
}

// defaultRules are those that every group ends with
// (https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview#default-security-rules).
func defaultRules(r *arm.Resource) []any {
	rule := func(name, direction, access string, priority int, from, to, why string) any {
		return object{
			"id": r.ID + "/defaultSecurityRules/" + name, "name": name, "type": typeSecurityGroup + "/defaultSecurityRules", "etag": tagOf(r),
			"properties": object{
				"provisioningState": succeeded, "description": why, "protocol": "*", "access": access, "priority": priority, "direction": direction,
				"sourceAddressPrefix": from, "destinationAddressPrefix": to, "sourcePortRange": "*", "destinationPortRange": "*",
				"sourceAddressPrefixes": []any{}, "destinationAddressPrefixes": []any{}, "sourcePortRanges": []any{}, "destinationPortRanges": []any{},
			},
		}
	}
	const inbound, outbound, network = "Inbound", "Outbound", "VirtualNetwork"
	return []any{
		rule("AllowVnetInBound", inbound, "Allow", 65000, network, network, "Allow inbound traffic from all VMs in VNET"),
		rule("AllowAzureLoadBalancerInBound", inbound, "Allow", 65001, "AzureLoadBalancer", "*", "Allow inbound traffic from azure load balancer"),
		rule("DenyAllInBound", inbound, "Deny", 65500, "*", "*", "Deny all inbound traffic"),
		rule("AllowVnetOutBound", outbound, "Allow", 65000, network, network, "Allow outbound traffic from all VMs to all VMs in VNET"),
		rule("AllowInternetOutBound", outbound, "Allow", 65001, "*", "Internet", "Allow outbound traffic from all VMs to Internet"),
		rule("DenyAllOutBound", outbound, "Deny", 65500, "*", "*", "Deny all outbound traffic"),
	}
}

func (n *Networks) deleteSecurityGroup(ctx context.Context, r *arm.Resource) error {
	users, err := n.holding(ctx, r, r.ID)
	if err != nil || len(users) == 0 {
		return err
	}
	return securityGroupInUse.New(r.ID, strings.Join(slices.Clone(users[:min(len(users), 5)]), ", "))
}
