package network

import (
	"net/http"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/fault"
)

// Refusals of what a resource says.
var (
	badName = &fault.Kind{
		Code: "InvalidResourceName", Status: http.StatusBadRequest,
		Format: "Resource name %s is invalid. The name can be up to %d characters long. It must begin with a word character, and it must end with a word character or with '_'. The name may contain word characters or '.', '-', '_'.",
		Why:    "the name is not of the form of Microsoft.Network", Fix: "rename the resource",
	}
	badRequest = &fault.Kind{
		Code: "InvalidRequestFormat", Status: http.StatusBadRequest,
		Format: "Cannot parse the request. %s", Why: "the resource's properties are not valid", Fix: "correct what the message names",
	}
	duplicateName = &fault.Kind{
		Code: "DuplicateResourceName", Status: http.StatusBadRequest,
		Format: "Resource %s has two child resources with the same name (%s).", Why: "names within a list compare without case", Fix: "rename one of them",
	}
	badID = &fault.Kind{
		Code: "LinkedInvalidPropertyId", Status: http.StatusBadRequest,
		Format: "Property id '%.300s' at path '%s' is invalid. Expect fully qualified resource Id that start with '/subscriptions/{subscriptionId}' or '/providers/{resourceProviderNamespace}/'.",
		Why:    "the reference is no resource id", Fix: "use the id of the resource",
	}
	badReference = &fault.Kind{
		Code: "InvalidResourceReference", Status: http.StatusBadRequest,
		Format: "Resource %.600s referenced by resource %s was not found. Please make sure that the referenced resource exists, and that both resources are in the same region.",
		Why:    "the resource that is referred to is not there, or is in another region", Fix: "create it first, in the same region",
	}
	notLinked = &fault.Kind{
		Code: "LinkedAuthorizationFailed", Status: http.StatusForbidden, Link: chain.LinkAccess,
		Format: "The client '%s' with object id '%s' has permission to perform action '%s' on scope '%s'; however, it does not have permission to perform action(s) '%s' on the linked scope(s) '%s' (respectively) or the linked scope(s) are invalid.",
		Why:    "joining a subnet, an address or a rule set needs a permission on it, too", Fix: "assign Network Contributor at the linked scope",
	}
	notServed = &fault.Kind{
		Code: "NotSupported", Status: http.StatusNotImplemented,
		Format: "%s of %s is not served by aksess.", Why: "aksess does not do what this part of the resource asks for", Fix: "leave the part out",
	}
	fixedProperty = &fault.Kind{
		Code: "PropertyChangeNotAllowed", Status: http.StatusBadRequest,
		Format: "Changing property '%s' of %s is not allowed.", Why: "the property is decided when the resource is created", Fix: "create the resource anew",
	}
)

// Refusals of addresses.
var (
	badPrefix = &fault.Kind{
		Code: "InvalidAddressPrefixFormat", Status: http.StatusBadRequest,
		Format: "Address prefix %.100s of resource %s is not formatted correctly. It should follow CIDR notation, for example 10.0.0.0/24.",
		Why:    "the prefix is not an address, a slash and a length", Fix: "write it in CIDR notation",
	}
	badCIDR = &fault.Kind{
		Code: "InvalidCIDRNotation", Status: http.StatusBadRequest,
		Format: "The address prefix %s in resource %s has an invalid CIDR notation. For the given prefix length, the address prefix should be %s.",
		Why:    "the prefix has bits set beyond its length", Fix: "use the prefix that the message names",
	}
	rangesOverlap = &fault.Kind{
		Code: "NetcfgSubnetRangesOverlap", Status: http.StatusBadRequest,
		Format: "Subnet '%s' is not valid because its IP address range overlaps with that of an existing subnet in virtual network '%s'.",
		Why:    "an address can belong to one subnet only", Fix: "choose another range",
	}
	outsideNetwork = &fault.Kind{
		Code: "NetcfgSubnetRangeOutsideVnet", Status: http.StatusBadRequest,
		Format: "Subnet '%s' is not valid because its IP address range is outside the IP address range of virtual network '%s'.",
		Why:    "the address space of the network does not contain the subnet", Fix: "choose another range, or extend the address space",
	}
	spaceOverlaps = &fault.Kind{
		Code: "AddressSpacePrefixesOverlap", Status: http.StatusBadRequest,
		Format: "The address prefixes %s and %s of virtual network %s overlap.",
		Why:    "the address space names a range twice", Fix: "remove one of the prefixes",
	}
	addressesUsedUp = &fault.Kind{
		Code: "PublicIPAddressesExhausted", Status: http.StatusConflict,
		Format: "There is no free public %s address left.", Why: "the documentation ranges that addresses come from are used up", Fix: "delete public addresses",
	}
	mustBeStatic = &fault.Kind{
		Code: "StandardSkuPublicIPAddressesMustBeStatic", Status: http.StatusBadRequest,
		Format: "Standard sku publicIp %s must have AllocationMethod set to Static.", Why: "a Standard address does not change", Fix: "set publicIPAllocationMethod to Static",
	}
	badLabel = &fault.Kind{
		Code: "InvalidDomainNameLabel", Status: http.StatusBadRequest,
		Format: "The domain name label %.100s is invalid. It must conform to the following regular expression: ^[a-z][a-z0-9-]{1,61}[a-z0-9]$.",
		Why:    "the label becomes a part of a host name", Fix: "choose another label",
	}
	labelTaken = &fault.Kind{
		Code: "DnsRecordInUse", Status: http.StatusConflict,
		Format: "DNS record %s is already used by another public IP.", Why: "labels are unique in a region", Fix: "choose another label",
	}
)

