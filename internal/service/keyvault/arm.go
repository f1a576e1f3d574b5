package keyvault

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/store"
)

const (
	defaultRetention = 90 // days
	maxPolicies      = 1024
	maxRules         = 1000 // network rules of one kind
	// From this api-version on a vault is created in role mode unless it says otherwise.
	roleModeVersion = "2026-02-01"

	modeDefault = "default" // values of createMode
	modeRecover = "recover"
)

var vaultName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9-]{1,22}[a-zA-Z0-9]$`)

// Type is the resource type Microsoft.KeyVault/vaults.
func (s *Secrets) Type() *arm.Type {
	t := &arm.Type{
		Name:       TypeVault,
		Global:     true,
		ValidName:  validVaultName,
		NameTaken:  func(name string) error { return vaultExists.New(name) },
		Put:        s.putVault,
		SoftDelete: s.softDelete(),
	}
	t.Operations = append(slices.Concat(s.deletedOperations(t), s.hsmOperations()), azapi.Operation{
		Name:    "UpdateVaultAccessPolicy",
		Method:  http.MethodPut,
		Pattern: "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.KeyVault/vaults/{name}/accessPolicies/{kind}",
		Action:  azapi.Control("Microsoft.KeyVault/vaults/accessPolicies/write"),
		Handle:  func(w http.ResponseWriter, r *azapi.Request) error { return s.updatePolicies(t, w, r) },
	})
	return t
}

func validVaultName(name string) error {
	if !vaultName.MatchString(name) || strings.Contains(name, "--") {
		return badVaultName.New(name)
	}
	return nil
}

func (s *Secrets) putVault(ctx context.Context, c arm.Change) error {
	var p properties
	if err := c.New.Decode(&p); err != nil {
		return badVault.New("The vault's properties are not valid: " + describe(err) + ".")
	}
	if err := p.validate(); err != nil {
		return err
	}
	if c.Old == nil && strings.EqualFold(p.CreateMode, modeRecover) {
		return noDeletedVault.New(c.New.Name)
	}
	if err := p.keeps(c.Old); err != nil {
		return err
	}
	merged := map[string]any{}
	if err := c.New.Decode(&merged); err != nil {
		return badVault.New("The vault's properties must be an object.")
	}
	if p.EnableRbacAuthorization == nil {
		roles := c.Request.Version >= roleModeVersion
		p.EnableRbacAuthorization, merged["enableRbacAuthorization"] = &roles, roles
	}
	if err := p.mayChangeModel(ctx, c); err != nil {
		return err
	}
	if merged["accessPolicies"] == nil {
		merged["accessPolicies"] = []any{}
	}
	merged["softDeleteRetentionInDays"] = cmp.Or(p.SoftDeleteRetentionInDays, defaultRetention)
	if p.PublicNetworkAccess == "" {
		merged["publicNetworkAccess"] = "Enabled"
	}
	delete(merged, "createMode")
	if _, sent := c.Sent["tags"]; c.Old != nil && !sent && strings.EqualFold(p.CreateMode, modeRecover) {
		c.New.Tags = c.Old.Tags // a recovered vault is as it was where the request says nothing
	}
	merged["enableSoftDelete"] = true // cannot be switched off any more
	merged["vaultUri"] = "https://" + strings.ToLower(c.New.Name) + ".vault.azure.net/"
	merged["provisioningState"] = "Succeeded"
	if c.Old == nil {
		uid, err := json.Marshal(private{UID: s.NewID()})
		if err != nil {
			return err
		}
		c.New.Private = uid
	}
	return c.New.SetProperties(merged)
}

func (p properties) validate() error {
	switch {
	case !chain.IsGUID(p.TenantID):
		return badVault.New(fmt.Sprintf("The parameter tenantId has an invalid value '%.64s'. It must be a GUID.", p.TenantID))
	case p.SKU == nil || !strings.EqualFold(p.SKU.Family, "A") || !(strings.EqualFold(p.SKU.Name, "standard") || strings.EqualFold(p.SKU.Name, "premium")):
		return badVault.New("The parameter sku has an invalid value. It must have family A and name standard or premium.")
	case !oneOf(p.CreateMode, modeDefault, modeRecover):
		return badVault.New(fmt.Sprintf("The parameter createMode has the invalid value '%.64s'. It must be default or recover.", p.CreateMode))
	case len(p.AccessPolicies) > maxPolicies:
		return badVault.New(fmt.Sprintf("The parameter accessPolicies has %d entries; a vault takes at most %d.", len(p.AccessPolicies), maxPolicies))
	case p.SoftDeleteRetentionInDays != 0 && (p.SoftDeleteRetentionInDays < 7 || p.SoftDeleteRetentionInDays > 90):
		return badVault.New(fmt.Sprintf("The parameter softDeleteRetentionInDays has an invalid value %d. It must be between 7 and 90.", p.SoftDeleteRetentionInDays))
	}
	if err := validatePolicies(p.AccessPolicies); err != nil {
		return err
	}
	return p.validateNetwork()
}

// keeps refuses what cannot be taken back
// (https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview#purge-protection).
func (p *properties) keeps(old *arm.Resource) error {
	if old == nil {
		return nil
	}
	var before properties
	if err := old.Decode(&before); err != nil {
		return err
	}
	if p.EnableSoftDelete != nil && !*p.EnableSoftDelete {
		return badVault.New("The property \"enableSoftDelete\" can be set to false only for creating new vault. Enabling the 'soft delete' functionality is an irreversible action.")
	}
	switch days := before.SoftDeleteRetentionInDays; {
	case days == 0 || p.SoftDeleteRetentionInDays == days:
	case strings.EqualFold(p.CreateMode, modeRecover):
		p.SoftDeleteRetentionInDays = days // a recovered vault is kept as long as it was
	default:
		return badVault.New("The property \"softDeleteRetentionInDays\" has been set already and it can't be modified.")
	}
	if before.EnablePurgeProtection != nil && *before.EnablePurgeProtection && (p.EnablePurgeProtection == nil || !*p.EnablePurgeProtection) {
		return badVault.New("The property \"enablePurgeProtection\" cannot be set to false. Enabling the purge protection for a vault is an irreversible action.")
	}
	return nil
}

// mayChangeModel wants whoever changes between roles and access policies to be
// allowed to assign roles, without a condition: otherwise everyone who may write
// a vault could give itself what is in it
// (https://learn.microsoft.com/azure/key-vault/general/rbac-guide#enable-azure-rbac-permissions-on-key-vault).
func (p *properties) mayChangeModel(ctx context.Context, c arm.Change) error {
	if c.Old == nil {
		return nil
	}
	before, err := vaultOf(c.Old)
	if err != nil || before.RBAC == *p.EnableRbacAuthorization {
		return err
	}
	verdict, err := c.Request.Allowed(ctx, azapi.Control("Microsoft.Authorization/roleAssignments/write"), c.Old.ID)
	if err != nil {
		return err
	}
	if !verdict.Allowed {
		return modelFixed.New(c.Request.Caller.ObjectID, c.Old.ID).Because(verdict.Nearest)
	}
	return nil
}

// validateNetwork refuses words that are not understood: a firewall that is
// read as open because of a typing error lets everyone in.
func (p properties) validateNetwork() error {
	if !oneOf(p.PublicNetworkAccess, "Enabled", "Disabled") {
		return badVault.New(fmt.Sprintf("The parameter publicNetworkAccess has the invalid value '%.64s'. It must be Enabled or Disabled.", p.PublicNetworkAccess))
	}
	acls := p.NetworkAcls
	switch {
	case acls == nil:
		return nil
	case !oneOf(acls.DefaultAction, "Allow", "Deny"):
		return badVault.New(fmt.Sprintf("The parameter networkAcls.defaultAction has the invalid value '%.64s'. It must be Allow or Deny.", acls.DefaultAction))
	case !oneOf(acls.Bypass, "AzureServices", "None"):
		return badVault.New(fmt.Sprintf("The parameter networkAcls.bypass has the invalid value '%.64s'. It must be AzureServices or None.", acls.Bypass))
	case len(acls.IPRules) > maxRules || len(acls.VirtualNetworkRules) > maxRules:
		return badVault.New(fmt.Sprintf("The parameter networkAcls has too many rules; a vault takes at most %d of a kind.", maxRules))
	}
	for _, rule := range acls.IPRules {
		prefix, err := access.ParseIPRule(rule.Value)
		if err != nil || !public(prefix.Addr()) {
			return badVault.New(fmt.Sprintf("The value '%.64s' of networkAcls.ipRules is not a public IPv4 address or range.", rule.Value))
		}
	}
	return nil
}

// public reports whether rules may name the address: Azure takes public IPv4 only
// (https://learn.microsoft.com/azure/key-vault/general/network-security#key-vault-firewall-enabled-ipv4-addresses-and-ranges---static-ips).
func public(a netip.Addr) bool {
	return a.Is4() && !a.IsPrivate() && !a.IsLoopback() && !a.IsLinkLocalUnicast()
}

// oneOf reports whether a value is absent or one of the words, without case.
func oneOf(value string, words ...string) bool {
	return value == "" || slices.ContainsFunc(words, func(word string) bool { return strings.EqualFold(value, word) })
}

// describe words an error of decoding for a client.
func describe(err error) string {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) && kind.Field != "" {
		return fmt.Sprintf("the value of '%s' is a %s, which is not expected there", kind.Field, kind.Value)
	}
	return "they are not an object of a vault's members"
}

func validatePolicies(entries []policyEntry) error {
	for i, entry := range entries {
		if err := entry.validate(); err != nil {
			return badVault.New(fmt.Sprintf("The parameter accessPolicies[%d] is not valid: %s.", i, err))
		}
	}
	return nil
}

func (e policyEntry) validate() error {
	if !chain.IsGUID(e.ObjectID) {
		return fmt.Errorf("objectId '%.64s' is not a GUID", e.ObjectID)
	}
	if !chain.IsGUID(e.TenantID) {
		return fmt.Errorf("tenantId '%.64s' is not a GUID", e.TenantID)
	}
	if e.ApplicationID != "" && !chain.IsGUID(e.ApplicationID) {
		return fmt.Errorf("applicationId '%.64s' is not a GUID", e.ApplicationID)
	}
	if _, err := e.policy(); err != nil {
		return errors.New("permissions must be lists of names")
	}
	return nil
}

// eraseVault removes what a vault held, at the end of its retention.
func (s *Secrets) eraseVault(ctx context.Context, r *arm.Resource) error {
	vault, err := vaultOf(r)
	if err != nil {
		return err
	}
	var ops []store.Op
	for _, kind := range []string{kindSecret, kindVersion, kindDeleted, kindContacts} {
		after := ""
		for {
			page, err := s.Store.List(ctx, kind, store.Query{Prefix: vault.UID + "/", After: after})
			if err != nil {
				return fmt.Errorf("listing %s of vault %q: %w", kind, r.Name, err)
			}
			for _, doc := range page.Docs {
				ops = append(ops, store.Op{Kind: kind, Key: doc.Key, Delete: true})
				after = doc.Key
			}
			if !page.More {
				break
			}
		}
	}
	for part := range slices.Chunk(ops, store.MaxOps) {
		if _, err := s.Store.Apply(ctx, part...); err != nil {
			return fmt.Errorf("deleting the secrets of vault %q: %w", r.Name, err)
		}
	}
	return nil
}
