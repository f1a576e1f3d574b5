package containerservice

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/chain"
)

// properties are the members of a cluster that are understood; all others are kept.
type properties struct {
	KubernetesVersion    string         `json:"kubernetesVersion"`
	DNSPrefix            string         `json:"dnsPrefix"`
	FQDNSubdomain        string         `json:"fqdnSubdomain"`
	NodeResourceGroup    string         `json:"nodeResourceGroup"`
	DisableLocalAccounts bool           `json:"disableLocalAccounts"`
	AgentPoolProfiles    []pool         `json:"agentPoolProfiles"`
	NetworkProfile       networkProfile `json:"networkProfile"`
	AADProfile           *aadProfile    `json:"aadProfile"`
	OIDCIssuerProfile    struct {
		Enabled bool `json:"enabled"`
	} `json:"oidcIssuerProfile"`
	SecurityProfile struct {
		WorkloadIdentity struct {
			Enabled bool `json:"enabled"`
		} `json:"workloadIdentity"`
	} `json:"securityProfile"`
	PowerState struct {
		Code string `json:"code"`
	} `json:"powerState"`
	AddonProfiles          map[string]*addonProfile `json:"addonProfiles"`
	APIServerAccessProfile struct {
		EnablePrivateCluster bool `json:"enablePrivateCluster"`
	} `json:"apiServerAccessProfile"`
	IdentityProfile map[string]struct {
		ResourceID string `json:"resourceId"`
	} `json:"identityProfile"`
}

type networkProfile struct {
	NetworkPlugin   string `json:"networkPlugin"`
	NetworkPolicy   string `json:"networkPolicy"`
	LoadBalancerSKU string `json:"loadBalancerSku"`
	OutboundType    string `json:"outboundType"`
	ServiceCIDR     string `json:"serviceCidr"`
	DNSServiceIP    string `json:"dnsServiceIP"`
	PluginMode      string `json:"networkPluginMode"`
}

type aadProfile struct {
	Managed             bool     `json:"managed"`
	TenantID            string   `json:"tenantID"`
	AdminGroupObjectIDs []string `json:"adminGroupObjectIDs"`
}

type addonProfile struct {
	Enabled bool              `json:"enabled"`
	Config  map[string]string `json:"config"`
}

func (p properties) prefix() string {
	if p.DNSPrefix == "" {
		return p.FQDNSubdomain
	}
	return p.DNSPrefix
}

// read decodes a cluster's properties.
func read(r *arm.Resource) (properties, error) {
	var p properties
	return p, decodeInto(r.Properties, &p)
}

// readOld is read for the cluster before a change, nil when there is none.
func readOld(r *arm.Resource) (*properties, error) {
	if r == nil {
		return nil, nil //nolint:nilnil // no cluster is no error
	}
	p, err := read(r)
	return &p, err
}

func decodeInto(text []byte, v any) error {
	if len(text) == 0 {
		return nil
	}
	err := json.Unmarshal(text, v)
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind) && kind.Field != "":
		return badCluster.New(fmt.Sprintf("The cluster's properties are not valid: the value of '%s' is a %s, which is not expected there.", kind.Field, kind.Value))
	case err != nil:
		return badCluster.New("The cluster's properties are not valid.")
	}
	return nil
}

// checkPatch refuses a PATCH of anything but tags: AKS' PATCH is UpdateTags
// (https://learn.microsoft.com/rest/api/aks/managed-clusters/update-tags).
func checkPatch(c arm.Change) error {
	if c.Request.Method != http.MethodPatch {
		return nil
	}
	for member := range c.Sent {
		if member != "tags" {
			return tagsOnly.New(fmt.Sprintf("%.64s", member))
		}
	}
	return nil
}

