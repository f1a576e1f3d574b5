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

// changePolicies never returns nil: an empty list is one in JSON too.
func changePolicies(have, sent []policyEntry, kind string) []policyEntry {
	if kind == "replace" {
		have, kind = nil, "add"
	}
	if have == nil {
		have = []policyEntry{}
	}
	for _, entry := range sent {
		at := slices.IndexFunc(have, func(e policyEntry) bool {
			return strings.EqualFold(e.ObjectID, entry.ObjectID) && strings.EqualFold(e.TenantID, entry.TenantID) && strings.EqualFold(e.ApplicationID, entry.ApplicationID)
		})
		switch {
		case kind == "remove" && at >= 0:
			have = slices.Delete(have, at, at+1)
		case kind == "add" && at >= 0:
			have[at] = merge(have[at], entry) // also two of one principal in one request
		case kind == "add":
			have = append(have, entry)
		}
	}
	return have
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
