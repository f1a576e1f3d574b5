package access

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/aksess/aksess/internal/chain"
)

// Admit decides by a resource's firewall, in Azure's order: disabled public
// access keeps everyone out but trusted services that may bypass, whatever the
// rules say; then the default action, the IP rules, the subnets, the bypass;
// then no. A rule that does not parse lets nobody in.
// (https://learn.microsoft.com/rest/api/keyvault/keyvault/vaults, publicNetworkAccess and networkAcls.)
func Admit(o Origin, n Network) Verdict {
	address := o.Address.Unmap().WithZone("")
	bypass := o.TrustedService && n.TrustedServices
	switch {
	case n.PublicAccessDisabled && !bypass:
		return Verdict{
			Link: chain.LinkFirewall, Reason: ReasonNoPublic,
			Looked:  "public network access is disabled",
			Nearest: n.ignored(),
			Fix:     "enable public network access on the resource, or reach it through a private endpoint",
		}
	case n.PublicAccessDisabled:
		return admitted("trusted service, with public network access disabled")
	case !n.DefaultDeny:
		return admitted("default action Allow")
	}
	if rule, found := n.rule(address); found {
		return admitted("IP rule " + rule)
	}
	if n.lists(o.SubnetID) && o.reaches(n.Endpoint) {
		return admitted("subnet " + o.SubnetID)
	}
	if bypass {
		return admitted("trusted service")
	}
	return n.refuse(o, address)
}

// ParseIPRule reads one IP rule: an address or a range in CIDR notation. The
// result is masked and never an IPv4 address mapped into IPv6.
func ParseIPRule(s string) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		address, err := netip.ParseAddr(s)
		if err != nil || address.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("IP rule %.64q is neither an address nor a range in CIDR notation", s)
		}
		address = address.Unmap()
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("IP rule %.64q is neither an address nor a range in CIDR notation", s)
	}
	if address := prefix.Addr(); address.Is4In6() {
		if prefix.Bits() < 96 {
			return netip.Prefix{}, fmt.Errorf("IP rule %.64q mixes IPv4 and IPv6", s)
		}
		prefix = netip.PrefixFrom(address.Unmap(), prefix.Bits()-96)
	}
	return prefix.Masked(), nil
}

func admitted(by string) Verdict {
	return Verdict{Allowed: true, Link: chain.LinkFirewall, By: by}
}

// sameID compares two ARM ids, without case and trailing slash.
func sameID(a, b string) bool {
	return strings.EqualFold(strings.TrimSuffix(a, "/"), strings.TrimSuffix(b, "/"))
}

// lists reports that a subnet rule names the subnet.
func (n *Network) lists(subnet string) bool {
	return subnet != "" && slices.ContainsFunc(n.SubnetIDs, func(id string) bool { return sameID(id, subnet) })
}

// reaches reports that the subnet's traffic to a service arrives as the subnet's
// (https://learn.microsoft.com/azure/virtual-network/virtual-network-service-endpoints-overview).
func (o Origin) reaches(endpoint string) bool {
	return endpoint == "" || slices.ContainsFunc(o.Endpoints, func(have string) bool { return strings.EqualFold(have, endpoint) })
}

// rule returns the first IP rule that covers the address.
func (n *Network) rule(address netip.Addr) (string, bool) {
	for _, rule := range n.IPRules {
		if prefix, err := ParseIPRule(rule); err == nil && prefix.Contains(address) {
			return rule, true
		}
	}
	return "", false
}

// ignored says which rules a disabled public access overrides.
func (n *Network) ignored() string {
	if len(n.IPRules)+len(n.SubnetIDs) == 0 {
		return ""
	}
	return "the " + n.rules() + " are not looked at while public network access is disabled"
}

func (n *Network) rules() string {
	return plural(len(n.IPRules), "IP rule") + " and " + plural(len(n.SubnetIDs), "subnet rule")
}

func (n *Network) refuse(o Origin, address netip.Addr) Verdict {
	v := Verdict{
		Link: chain.LinkFirewall, Reason: ReasonAddress,
		Looked: "default action Deny, " + n.rules(),
		Fix:    "allow the caller's subnet or address in the resource's network rules",
	}
	if address.IsValid() {
		v.Looked += " for address " + address.String()
		v.Fix = "add " + address.String() + " to the IP rules of the resource, or its subnet to the subnet rules"
		v.Nearest = n.closest(address)
	}
	switch {
	case o.TrustedService:
		v.Nearest = "the caller is a trusted service, and the resource does not let trusted services bypass its rules"
	case n.lists(o.SubnetID):
		v.Nearest = "subnet " + o.SubnetID + " is allowed, but it has no service endpoint for " + n.Endpoint + ", so that its traffic does not arrive as the subnet's"
		v.Fix = "add the service endpoint " + n.Endpoint + " to subnet " + o.SubnetID
	case o.SubnetID != "":
		v.Fix = "add subnet " + o.SubnetID + " to the subnet rules of the resource"
		if len(n.SubnetIDs) > 0 {
			v.Nearest = "subnet " + o.SubnetID + " is none of " + strings.Join(n.SubnetIDs, ", ")
		}
	}
	return v
}

// closest names the IP rule that shares the longest prefix with the address,
// and rules that say nothing because they do not parse.
func (n *Network) closest(address netip.Addr) string {
	best, text := -1, ""
	for _, rule := range n.IPRules {
		prefix, err := ParseIPRule(rule)
		if err != nil {
			return "IP rule " + strconv.Quote(rule) + " is not an address or range and lets nobody in"
		}
		if bits := commonBits(prefix.Addr(), address); bits > best {
			best, text = bits, "the closest IP rule is "+rule+", which does not contain "+address.String()
		}
	}
	return text
}

// commonBits counts the leading bits that two addresses of one family share, -1 for different families.
func commonBits(a, b netip.Addr) int {
	if a.Is4() != b.Is4() {
		return -1
	}
	bits := 0
	for bits < a.BitLen() {
		prefix, _ := a.Prefix(bits + 1)
		if !prefix.Contains(b) {
			break
		}
		bits++
	}
	return bits
}
