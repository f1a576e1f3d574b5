package network

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/chain"
)

// index is what the resources together say: which subnet an address is in, and
// what uses what. It is made anew after any resource was written, by the first
// who asks.
type index struct {
	making sync.Mutex
	made   atomic.Pointer[view]
}

// view is the index as of one generation of the resources. It does not change.
type view struct {
	generation uint64
	subnets    []place
	users      map[string][]string // lower-case id of a subnet, address, … → ids of what uses it, in order
}

// place is one range of a subnet.
type place struct {
	prefix    netip.Prefix
	id        string
	endpoints []string
}

// SubnetOf returns the ARM id of the subnet that an address belongs to, and the
// services that the subnet has an endpoint for: "Microsoft.KeyVault". The id is
// "" for an address that is in no subnet, or in several: networks may have the
// same ranges, and then an address does not say where it is.
func (n *Networks) SubnetOf(origin access.Origin) (id string, endpoints []string) {
	if !origin.Address.IsValid() {
		return "", nil
	}
	v, err := n.view(context.Background())
	if err != nil {
		return "", nil // nobody is let in by a rule that cannot be looked up
	}
	address := origin.Address.Unmap().WithZone("")
	for i := range v.subnets {
		at := &v.subnets[i]
		if !at.prefix.Contains(address) || at.id == id {
			continue
		}
		if id != "" {
			return "", nil
		}
		id, endpoints = at.id, at.endpoints
	}
	return id, endpoints
}

func (n *Networks) view(ctx context.Context) (*view, error) {
	if v := n.index.made.Load(); v != nil && v.generation == n.Resources.Generation() {
		return v, nil
	}
	n.index.making.Lock()
	defer n.index.making.Unlock()
	// Before the read: a write in between makes the view look older than it is, never newer.
	generation := n.Resources.Generation()
	if v := n.index.made.Load(); v != nil && v.generation == generation {
		return v, nil
	}
	all, err := n.Resources.List(ctx, "/", "")
	if err != nil {
		return nil, fmt.Errorf("looking at what uses the networks: %w", err)
	}
	v := &view{generation: generation, users: map[string][]string{}}
	for _, r := range all {
		if err := v.add(r); err != nil {
			return nil, fmt.Errorf("looking at what %q uses: %w", r.ID, err)
		}
	}
	n.index.made.Store(v)
	return v, nil
}

// users are the ids of what uses the resource of an id.
func (n *Networks) users(ctx context.Context, id string) ([]string, error) {
	v, err := n.view(ctx)
	if err != nil {
		return nil, err
	}
	return v.users[strings.ToLower(id)], nil
}

// holding are the users of an id that keep it, which is r or within r, from
// being deleted: all, but when r's group is deleted as a whole those that go with it.
func (n *Networks) holding(ctx context.Context, r *arm.Resource, id string) ([]string, error) {
	users, err := n.users(ctx, id)
	if err != nil || len(users) == 0 {
		return nil, err
	}
	at, err := chain.ParseID(r.ID)
	if err != nil {
		return nil, err
	}
	group, err := n.Resources.Group(ctx, at.Subscription, at.ResourceGroup)
	if err != nil || !arm.IsDeleting(group) {
		return users, err
	}
	var outside []string
	for _, user := range users {
		if !chain.Contains(group.ID, user) {
			outside = append(outside, user)
		}
	}
	return outside, nil
}

// add looks at one resource.
func (v *view) add(r *arm.Resource) error {
	uses := map[string]func(*arm.Resource, object){
		strings.ToLower(typeNetwork): v.addNetwork, strings.ToLower(typeGateway): v.addGateway,
		strings.ToLower(typeNATGateway): v.addNATGateway, strings.ToLower(typeCluster): v.addCluster,
	}[strings.ToLower(r.Type)]
	if uses == nil {
		return nil
	}
	properties := object{}
	if err := r.Decode(&properties); err != nil {
		return err
	}
	uses(r, properties)
	return nil
}

// use records that by uses what a reference names.
func (v *view) use(reference object, by string) {
	if id := text(reference, "id"); id != "" {
		key := strings.ToLower(strings.TrimSuffix(id, "/"))
		v.users[key] = append(v.users[key], by)
	}
}

func (v *view) addNetwork(_ *arm.Resource, properties object) {
	subnets, _ := list(properties, "subnets")
	for _, subnet := range subnets {
		id, of := text(subnet, "id"), inner(subnet, "properties")
		for _, member := range joins {
			v.use(inner(of, member), id)
		}
		prefixes, err := prefixesOf(id, of)
		if err != nil {
			continue // checked before it was stored
		}
		endpoints := endpointsOf(of)
		for _, prefix := range prefixes {
			v.subnets = append(v.subnets, place{prefix, id, endpoints})
		}
	}
}

// endpointsOf are the services that a subnet has an endpoint for. The endpoint
// for storage of all regions is one for storage
// (https://learn.microsoft.com/azure/storage/common/storage-network-security#azure-storage-cross-region-service-endpoints).
func endpointsOf(properties object) []string {
	var services []string
	endpoints, _ := list(properties, "serviceEndpoints")
	for _, endpoint := range endpoints {
		service := text(endpoint, "service")
		if strings.EqualFold(service, "Microsoft.Storage.Global") {
			service = "Microsoft.Storage"
		}
		services = append(services, service)
	}
	return services
}

func (v *view) addGateway(_ *arm.Resource, properties object) {
	for _, collection := range []string{"gatewayIPConfigurations", "frontendIPConfigurations"} {
		configurations, _ := list(properties, collection)
		for _, configuration := range configurations {
			of := inner(configuration, "properties")
			v.use(inner(of, "subnet"), text(configuration, "id"))
			v.use(inner(of, "publicIPAddress"), text(configuration, "id"))
		}
	}
}

func (v *view) addNATGateway(r *arm.Resource, properties object) {
	addresses, _ := list(properties, "publicIpAddresses")
	for _, address := range addresses {
		v.use(address, r.ID)
	}
}

// addCluster records that the nodes and pods of a cluster have their addresses
// in subnets.
func (v *view) addCluster(r *arm.Resource, properties object) {
	pools, _ := list(properties, "agentPoolProfiles")
	for _, pool := range pools {
		for _, member := range []string{"vnetSubnetID", "podSubnetID"} {
			v.use(object{"id": text(pool, member)}, r.ID+"/agentPools/"+text(pool, "name"))
		}
	}
}
