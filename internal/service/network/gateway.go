package network

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aksess/aksess/internal/arm"
)

// gatewayType: https://learn.microsoft.com/rest/api/application-gateway/application-gateways
func (n *Networks) gatewayType() *arm.Type {
	return &arm.Type{Name: typeGateway, ValidName: checkName, Put: n.putGateway, Read: reader(showGateway)}
}

// collections are the lists of a gateway whose elements are resources with a
// name and an id, each with the members that say what refers to an element. A
// client sends those back as it read them; they are made anew at each read.
var collections = map[string][]string{
	"authenticationCertificates":    nil,
	"backendAddressPools":           {"requestRoutingRules", "urlPathMaps", "backendIPConfigurations"},
	"backendHttpSettingsCollection": {"requestRoutingRules", "urlPathMaps"},
	"backendSettingsCollection":     {"routingRules"},
	"entraJWTValidationConfigs":     nil,
	"frontendIPConfigurations":      {"httpListeners", "listeners"},
	"frontendPorts":                 {"httpListeners", "listeners"},
	"gatewayIPConfigurations":       nil,
	"httpListeners":                 {"requestRoutingRules"},
	"listeners":                     {"routingRules"},
	"loadDistributionPolicies":      nil,
	"privateLinkConfigurations":     nil,
	"probes":                        {"backendHttpSettingsCollection", "backendHttpSettings"},
	"redirectConfigurations":        {"requestRoutingRules", "urlPathMaps", "pathRules"},
	"requestRoutingRules":           nil,
	"rewriteRuleSets":               nil,
	"routingRules":                  nil,
	"sslCertificates":               {"httpListeners"},
	"sslProfiles":                   nil,
	"trustedClientCertificates":     nil,
	"trustedRootCertificates":       nil,
	"urlPathMaps":                   {"requestRoutingRules"},
}

// needed are the lists that no gateway can be without.
var needed = []string{
	"gatewayIPConfigurations", "frontendIPConfigurations", "frontendPorts", "httpListeners", "requestRoutingRules",
}

var tiers = []string{"Basic", "Standard", "WAF", "Standard_v2", "WAF_v2"}

func (n *Networks) putGateway(ctx context.Context, c arm.Change) error {
	properties, err := begin(c, n.NewID)
	if err != nil {
		return err
	}
	if c.Request.Method == "PATCH" {
		return c.New.SetProperties(properties)
	}
	delete(properties, "privateEndpointConnections")
	properties["operationalState"] = "Running"
	tier := text(inner(properties, "sku"), "tier")
	if _, known := oneOf(tier, tiers...); !known {
		return badGateway.New(c.New.ID, fmt.Sprintf("'%.60s' is not a tier of its sku", tier))
	}
	for _, collection := range needed {
		if all, ok := list(properties, collection); !ok || len(all) == 0 {
			return badGateway.New(c.New.ID, "it must have at least one element in '"+collection+"'")
		}
	}
	parts, err := completeParts(c.New.ID, properties)
	if err != nil {
		return err
	}
	if err := n.checkParts(ctx, writer{c.Request, c.New.ID, c.New.Location}, properties, parts); err != nil {
		return err
	}
	return c.New.SetProperties(properties)
}

// completeParts gives the elements of the gateway's lists their ids and types,
// and returns the ids in lower case.
func completeParts(id string, properties object) (parts map[string]bool, err error) {
	parts = map[string]bool{}
	for _, collection := range slices.Sorted(maps.Keys(collections)) {
		if err := completeList(id, typeGateway, collection, properties, parts); err != nil {
			return nil, err
		}
		all, _ := list(properties, collection)
		for _, part := range all {
			of := inner(part, "properties")
			for _, member := range collections[collection] {
				if !refersForward(collection, member) {
					delete(of, member)
				}
			}
			if err := completePart(collection, text(part, "id"), of, parts); err != nil {
				return nil, err
			}
		}
		setDefault(properties, collection, []any{})
	}
	return parts, nil
}

// refersForward reports that a member is one that a client sets, although
// another kind of element has one of the same name that only says who refers to it.
func refersForward(collection, member string) bool {
	return collection == "urlPathMaps" && member == "pathRules"
}

