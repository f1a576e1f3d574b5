package arm

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
)

// segments cuts the path of a request as the router did: doubled slashes are
// one, and each segment is decoded by itself. A slash within a segment stays
// escaped, so that no name can pass for more than one segment.
func segments(r *azapi.Request) []string {
	var parts []string
	for part := range strings.SplitSeq(r.URL.EscapedPath(), "/") {
		if part == "" {
			continue
		}
		if decoded, err := url.PathUnescape(part); err == nil && !strings.Contains(decoded, "/") {
			part = decoded
		}
		parts = append(parts, part)
	}
	return parts
}

// ScopeOf is the id that the request's path spells, without its last drop
// segments: what is decided about. It never fails; see [IDOf] for a check.
func ScopeOf(r *azapi.Request, drop int) string {
	parts := segments(r)
	return "/" + strings.Join(parts[:max(0, len(parts)-drop)], "/")
}

// IDOf parses the resource id that the request's path spells, without its last
// drop segments. It refuses what no id can hold.
func IDOf(r *azapi.Request, drop int) (chain.ID, error) {
	if err := checkSlashes(r); err != nil {
		return chain.ID{}, err
	}
	id, err := chain.ParseID(ScopeOf(r, drop))
	if err != nil {
		return id, badPath.New(err.Error())
	}
	return id, nil
}

// checkSlashes refuses a path with an escaped slash, which no name has.
func checkSlashes(r *azapi.Request) error {
	for _, part := range segments(r) {
		if strings.Contains(strings.ToLower(part), "%2f") {
			return badPath.New("an escaped slash cannot be part of a name")
		}
	}
	return nil
}

// plain makes an operation refuse escaped slashes. The parameters of a path are
// decoded, its scope is not: with a slash in one of them, an operation would be
// about something else than what was decided about and what locks are on.
func plain(operation azapi.Operation) azapi.Operation {
	handle := operation.Handle
	operation.Handle = func(w http.ResponseWriter, r *azapi.Request) error {
		if err := checkSlashes(r); err != nil {
			return err
		}
		return handle(w, r)
	}
	return operation
}

// scope makes the Scope of an operation: the path without its last drop segments.
func scope(drop int) func(r *azapi.Request) string {
	return func(r *azapi.Request) string { return ScopeOf(r, drop) }
}

// place is where a resource is or would be.
type place struct {
	subscription, group string
	names               []string // one for each segment of the type
}

// place takes the parts of an id from the parameters of the endpoint's pattern.
// missing is how many of the last names the pattern lacks.
func (e *endpoint) place(r *azapi.Request, missing int) (place, error) {
	p := place{subscription: r.Param("subscription"), group: r.Param("group")}
	for i := range len(e.typ.segments()) - missing {
		name := r.Param(nameParam(i))
		if err := CheckName(name); err != nil {
			return p, err
		}
		p.names = append(p.names, name)
	}
	if len(ScopeOf(r, 0)) > chain.MaxIDLength {
		return p, badPath.New("the id is too long")
	}
	return p, nil
}

// groupID and id spell the fixed segments as Azure does, the names as requested.
func (p place) groupID() string {
	return "/subscriptions/" + p.subscription + "/resourceGroups/" + p.group
}

func (p place) id(t *Type) string {
	return p.groupID() + "/providers/" + t.namespace() + "/" + interleave(t.segments(), p.names)
}

// label names the resource as Azure's messages do: "Microsoft.Storage/storageAccounts/a/queueServices/default".
func (p place) label(t *Type) string {
	return t.namespace() + "/" + interleave(t.segments(), p.names)
}

func interleave(types, names []string) string {
	parts := make([]string, 0, 2*len(types))
	for i, name := range names {
		parts = append(parts, types[i], name)
	}
	return strings.Join(parts, "/")
}

func (p place) name() string { return p.names[len(p.names)-1] }

// above is the place of the endpoint's parent.
func (p place) above(e *endpoint) place {
	p.names = p.names[:len(e.parent.typ.segments())]
	return p
}

// Group returns a resource group, or 404 ResourceGroupNotFound, or 404
// SubscriptionNotFound when it is the subscription that is missing.
func (rs *Resources) Group(ctx context.Context, subscription, group string) (*Resource, error) {
	found, err := rs.Get(ctx, "/subscriptions/"+subscription+"/resourceGroups/"+group)
	if !errors.Is(err, ErrNotFound) {
		return found, err
	}
	if _, err := rs.Subscription(ctx, subscription); err != nil {
		return nil, err
	}
	return nil, noGroup.New(group)
}

// Subscription returns a subscription, or 404 SubscriptionNotFound.
func (rs *Resources) Subscription(ctx context.Context, id string) (*Resource, error) {
	found, err := rs.Get(ctx, "/subscriptions/"+id)
	if errors.Is(err, ErrNotFound) {
		return nil, noSubscription.New(id)
	}
	return found, err
}
