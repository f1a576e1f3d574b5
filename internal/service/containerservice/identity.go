package containerservice

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/store"
)

const typeIdentity = "Microsoft.ManagedIdentity/userAssignedIdentities"

// addonIdentities are the add-ons that have an identity in the group of the
// nodes, by the name that AKS begins the identity's with.
var addonIdentities = map[string]string{
	"azurekeyvaultsecretsprovider": "azurekeyvaultsecretsprovider-",
	"ingressapplicationgateway":    "ingressapplicationgateway-",
	"omsagent":                     "omsagent-",
	"azurepolicy":                  "azurepolicy-",
	"aciconnectorlinux":            "aciconnectorlinux-",
}

// identityMember is a resource's identity
// (https://learn.microsoft.com/rest/api/aks/managed-clusters/create-or-update#managedclusteridentity).
type identityMember struct {
	Type         string                     `json:"type"`
	UserAssigned map[string]json.RawMessage `json:"userAssignedIdentities"`
}

func (m identityMember) system() bool {
	return slices.ContainsFunc(strings.Split(m.Type, ","), func(t string) bool { return strings.EqualFold(strings.TrimSpace(t), "SystemAssigned") })
}

func (m identityMember) user() bool { return strings.EqualFold(m.Type, "UserAssigned") }

// identities gives the cluster, its nodes and its add-ons their identities:
// principals of the tenant, to which roles can be assigned.
func (s *Clusters) identities(ctx context.Context, c arm.Change, merged map[string]any) error {
	member, err := s.ownIdentity(ctx, c)
	if err != nil {
		return err
	}
	if err := s.kubeletIdentity(ctx, c, member, merged); err != nil {
		return err
	}
	addons := object(merged, "addonProfiles")
	for name := range addons {
		profile := object(addons, name)
		if profile == nil {
			continue
		}
		delete(profile, "identity")
		prefix := addonIdentities[strings.ToLower(name)]
		if on, _ := profile["enabled"].(bool); !on || prefix == "" {
			continue
		}
		found, err := s.made(ctx, nodeIdentityID(c.New, merged, prefix+c.New.Name))
		if err != nil {
			return err
		}
		profile["identity"] = found
		effectiveGateway(name, profile)
	}
	return nil
}

// effectiveGateway says which gateway the ingress add-on uses, as AKS does.
func effectiveGateway(name string, profile map[string]any) {
	config := object(profile, "config")
	if !strings.EqualFold(name, "ingressApplicationGateway") || config == nil {
		return
	}
	for member, value := range config {
		if strings.EqualFold(member, "applicationGatewayId") {
			config["effectiveApplicationGatewayId"] = value
		}
	}
}

// ownIdentity fills the cluster's identity and checks that those of others are there.
func (s *Clusters) ownIdentity(ctx context.Context, c arm.Change) (identityMember, error) {
	var member identityMember
	if len(c.New.Identity) == 0 {
		return member, nil
	}
	if err := decodeInto(c.New.Identity, &member); err != nil {
		return member, err
	}
	answer := map[string]any{"type": member.Type}
	switch {
	case member.system():
		principal, err := s.Directory.CreateManagedIdentity(ctx, s.TenantID, c.New.ID, c.New.Name)
		if err != nil {
			return member, fmt.Errorf("creating the principal of cluster %q: %w", c.New.Name, err)
		}
		answer["principalId"], answer["tenantId"] = principal.ObjectID, principal.TenantID
	case member.user():
		assigned := map[string]any{}
		for id := range member.UserAssigned {
			principal, err := s.assigned(ctx, id)
			if err == nil {
				err = arm.MayAssign(ctx, c, id)
			}
			if err != nil {
				return member, err
			}
			assigned[id] = map[string]string{"principalId": principal.ObjectID, "clientId": principal.AppID}
		}
		if len(assigned) == 0 {
			return member, missing("identity.userAssignedIdentities")
		}
		answer["userAssignedIdentities"] = assigned
	case !strings.EqualFold(member.Type, "None"):
		return member, invalid("identity.type", fmt.Sprintf("'%.64s' is none of SystemAssigned, UserAssigned, None", member.Type))
	}
	var err error
	c.New.Identity, err = json.Marshal(answer)
	return member, err
}

// assigned is the principal of a user-assigned identity that has to be there.
func (s *Clusters) assigned(ctx context.Context, id string) (*directory.Principal, error) {
	parsed, err := chain.ParseID(id)
	if err != nil || !strings.EqualFold(parsed.Type(), typeIdentity) {
		return nil, noIdentity.New(fmt.Sprintf("%.300s", id))
	}
	principal, err := s.Directory.ByResourceID(ctx, id)
	if errors.Is(err, directory.ErrPrincipalNotFound) {
		return nil, noIdentity.New(id)
	}
	return principal, err
}

