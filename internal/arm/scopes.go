package arm

import (
	"context"
	"errors"
	"strings"

	"github.com/aksess/aksess/internal/chain"
)

// Scopes knows what a role can be assigned at.
type Scopes struct {
	resources *Resources
	endpoints map[string]*endpoint // by type in lower case
}

// NewScopes returns the scopes of the resources of those types. It fails as
// [Service] does on types that contradict each other.
func NewScopes(resources *Resources, types []*Type) (*Scopes, error) {
	bound, err := bind(resources, types)
	if err != nil {
		return nil, err
	}
	return &Scopes{resources: resources, endpoints: index(bound)}, nil
}

// Check reports that an id names something that is here: the root, a
// subscription, a group, or a resource. Below a resource, what Resource Manager
// does not know, such as a vault's secret, is taken as it is said. The error is
// the 404 that Azure gives for the first part that is missing.
func (s *Scopes) Check(ctx context.Context, id chain.ID) error {
	if id.Subscription != "" {
		if _, err := s.resources.Subscription(ctx, id.Subscription); err != nil {
			return err
		}
	}
	if id.ResourceGroup != "" {
		if _, err := s.resources.Group(ctx, id.Subscription, id.ResourceGroup); err != nil {
			return err
		}
	}
	switch {
	case len(id.Providers) == 0:
		return nil
	case id.IsCollection():
		return badPath.New("the id ends in a type without a name")
	}
	return s.resource(ctx, id)
}

// resource looks for the resource, or the nearest one above it that is served.
func (s *Scopes) resource(ctx context.Context, id chain.ID) error {
	first := id.Providers[0]
	for n := len(first.Types); n > 0 && id.ResourceGroup != ""; n-- {
		e := s.endpoints[strings.ToLower(first.Namespace+"/"+strings.Join(first.Types[:n], "/"))]
		if e == nil {
			continue
		}
		p := place{subscription: id.Subscription, group: id.ResourceGroup, names: first.Names[:n:n]}
		_, err := e.load(ctx, p)
		if errors.Is(err, ErrNotFound) {
			return e.missing(ctx, p, "read")
		}
		return err
	}
	// One that is kept without a meaning.
	if _, err := s.resources.Get(ctx, id.String()); !errors.Is(err, ErrNotFound) {
		return err
	}
	return ResourceNotFound.New(first.Namespace+"/"+interleave(first.Types, first.Names), id.ResourceGroup)
}