// Refusals of deleting what is in use.
var (
	subnetInUse = &fault.Kind{
		Code: "InUseSubnetCannotBeDeleted", Status: http.StatusBadRequest,
		Format: "Subnet %s is in use by %s and cannot be deleted. In order to delete the subnet, delete all the resources within the subnet. See aka.ms/deletesubnet.",
		Why:    "something has its addresses in the subnet", Fix: "delete what the message names first",
	}
	prefixInUse = &fault.Kind{
		Code: "InUsePrefixCannotBeDeleted", Status: http.StatusBadRequest,
		Format: "IpPrefix %s on Subnet %s has active allocations and cannot be deleted.",
		Why:    "something has its addresses in the subnet", Fix: "delete what uses the subnet first",
	}
	publicIPInUse = &fault.Kind{
		Code: "PublicIPAddressCannotBeDeleted", Status: http.StatusBadRequest,
		Format: "Public IP address %s can not be deleted since it is still allocated to resource %s. In order to delete the public IP, disassociate/detach the Public IP address from the resource.  To learn how to do this, see aka.ms/deletepublicip.",
		Why:    "a gateway uses the address", Fix: "delete what the message names first",
	}
	securityGroupInUse = &fault.Kind{
		Code: "InUseNetworkSecurityGroupCannotBeDeleted", Status: http.StatusBadRequest,
		Format: "Network security group %s cannot be deleted because it is in use by the following resources: %s. In order to delete the Network security group, remove the association with the resource(s). To learn how to do this, see aka.ms/deletensg.",
		Why:    "a subnet uses the group", Fix: "remove the association first",
	}
	routeTableInUse = &fault.Kind{
		Code: "InUseRouteTableCannotBeDeleted", Status: http.StatusBadRequest,
		Format: "Route table %s is in use and cannot be deleted.", Why: "a subnet uses the table", Fix: "remove the association first",
	}
	natGatewayInUse = &fault.Kind{
		Code: "NatGatewayInUseCannotBeDeleted", Status: http.StatusBadRequest,
		Format: "NAT gateway %s cannot be deleted because it is in use by %s.", Why: "a subnet uses the gateway", Fix: "remove the association first",
	}
)

// Refusals of rules, routes and gateways.
var (
	badRule = &fault.Kind{
		Code: "SecurityRuleInvalid", Status: http.StatusBadRequest,
		Format: "Security rule %s has invalid %s. Value provided: %v. Allowed: %s.", Why: "the rule is not one that can be applied", Fix: "correct the member that the message names",
	}
	ruleConflict = &fault.Kind{
		Code: "SecurityRuleConflict", Status: http.StatusBadRequest,
		Format: "Security rule %s conflicts with rule %s. Rules cannot have the same Priority and Direction.", Why: "the order of the two is not decided", Fix: "change one priority",
	}
	badRoute = &fault.Kind{
		Code: "InvalidRoute", Status: http.StatusBadRequest,
		Format: "Route %s is invalid: %s.", Why: "the route leads nowhere", Fix: "correct what the message names",
	}
	badGateway = &fault.Kind{
		Code: "ApplicationGatewayInvalid", Status: http.StatusBadRequest,
		Format: "Application gateway %s is invalid: %s.", Why: "the gateway cannot route with what it has", Fix: "add or correct what the message names",
	}
)
