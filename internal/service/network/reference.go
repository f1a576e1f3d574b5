package network

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
)

// linked are the actions that a reference to a resource needs on it, beside the
// permission to write the resource that refers
// (https://learn.microsoft.com/azure/virtual-network/virtual-network-manage-network#permissions).
var linked = map[string]string{
	strings.ToLower(typeSubnet): typeSubnet + "/join/action", strings.ToLower(typePublicIP): typePublicIP + "/join/action",
	strings.ToLower(typeSecurityGroup): typeSecurityGroup + "/join/action", strings.ToLower(typeRouteTable): typeRouteTable + "/join/action",
	strings.ToLower(typeNATGateway): typeNATGateway + "/join/action",
}

// refer checks a reference, an object with an id, at a path of the resource
// that w writes: what it names must be there, in the same region, and the
// writer may join it. What is not of the types served here is taken as it is said.
func (n *Networks) refer(ctx context.Context, w writer, path string, reference object) error {
	id := text(reference, "id")
	parsed, err := chain.ParseID(id)
	if err != nil || parsed.Type() == "" || parsed.IsCollection() {
		return badID.New(id, path).With(err)
	}
	action, served := linked[strings.ToLower(parsed.Type())]
	if !served {
		return nil
	}
	location, err := n.locate(ctx, parsed)
	if errors.Is(err, arm.ErrNotFound) || err == nil && !strings.EqualFold(location, w.location) {
		return badReference.New(id, w.id)
	}
	if err != nil {
		return err
	}
	verdict, err := w.request.Allowed(ctx, azapi.Control(action), id)
	if err != nil {
		return err
	}
	if !verdict.Allowed {
		caller := w.request.Caller
		return notLinked.New(caller.Name(), caller.ObjectID, w.request.Operation.Action.Access().Name, w.id, action, id).Because(verdict.Nearest)
	}
	return nil
}

// locate is the region of what an id names, or arm.ErrNotFound.
func (n *Networks) locate(ctx context.Context, id chain.ID) (string, error) {
	subnet := ""
	if strings.EqualFold(id.Type(), typeSubnet) {
		subnet, id = id.Name(), id.Parent()
	}
	found, err := n.Resources.Get(ctx, id.String())
	if err != nil {
		return "", err
	}
	if subnet == "" {
		return found.Location, nil
	}
	properties := object{}
	if err := found.Decode(&properties); err != nil {
		return "", err
	}
	if all, _ := list(properties, "subnets"); !slices.ContainsFunc(all, named(subnet)) {
		return "", arm.ErrNotFound
	}
	return found.Location, nil
}
