package resources

import (
	"net/http"
	"strings"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
)

// provider is a resource provider on the wire
// (https://learn.microsoft.com/rest/api/resources/providers/get).
type provider struct {
	ID                 string         `json:"id"`
	Namespace          string         `json:"namespace"`
	RegistrationState  string         `json:"registrationState"`
	RegistrationPolicy string         `json:"registrationPolicy"`
	ResourceTypes      []providerType `json:"resourceTypes"`
}

type providerType struct {
	ResourceType string   `json:"resourceType"`
	Locations    []string `json:"locations"`
	APIVersions  []string `json:"apiVersions"`
	Capabilities string   `json:"capabilities"`
}

// apiVersions is what generic clients choose one of. Any well-formed version is served.
func apiVersions() []string { return []string{"2025-01-01", "2024-11-30", "2023-07-01", "2022-09-01"} }

// describe is a provider with the types that are served. Every provider is
// registered, so that no client sets out to register one and waits for it.
func (h *handlers) describe(subscriptionID, namespace string) provider {
	p := provider{
		ID: subscriptionID + "/providers/" + namespace, Namespace: namespace,
		RegistrationState: "Registered", RegistrationPolicy: "RegistrationRequired", ResourceTypes: []providerType{},
	}
	add := func(name string, proxy bool) {
		t := providerType{ResourceType: name, Locations: []string{}, APIVersions: apiVersions(), Capabilities: "None"}
		if !proxy {
			t.Capabilities = "SupportsTags, SupportsLocation"
			for _, l := range arm.Locations() {
				t.Locations = append(t.Locations, l.DisplayName)
			}
		}
		p.ResourceTypes = append(p.ResourceTypes, t)
	}
	switch namespace {
	case "Microsoft.Resources":
		add("subscriptions", true)
		add("tenants", true)
		add("resourceGroups", false)
		add("tags", true)
	case "Microsoft.Authorization":
		add("roleAssignments", true)
		add("roleDefinitions", true)
		add("locks", true)
	}
	for _, t := range h.Types {
		if of, name, _ := strings.Cut(t.Name, "/"); of == namespace {
			add(name, t.Proxy)
		}
	}
	return p
}

func (h *handlers) providers(w http.ResponseWriter, r *azapi.Request) error {
	found, err := h.Resources.Subscription(r.Context(), r.Param("subscription"))
	if err != nil {
		return err
	}
	var entries []arm.Entry
	for _, namespace := range h.namespaces() {
		p := h.describe(found.ID, namespace)
		entries = append(entries, arm.Entry{ID: p.ID, Value: p})
	}
	return arm.WriteList(w, r, entries)
}

func (h *handlers) provider(w http.ResponseWriter, r *azapi.Request) error {
	found, err := h.Resources.Subscription(r.Context(), r.Param("subscription"))
	if err != nil {
		return err
	}
	for _, namespace := range h.namespaces() {
		if strings.EqualFold(namespace, r.Param("namespace")) {
			return azapi.WriteJSON(w, http.StatusOK, h.describe(found.ID, namespace))
		}
	}
	return arm.UnknownNamespace.New(r.Param("namespace"), strings.Join(h.namespaces(), ", "))
}

// register answers what a client that asks for the registration, or its end,
// waits for: a provider that is served is there.
func (h *handlers) register(namespace string) azapi.Handler {
	return func(w http.ResponseWriter, r *azapi.Request) error {
		found, err := h.Resources.Subscription(r.Context(), r.Param("subscription"))
		if err != nil {
			return err
		}
		return azapi.WriteJSON(w, http.StatusOK, h.describe(found.ID, namespace))
	}
}
