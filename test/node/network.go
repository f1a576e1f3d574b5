package node

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
)

const (
	// device stands for the machine's network card.
	device = "node0"
	// podRange is where pods get their addresses from.
	podRange = "10.244.0.0/24"
	// metadataAddress is where the metadata service of an Azure machine is.
	metadataAddress = "169.254.169.254"
)

// Address is the node's own. It is reachable from its pods and nowhere else.
func Address() net.IP { return net.IPv4(172, 31, 255, 1).To4() }

// setUpNetwork gives the network namespace a device that nothing leaves by, with
// the node's address and that of the metadata service. The default route lets
// the machine itself start connections to the addresses of Services, which
// kube-proxy turns into those of pods.
func setUpNetwork() error {
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(loopback); err != nil {
		return err
	}
	// A pair of which nobody looks at the other end, since not every kernel has the dummy device.
	card := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: device}, PeerName: device + "-end"}
	if err := netlink.LinkAdd(card); err != nil {
		return fmt.Errorf("adding %s: %w", device, err)
	}
	for _, ip := range []net.IP{Address(), net.ParseIP(metadataAddress).To4()} {
		address := &netlink.Addr{IPNet: &net.IPNet{IP: ip, Mask: net.CIDRMask(32, 32)}}
		if err := netlink.AddrAdd(card, address); err != nil {
			return fmt.Errorf("adding %s: %w", ip, err)
		}
	}
	end, err := netlink.LinkByName(card.PeerName)
	if err != nil {
		return err
	}
	if err := errors.Join(netlink.LinkSetUp(card), netlink.LinkSetUp(end)); err != nil {
		return err
	}
	everywhere := &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}
	return netlink.RouteAdd(&netlink.Route{LinkIndex: card.Attrs().Index, Dst: everywhere, Src: Address(), Scope: netlink.SCOPE_LINK})
}