var (
	version   = regexp.MustCompile(`^[0-9]{1,3}\.[0-9]{1,3}(\.[0-9]{1,3})?$`)
	dnsPrefix = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?$`)
	groupName = regexp.MustCompile(`^[\w.()-]*[\w()-]$`)
)

// validate refuses what AKS refuses.
func (p properties) validate(before *properties) error {
	name := "dnsPrefix"
	if p.DNSPrefix == "" {
		name = "fqdnSubdomain"
	}
	switch {
	case p.prefix() == "":
		return missing("dnsPrefix")
	case len(p.prefix()) > 54 || !dnsPrefix.MatchString(p.prefix()):
		return invalid(name, fmt.Sprintf("'%.64s' must be 1 to 54 letters, digits and hyphens and begin and end with a letter or digit", p.prefix()))
	case p.KubernetesVersion != "" && !version.MatchString(p.KubernetesVersion):
		return invalid("kubernetesVersion", fmt.Sprintf("'%.64s' must be of the form 1.33 or 1.33.2", p.KubernetesVersion))
	case p.NodeResourceGroup != "" && (len(p.NodeResourceGroup) > 80 || !groupName.MatchString(p.NodeResourceGroup)):
		return invalid("nodeResourceGroup", fmt.Sprintf("'%.100s' is no name of a resource group", p.NodeResourceGroup))
	case p.AADProfile != nil && p.AADProfile.TenantID != "" && !chain.IsGUID(p.AADProfile.TenantID):
		return invalid("aadProfile.tenantID", fmt.Sprintf("'%.64s' is not a GUID", p.AADProfile.TenantID))
	case p.AADProfile != nil && slices.ContainsFunc(p.AADProfile.AdminGroupObjectIDs, func(id string) bool { return !chain.IsGUID(id) }):
		return invalid("aadProfile.adminGroupObjectIDs", "each must be the object id of a group, a GUID")
	case p.SecurityProfile.WorkloadIdentity.Enabled && !p.OIDCIssuerProfile.Enabled:
		return workloadNeedsIssuer.New()
	}
	if err := p.NetworkProfile.validate(); err != nil {
		return err
	}
	if err := p.validatePools(before); err != nil {
		return err
	}
	return p.unchanged(before)
}

// unchanged refuses changes of what is fixed at creation, the issuer among it
// (https://learn.microsoft.com/azure/aks/use-oidc-issuer). What is not sent
// keeps its value.
func (p properties) unchanged(before *properties) error {
	if before == nil {
		return nil
	}
	if before.OIDCIssuerProfile.Enabled && !p.OIDCIssuerProfile.Enabled {
		return issuerStays.New()
	}
	for _, c := range []struct {
		name, old, new string
		optional       bool
	}{
		{"dnsPrefix", before.DNSPrefix, p.DNSPrefix, false},
		{"fqdnSubdomain", before.FQDNSubdomain, p.FQDNSubdomain, false},
		{"nodeResourceGroup", before.NodeResourceGroup, p.NodeResourceGroup, true},
		{"networkProfile.serviceCidr", before.NetworkProfile.ServiceCIDR, p.NetworkProfile.ServiceCIDR, true},
		{"networkProfile.dnsServiceIP", before.NetworkProfile.DNSServiceIP, p.NetworkProfile.DNSServiceIP, true},
	} {
		if !strings.EqualFold(c.old, c.new) && (c.new != "" || !c.optional) {
			return fixedProperty.New(c.name)
		}
	}
	return nil
}

func (n networkProfile) validate() error {
	for _, c := range []struct {
		name, value string
		allowed     []string
	}{
		{"networkPlugin", n.NetworkPlugin, []string{"azure", "kubenet", "none"}},
		{"networkPolicy", n.NetworkPolicy, []string{"azure", "calico", "cilium", "none"}},
		{"networkPluginMode", n.PluginMode, []string{"overlay"}},
		{"loadBalancerSku", n.LoadBalancerSKU, []string{"basic", "standard"}},
		{"outboundType", n.OutboundType, []string{"loadBalancer", "userDefinedRouting", "managedNATGateway", "userAssignedNATGateway", "none", "block"}},
	} {
		if c.value != "" && !slices.ContainsFunc(c.allowed, func(a string) bool { return strings.EqualFold(a, c.value) }) {
			return invalid("networkProfile."+c.name, fmt.Sprintf("'%.64s' is none of %s", c.value, strings.Join(c.allowed, ", ")))
		}
	}
	if n.ServiceCIDR == "" {
		return nil
	}
	// kube-apiserver takes at most 2^20 addresses.
	services, err := netip.ParsePrefix(n.ServiceCIDR)
	if err != nil || !services.Addr().Is4() || services.Bits() < 12 || services.Bits() > 28 {
		return invalid("networkProfile.serviceCidr", fmt.Sprintf("'%.64s' must be a range of IPv4 addresses between /12 and /28", n.ServiceCIDR))
	}
	if address, err := netip.ParseAddr(n.DNSServiceIP); n.DNSServiceIP != "" && (err != nil || !services.Contains(address) || address == services.Masked().Addr().Next()) {
		return invalid("networkProfile.dnsServiceIP", fmt.Sprintf("'%.64s' must be an address of %s and not its first", n.DNSServiceIP, services))
	}
	return nil
}

// minorOf is the second number of a version.
func minorOf(version string) int {
	_, rest, _ := strings.Cut(version, ".")
	text, _, _ := strings.Cut(rest, ".")
	minor, _ := strconv.Atoi(text) // digits: see the version's expression
	return minor
}
