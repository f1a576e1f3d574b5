package resources

import (
	"net/http"
	"strings"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
)

// subscriptionProperties is what is stored of a subscription.
type subscriptionProperties struct {
	DisplayName string `json:"displayName"`
	TenantID    string `json:"tenantId"`
}

// subscription is a subscription on the wire
// (https://learn.microsoft.com/rest/api/resources/subscriptions/get).
type subscription struct {
	ID                   string            `json:"id"`
	AuthorizationSource  string            `json:"authorizationSource"`
	ManagedByTenants     []any             `json:"managedByTenants"`
	SubscriptionID       string            `json:"subscriptionId"`
	TenantID             string            `json:"tenantId"`
	DisplayName          string            `json:"displayName"`
	State                string            `json:"state"`
	SubscriptionPolicies map[string]string `json:"subscriptionPolicies"`
	Tags                 map[string]string `json:"tags,omitempty"`
}

func subscriptionOf(r *arm.Resource) (subscription, error) {
	var properties subscriptionProperties
	if err := r.Decode(&properties); err != nil {
		return subscription{}, err
	}
	return subscription{
		ID: r.ID, AuthorizationSource: "RoleBased", ManagedByTenants: []any{}, SubscriptionID: r.Name,
		TenantID: properties.TenantID, DisplayName: properties.DisplayName, State: "Enabled", Tags: r.Tags,
		SubscriptionPolicies: map[string]string{
			"locationPlacementId": "Public_2014-09-01", "quotaId": "PayAsYouGo_2014-09-01", "spendingLimit": "Off",
		},
	}, nil
}

func (h *handlers) subscription(w http.ResponseWriter, r *azapi.Request) error {
	found, err := h.Resources.Subscription(r.Context(), r.Param("subscription"))
	if err != nil {
		return err
	}
	wire, err := subscriptionOf(found)
	if err != nil {
		return err
	}
	return azapi.WriteJSON(w, http.StatusOK, wire)
}

// subscriptions lists those in which the caller has any role: at the
// subscription, above it, or at anything in it, as Azure does.
func (h *handlers) subscriptions(w http.ResponseWriter, r *azapi.Request) error {
	grants, err := h.Grants.Grants(r.Context(), r.Caller.Principal)
	if err != nil {
		return err
	}
	all, err := h.Resources.List(r.Context(), "/subscriptions", arm.SubscriptionType)
	if err != nil {
		return err
	}
	var entries []arm.Entry
	for _, one := range all {
		for _, grant := range grants {
			if chain.Contains(grant.Assignment.Scope, one.ID) || chain.Contains(one.ID, grant.Assignment.Scope) {
				wire, err := subscriptionOf(one)
				if err != nil {
					return err
				}
				entries = append(entries, arm.Entry{ID: one.ID, Value: wire})
				break
			}
		}
	}
	return arm.WriteList(w, r, entries)
}

type tenant struct {
	ID             string   `json:"id"`
	TenantID       string   `json:"tenantId"`
	CountryCode    string   `json:"countryCode"`
	DisplayName    string   `json:"displayName"`
	Domains        []string `json:"domains"`
	DefaultDomain  string   `json:"defaultDomain"`
	TenantCategory string   `json:"tenantCategory"`
	TenantType     string   `json:"tenantType"`
}

func (h *handlers) tenants(w http.ResponseWriter, r *azapi.Request) error {
	t := h.Tenant
	var entries []arm.Entry
	if strings.EqualFold(r.Caller.TenantID, t.ID) {
		entries = append(entries, arm.Entry{ID: "/tenants/" + t.ID, Value: tenant{
			ID: "/tenants/" + t.ID, TenantID: t.ID, CountryCode: t.Country, DisplayName: t.Name,
			Domains: []string{t.Domain}, DefaultDomain: t.Domain, TenantCategory: "Home", TenantType: "AAD",
		}})
	}
	return arm.WriteList(w, r, entries)
}

type location struct {
	ID                  string           `json:"id"`
	Name                string           `json:"name"`
	Type                string           `json:"type"`
	DisplayName         string           `json:"displayName"`
	RegionalDisplayName string           `json:"regionalDisplayName"`
	Metadata            locationMetadata `json:"metadata"`
}

type locationMetadata struct {
	RegionType     string   `json:"regionType"`
	RegionCategory string   `json:"regionCategory"`
	GeographyGroup string   `json:"geographyGroup"`
	PairedRegion   []paired `json:"pairedRegion"`
}

type paired struct {
	Name string `json:"name"`
	ID   string `json:"id"`
}

func (h *handlers) locations(w http.ResponseWriter, r *azapi.Request) error {
	found, err := h.Resources.Subscription(r.Context(), r.Param("subscription"))
	if err != nil {
		return err
	}
	var entries []arm.Entry
	for _, l := range arm.Locations() {
		wire := location{
			ID: found.ID + "/locations/" + l.Name, Name: l.Name, Type: "Region", DisplayName: l.DisplayName,
			RegionalDisplayName: "(" + l.Geography + ") " + l.DisplayName,
			Metadata:            locationMetadata{RegionType: "Physical", RegionCategory: "Recommended", GeographyGroup: l.Geography, PairedRegion: []paired{}},
		}
		if l.Paired != "" {
			wire.Metadata.PairedRegion = []paired{{Name: l.Paired, ID: found.ID + "/locations/" + l.Paired}}
		}
		entries = append(entries, arm.Entry{ID: wire.ID, Value: wire})
	}
	return arm.WriteList(w, r, entries)
}
