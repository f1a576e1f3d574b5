package access

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/chain"
)

func TestAdmit(t *testing.T) {
	const subnet = subscription + "/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/v/subnets/pods"
	from := func(address string) Origin { return Origin{Address: netip.MustParseAddr(address)} }
	pod := Origin{Address: netip.MustParseAddr("10.1.2.3"), SubnetID: strings.ToUpper(subnet) + "/"}
	trusted := Origin{TrustedService: true}
	deny := func(rules ...string) Network { return Network{DefaultDeny: true, IPRules: rules} }
	tests := []struct {
		name             string
		origin           Origin
		network          Network
		reason           Reason
		by, nearest, fix string
	}{
		{name: "open", origin: from("1.2.3.4"), by: "default action Allow"},
		{name: "open_without_address", by: "default action Allow"},
		{name: "closed", origin: from("1.2.3.4"), network: deny(), reason: ReasonAddress, fix: "add 1.2.3.4 to the IP rules"},
		{name: "closed_without_address", network: deny("0.0.0.0/0", "::/0"), reason: ReasonAddress, fix: "allow the caller"},
		{name: "address", origin: from("1.2.3.4"), network: deny("9.9.9.9", "1.2.3.4"), by: "IP rule 1.2.3.4"},
		{name: "range", origin: from("1.2.3.4"), network: deny("1.2.3.0/24"), by: "IP rule 1.2.3.0/24"},
		{name: "range_with_host_bits", origin: from("1.2.3.4"), network: deny("1.2.3.77/24"), by: "IP rule"},
		{name: "outside_of_the_range", origin: from("1.2.4.4"), network: deny("9.0.0.0/8", "1.2.3.0/24", "::1"), reason: ReasonAddress, nearest: "the closest IP rule is 1.2.3.0/24"},
		{name: "mapped_address", origin: from("::ffff:1.2.3.4"), network: deny("1.2.3.4/32"), by: "IP rule"},
		{name: "mapped_rule", origin: from("1.2.3.4"), network: deny("::ffff:1.2.3.0/120"), by: "IP rule"},
		{name: "ipv6_with_zone", origin: from("fe80::1%eth0"), network: deny("fe80::/10"), by: "IP rule"},
		{name: "ipv6_is_not_ipv4", origin: from("::102:304"), network: deny("1.2.3.4"), reason: ReasonAddress},
		{name: "malformed_rule", origin: from("1.2.3.4"), network: deny("1.2.3.4/", "1.2.3.*"), reason: ReasonAddress, nearest: "is not an address or range"},
		{name: "subnet", origin: pod, network: Network{DefaultDeny: true, SubnetIDs: []string{subnet}}, by: "subnet"},
		{name: "other_subnet", origin: pod, network: Network{DefaultDeny: true, SubnetIDs: []string{subnet + "2"}}, reason: ReasonAddress, nearest: "is none of", fix: "to the subnet rules"},
		{name: "no_subnet_rules", origin: pod, network: deny(), reason: ReasonAddress, fix: "add subnet"},
		{name: "empty_subnet", origin: from("1.2.3.4"), network: Network{DefaultDeny: true, SubnetIDs: []string{""}}, reason: ReasonAddress},
		{name: "trusted", origin: trusted, network: Network{DefaultDeny: true, TrustedServices: true}, by: "trusted service"},
		{name: "trusted_without_bypass", origin: trusted, network: deny(), reason: ReasonAddress, nearest: "does not let trusted services bypass"},
		{name: "bypass_for_others", origin: from("1.2.3.4"), network: Network{DefaultDeny: true, TrustedServices: true}, reason: ReasonAddress},
		{name: "no_public_access", origin: from("1.2.3.4"), network: Network{PublicAccessDisabled: true}, reason: ReasonNoPublic, fix: "enable public network access"},
		{name: "no_public_access_overrides_rules", origin: pod, network: Network{PublicAccessDisabled: true, DefaultDeny: true, IPRules: []string{"10.0.0.0/8"}, SubnetIDs: []string{subnet}},
			reason: ReasonNoPublic, nearest: "the 1 IP rule and 1 subnet rule are not looked at"},
		{name: "no_public_access_lets_trusted_in", origin: trusted, network: Network{PublicAccessDisabled: true, TrustedServices: true}, by: "trusted service"},
		{name: "no_public_access_trusted_without_bypass", origin: trusted, network: Network{PublicAccessDisabled: true}, reason: ReasonNoPublic},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := Admit(test.origin, test.network)
			checkVerdict(t, v, test.reason, chain.LinkFirewall)
			if !strings.Contains(v.By, test.by) || !strings.Contains(v.Nearest, test.nearest) || !strings.Contains(v.Fix, test.fix) {
				t.Errorf("got by %q nearest %q fix %q, want %q %q %q", v.By, v.Nearest, v.Fix, test.by, test.nearest, test.fix)
			}
		})
	}
}

func TestParseIPRule(t *testing.T) {
	tests := []struct{ in, want string }{
		{"1.2.3.4", "1.2.3.4/32"}, {"1.2.3.4/32", "1.2.3.4/32"}, {"1.2.3.77/24", "1.2.3.0/24"}, {"0.0.0.0/0", "0.0.0.0/0"},
		{"::1", "::1/128"}, {"2001:db8::1/32", "2001:db8::/32"}, {"::ffff:1.2.3.4", "1.2.3.4/32"}, {"::ffff:1.2.3.4/120", "1.2.3.0/24"},
		{"", ""}, {"1.2.3", ""}, {"1.2.3.4/33", ""}, {"1.2.3.4/", ""}, {"1.2.3.4/-1", ""}, {"01.2.3.4", ""}, {"fe80::1%eth0", ""},
		{"fe80::%eth0/10", ""}, {"::ffff:1.2.3.4/80", ""}, {" 1.2.3.4", ""}, {"localhost", ""}, {"1.2.3.4/24/8", ""},
	}
	for _, test := range tests {
		got, err := ParseIPRule(test.in)
		if (err == nil) != (test.want != "") || err == nil && got.String() != test.want {
			t.Errorf("ParseIPRule(%q) = %v, %v, want %q", test.in, got, err, test.want)
		}
	}
}

func FuzzParseIPRule(f *testing.F) {
	for _, seed := range []string{"1.2.3.4", "10.0.0.0/8", "::ffff:1.2.3.4/120", "fe80::1%eth0", "1.2.3.4/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		prefix, err := ParseIPRule(in)
		if err != nil {
			return
		}
		again, err := ParseIPRule(prefix.String())
		if err != nil || again != prefix || !prefix.Contains(prefix.Addr()) || prefix.Addr().Is4In6() {
			t.Errorf("ParseIPRule(%q) = %v, which parses to %v, %v", in, prefix, again, err)
		}
	})
}
