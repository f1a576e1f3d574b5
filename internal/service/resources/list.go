package resources

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
)

type jsonMembers = map[string]json.RawMessage

func jsonString(s string) (json.RawMessage, error) { return json.Marshal(s) }

// generic is a resource in the lists of all types
// (https://learn.microsoft.com/rest/api/resources/resources/list).
type generic struct {
	ID                string            `json:"id"`
	Name              string            `json:"name"`
	Type              string            `json:"type"`
	Location          string            `json:"location"`
	Kind              string            `json:"kind,omitempty"`
	SKU               json.RawMessage   `json:"sku,omitempty"`
	Identity          json.RawMessage   `json:"identity,omitempty"`
	Zones             json.RawMessage   `json:"zones,omitempty"`
	Tags              map[string]string `json:"tags,omitempty"`
	CreatedTime       *time.Time        `json:"createdTime,omitempty"`
	ChangedTime       *time.Time        `json:"changedTime,omitempty"`
	ProvisioningState string            `json:"provisioningState,omitempty"`
}

// genericOf is the resource with the members that $expand asks for.
func genericOf(one *arm.Resource, expand string) generic {
	g := generic{
		ID: one.ID, Name: one.Name, Type: one.Type, Location: one.Location, Kind: one.Kind,
		SKU: one.SKU, Identity: one.Identity, Zones: one.Zones, Tags: one.Tags,
	}
	for member := range strings.SplitSeq(strings.ToLower(expand), ",") {
		switch strings.TrimSpace(member) {
		case "createdtime":
			g.CreatedTime = &one.Created
		case "changedtime":
			g.ChangedTime = &one.Changed
		case "provisioningstate":
			if g.ProvisioningState = one.State(); g.ProvisioningState == "" {
				g.ProvisioningState = "Succeeded" // types that show none are complete when written
			}
		}
	}
	return g
}

func (h *handlers) resources(w http.ResponseWriter, r *azapi.Request) error {
	found, err := h.Resources.Subscription(r.Context(), r.Param("subscription"))
	if err != nil {
		return err
	}
	return h.listGeneric(w, r, found.ID)
}

func (h *handlers) resourcesOfGroup(w http.ResponseWriter, r *azapi.Request) error {
	group, err := h.Resources.Group(r.Context(), r.Param("subscription"), r.Param("group"))
	if err != nil {
		return err
	}
	return h.listGeneric(w, r, group.ID)
}

// listGeneric lists the tracked resources under a scope that the caller may
// read. Proxy resources are not tracked and are not in it, as in Azure.
func (h *handlers) listGeneric(w http.ResponseWriter, r *azapi.Request, scope string) error {
	filter, err := arm.ParseFilter(r.Query("$filter"), resourceGrammar())
	if err != nil {
		return err
	}
	all, err := h.Resources.List(r.Context(), scope, "")
	if err != nil {
		return err
	}
	proxy := map[string]bool{}
	for _, t := range h.Types {
		proxy[strings.ToLower(t.Name)] = t.Proxy
	}
	var found []*arm.Resource
	for _, one := range all {
		if tracked(one, proxy) {
			found = append(found, one)
		}
	}
	return h.writeVisible(w, r, visibleList{found: found, filter: filter, wire: func(one *arm.Resource) any {
		return genericOf(one, r.Query("$expand"))
	}})
}

// tracked reports that a resource is in lists of all types. proxy says of each
// type that is served whether it is a proxy; of a type that is not served, those
// are tracked that have a location.
func tracked(one *arm.Resource, proxy map[string]bool) bool {
	isProxy, served := proxy[strings.ToLower(one.Type)]
	container := one.Type == arm.ResourceGroupType || one.Type == arm.SubscriptionType
	return served && !isProxy || !served && !container && one.Location != ""
}

// visibleList is a list from which what the caller may not read is left out.
type visibleList struct {
	found  []*arm.Resource
	action azapi.Action // what reading an element needs; the zero Action: its type's read
	filter arm.Filter
	wire   func(*arm.Resource) any
}

func (h *handlers) writeVisible(w http.ResponseWriter, r *azapi.Request, l visibleList) error {
	var entries []arm.Entry
	for _, one := range l.found {
		if !matches(l.filter, one) {
			continue
		}
		action := l.action
		if action == (azapi.Action{}) {
			action = azapi.Control(one.Type + "/read")
		}
		verdict, err := r.Allowed(r.Context(), action, one.ID)
		if err != nil {
			return err
		}
		if verdict.Allowed {
			entries = append(entries, arm.Entry{ID: one.ID, Value: l.wire(one)})
		}
	}
	return arm.WriteList(w, r, entries)
}

// resourceGrammar is what the lists of resources and groups filter by
// (https://learn.microsoft.com/rest/api/resources/resources/list#uri-parameters).
func resourceGrammar() arm.Grammar {
	return arm.Grammar{
		Properties: []string{"resourceType", "name", "location", "resourceGroup", "tagName", "tagValue"},
		Functions:  map[string]int{"substringof": 2, "startswith": 2},
	}
}

// matches holds a filter against a resource: against each of its tags in turn,
// as tagName and tagValue speak of one and the same tag.
func matches(filter arm.Filter, one *arm.Resource) bool {
	if filter.Matches(subject{resource: one}) {
		return true
	}
	for name, value := range one.Tags {
		if filter.Matches(subject{resource: one, tagName: name, tagValue: value}) {
			return true
		}
	}
	return false
}

type subject struct {
	resource          *arm.Resource
	tagName, tagValue string
}

func (s subject) Property(name string) string {
	switch name {
	case "resourcetype":
		return s.resource.Type
	case "name":
		return s.resource.Name
	case "location":
		return s.resource.Location
	case "resourcegroup":
		id, err := chain.ParseID(s.resource.ID)
		if err != nil {
			return ""
		}
		return id.ResourceGroup
	case "tagname":
		return s.tagName
	default:
		return s.tagValue
	}
}

// Call decides substringof('part', property) and startswith(property, 'part').
func (s subject) Call(name string, args []string) bool {
	first, second := strings.ToLower(args[0]), strings.ToLower(args[1])
	if name == "substringof" {
		return strings.Contains(second, first)
	}
	return strings.HasPrefix(first, second)
}
