package network

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/store"
)

// publicIPType: https://learn.microsoft.com/rest/api/virtualnetwork/public-ip-addresses
func (n *Networks) publicIPType() *arm.Type {
	return &arm.Type{
		Name: typePublicIP, ValidName: checkName, Put: n.putPublicIP, Delete: n.deletePublicIP,
		Read: reader(n.showPublicIP),
	}
}

// ranges are where public addresses come from: the ranges that are set aside
// for documentation (RFC 5737, RFC 3849) and, when that of version 4 is used
// up, for benchmarks (RFC 2544). No real host answers there.
var ranges = map[string][]netip.Prefix{
	"IPv4": {netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15")},
	"IPv6": {netip.MustParsePrefix("2001:db8::/64")},
}

func (n *Networks) putPublicIP(ctx context.Context, c arm.Change) error {
	properties, err := begin(c, n.NewID)
	if err != nil {
		return err
	}
	if err := completeSKU(c.New); err != nil {
		return err
	}
	setDefault(properties, "publicIPAddressVersion", "IPv4")
	setDefault(properties, "publicIPAllocationMethod", "Dynamic")
	setDefault(properties, "idleTimeoutInMinutes", 4)
	setDefault(properties, "ipTags", []any{})
	setDefault(properties, "ddosSettings", object{"protectionMode": "VirtualNetworkInherited"})
	version, known := oneOf(text(properties, "publicIPAddressVersion"), "IPv4", "IPv6")
	method, ok := oneOf(text(properties, "publicIPAllocationMethod"), "Static", "Dynamic")
	if !known || !ok {
		return badRequest.New("'publicIPAddressVersion' must be IPv4 or IPv6 and 'publicIPAllocationMethod' Static or Dynamic.")
	}
	if method == "Dynamic" && !isBasic(c.New.SKU) {
		return mustBeStatic.New(c.New.ID)
	}
	properties["publicIPAddressVersion"], properties["publicIPAllocationMethod"] = version, method
	old := object{}
	if c.Old != nil {
		if err := c.Old.Decode(&old); err != nil {
			return err
		}
		if text(old, "publicIPAddressVersion") != version {
			return fixedProperty.New("publicIPAddressVersion", c.New.ID)
		}
	}
	for _, member := range []string{"ipConfiguration", "natGateway", "ipAddress"} {
		delete(properties, member) // what uses it, and what it is given
	}
	if properties["ipAddress"] = old["ipAddress"]; c.Old == nil {
		if properties["ipAddress"], err = n.allocate(ctx, c, version); err != nil {
			return err
		}
	}
	if err := n.label(ctx, c, properties, old); err != nil {
		return err
	}
	return c.New.SetProperties(properties)
}

func oneOf(value string, allowed ...string) (string, bool) {
	at := slices.IndexFunc(allowed, func(a string) bool { return strings.EqualFold(a, value) })
	if at < 0 {
		return "", false
	}
	return allowed[at], true
}

type sku struct {
	Name string `json:"name"`
	Tier string `json:"tier"`
}

// completeSKU fills and checks the SKU of an address or a NAT gateway.
func completeSKU(r *arm.Resource) error {
	kept := sku{Name: "Basic", Tier: "Regional"}
	if r.Type == typeNATGateway {
		kept.Name = "Standard"
	}
	var sent sku
	if len(r.SKU) > 0 {
		if err := json.Unmarshal(r.SKU, &sent); err != nil {
			return badRequest.New("'sku' must have a name and a tier, which are strings.")
		}
	}
	if sent.Name != "" {
		known := false
		if kept.Name, known = oneOf(sent.Name, "Basic", "Standard", "StandardV2"); !known {
			return badRequest.New(fmt.Sprintf("'%.60s' is not a SKU of %s.", sent.Name, r.Type))
		}
	}
	if sent.Tier != "" {
		kept.Tier = sent.Tier
	}
	var err error
	r.SKU, err = json.Marshal(kept)
	return err
}

func isBasic(raw json.RawMessage) bool {
	var s sku
	return json.Unmarshal(raw, &s) == nil && s.Name == "Basic"
}

// allocate claims the first free address of a version, in one write with the
// resource.
func (n *Networks) allocate(ctx context.Context, c arm.Change, version string) (string, error) {
	items, err := n.addresses.All(ctx, "")
	if err != nil {
		return "", fmt.Errorf("listing the public addresses: %w", err)
	}
	taken := make(map[string]bool, len(items))
	for _, item := range items {
		taken[item.Key] = true
	}
	for _, prefix := range ranges[version] {
		for address := prefix.Addr().Next(); prefix.Contains(address.Next()); address = address.Next() {
			if taken[address.String()] {
				continue
			}
			claim, err := n.addresses.PutOp(address.String(), c.New.ID, store.Absent())
			if err != nil {
				return "", err
			}
			c.Also(claim)
			return address.String(), nil
		}
	}
	return "", addressesUsedUp.New(version)
}

var domainLabel = regexp.MustCompile(`^[a-z][a-z0-9-]{1,61}[a-z0-9]$`)

func labelKey(location, label string) string { return location + "/" + label }

// label gives the address its host name, and gives up the one it had.
func (n *Networks) label(ctx context.Context, c arm.Change, properties, old object) error {
	settings := inner(properties, "dnsSettings")
	label, had := text(settings, "domainNameLabel"), text(inner(old, "dnsSettings"), "domainNameLabel")
	if label != "" {
		if !domainLabel.MatchString(label) {
			return badLabel.New(label)
		}
		settings["fqdn"] = label + "." + c.New.Location + ".cloudapp.azure.com"
	}
	if label == had {
		return nil
	}
	if had != "" {
		c.Also(n.labels.DeleteOp(labelKey(c.New.Location, had), store.Always()))
	}
	if label == "" {
		return nil
	}
	switch item, err := n.labels.Get(ctx, labelKey(c.New.Location, label)); {
	case err == nil && !strings.EqualFold(item.Value, c.New.ID):
		return labelTaken.New(settings["fqdn"])
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("looking up the label %q: %w", label, err)
	}
	claim, err := n.labels.PutOp(labelKey(c.New.Location, label), c.New.ID, store.Absent())
	if err != nil {
		return err
	}
	c.Also(claim)
	return nil
}

// showPublicIP adds what uses the address. A dynamic one is there only as long
// as something does.
func (n *Networks) showPublicIP(ctx context.Context, r *arm.Resource, properties object) error {
	users, err := n.users(ctx, r.ID)
	if err != nil {
		return err
	}
	if len(users) == 0 && text(properties, "publicIPAllocationMethod") == "Dynamic" {
		delete(properties, "ipAddress")
	}
	for _, user := range users {
		member := "ipConfiguration"
		if strings.Contains(user, "/natGateways/") {
			member = "natGateway"
		}
		properties[member] = object{"id": user}
	}
	return nil
}

func (n *Networks) deletePublicIP(ctx context.Context, r *arm.Resource) error {
	users, err := n.holding(ctx, r, r.ID)
	if err != nil {
		return err
	}
	if len(users) > 0 {
		return publicIPInUse.New(r.ID, users[0])
	}
	properties := object{}
	if err := r.Decode(&properties); err != nil {
		return err
	}
	ops := []store.Op{n.addresses.DeleteOp(text(properties, "ipAddress"), store.Always())}
	if label := text(inner(properties, "dnsSettings"), "domainNameLabel"); label != "" {
		ops = append(ops, n.labels.DeleteOp(labelKey(r.Location, label), store.Always()))
	}
	if _, err := n.Store.Apply(ctx, ops...); err != nil {
		return fmt.Errorf("giving up the address of %q: %w", r.ID, err)
	}
	return nil
}
