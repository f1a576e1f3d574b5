package managedidentity

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
)

// associated is a resource that an identity is assigned to
// (https://learn.microsoft.com/rest/api/managedidentity/user-assigned-identities/list-associated-resources).
type associated struct {
	ID               string `json:"id"`
	Name             string `json:"name"`
	Type             string `json:"type"`
	ResourceGroup    string `json:"resourceGroup"`
	SubscriptionID   string `json:"subscriptionId"`
	SubscriptionName string `json:"subscriptionDisplayName"`
}

// listAssociated answers the resources of the identity's subscription that name
// it among their user-assigned identities, on one page.
func (h *handlers) listAssociated(w http.ResponseWriter, r *azapi.Request, identity *arm.Resource) error {
	for _, name := range []string{"$filter", "$orderby"} {
		if r.Query(name) != "" {
			return arm.InvalidContent.New("the query parameter " + name + " of listAssociatedResources is not served")
		}
	}
	subscription, err := h.Resources.Subscription(r.Context(), r.Param("subscription"))
	if err != nil {
		return err
	}
	var named struct {
		DisplayName string `json:"displayName"`
	}
	if err := subscription.Decode(&named); err != nil {
		return err
	}
	all, err := h.Resources.List(r.Context(), subscription.ID, "")
	if err != nil {
		return err
	}
	found := []associated{}
	for _, one := range all {
		if assigned(one, identity.ID) {
			found = append(found, associatedOf(one, named.DisplayName))
		}
	}
	total := len(found)
	if skip, err := strconv.Atoi(r.Query("$skip")); err == nil {
		found = found[min(max(skip, 0), len(found)):]
	}
	if top, err := strconv.Atoi(r.Query("$top")); err == nil && top > 0 {
		found = found[:min(top, len(found))]
	}
	return azapi.WriteJSON(w, http.StatusOK, map[string]any{"totalCount": total, "value": found})
}

// assigned reports whether a resource names the identity.
func assigned(r *arm.Resource, id string) bool {
	var identity struct {
		UserAssigned map[string]json.RawMessage `json:"userAssignedIdentities"`
	}
	if len(r.Identity) == 0 || json.Unmarshal(r.Identity, &identity) != nil {
		return false
	}
	for name := range identity.UserAssigned {
		if strings.EqualFold(name, id) {
			return true
		}
	}
	return false
}

func associatedOf(r *arm.Resource, subscription string) associated {
	parts := strings.Split(r.ID, "/") // "", subscriptions, ID, resourceGroups, NAME, …
	return associated{
		ID: r.ID, Name: r.Name, Type: strings.ToLower(r.Type),
		SubscriptionID: parts[2], SubscriptionName: subscription, ResourceGroup: parts[4],
	}
}
