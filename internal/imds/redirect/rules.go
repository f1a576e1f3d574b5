package redirect

import (
	"errors"
	"fmt"
	"net/netip"
)

// TableName is the name of the rules' table, of the family inet.
const TableName = "aksess_proxy"

// Rules are what [Install] sets.
type Rules struct {
	Addresses []netip.Addr // of the metadata service, IPv4 or IPv6
	Port      uint16       // of the metadata service
	ToPort    uint16       // the proxy's, on loopback
	ExemptUID *uint32      // the proxy's user; nil exempts nobody, for a proxy that passes nothing on to the node
}

// Validate reports what no kernel could be told.
func (r Rules) Validate() error {
	switch {
	case len(r.Addresses) == 0:
		return errors.New("there is no address to redirect")
	case r.Port == 0 || r.ToPort == 0:
		return errors.New("port 0 cannot be redirected, from or to")
	}
	for _, address := range r.Addresses {
		if !address.IsValid() || address.IsUnspecified() || address.IsLoopback() || address.Is4In6() || address.Zone() != "" {
			return fmt.Errorf("%s is no address of a metadata service", address)
		}
	}
	return nil
}