func completeList(id, typ, collection string, holder object, parts map[string]bool) error {
	all, ok := list(holder, collection)
	if !ok {
		return badRequest.New("'" + collection + "' must be a list of objects.")
	}
	for _, part := range all {
		name := text(part, "name")
		if err := checkName(name); err != nil {
			return err
		}
		partID := id + "/" + collection + "/" + name
		if parts[strings.ToLower(partID)] {
			return duplicateName.New(id, name)
		}
		parts[strings.ToLower(partID)] = true
		part["id"], part["type"] = partID, typ+"/"+collection
		delete(part, "etag")
		of := inner(part, "properties")
		if of == nil {
			of = object{}
			part["properties"] = of
		}
		of["provisioningState"] = succeeded
	}
	return nil
}

// completePart does what one kind of element asks for.
func completePart(collection, id string, of object, parts map[string]bool) error {
	switch collection {
	case "frontendIPConfigurations":
		setDefault(of, "privateIPAllocationMethod", "Dynamic")
	case "urlPathMaps":
		return completeList(id, typeGateway+"/urlPathMaps", "pathRules", of, parts)
	case "sslCertificates":
		// No listener ends TLS here, so the private key is nobody's business: it is not kept.
		delete(of, "data")
		delete(of, "password")
	}
	return nil
}

// checkParts looks at every reference within the gateway's lists: to an element
// of its own, or to a subnet or an address.
func (n *Networks) checkParts(ctx context.Context, w writer, properties object, parts map[string]bool) error {
	for _, collection := range slices.Sorted(maps.Keys(collections)) {
		all, _ := list(properties, collection)
		for _, part := range all {
			err := references(inner(part, "properties"), "properties."+collection, func(path string, reference object) error {
				id := text(reference, "id")
				if own(w.id, id) {
					if !parts[strings.ToLower(id)] {
						return badReference.New(id, text(part, "id"))
					}
					return nil
				}
				return n.refer(ctx, w, path, reference)
			})
			if err != nil {
				return err
			}
		}
	}
	for _, configuration := range mustList(properties, "gatewayIPConfigurations") {
		if inner(inner(configuration, "properties"), "subnet") == nil {
			return badGateway.New(w.id, "subnet reference is required for ipconfiguration "+text(configuration, "id"))
		}
	}
	return nil
}

func mustList(o object, name string) []object {
	all, _ := list(o, name)
	return all
}

// own reports that an id is within the resource of another.
func own(resource, id string) bool {
	return len(id) > len(resource) && id[len(resource)] == '/' && strings.EqualFold(id[:len(resource)], resource)
}

// references calls visit for each reference within a value: an object that has
// an id and no name.
func references(value any, path string, visit func(path string, reference object) error) error {
	switch v := value.(type) {
	case object:
		if _, is := v["id"].(string); is && v["name"] == nil {
			return visit(path, v)
		}
		for _, member := range slices.Sorted(maps.Keys(v)) {
			if err := references(v[member], path+"."+member, visit); err != nil {
				return err
			}
		}
	case []any:
		for _, one := range v {
			if err := references(one, path, visit); err != nil {
				return err
			}
		}
	}
	return nil
}

// showGateway adds to each element its etag and what refers to it.
func showGateway(_ context.Context, r *arm.Resource, properties object) error {
	parts := map[string]object{}
	for collection := range collections {
		for _, part := range mustList(properties, collection) {
			part["etag"] = tagOf(r)
			parts[strings.ToLower(text(part, "id"))] = part
			for _, rule := range mustList(inner(part, "properties"), "pathRules") {
				rule["etag"] = tagOf(r)
			}
		}
	}
	for _, collection := range []string{"httpListeners", "listeners", "requestRoutingRules", "routingRules", "urlPathMaps"} {
		for _, part := range mustList(properties, collection) {
			_ = references(inner(part, "properties"), "", func(_ string, reference object) error { // visit never fails
				refersTo(parts[strings.ToLower(text(reference, "id"))], collection, text(part, "id"))
				return nil
			})
		}
	}
	return nil
}

// refersTo notes in an element who refers to it, where its kind shows that.
func refersTo(part object, collection, by string) {
	kind := text(part, "type")
	of := inner(part, "properties")
	if of == nil || !slices.Contains(collections[kind[strings.LastIndexByte(kind, '/')+1:]], collection) {
		return
	}
	have, _ := of[collection].([]any)
	reference := object{"id": by}
	if slices.ContainsFunc(have, func(one any) bool { o, _ := one.(object); return o["id"] == by }) {
		return
	}
	of[collection] = append(have, reference)
}
