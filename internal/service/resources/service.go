package resources

import (
	"context"
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

// Options is what the operations need.
type Options struct {
	Resources *arm.Resources
	Types     []*arm.Type  // all types that Resource Manager serves
	Grants    azapi.Grants // who has access to which subscription
	Tenant    Tenant
	// Endpoints tells the metadata of a host under which Resource Manager is
	// asked. nil: the public cloud's for every host.
	Endpoints func(host string) Endpoints
}

// Tenant is the directory that the subscriptions belong to.
type Tenant struct {
	ID      string // GUID
	Name    string // "Contoso"
	Domain  string // "contoso.onmicrosoft.com"
	Country string // "CH"
}

// Subscription is what is needed to make one.
type Subscription struct {
	ID       string // GUID
	Name     string // "Local"
	TenantID string // GUID
}

// Bootstrap makes a subscription unless it is there.
func Bootstrap(ctx context.Context, resources *arm.Resources, s Subscription, now time.Time) error {
	r := &arm.Resource{
		ID: "/subscriptions/" + strings.ToLower(s.ID), Name: strings.ToLower(s.ID), Type: arm.SubscriptionType,
		Created: now, Changed: now,
	}
	if err := r.SetProperties(subscriptionProperties{DisplayName: s.Name, TenantID: s.TenantID}); err != nil {
		return err
	}
	err := resources.Save(ctx, &arm.Type{Name: arm.SubscriptionType}, r, store.Absent())
	if err != nil && !errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("creating subscription %s: %w", s.ID, err)
	}
	return nil
}

// Operations are the rows of management.azure.com's table that this package serves.
func Operations(o Options) []azapi.Operation {
	h := &handlers{Options: o}
	const (
		subscription = "/subscriptions/{subscription}"
		groups       = subscription + "/resourceGroups"
		group        = groups + "/{group}"
		prefix       = "Microsoft.Resources/subscriptions/"
	)
	visible := azapi.Authenticated("the list holds only what the caller may read")
	operations := []azapi.Operation{
		{Name: "GetMetadata", Method: http.MethodGet, Pattern: "/metadata/endpoints", Action: azapi.Anonymous(), Handle: h.metadata},
		{Name: "ListTenants", Method: http.MethodGet, Pattern: "/tenants", Action: azapi.Authenticated("a caller may see the tenant it signed in to"), Handle: h.tenants},
		{Name: "ListSubscriptions", Method: http.MethodGet, Pattern: "/subscriptions", Action: visible, Handle: h.subscriptions},
		{Name: "GetSubscription", Method: http.MethodGet, Pattern: subscription, Action: azapi.Control(prefix + "read"), Handle: h.subscription},
		{Name: "ListLocations", Method: http.MethodGet, Pattern: subscription + "/locations", Action: azapi.Control(prefix + "locations/read"), Handle: h.locations},
		{Name: "ListProviders", Method: http.MethodGet, Pattern: subscription + "/providers", Action: azapi.Control(prefix + "providers/read"), Handle: h.providers},
		{Name: "GetProvider", Method: http.MethodGet, Pattern: subscription + "/providers/{namespace}", Action: azapi.Control(prefix + "providers/read"), Handle: h.provider},
		{Name: "ListResources", Method: http.MethodGet, Pattern: subscription + "/resources", Action: visible, Handle: h.resources},
		{Name: "ListResourcesOfGroup", Method: http.MethodGet, Pattern: group + "/resources", Action: azapi.Control(prefix + "resourceGroups/resources/read"), Handle: h.resourcesOfGroup},
		{Name: "ListResourceGroups", Method: http.MethodGet, Pattern: groups, Action: visible, Handle: h.groups},
		{Name: "GetResourceGroup", Method: http.MethodGet, Pattern: group, Action: azapi.Control(prefix + "resourceGroups/read"), Handle: h.group},
		{Name: "CheckResourceGroup", Method: http.MethodHead, Pattern: group, Action: azapi.Control(prefix + "resourceGroups/read"), Handle: h.groupExists},
		{Name: "PutResourceGroup", Method: http.MethodPut, Pattern: group, Action: azapi.Control(prefix + "resourceGroups/write"), Handle: h.putGroup},
		{Name: "PatchResourceGroup", Method: http.MethodPatch, Pattern: group, Action: azapi.Control(prefix + "resourceGroups/write"), Handle: h.patchGroup},
		{Name: "DeleteResourceGroup", Method: http.MethodDelete, Pattern: group, Action: azapi.Control(prefix + "resourceGroups/delete"), Handle: h.deleteGroup},
	}
	for _, namespace := range h.namespaces() {
		for _, verb := range []string{"register", "unregister"} {
			operations = append(operations, azapi.Operation{
				Name: verb + " " + namespace, Method: http.MethodPost, Pattern: subscription + "/providers/" + namespace + "/" + verb,
				Action: azapi.Control(namespace + "/" + verb + "/action"), Handle: h.register(namespace),
			})
		}
	}
	return append(operations, h.tagOperations()...)
}

type handlers struct{ Options }

// namespaces are the providers of all types, and the two that every subscription has.
func (h *handlers) namespaces() []string {
	all := []string{"Microsoft.Authorization", "Microsoft.Resources"}
	for _, t := range h.Types {
		namespace, _, _ := strings.Cut(t.Name, "/")
		all = append(all, namespace)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
