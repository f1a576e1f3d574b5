package jose

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// forbidden are the ranges of special purpose that no public issuer lives in
// (IANA IPv4 and IPv6 Special-Purpose Address Registries), and Azure's own
// magic address. What netip can tell by itself is not listed.
var forbidden = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("168.63.129.16/32"), // the Azure host: DNS, health, agent
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"),          // IPv4-compatible
	netip.MustParsePrefix("64:ff9b::/96"),   // NAT64 hides an IPv4 address
	netip.MustParsePrefix("64:ff9b:1::/48"), // likewise, private
	netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"), // Teredo, ORCHID and others
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), // 6to4 hides an IPv4 address
	netip.MustParsePrefix("3fff::/20"),
	netip.MustParsePrefix("fec0::/10"),
}

// dialer connects to addresses that the policy allows, and to nothing else: it
// resolves a name once and dials the address it has judged.
type dialer struct {
	private bool
	lookup  func(ctx context.Context, network, host string) ([]netip.Addr, error)
	connect func(ctx context.Context, network, address string) (net.Conn, error)
}

func newDialer(config RemoteConfig) *dialer {
	d := &dialer{private: config.AllowPrivate, lookup: config.LookupIP, connect: config.DialContext}
	if d.lookup == nil {
		d.lookup = net.DefaultResolver.LookupNetIP
	}
	if d.connect == nil {
		d.connect = (&net.Dialer{Timeout: config.Timeout}).DialContext
	}
	return d
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addresses, err := d.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	var last error
	for _, ip := range addresses {
		ip = ip.Unmap()
		if !d.allows(ip) {
			if last == nil {
				last = refuse(ErrForbidden, "%s is at %s, which is not a public address", quote(host), ip)
			}
			continue
		}
		conn, err := d.connect(ctx, network, net.JoinHostPort(ip.String(), port))
		if err == nil {
			return conn, nil
		}
		last = err
	}
	if last == nil {
		last = fmt.Errorf("%s has no address", quote(host))
	}
	return nil, last
}

func (d *dialer) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	return d.lookup(ctx, "ip", host)
}

// allows judges an address that is not IPv4 inside IPv6.
func (d *dialer) allows(ip netip.Addr) bool {
	if !ip.IsValid() || ip.IsUnspecified() || ip.IsMulticast() || ip.Zone() != "" {
		return false
	}
	if d.private {
		return true
	}
	if !ip.IsGlobalUnicast() || ip.IsPrivate() { // loopback and link-local are not global
		return false
	}
	for _, prefix := range forbidden {
		if prefix.Contains(ip) {
			return false
		}
	}
	return true
}
