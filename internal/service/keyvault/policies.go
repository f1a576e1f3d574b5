package keyvault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/store"
)

// updatePolicies adds, replaces or removes access policies of one vault
// (https://learn.microsoft.com/rest/api/keyvault/keyvault/vaults/update-access-policy).
func (s *Secrets) updatePolicies(t *arm.Type, w http.ResponseWriter, r *azapi.Request) error {
	var body struct {
		Properties struct {
			AccessPolicies []policyEntry `json:"accessPolicies"`
		} `json:"properties"`
	}
	if err := arm.DecodeBody(r, &body); err != nil {
		return err
	}
	sent := body.Properties.AccessPolicies
	if err := validatePolicies(sent); err != nil {
		return err
	}
	kind := strings.ToLower(r.Param("kind"))
	if !slices.Contains([]string{"add", "replace", "remove"}, kind) {
		return badVault.New(fmt.Sprintf("The operation kind '%.64s' is not one of add, replace, remove.", kind))
	}
	id := "/subscriptions/" + r.Param("subscription") + "/resourceGroups/" + r.Param("group") + "/providers/" + TypeVault + "/" + r.Param("name")
	for {
		resource, policies, err := s.changeVault(r.Context(), t, id, kind, sent, r.Now)
		switch {
		case errors.Is(err, store.ErrConflict):
			continue // another writer was first: apply the change to what it wrote
		case errors.Is(err, arm.ErrNotFound):
			return arm.ResourceNotFound.New(TypeVault+"/"+r.Param("name"), r.Param("group"))
		case err != nil:
			return err
		}
		return azapi.WriteJSON(w, http.StatusOK, map[string]any{
			"id": resource.ID + "/accessPolicies/", "type": TypeVault + "/accessPolicies", "location": resource.Location,
			"properties": map[string]any{"accessPolicies": policies},
		})
	}
}

// changeVault reads a vault, changes its policies and writes it unless somebody
// else did meanwhile.
func (s *Secrets) changeVault(ctx context.Context, t *arm.Type, id, kind string, sent []policyEntry, now time.Time) (*arm.Resource, []policyEntry, error) {
	resource, err := s.Resources.Get(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	members := map[string]json.RawMessage{}
	var p properties
	if err := errors.Join(resource.Decode(&members), resource.Decode(&p)); err != nil {
		return nil, nil, err
	}
	policies := changePolicies(p.AccessPolicies, sent, kind)
	if len(policies) > maxPolicies {
		return nil, nil, badVault.New(fmt.Sprintf("The parameter accessPolicies has %d entries; a vault takes at most %d.", len(policies), maxPolicies))
	}
	if members["accessPolicies"], err = json.Marshal(policies); err != nil {
		return nil, nil, err
	}
	if err := resource.SetProperties(members); err != nil {
		return nil, nil, err
	}
	resource.Changed = now
	return resource, policies, s.Resources.Save(ctx, t, resource, store.At(resource.Version))
}

// changePolicies applies the entries one after the other, each to the policy of
// its principal: add unites the permissions, replace sets them, remove takes
// them away, and the policy too when nothing is left of it or the entry names
// none. Policies of other principals stay, also under replace: azurerm and
// Bicep send one policy at a time. It never returns nil: an empty list is one
// in JSON too.
func changePolicies(have, sent []policyEntry, kind string) []policyEntry {
	if have == nil {
		have = []policyEntry{}
	}
	for _, entry := range sent {
		at := slices.IndexFunc(have, entry.samePrincipal)
		switch {
		case kind == "remove" && at >= 0:
			left, any := without(have[at], entry)
			if have[at] = left; !any {
				have = slices.Delete(have, at, at+1)
			}
		case kind == "remove":
		case at < 0:
			have = append(have, entry)
		case kind == "replace":
			have[at] = entry
		default:
			have[at] = merge(have[at], entry) // also two of one principal in one request
		}
	}
	return have
}

func (e policyEntry) samePrincipal(other policyEntry) bool {
	return strings.EqualFold(e.ObjectID, other.ObjectID) && strings.EqualFold(e.TenantID, other.TenantID) && strings.EqualFold(e.ApplicationID, other.ApplicationID)
}

// verbs are the permissions of a policy by kind.
func (e policyEntry) verbs() map[string][]string {
	all := map[string][]string{}
	for kind, raw := range e.Permissions {
		var verbs []string
		if json.Unmarshal(raw, &verbs) == nil && len(verbs) > 0 { // validated before it came here
			all[kind] = verbs
		}
	}
	return all
}

func (e policyEntry) with(verbs map[string][]string) policyEntry {
	e.Permissions = map[string]json.RawMessage{}
	for kind, list := range verbs {
		if raw, err := json.Marshal(list); err == nil {
			e.Permissions[kind] = raw
		}
	}
	return e
}

// without takes the permissions of b from a, and reports whether any are left.
func without(a, b policyEntry) (policyEntry, bool) {
	remove := b.verbs()
	if len(remove) == 0 {
		return a, false
	}
	left, count := a.verbs(), 0
	for kind := range left {
		for removed, verbs := range remove {
			if strings.EqualFold(kind, removed) {
				left[kind] = slices.DeleteFunc(left[kind], func(verb string) bool { return contains(verbs, verb) })
			}
		}
		count += len(left[kind])
	}
	return a.with(left), count > 0
}

func contains(verbs []string, verb string) bool {
	return slices.ContainsFunc(verbs, func(v string) bool { return strings.EqualFold(v, verb) })
}

// merge unites the permissions of two policies of one principal.
func merge(a, b policyEntry) policyEntry {
	union := a.verbs()
	for kind, verbs := range b.verbs() {
		for _, verb := range verbs {
			if !contains(union[kind], verb) {
				union[kind] = append(union[kind], verb)
			}
		}
	}
	return a.with(union)
}