// kubeletIdentity is the nodes': one that the client chose, or one in their group.
func (s *Clusters) kubeletIdentity(ctx context.Context, c arm.Change, member identityMember, merged map[string]any) error {
	id := nodeIdentityID(c.New, merged, c.New.Name+"-agentpool")
	chosen := text(object(object(merged, "identityProfile"), "kubeletidentity"), "resourceId")
	var shown map[string]string
	var err error
	if chosen == "" || strings.EqualFold(chosen, id) {
		shown, err = s.made(ctx, id)
	} else {
		if !member.user() {
			return kubeletNeedsIdentity.New()
		}
		var principal *directory.Principal
		if principal, err = s.assigned(ctx, chosen); err == nil && !had(c.Old, chosen) {
			err = arm.MayAssign(ctx, c, chosen)
		}
		if err == nil {
			shown = show(chosen, principal)
		}
	}
	if err != nil {
		return err
	}
	merged["identityProfile"] = map[string]any{"kubeletidentity": shown}
	return nil
}

// had reports whether the nodes had the identity before.
func had(before *arm.Resource, identity string) bool {
	if before == nil {
		return false
	}
	members, err := raw(before)
	return err == nil && strings.EqualFold(text(object(object(members, "identityProfile"), "kubeletidentity"), "resourceId"), identity)
}

// nodeIdentityID is an identity in the group of the nodes. The group is AKS'
// own: it is not among the resource groups here.
func nodeIdentityID(cluster *arm.Resource, merged map[string]any, name string) string {
	id, _ := chain.ParseID(cluster.ID) // parsed before it came here
	return "/subscriptions/" + id.Subscription + "/resourceGroups/" + text(merged, "nodeResourceGroup") + "/providers/" + typeIdentity + "/" + name
}

// checkNodeGroup refuses a group for the nodes of a new cluster that is there
// already, or another cluster's: what AKS makes in it is the cluster's, and goes with it.
func (s *Clusters) checkNodeGroup(ctx context.Context, c arm.Change, merged map[string]any) error {
	if c.Old != nil {
		return nil // it cannot change
	}
	id, err := chain.ParseID(c.New.ID)
	if err != nil {
		return err
	}
	subscription, group := "/subscriptions/"+id.Subscription, text(merged, "nodeResourceGroup")
	switch _, err := s.Resources.Get(ctx, subscription+"/resourceGroups/"+group); {
	case err == nil:
		return invalid("nodeResourceGroup", fmt.Sprintf("the resource group '%s' exists already", group))
	case !errors.Is(err, arm.ErrNotFound):
		return err
	}
	others, err := s.Resources.List(ctx, subscription, TypeCluster)
	if err != nil {
		return err
	}
	for _, other := range others {
		theirs, err := raw(other)
		if err != nil {
			return err
		}
		if strings.EqualFold(text(theirs, "nodeResourceGroup"), group) && !strings.EqualFold(other.ID, c.New.ID) {
			return invalid("nodeResourceGroup", fmt.Sprintf("the resource group '%s' is another cluster's", group))
		}
	}
	return nil
}

// made returns an identity that AKS makes.
func (s *Clusters) made(ctx context.Context, id string) (map[string]string, error) {
	principal, err := s.Directory.CreateManagedIdentity(ctx, s.TenantID, id, id[strings.LastIndexByte(id, '/')+1:])
	if err != nil {
		return nil, fmt.Errorf("creating the principal of %q: %w", id, err)
	}
	return show(id, principal), nil
}

func show(id string, principal *directory.Principal) map[string]string {
	return map[string]string{"resourceId": id, "clientId": principal.AppID, "objectId": principal.ObjectID}
}

// dropUnused removes the identities of add-ons that are off.
func (s *Clusters) dropUnused(ctx context.Context, r *arm.Resource) error {
	p, err := read(r)
	if err != nil {
		return err
	}
	merged, err := raw(r)
	if err != nil {
		return err
	}
	on := map[string]bool{}
	for name, profile := range p.AddonProfiles {
		on[strings.ToLower(name)] = profile != nil && profile.Enabled
	}
	for name, prefix := range addonIdentities {
		if !on[name] {
			if err := s.drop(ctx, nodeIdentityID(r, merged, prefix+r.Name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// dropIdentities removes everything that AKS made for a cluster.
func (s *Clusters) dropIdentities(ctx context.Context, r *arm.Resource) error {
	merged, err := raw(r)
	if err != nil {
		return err
	}
	ids := []string{r.ID, nodeIdentityID(r, merged, r.Name+"-agentpool")}
	for _, prefix := range addonIdentities {
		ids = append(ids, nodeIdentityID(r, merged, prefix+r.Name))
	}
	for _, id := range ids {
		if err := s.drop(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// drop removes a principal, unless there is none.
func (s *Clusters) drop(ctx context.Context, resourceID string) error {
	principal, err := s.Directory.ByResourceID(ctx, resourceID)
	if err == nil {
		err = s.Directory.DeletePrincipal(ctx, principal.ObjectID)
	}
	if errors.Is(err, directory.ErrPrincipalNotFound) {
		return nil
	}
	return err
}

func isConflict(err error) bool { return errors.Is(err, store.ErrConflict) }
