package network

import (
	"net/netip"
	"slices"
)

// parsePrefixes reads a list of address prefixes of the resource id.
func parsePrefixes(id string, value any) ([]netip.Prefix, error) {
	if value == nil {
		return nil, nil
	}
	values, ok := value.([]any)
	if !ok {
		return nil, badRequest.New("Address prefixes must be a list of strings.")
	}
	prefixes := make([]netip.Prefix, 0, len(values))
	for _, value := range values {
		s, ok := value.(string)
		if !ok {
			return nil, badRequest.New("Address prefixes must be a list of strings.")
		}
		prefix, err := parsePrefix(id, s)
		if err != nil {
			return nil, err
		}
		prefixes = append(prefixes, prefix)
	}
	return prefixes, nil
}

func parsePrefix(id, s string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(s)
	if err != nil || prefix.Addr().Is4In6() {
		return prefix, badPrefix.New(s, id)
	}
	if masked := prefix.Masked(); masked != prefix {
		return prefix, badCIDR.New(prefix, id, masked)
	}
	return prefix, nil
}

// prefixesOf are the prefixes of a subnet, which has them in the one or in the
// other of two members, or in both.
func prefixesOf(id string, properties object) ([]netip.Prefix, error) {
	prefixes, err := parsePrefixes(id, properties["addressPrefixes"])
	if err != nil {
		return nil, err
	}
	if properties["addressPrefix"] != nil {
		one, err := parsePrefix(id, text(properties, "addressPrefix"))
		if err != nil {
			return nil, err
		}
		if !slices.Contains(prefixes, one) {
			prefixes = append(prefixes, one)
		}
	}
	return prefixes, nil
}

// within reports that one of the outer prefixes contains all of inner.
func within(outer []netip.Prefix, inner netip.Prefix) bool {
	return slices.ContainsFunc(outer, func(o netip.Prefix) bool {
		return o.Bits() <= inner.Bits() && o.Contains(inner.Addr())
	})
}

func overlapsAny(prefixes []netip.Prefix, one netip.Prefix) bool {
	return slices.ContainsFunc(prefixes, one.Overlaps)
}
