package network

import (
	"errors"
	"net/http"
	"net/netip"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/store"
)

// availability are the questions what names and addresses are free.
func (n *Networks) availability() []azapi.Operation {
	return []azapi.Operation{
		{
			Name: "CheckDnsNameAvailability", Method: http.MethodGet,
			Pattern: "/subscriptions/{subscription}/providers/Microsoft.Network/locations/{location}/CheckDnsNameAvailability",
			Action:  azapi.Control("Microsoft.Network/locations/checkDnsNameAvailability/read"),
			Scope:   func(r *azapi.Request) string { return "/subscriptions/" + r.Param("subscription") },
			Handle:  n.checkLabel,
		},
		{
			Name: "CheckIPAddressAvailability", Method: http.MethodGet,
			Pattern: "/subscriptions/{subscription}/resourceGroups/{group}/providers/" + typeNetwork + "/{n0}/CheckIPAddressAvailability",
			Action:  azapi.Control(typeNetwork + "/checkIpAddressAvailability/read"),
			Scope:   func(r *azapi.Request) string { return arm.ScopeOf(r, 1) },
			Handle:  n.checkAddress,
		},
	}
}

// checkLabel: https://learn.microsoft.com/rest/api/virtualnetwork/check-dns-name-availability
func (n *Networks) checkLabel(w http.ResponseWriter, r *azapi.Request) error {
	label := r.Query("domainNameLabel")
	if !domainLabel.MatchString(label) {
		return badLabel.New(label)
	}
	_, err := n.labels.Get(r.Context(), labelKey(arm.NormalLocation(r.Param("location")), label))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return azapi.WriteJSON(w, http.StatusOK, object{"available": err != nil})
}

// reserved are the addresses at the start of a subnet that Azure keeps for
// itself; beside them it keeps the last one
// (https://learn.microsoft.com/azure/virtual-network/virtual-networks-faq).
const reserved = 4

// proposals is how many free addresses the answer names.
const proposals = 5

// checkAddress: https://learn.microsoft.com/rest/api/virtualnetwork/virtual-networks/check-ip-address-availability
func (n *Networks) checkAddress(w http.ResponseWriter, r *azapi.Request) error {
	id, err := arm.IDOf(r, 1)
	if err != nil {
		return err
	}
	network, err := n.Resources.Get(r.Context(), id.String())
	if errors.Is(err, arm.ErrNotFound) {
		return arm.ResourceNotFound.New(typeNetwork+"/"+id.Name(), id.ResourceGroup)
	}
	if err != nil {
		return err
	}
	address, err := netip.ParseAddr(r.Query("ipAddress"))
	if err != nil {
		return badRequest.New("The parameter 'ipAddress' is not an address.")
	}
	properties := object{}
	if err := network.Decode(&properties); err != nil {
		return err
	}
	answer := object{"available": false, "availableIPAddresses": []string{}, "isPlatformReserved": false}
	for _, subnet := range mustList(properties, "subnets") {
		prefixes, err := prefixesOf(text(subnet, "id"), inner(subnet, "properties"))
		if err != nil {
			return err
		}
		for _, prefix := range prefixes {
			if !prefix.Contains(address) {
				continue
			}
			kept := isReserved(prefix, address)
			answer["available"], answer["isPlatformReserved"] = !kept, kept
			if kept {
				answer["availableIPAddresses"] = free(prefix)
			}
		}
	}
	return azapi.WriteJSON(w, http.StatusOK, answer)
}

func isReserved(prefix netip.Prefix, address netip.Addr) bool {
	first := prefix.Addr()
	for range reserved {
		if first == address {
			return true
		}
		first = first.Next()
	}
	return !prefix.Contains(address.Next())
}

// free are the first addresses of a range that are not reserved: nothing here
// takes single ones.
func free(prefix netip.Prefix) []string {
	found := []string{}
	address := prefix.Addr()
	for i := 0; len(found) < proposals && prefix.Contains(address.Next()); i++ {
		if i >= reserved {
			found = append(found, address.String())
		}
		address = address.Next()
	}
	return found
}
