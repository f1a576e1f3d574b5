package arm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aksess/aksess/internal/store"
)

// ResourceGroupType is the type of the documents of resource groups.
const ResourceGroupType = "Microsoft.Resources/resourceGroups"

// SubscriptionType is the type of the documents of subscriptions.
const SubscriptionType = "Microsoft.Resources/subscriptions"

// byName indexes types for Destroy.
func byName(types []*Type) map[string]*Type {
	index := make(map[string]*Type, len(types))
	for _, t := range types {
		index[strings.ToLower(t.Name)] = t
	}
	return index
}

// Destroy deletes a resource and everything below it, through the Delete hooks
// of their types, children first.
func (rs *Resources) Destroy(ctx context.Context, types map[string]*Type, r *Resource) error {
	below, err := rs.List(ctx, r.ID, "")
	if err != nil {
		return err
	}
	for i := len(below) - 1; i >= 0; i-- {
		if strings.EqualFold(below[i].ID, r.ID) {
			continue
		}
		if err := hookDelete(ctx, types, below[i]); err != nil {
			return err
		}
	}
	if err := hookDelete(ctx, types, r); err != nil {
		return err
	}
	if err := rs.Remove(ctx, typeOf(types, r), r); err != nil {
		return err
	}
	return rs.forget(ctx, r.ID)
}

func typeOf(types map[string]*Type, r *Resource) *Type {
	if t := types[strings.ToLower(r.Type)]; t != nil {
		return t
	}
	return &Type{Name: r.Type}
}

func hookDelete(ctx context.Context, types map[string]*Type, r *Resource) error {
	hook := typeOf(types, r).Delete
	if hook == nil {
		return nil
	}
	if err := hook(ctx, r); err != nil {
		return fmt.Errorf("deleting %q: %w", r.ID, err)
	}
	return nil
}

// forget tells whoever keeps records of scopes that one is gone.
func (rs *Resources) forget(ctx context.Context, id string) error {
	if rs.Forget == nil {
		return nil
	}
	if err := rs.Forget(ctx, id); err != nil {
		return fmt.Errorf("forgetting the scope %q: %w", id, err)
	}
	return nil
}

// groupState is the part of a group's properties that arm looks at.
type groupState struct {
	ProvisioningState string `json:"provisioningState"`
}

// IsDeleting reports whether a resource group is being deleted: nothing can be
// created in it any more.
func IsDeleting(group *Resource) bool {
	var state groupState
	return group.Decode(&state) == nil && state.ProvisioningState == "Deleting"
}

// DestroyGroup deletes a resource group with all its resources, through the
// Delete hooks of their types, and releases their global names. The group is
// marked first, so that nothing can be created in it meanwhile; a delete that
// was interrupted is completed by the next one.
func (rs *Resources) DestroyGroup(ctx context.Context, types []*Type, group *Resource) error {
	for range maxAttempts {
		if err := rs.markDeleting(ctx, group); errors.Is(err, store.ErrConflict) {
			if group, err = rs.Get(ctx, group.ID); err != nil {
				return err
			}
			continue
		} else if err != nil {
			return err
		}
		return rs.empty(ctx, byName(types), group)
	}
	return Busy.New(group.ID).SetHeader("Retry-After", "1")
}

func (rs *Resources) markDeleting(ctx context.Context, group *Resource) error {
	properties, err := json.Marshal(groupState{ProvisioningState: "Deleting"})
	if err != nil {
		return err
	}
	marked := group.clone()
	marked.Properties = properties
	return rs.Save(ctx, &Type{Name: ResourceGroupType}, marked, store.At(group.Version))
}

// empty deletes the top-level resources of a group one after the other, and then the group.
func (rs *Resources) empty(ctx context.Context, types map[string]*Type, group *Resource) error {
	all, err := rs.List(ctx, group.ID, "")
	if err != nil {
		return err
	}
	for _, r := range all {
		id := r.parsed()
		if len(id.Providers) != 1 || len(id.Providers[0].Types) != 1 {
			continue
		}
		if err := rs.Destroy(ctx, types, r); err != nil {
			return err
		}
	}
	if err := rs.Remove(ctx, &Type{Name: ResourceGroupType}, group); err != nil {
		return err
	}
	return rs.forget(ctx, group.ID)
}
