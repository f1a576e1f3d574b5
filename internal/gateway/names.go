package gateway

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// maxName is the length of the longest DNS name in presentation form without
// its trailing dot (RFC 1035 section 2.3.4).
const maxName = 253

// DefaultNames returns the suffixes that the local Azure answers for: Azure's
// public cloud hosts of the services in this module, and two local names for
// clients that go without the proxy. A suffix stands for itself and for every
// name below it, as in a name constraint (RFC 5280 section 4.2.1.10).
func DefaultNames() []string {
	return []string{
		"login.microsoftonline.com",
		"login.windows.net",
		"login.microsoft.com",
		"sts.windows.net",
		"management.azure.com",
		"graph.microsoft.com",
		"vault.azure.net",
		"azconfig.io",
		"core.windows.net",
		"oic.prod-aks.azure.com",
		"azmk8s.io",
		"aksess.localhost",
		"localhost",
	}
}

// nameSet answers whether a host lies under one of a list of suffixes.
type nameSet map[string]struct{}

func newNameSet(suffixes []string) (nameSet, error) {
	if len(suffixes) == 0 {
		return nil, errors.New("no host names to serve: an authority without name constraints is not made")
	}
	set := make(nameSet, len(suffixes))
	for _, s := range suffixes {
		name, err := hostName(s)
		if err != nil {
			return nil, fmt.Errorf("suffix %q: %w", s, err)
		}
		if _, err := netip.ParseAddr(name); err == nil {
			return nil, fmt.Errorf("suffix %q: is an address, want a DNS name", s)
		}
		set[name] = struct{}{}
	}
	return set, nil
}

// serves reports whether host, as returned by hostName, is or lies below one of
// the suffixes.
func (n nameSet) serves(host string) bool {
	for {
		if _, ok := n[host]; ok {
			return true
		}
		_, parent, found := strings.Cut(host, ".")
		if !found {
			return false
		}
		host = parent
	}
}

// hostName checks a DNS name and returns it in lower case without its trailing
// dot. Letters, digits, hyphen and underscore only: a name with any other
// character is in no certificate and in no URL that a client would build.
func hostName(s string) (string, error) {
	s = strings.TrimSuffix(s, ".")
	switch {
	case s == "":
		return "", errors.New("host name is empty")
	case len(s) > maxName:
		return "", fmt.Errorf("host name has %d characters, want at most %d", len(s), maxName)
	}
	for label := range strings.SplitSeq(s, ".") {
		if err := checkLabel(label); err != nil {
			return "", err
		}
	}
	return strings.ToLower(s), nil
}

func checkLabel(label string) error {
	if label == "" || len(label) > 63 {
		return fmt.Errorf("host name has a label of %d characters, want 1 to 63", len(label))
	}
	if label[0] == '-' || label[len(label)-1] == '-' {
		return fmt.Errorf("host name has the label %q, want no hyphen at its ends", label)
	}
	for i := range len(label) {
		switch c := label[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return fmt.Errorf("host name has the character %q, want letters, digits and hyphens", c)
		}
	}
	return nil
}

// authority is the host and port of a request target or Host field. The host is
// a name as returned by hostName, or an IP address without brackets or zone.
type authority struct {
	host string
	addr netip.Addr // valid when host is an IP address
	port uint16     // 0 when the text named none
}

func (a authority) String() string {
	host := a.host
	if a.addr.Is6() {
		host = "[" + host + "]"
	}
	if a.port == 0 {
		return host
	}
	return host + ":" + strconv.Itoa(int(a.port))
}

// isAddr reports whether a names exactly the address and port.
func (a authority) isAddr(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && a.addr.IsValid() && a.addr.Unmap() == addrOf(tcp) && int(a.port) == tcp.Port
}

// parseAuthority reads host[:port] of RFC 3986 section 3.2 as HTTP allows it:
// without user information (RFC 9110 section 4.2.4), an IPv6 address in brackets.
func parseAuthority(s string) (authority, error) {
	if strings.ContainsRune(s, '@') {
		return authority{}, errors.New("has user information, want host:port")
	}
	if rest, ok := strings.CutPrefix(s, "["); ok {
		return parseIPv6(rest)
	}
	host, port, hasPort := strings.Cut(s, ":")
	var a authority
	var err error
	if a.host, err = hostName(host); err != nil {
		return authority{}, err
	}
	if addr, err := netip.ParseAddr(a.host); err == nil {
		a.addr, a.host = addr, addr.String()
	}
	if hasPort {
		a.port, err = parsePort(port)
	}
	return a, err
}

func parseIPv6(s string) (authority, error) {
	text, rest, found := strings.Cut(s, "]")
	if !found {
		return authority{}, errors.New("has an opening bracket only, want [address]:port")
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || !addr.Is6() || addr.Zone() != "" {
		return authority{}, fmt.Errorf("has %q in brackets, want an IPv6 address without a zone", text)
	}
	a := authority{host: addr.String(), addr: addr}
	if rest == "" {
		return a, nil
	}
	port, found := strings.CutPrefix(rest, ":")
	if !found {
		return authority{}, errors.New("has text after the bracket, want [address]:port")
	}
	a.port, err = parsePort(port)
	return a, err
}

func parsePort(s string) (uint16, error) {
	if len(s) > 5 || strings.Trim(s, "0123456789") != "" {
		return 0, fmt.Errorf("has the port %.10q, want a number", s)
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("has the port %.10q, want 1 to 65535", s)
	}
	return uint16(n), nil
}
