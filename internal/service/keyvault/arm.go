package keyvault

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
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
	// From this api-version on a vault is created in role mode unless it says otherwise.
	roleModeVersion = "2026-02-01"
)

var vaultName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9-]{1,22}[a-zA-Z0-9]$`)

// Type is the resource type Microsoft.KeyVault/vaults.
func (s *Secrets) Type() *arm.Type {
	t := &arm.Type{
		Name:   TypeVault,
		Global: true,
		ValidName: func(name string) error {
			if !vaultName.MatchString(name) || strings.Contains(name, "--") {
				return badVaultName.New(name)
			}
			return nil
		},
		Put:    s.putVault,
		Delete: s.deleteVault,
	}
	t.Operations = []azapi.Operation{{
		Name:    "UpdateVaultAccessPolicy",
		Method:  http.MethodPut,
		Pattern: "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.KeyVault/vaults/{name}/accessPolicies/{kind}",
		Action:  azapi.Control("Microsoft.KeyVault/vaults/accessPolicies/write"),
		Handle:  func(w http.ResponseWriter, r *azapi.Request) error { return s.updatePolicies(t, w, r) },
	}}
	return t
}

func (s *Secrets) putVault(_ context.Context, c arm.Change) error {
	var p properties
	if err := c.New.Decode(&p); err != nil {
		return badVault.New("The vault's properties are not valid JSON for a vault: " + err.Error())
	}
	if err := p.validate(); err != nil {
		return err
	}
	merged := map[string]any{}
	if err := c.New.Decode(&merged); err != nil {
		return badVault.New("The vault's properties must be an object.")
	}
	if p.EnableRbacAuthorization == nil {
		merged["enableRbacAuthorization"] = c.Request.Version >= roleModeVersion
	}
	if merged["accessPolicies"] == nil {
		merged["accessPolicies"] = []any{}
	}
	if p.SoftDeleteRetentionInDays == 0 {
		merged["softDeleteRetentionInDays"] = defaultRetention
	}
	if p.PublicNetworkAccess == "" {
		merged["publicNetworkAccess"] = "Enabled"
	}
	delete(merged, "createMode")
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
		return badVault.New(fmt.Sprintf("The parameter tenantId has an invalid value '%s'. It must be a GUID.", p.TenantID))
	case p.SKU == nil || !strings.EqualFold(p.SKU.Family, "A") || !(strings.EqualFold(p.SKU.Name, "standard") || strings.EqualFold(p.SKU.Name, "premium")):
		return badVault.New("The parameter sku has an invalid value. It must have family A and name standard or premium.")
	case len(p.AccessPolicies) > maxPolicies:
		return badVault.New(fmt.Sprintf("The parameter accessPolicies has %d entries; a vault takes at most %d.", len(p.AccessPolicies), maxPolicies))
	case p.SoftDeleteRetentionInDays != 0 && (p.SoftDeleteRetentionInDays < 7 || p.SoftDeleteRetentionInDays > 90):
		return badVault.New(fmt.Sprintf("The parameter softDeleteRetentionInDays has an invalid value %d. It must be between 7 and 90.", p.SoftDeleteRetentionInDays))
	}
	for i, entry := range p.AccessPolicies {
		if err := entry.validate(); err != nil {
			return badVault.New(fmt.Sprintf("The parameter accessPolicies[%d] is not valid: %s.", i, err))
		}
	}
	if p.NetworkAcls == nil {
		return nil
	}
	for _, rule := range p.NetworkAcls.IPRules {
		prefix, err := access.ParseIPRule(rule.Value)
		if err != nil || prefix.Addr().IsPrivate() || prefix.Addr().IsLoopback() {
			return badVault.New(fmt.Sprintf("The value '%s' of networkAcls.ipRules is not a public IPv4 address or range.", rule.Value))
		}
	}
	return nil
}

func (e policyEntry) validate() error {
	if !chain.IsGUID(e.ObjectID) {
		return fmt.Errorf("objectId '%s' is not a GUID", e.ObjectID)
	}
	if !chain.IsGUID(e.TenantID) {
		return fmt.Errorf("tenantId '%s' is not a GUID", e.TenantID)
	}
	_, err := e.policy()
	if err != nil {
		return fmt.Errorf("permissions must be lists of names")
	}
	return nil
}

// deleteVault removes the secrets with their vault.
func (s *Secrets) deleteVault(ctx context.Context, r *arm.Resource) error {
	vault, err := vaultOf(r)
	if err != nil {
		return err
	}
	var ops []store.Op
	for _, kind := range []string{kindSecret, kindVersion, kindDeleted} {
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

// updatePolicies adds, replaces or removes access policies of one vault
// (https://learn.microsoft.com/rest/api/keyvault/keyvault/vaults/update-access-policy).
func (s *Secrets) updatePolicies(t *arm.Type, w http.ResponseWriter, r *azapi.Request) error {
	var body struct {
		Properties struct {
			AccessPolicies []policyEntry `json:"accessPolicies"`
		} `json:"properties"`
	}
	if err := r.DecodeJSON(&body); err != nil {
		return badVault.New(err.Error())
	}
	for i, entry := range body.Properties.AccessPolicies {
		if err := entry.validate(); err != nil {
			return badVault.New(fmt.Sprintf("The parameter accessPolicies[%d] is not valid: %s.", i, err))
		}
	}
	id, _, _ := strings.Cut(r.URL.Path, "/accessPolicies/")
	resource, err := s.Resources.Get(r.Context(), id)
	if err != nil {
		return vaultNotFound.New(r.Param("name")).With(err)
	}
	members := map[string]json.RawMessage{}
	var p properties
	if err := resource.Decode(&members); err != nil {
		return err
	}
	if err := resource.Decode(&p); err != nil {
		return err
	}
	policies, err := changePolicies(p.AccessPolicies, body.Properties.AccessPolicies, strings.ToLower(r.Param("kind")))
	if err != nil {
		return err
	}
	if members["accessPolicies"], err = json.Marshal(policies); err != nil {
		return err
	}
	if err := resource.SetProperties(members); err != nil {
		return err
	}
	resource.Changed = r.Now
	if err := s.Resources.Save(r.Context(), t, resource, store.At(resource.Version)); err != nil {
		return err
	}
	return azapi.WriteJSON(w, http.StatusOK, map[string]any{
		"id": id + "/accessPolicies/", "type": TypeVault + "/accessPolicies", "location": resource.Location,
		"properties": map[string]any{"accessPolicies": policies},
	})
}

func changePolicies(have, sent []policyEntry, kind string) ([]policyEntry, error) {
	if kind == "replace" {
		return sent, nil
	}
	if kind != "add" && kind != "remove" {
		return nil, badVault.New(fmt.Sprintf("The operation kind '%s' is not one of add, replace, remove.", kind))
	}
	for _, entry := range sent {
		at := slices.IndexFunc(have, func(e policyEntry) bool {
			return strings.EqualFold(e.ObjectID, entry.ObjectID) && strings.EqualFold(e.TenantID, entry.TenantID) && strings.EqualFold(e.ApplicationID, entry.ApplicationID)
		})
		switch {
		case kind == "remove" && at >= 0:
			have = slices.Delete(have, at, at+1)
		case kind == "add" && at >= 0:
			have[at] = merge(have[at], entry)
		case kind == "add":
			have = append(have, entry)
		}
	}
	return have, nil
}

// merge unites the permissions of two policies of one principal.
func merge(a, b policyEntry) policyEntry {
	merged := policyEntry{TenantID: a.TenantID, ObjectID: a.ObjectID, ApplicationID: a.ApplicationID, Permissions: map[string]json.RawMessage{}}
	union := map[string][]string{}
	for _, entry := range []policyEntry{a, b} {
		for kind, raw := range entry.Permissions {
			var verbs []string
			if json.Unmarshal(raw, &verbs) != nil {
				continue // validated before it came here
			}
			for _, verb := range verbs {
				if !slices.ContainsFunc(union[kind], func(have string) bool { return strings.EqualFold(have, verb) }) {
					union[kind] = append(union[kind], verb)
				}
			}
		}
	}
	for kind, verbs := range union {
		if raw, err := json.Marshal(verbs); err == nil {
			merged.Permissions[kind] = raw
		}
	}
	return merged
}
