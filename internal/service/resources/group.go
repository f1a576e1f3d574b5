package resources

import (
	"errors"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/store"
)

// groupName is the form of a resource group's name
// (https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules)
// but for its length: a pattern that counts is compiled to as many copies.
var groupName = regexp.MustCompile(`^[\p{L}\p{N}_().-]*[\p{L}\p{N}_()-]$`)

// maxAttempts bounds how often a write starts again because another one was faster.
const maxAttempts = 20

// groupBody is a resource group as a client sends it
// (https://learn.microsoft.com/rest/api/resources/resource-groups/create-or-update).
type groupBody struct {
	Location  string             `json:"location"`
	Tags      map[string]*string `json:"tags"`
	ManagedBy *string            `json:"managedBy"`
}

func (b groupBody) tags() map[string]string {
	tags := map[string]string{}
	for name, value := range b.Tags {
		if value != nil {
			tags[name] = *value
		}
	}
	return tags
}

func (h *handlers) group(w http.ResponseWriter, r *azapi.Request) error {
	found, err := h.Resources.Group(r.Context(), r.Param("subscription"), r.Param("group"))
	if err != nil {
		return err
	}
	return azapi.WriteJSON(w, http.StatusOK, found)
}

func (h *handlers) groupExists(w http.ResponseWriter, r *azapi.Request) error {
	if _, err := h.Resources.Group(r.Context(), r.Param("subscription"), r.Param("group")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// groups lists the groups that the caller may read.
func (h *handlers) groups(w http.ResponseWriter, r *azapi.Request) error {
	found, err := h.Resources.Subscription(r.Context(), r.Param("subscription"))
	if err != nil {
		return err
	}
	filter, err := arm.ParseFilter(r.Query("$filter"), resourceGrammar())
	if err != nil {
		return err
	}
	all, err := h.Resources.List(r.Context(), found.ID+"/resourceGroups", arm.ResourceGroupType)
	if err != nil {
		return err
	}
	return h.writeVisible(w, r, visibleList{
		found: all, action: azapi.Control("Microsoft.Resources/subscriptions/resourceGroups/read"), filter: filter,
		wire: func(one *arm.Resource) any { return one },
	})
}

func (h *handlers) putGroup(w http.ResponseWriter, r *azapi.Request) error {
	var body groupBody
	if err := arm.DecodeBody(r, &body); err != nil {
		return err
	}
	name := r.Param("group")
	if utf8.RuneCountInString(name) > 90 || !groupName.MatchString(name) {
		return badGroupName.New(name)
	}
	subscription, err := h.Resources.Subscription(r.Context(), r.Param("subscription"))
	if err != nil {
		return err
	}
	if err := arm.CheckTags(body.tags()); err != nil {
		return err
	}
	body.Location = arm.NormalLocation(body.Location)
	for range maxAttempts {
		old, err := h.Resources.Get(r.Context(), subscription.ID+"/resourceGroups/"+name)
		if err != nil && !errors.Is(err, arm.ErrNotFound) {
			return err
		}
		next, condition, err := putGroup(r, subscription.ID+"/resourceGroups/"+name, body, old)
		if err != nil {
			return err
		}
		err = h.Resources.Save(r.Context(), &arm.Type{Name: arm.ResourceGroupType}, next, condition)
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			return err
		}
		status := http.StatusOK
		if old == nil {
			status = http.StatusCreated
		}
		return azapi.WriteJSON(w, status, next)
	}
	return arm.Busy.New(name).SetHeader("Retry-After", "1")
}

// putGroup is the group that a PUT makes of what is there.
func putGroup(r *azapi.Request, id string, body groupBody, old *arm.Resource) (*arm.Resource, store.Condition, error) {
	if err := arm.CheckConditions(r, old); err != nil {
		return nil, store.Condition{}, err
	}
	switch {
	case body.Location == "":
		return nil, store.Condition{}, arm.LocationRequired.New()
	case old == nil && !arm.KnownLocation(body.Location):
		return nil, store.Condition{}, badGroupLocation.New(body.Location, locationNames())
	case old != nil && old.Location != body.Location:
		return nil, store.Condition{}, movedGroup.New(body.Location, old.Location)
	case old != nil && arm.IsDeleting(old):
		return nil, store.Condition{}, arm.GroupBeingDeleted.New(old.Name)
	}
	next, condition := &arm.Resource{ID: id, Name: r.Param("group"), Type: arm.ResourceGroupType, Location: body.Location, Created: r.Now, CreatedBy: r.Caller.ObjectID}, store.Absent()
	if old != nil {
		copied := *old
		next, condition = &copied, store.At(old.Version)
	}
	next.Changed, next.Tags = r.Now, body.tags()
	return next, condition, complete(next, body)
}

// complete sets what a group has beside location and tags.
func complete(group *arm.Resource, body groupBody) error {
	if body.ManagedBy != nil {
		encoded, err := jsonString(*body.ManagedBy)
		if err != nil {
			return err
		}
		group.Extra = maps.Clone(group.Extra)
		if group.Extra == nil {
			group.Extra = jsonMembers{}
		}
		group.Extra["managedBy"] = encoded
	}
	return group.SetProperties(map[string]string{"provisioningState": "Succeeded"})
}

// patchGroup replaces the tags, when they are sent
// (https://learn.microsoft.com/rest/api/resources/resource-groups/update).
func (h *handlers) patchGroup(w http.ResponseWriter, r *azapi.Request) error {
	var body groupBody
	if err := arm.DecodeBody(r, &body); err != nil {
		return err
	}
	if err := arm.CheckTags(body.tags()); err != nil {
		return err
	}
	for range maxAttempts {
		old, err := h.Resources.Group(r.Context(), r.Param("subscription"), r.Param("group"))
		if err != nil {
			return err
		}
		if err := arm.CheckConditions(r, old); err != nil {
			return err
		}
		sent := arm.NormalLocation(body.Location)
		switch {
		case arm.IsDeleting(old):
			return arm.GroupBeingDeleted.New(old.Name)
		case sent != "" && sent != old.Location:
			return movedGroup.New(sent, old.Location)
		}
		old.Changed = r.Now
		if body.Tags != nil {
			old.Tags = body.tags()
		}
		if err := complete(old, body); err != nil {
			return err
		}
		err = h.Resources.Save(r.Context(), &arm.Type{Name: arm.ResourceGroupType}, old, store.At(old.Version))
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			return err
		}
		return azapi.WriteJSON(w, http.StatusOK, old)
	}
	return arm.Busy.New(r.Param("group")).SetHeader("Retry-After", "1")
}

func (h *handlers) deleteGroup(w http.ResponseWriter, r *azapi.Request) error {
	group, err := h.Resources.Group(r.Context(), r.Param("subscription"), r.Param("group"))
	if err != nil {
		return err
	}
	if err := h.Resources.DestroyGroup(r.Context(), h.Types, group); err != nil && !errors.Is(err, arm.ErrNotFound) {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

func locationNames() string {
	var names []string
	for _, l := range arm.Locations() {
		names = append(names, l.Name)
	}
	return strings.Join(names, ",")
}
