package appconfig

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/directory"
)

// identity is a store's identity
// (https://learn.microsoft.com/rest/api/appconfiguration/configuration-stores/create#resourceidentity).
type identity struct {
	Type         string                     `json:"type"`
	PrincipalID  string                     `json:"principalId,omitempty"`
	TenantID     string                     `json:"tenantId,omitempty"`
	UserAssigned map[string]json.RawMessage `json:"userAssignedIdentities,omitempty"`
}

// has reports whether the type names a kind: "SystemAssigned, UserAssigned" has two.
func (i identity) has(kind string) bool {
	for one := range strings.SplitSeq(i.Type, ",") {
		if strings.EqualFold(strings.TrimSpace(one), kind) {
			return true
		}
	}
	return false
}

const (
	systemAssigned = "SystemAssigned"
	userAssigned   = "UserAssigned"
)

// putIdentity gives a store the identity that it asks for: a principal of its
// own, and the ids of those that are assigned to it. Type None is how clients
// say that there is none.
func (s *Settings) putIdentity(ctx context.Context, c arm.Change) error {
	var sent identity
	if len(c.New.Identity) == 0 {
		return nil
	}
	if err := json.Unmarshal(c.New.Identity, &sent); err != nil {
		return badStore.New("The store's identity is not valid.")
	}
	if sent.Type == "" || sent.has("None") {
		c.New.Identity = nil
		return nil
	}
	answer := identity{Type: sent.Type}
	if sent.has(systemAssigned) {
		principal, err := s.Directory.CreateManagedIdentity(ctx, s.TenantID, c.New.ID, c.New.Name)
		if err != nil {
			return fmt.Errorf("creating the principal of store %q: %w", c.New.Name, err)
		}
		answer.PrincipalID, answer.TenantID = principal.ObjectID, principal.TenantID
	}
	switch {
	case sent.has(userAssigned):
		assigned, err := s.assigned(ctx, c, sent)
		if err != nil {
			return err
		}
		answer.UserAssigned = assigned
	case !sent.has(systemAssigned):
		return badStore.New(fmt.Sprintf("The property identity.type has the invalid value '%.64s'.", sent.Type))
	}
	encoded, err := json.Marshal(answer)
	c.New.Identity = encoded
	return err
}

// assigned are the ids of the user-assigned identities, which have to be there
// and to be the writer's to assign.
func (s *Settings) assigned(ctx context.Context, c arm.Change, sent identity) (map[string]json.RawMessage, error) {
	if len(sent.UserAssigned) == 0 {
		return nil, badStore.New("The property identity.userAssignedIdentities is required.")
	}
	found := map[string]json.RawMessage{}
	for id := range sent.UserAssigned {
		principal, err := s.Directory.ByResourceID(ctx, id)
		if errors.Is(err, directory.ErrPrincipalNotFound) || errors.Is(err, directory.ErrInvalid) {
			return nil, badStore.New(fmt.Sprintf("The user-assigned identity '%.300s' does not exist.", id))
		}
		if err != nil {
			return nil, err
		}
		if err := arm.MayAssign(ctx, c, id); err != nil {
			return nil, err
		}
		if found[id], err = json.Marshal(map[string]string{"principalId": principal.ObjectID, "clientId": principal.AppID}); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// settleIdentity ends the principal of a store that has no identity of its own any more.
func (s *Settings) settleIdentity(ctx context.Context, r *arm.Resource) error {
	var own identity
	if len(r.Identity) > 0 {
		if err := json.Unmarshal(r.Identity, &own); err != nil {
			return fmt.Errorf("decoding the identity of store %q: %w", r.Name, err)
		}
	}
	if own.has(systemAssigned) {
		return nil
	}
	return s.endIdentity(ctx, r)
}

// endIdentity removes a store's own principal. One that is recovered gets another.
func (s *Settings) endIdentity(ctx context.Context, r *arm.Resource) error {
	principal, err := s.Directory.ByResourceID(ctx, r.ID)
	if err == nil {
		err = s.Directory.DeletePrincipal(ctx, principal.ObjectID)
	}
	if errors.Is(err, directory.ErrPrincipalNotFound) {
		return nil
	}
	return err
}
