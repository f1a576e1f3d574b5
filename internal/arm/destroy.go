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
// of their types, children first. Work on them is stopped. A resource of a type
// with SoftDelete is kept as a deleted one, with what is below it.
func (rs *Resources) Destroy(ctx context.Context, types map[string]*Type, r *Resource) error {
	t := typeOf(types, r)
	for range maxAttempts {
		if err := rs.interrupt(ctx, types, r); err != nil {
			return err
		}
		err := rs.destroy(ctx, types, t, r)
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
		if r, err = rs.Get(ctx, r.ID); err != nil {
			return err
		}
	}
	return Busy.New(r.ID).SetHeader("Retry-After", "1")
}

// destroy tries once. The error has store.ErrConflict in its chain when the
// resource was written meanwhile and that matters.
func (rs *Resources) destroy(ctx context.Context, types map[string]*Type, t *Type, r *Resource) error {
	if t.SoftDelete != nil {
		return rs.softDelete(ctx, types, t, r)
	}
	if err := rs.hooksBelow(ctx, types, r); err != nil {
		return err
	}
	if err := hookDelete(ctx, types, r); err != nil {
		return err
	}
	if err := rs.Remove(ctx, t, r); err != nil {
		return err
	}
	return rs.forget(ctx, r.ID)
}

// hooksBelow calls the Delete hooks of everything below a resource, children first.
func (rs *Resources) hooksBelow(ctx context.Context, types map[string]*Type, r *Resource) error {
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
	return nil
}

// softDelete makes a resource a deleted one. One that is kept for no time
// becomes a deleted one, too, whose time is up: an end that is interrupted is
// completed like any other.
//
// Role assignments at the scope go now and do not come back, as in Azure
// (https://learn.microsoft.com/azure/key-vault/general/key-vault-recovery).
func (rs *Resources) softDelete(ctx context.Context, types map[string]*Type, t *Type, r *Resource) error {
	days, protected, err := t.SoftDelete.Terms(r)
	if err != nil {
		return fmt.Errorf("deleting %q: %w", r.ID, err)
	}
	if err := hookDelete(ctx, types, r); err != nil {
		return err
	}
	now := rs.Now()
	d := deletedDocument{At: now, Until: now.AddDate(0, 0, days), Protected: protected && days > 0}
	if err := rs.bury(ctx, t, r, d); err != nil {
		return err
	}
	if err := rs.forget(ctx, r.ID); err != nil {
		return err
	}
	if days > 0 {
		return nil
	}
	if err := rs.Purge(ctx, t, r.Name); !errors.Is(err, ErrNotFound) {
		return err
	}
	return nil
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
	if err := rs.forgetLocks(ctx, id); err != nil {
		return err
	}
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
	return group.State() == stateDeleting
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
	properties, err := json.Marshal(groupState{ProvisioningState: stateDeleting})
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
		if err := rs.Destroy(ctx, types, r); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	if err := rs.Remove(ctx, &Type{Name: ResourceGroupType}, group); err != nil {
		return err
	}
	return rs.forget(ctx, group.ID)
}
