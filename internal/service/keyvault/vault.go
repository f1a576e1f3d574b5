package keyvault

import (
	"encoding/json"
	"strings"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/arm"
)

// TypeVault is the resource type of a vault.
const TypeVault = "Microsoft.KeyVault/vaults"

// Vault is a vault as the data plane needs it.
type Vault struct {
	ID        string
	Name      string
	Location  string
	TenantID  string
	UID       string // tells a vault from an earlier one of the same name
	RBAC      bool
	Purgeable bool
	Retention int // days
	Policies  []access.Policy
	Network   access.Network

	base string // https and host for a caller that uses local names; "" for Azure's
}

// properties are the members of a vault that are understood; all others are
// kept as they were sent (https://learn.microsoft.com/rest/api/keyvault/keyvault/vaults).
type properties struct {
	TenantID string `json:"tenantId"`
	SKU      *struct {
		Family string `json:"family"`
		Name   string `json:"name"`
	} `json:"sku"`
	AccessPolicies            []policyEntry `json:"accessPolicies"`
	EnableRbacAuthorization   *bool         `json:"enableRbacAuthorization"`
	EnableSoftDelete          *bool         `json:"enableSoftDelete"`
	EnablePurgeProtection     *bool         `json:"enablePurgeProtection"`
	SoftDeleteRetentionInDays int           `json:"softDeleteRetentionInDays"`
	PublicNetworkAccess       string        `json:"publicNetworkAccess"`
	NetworkAcls               *networkAcls  `json:"networkAcls"`
	CreateMode                string        `json:"createMode"` // how a PUT means it; never stored
}

type policyEntry struct {
	TenantID      string                     `json:"tenantId"`
	ObjectID      string                     `json:"objectId"`
	ApplicationID string                     `json:"applicationId,omitempty"`
	Permissions   map[string]json.RawMessage `json:"permissions"`
}

type networkAcls struct {
	Bypass        string `json:"bypass"`
	DefaultAction string `json:"defaultAction"`
	IPRules       []struct {
		Value string `json:"value"`
	} `json:"ipRules"`
	VirtualNetworkRules []struct {
		ID string `json:"id"`
	} `json:"virtualNetworkRules"`
}

type private struct {
	UID string `json:"uid"`
}

// vaultOf is the data plane's view of a vault resource.
func vaultOf(r *arm.Resource) (*Vault, error) {
	var p properties
	if err := r.Decode(&p); err != nil {
		return nil, err
	}
	var own private
	if err := json.Unmarshal(r.Private, &own); err != nil {
		return nil, err
	}
	vault := &Vault{
		ID: r.ID, Name: r.Name, Location: r.Location, TenantID: p.TenantID, UID: own.UID,
		RBAC:      p.EnableRbacAuthorization != nil && *p.EnableRbacAuthorization,
		Purgeable: p.EnablePurgeProtection == nil || !*p.EnablePurgeProtection,
		Retention: p.SoftDeleteRetentionInDays,
		Network:   p.network(),
	}
	if vault.Retention == 0 {
		vault.Retention = defaultRetention
	}
	for _, entry := range p.AccessPolicies {
		policy, err := entry.policy()
		if err != nil {
			return nil, err
		}
		vault.Policies = append(vault.Policies, policy)
	}
	return vault, nil
}

func (e policyEntry) policy() (access.Policy, error) {
	policy := access.Policy{TenantID: e.TenantID, ObjectID: e.ObjectID, ApplicationID: e.ApplicationID, Permissions: map[string][]string{}}
	for kind, raw := range e.Permissions {
		var verbs []string
		if err := json.Unmarshal(raw, &verbs); err != nil {
			return policy, err
		}
		policy.Permissions[strings.ToLower(kind)] = verbs
	}
	return policy, nil
}

func (p properties) network() access.Network {
	network := access.Network{PublicAccessDisabled: strings.EqualFold(p.PublicNetworkAccess, "Disabled"), Endpoint: "Microsoft.KeyVault"}
	if p.NetworkAcls == nil {
		return network
	}
	network.DefaultDeny = strings.EqualFold(p.NetworkAcls.DefaultAction, "Deny")
	network.TrustedServices = !strings.EqualFold(p.NetworkAcls.Bypass, "None")
	for _, rule := range p.NetworkAcls.IPRules {
		network.IPRules = append(network.IPRules, rule.Value)
	}
	for _, rule := range p.NetworkAcls.VirtualNetworkRules {
		network.SubnetIDs = append(network.SubnetIDs, rule.ID)
	}
	return network
}
