package chain

import (
	"fmt"
	"strings"
)

// MaxIDLength bounds a resource id, in bytes; Azure refuses longer ones.
const MaxIDLength = 2048

// ID is a parsed Azure Resource Manager id. Ids compare without case; the
// spelling of the caller is kept.
//
//	/                                                                   the root
//	/subscriptions/S                                                    a subscription
//	/subscriptions/S/resourceGroups/G                                   a resource group
//	/subscriptions/S/resourceGroups/G/providers/NS/TYPE/N[/TYPE/N…]     a resource
//	…/providers/NS/TYPE/N                                               an extension of any of these
type ID struct {
	Subscription  string
	ResourceGroup string
	Providers     []Provider // one for a resource, one more for each extension on it
}

// Provider is the part of an id after one "providers" segment.
type Provider struct {
	Namespace string   // "Microsoft.KeyVault"
	Types     []string // "vaults", "secrets"
	Names     []string // one for each type; one less in the id of a collection
}

// ParseID parses a resource id. A trailing slash is ignored, an empty segment is not.
func ParseID(s string) (ID, error) {
	if len(s) > MaxIDLength {
		return ID{}, fmt.Errorf("resource id of %d bytes is longer than %d", len(s), MaxIDLength)
	}
	if !strings.HasPrefix(s, "/") {
		return ID{}, fmt.Errorf("resource id %q does not begin with a slash", s)
	}
	trimmed := strings.TrimSuffix(s[1:], "/")
	if trimmed == "" {
		return ID{}, nil
	}
	segments := strings.Split(trimmed, "/")
	for _, segment := range segments {
		if segment == "" {
			return ID{}, fmt.Errorf("resource id %q has an empty segment", s)
		}
	}
	id, rest, err := parseContainer(s, segments)
	if err != nil {
		return ID{}, err
	}
	id.Providers, err = parseProviders(s, rest)
	return id, err
}

func parseContainer(s string, segments []string) (ID, []string, error) {
	var id ID
	if !strings.EqualFold(segments[0], "subscriptions") {
		return id, segments, nil
	}
	if len(segments) < 2 {
		return id, nil, fmt.Errorf("resource id %q names no subscription", s)
	}
	id.Subscription, segments = segments[1], segments[2:]
	if len(segments) == 0 || !strings.EqualFold(segments[0], "resourceGroups") {
		return id, segments, nil
	}
	if len(segments) < 2 {
		return id, nil, fmt.Errorf("resource id %q names no resource group", s)
	}
	id.ResourceGroup = segments[1]
	return id, segments[2:], nil
}

func parseProviders(s string, segments []string) ([]Provider, error) {
	var providers []Provider
	for len(segments) > 0 {
		if !strings.EqualFold(segments[0], "providers") || len(segments) < 3 {
			return nil, fmt.Errorf("resource id %q: expected /providers/NAMESPACE/TYPE/NAME at %q", s, strings.Join(segments, "/"))
		}
		provider := Provider{Namespace: segments[1]}
		segments = segments[2:]
		for len(segments) > 0 && !(strings.EqualFold(segments[0], "providers") && len(provider.Types) == len(provider.Names)) {
			if len(provider.Types) == len(provider.Names) {
				provider.Types = append(provider.Types, segments[0])
			} else {
				provider.Names = append(provider.Names, segments[0])
			}
			segments = segments[1:]
		}
		providers = append(providers, provider)
	}
	return providers, nil
}

// Type returns the full type of the last provider, "Microsoft.KeyVault/vaults/secrets",
// or "" for a container.
func (id ID) Type() string {
	if len(id.Providers) == 0 {
		return ""
	}
	last := id.Providers[len(id.Providers)-1]
	return last.Namespace + "/" + strings.Join(last.Types, "/")
}

// Name returns the last name in the id: the resource's, else the group's, else the subscription's.
// It is "" for a collection.
func (id ID) Name() string {
	if n := len(id.Providers); n > 0 {
		last := id.Providers[n-1]
		if len(last.Names) < len(last.Types) {
			return ""
		}
		return last.Names[len(last.Names)-1]
	}
	if id.ResourceGroup != "" {
		return id.ResourceGroup
	}
	return id.Subscription
}

// IsCollection reports whether the id ends in a type without a name.
func (id ID) IsCollection() bool {
	n := len(id.Providers)
	return n > 0 && len(id.Providers[n-1].Names) < len(id.Providers[n-1].Types)
}

// Parent returns the id that contains this one: the parent resource of a child,
// the resource that an extension is on, the group of a resource, the
// subscription of a group, the root of everything else.
func (id ID) Parent() ID {
	parent := ID{Subscription: id.Subscription, ResourceGroup: id.ResourceGroup}
	n := len(id.Providers)
	if n == 0 {
		if id.ResourceGroup != "" {
			parent.ResourceGroup = ""
		} else {
			parent.Subscription = ""
		}
		return parent
	}
	parent.Providers = append(parent.Providers, id.Providers[:n-1]...)
	last := id.Providers[n-1]
	if len(last.Types) > 1 {
		keep := len(last.Types) - 1
		parent.Providers = append(parent.Providers, Provider{
			Namespace: last.Namespace, Types: last.Types[:keep:keep], Names: last.Names[:keep:keep],
		})
	}
	return parent
}

// String writes the id in Azure's spelling of the fixed segments.
func (id ID) String() string {
	var b strings.Builder
	if id.Subscription != "" {
		b.WriteString("/subscriptions/" + id.Subscription)
	}
	if id.ResourceGroup != "" {
		b.WriteString("/resourceGroups/" + id.ResourceGroup)
	}
	for _, p := range id.Providers {
		b.WriteString("/providers/" + p.Namespace)
		for i, t := range p.Types {
			b.WriteString("/" + t)
			if i < len(p.Names) {
				b.WriteString("/" + p.Names[i])
			}
		}
	}
	if b.Len() == 0 {
		return "/"
	}
	return b.String()
}

// Key is the form under which ids compare and are stored: lower case.
func (id ID) Key() string { return strings.ToLower(id.String()) }

// Contains reports whether scope is id itself or above it, segment by segment
// and without regard to case: /subscriptions/s/resourceGroups/rg does not
// contain anything of group rg2. Ids that are the same under [ID.Key] are the
// same here, also those with letters whose other case has another length.
func Contains(scope, id string) bool {
	scope = strings.TrimSuffix(scope, "/")
	if !isASCII(scope) || !isASCII(id) {
		scope, id = strings.ToLower(scope), strings.ToLower(id)
		return strings.HasPrefix(id, scope) && (len(id) == len(scope) || id[len(scope)] == '/')
	}
	if len(id) < len(scope) || !strings.EqualFold(id[:len(scope)], scope) {
		return false
	}
	return len(id) == len(scope) || id[len(scope)] == '/'
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
