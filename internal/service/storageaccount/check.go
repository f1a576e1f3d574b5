package storageaccount

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/arm"
)

// sku is an account's SKU: Terraform's provider splits the name at the
// underscore and needs the tier.
type sku struct {
	Name string `json:"name"`
	Tier string `json:"tier"`
}

// skuOf completes the SKU
// (https://learn.microsoft.com/rest/api/storagerp/srp_sku_types).
func skuOf(raw json.RawMessage) (sku, error) {
	var sent sku
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &sent); err != nil {
			return sent, noSKU.New(string(raw[:min(len(raw), 60)]))
		}
	}
	for _, name := range []string{
		"Standard_LRS", "Standard_GRS", "Standard_RAGRS", "Standard_ZRS", "Standard_GZRS", "Standard_RAGZRS",
		"Premium_LRS", "Premium_ZRS",
	} {
		if strings.EqualFold(sent.Name, name) {
			tier, _, _ := strings.Cut(name, "_")
			return sku{Name: name, Tier: tier}, nil
		}
	}
	return sent, noSKU.New(sent.Name[:min(len(sent.Name), 60)])
}

// understood are the members of an account that are checked. All others are
// kept as they were sent.
type understood struct {
	AccessTier          *string `json:"accessTier"`
	MinimumTLSVersion   *string `json:"minimumTlsVersion"`
	PublicNetworkAccess *string `json:"publicNetworkAccess"`
	NetworkACLs         *struct {
		Bypass        *string `json:"bypass"`
		DefaultAction *string `json:"defaultAction"`
		IPRules       []struct {
			Value  string  `json:"value"`
			Action *string `json:"action"`
		} `json:"ipRules"`
		VirtualNetworkRules []struct {
			ID string `json:"id"`
		} `json:"virtualNetworkRules"`
	} `json:"networkAcls"`
	AllowBlobPublicAccess *bool `json:"allowBlobPublicAccess"`
	AllowSharedKeyAccess  *bool `json:"allowSharedKeyAccess"`
	SupportsHTTPSOnly     *bool `json:"supportsHttpsTrafficOnly"`
}

// check refuses an account that Azure would refuse.
func check(r *arm.Resource) error {
	kinds := []string{"Storage", "StorageV2", "BlobStorage", "FileStorage", "BlockBlobStorage"}
	at := slices.IndexFunc(kinds, func(kind string) bool { return strings.EqualFold(kind, r.Kind) })
	if at < 0 {
		return badProperties.New(r.Kind[:min(len(r.Kind), 60)], "kind")
	}
	r.Kind = kinds[at]
	var p understood
	if err := decodeProperties(r, &p); err != nil {
		return err
	}
	for _, rule := range []struct {
		member  string
		value   *string
		allowed []string
	}{
		{"accessTier", p.AccessTier, []string{"Hot", "Cool", "Cold", "Premium"}},
		{"minimumTlsVersion", p.MinimumTLSVersion, []string{"TLS1_0", "TLS1_1", "TLS1_2", "TLS1_3"}},
		{"publicNetworkAccess", p.PublicNetworkAccess, []string{"Enabled", "Disabled", "SecuredByPerimeter"}},
	} {
		if !oneOf(rule.value, rule.allowed...) {
			return badProperties.New(*rule.value, rule.member)
		}
	}
	return p.checkRules()
}

func oneOf(value *string, allowed ...string) bool {
	return value == nil || slices.ContainsFunc(allowed, func(a string) bool { return strings.EqualFold(a, *value) })
}

func (p understood) checkRules() error {
	rules := p.NetworkACLs
	if rules == nil {
		return nil
	}
	if !oneOf(rules.DefaultAction, "Allow", "Deny") {
		return badProperties.New(*rules.DefaultAction, "networkAcls.defaultAction")
	}
	if rules.Bypass != nil {
		for name := range strings.SplitSeq(*rules.Bypass, ",") {
			name = strings.TrimSpace(name)
			if !oneOf(&name, "", "None", "Logging", "Metrics", "AzureServices") {
				return badProperties.New(name, "networkAcls.bypass")
			}
		}
	}
	for _, rule := range rules.IPRules {
		prefix, err := access.ParseIPRule(rule.Value)
		if err != nil || !prefix.Addr().Is4() || prefix.Addr().IsPrivate() || prefix.Addr().IsLoopback() {
			return badRule.New(rule.Value)
		}
	}
	return nil
}

func isNotFound(err error) bool { return errors.Is(err, arm.ErrNotFound) }
