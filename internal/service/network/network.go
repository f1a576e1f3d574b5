package network

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"unicode/utf8"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/store"
)

// The resource types, in Azure's spelling.
const (
	typeNetwork       = "Microsoft.Network/virtualNetworks"
	typeSubnet        = typeNetwork + "/subnets"
	typePublicIP      = "Microsoft.Network/publicIPAddresses"
	typeGateway       = "Microsoft.Network/applicationGateways"
	typeSecurityGroup = "Microsoft.Network/networkSecurityGroups"
	typeRouteTable    = "Microsoft.Network/routeTables"
	typeNATGateway    = "Microsoft.Network/natGateways"
	typeCluster       = "Microsoft.ContainerService/managedClusters" // whose nodes are in subnets
)

// Options is what the networks are made of. All fields are required.
type Options struct {
	Resources *arm.Resources
	Store     store.Store // for the addresses and labels that are taken
	NewID     func() string
}

// Networks is the resource provider. It is safe for concurrent use.
type Networks struct {
	Options
	addresses store.Collection[string] // taken public addresses → id of the public address
	labels    store.Collection[string] // region/label → id of the public address
	index     index
}

// New returns the provider.
func New(o Options) *Networks {
	return &Networks{
		Options:   o,
		addresses: store.Collection[string]{Store: o.Store, Kind: "network.address"},
		labels:    store.Collection[string]{Store: o.Store, Kind: "network.label"},
	}
}

// Types are the resource types of Microsoft.Network.
func (n *Networks) Types() []*arm.Type {
	network, group, routes := n.networkType(), n.securityGroupType(), n.routeTableType()
	return []*arm.Type{
		network, n.subnets(network).child(),
		group, n.rules(group).child(),
		routes, n.routes(routes).child(),
		n.publicIPType(), n.natGatewayType(), n.gatewayType(),
	}
}

// name has no length: a pattern that counts is compiled to as many copies.
var name = regexp.MustCompile(`^[\p{L}\p{N}_]([\p{L}\p{N}_.-]*[\p{L}\p{N}_])?$`)

func checkName(s string) error {
	const most = 80
	if utf8.RuneCountInString(s) > most || !name.MatchString(s) {
		return badName.New(fmt.Sprintf("%.100s", s), most)
	}
	return nil
}

// object is a JSON object. What is kept of a resource is what was sent, with
// what Azure computes beside it.
type object = map[string]any

// begin returns the properties that a write is about. A PUT says all there is:
// what it leaves out is gone, which is how clients take an association away. A
// PATCH is about tags alone
// (https://learn.microsoft.com/rest/api/virtualnetwork/virtual-networks/update-tags).
func begin(c arm.Change, newID func() string) (object, error) {
	var old object
	if c.Old != nil {
		if err := c.Old.Decode(&old); err != nil {
			return nil, fmt.Errorf("decoding the properties of %q: %w", c.Old.ID, err)
		}
	}
	if c.Request.Method == http.MethodPatch {
		c.New.SKU, c.New.Identity, c.New.Zones, c.New.Kind, c.New.Extra = c.Old.SKU, c.Old.Identity, c.Old.Zones, c.Old.Kind, c.Old.Extra
		return old, nil
	}
	for member, value := range map[string]*json.RawMessage{"sku": &c.New.SKU, "identity": &c.New.Identity, "zones": &c.New.Zones} {
		if c.Sent[member] == nil {
			*value = nil
		}
	}
	for member := range c.New.Extra {
		if c.Sent[member] == nil {
			delete(c.New.Extra, member)
		}
	}
	properties, _ := clean(c.Sent["properties"]).(object)
	if properties == nil {
		properties = object{}
	}
	properties["provisioningState"] = succeeded
	properties["resourceGuid"] = old["resourceGuid"]
	if c.Old == nil {
		properties["resourceGuid"] = newID()
	}
	return properties, nil
}

const succeeded = "Succeeded"

// clean copies a JSON value without the members that are null, which clients
// send for what they leave out.
func clean(value any) any {
	switch v := value.(type) {
	case object:
		copied := make(object, len(v))
		for name, member := range v {
			if member != nil {
				copied[name] = clean(member)
			}
		}
		return copied
	case []any:
		copied := make([]any, len(v))
		for i := range v {
			copied[i] = clean(v[i])
		}
		return copied
	default:
		return value
	}
}

// tagOf is the etag member of a resource and of what is within it. It is the
// entity tag of the resource that holds them: their version is its.
func tagOf(r *arm.Resource) string { return "W/" + r.ETag() }

// show adds the etag to a resource on its way out.
func show(r *arm.Resource, properties object) error {
	tag, err := json.Marshal(tagOf(r))
	if err != nil {
		return err
	}
	if r.Extra == nil {
		r.Extra = map[string]json.RawMessage{}
	}
	r.Extra["etag"] = tag
	return r.SetProperties(properties)
}

// reader makes the Read hook of a type: fill completes the decoded properties.
func reader(fill func(ctx context.Context, r *arm.Resource, properties object) error) func(context.Context, *arm.Resource) error {
	return func(ctx context.Context, r *arm.Resource) error {
		properties := object{}
		if err := r.Decode(&properties); err != nil {
			return err
		}
		if err := fill(ctx, r, properties); err != nil {
			return err
		}
		return show(r, properties)
	}
}

// setDefault sets a member that is not there.
func setDefault(o object, name string, value any) {
	if o[name] == nil {
		o[name] = value
	}
}

// text is a member that is a string; "" for everything else.
func text(o object, name string) string {
	s, _ := o[name].(string)
	return s
}

// inner is a member that is an object; nil, which reads as empty, for everything else.
func inner(o object, name string) object {
	v, _ := o[name].(object)
	return v
}

// list returns the objects of a member that is a list. ok is false when the
// member is something else, or holds something else.
func list(o object, name string) (objects []object, ok bool) {
	if o[name] == nil {
		return nil, true
	}
	if objects, ok := o[name].([]object); ok {
		return objects, true
	}
	values, ok := o[name].([]any)
	if !ok {
		return nil, false
	}
	for _, value := range values {
		one, isObject := value.(object)
		if !isObject {
			return nil, false
		}
		objects = append(objects, one)
	}
	return objects, true
}

// idsOf are ids in the form of a list of references.
func idsOf(ids []string) []any {
	references := make([]any, len(ids))
	for i, id := range ids {
		references[i] = object{"id": id}
	}
	return references
}
