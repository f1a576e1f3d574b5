package redirect

import (
	"net/netip"
	"testing"
)

func TestValidate(t *testing.T) {
	good := Rules{Addresses: []netip.Addr{netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("fd00::254")}, Port: 80, ToPort: 8000}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Rules){
		"no_address": func(r *Rules) { r.Addresses = nil },
		"no_port":    func(r *Rules) { r.Port = 0 },
		"no_to_port": func(r *Rules) { r.ToPort = 0 },
		"loopback":   func(r *Rules) { r.Addresses = []netip.Addr{netip.MustParseAddr("127.0.0.1")} },
		"any":        func(r *Rules) { r.Addresses = []netip.Addr{netip.MustParseAddr("::")} },
		"mapped":     func(r *Rules) { r.Addresses = []netip.Addr{netip.MustParseAddr("::ffff:169.254.169.254")} },
		"zone":       func(r *Rules) { r.Addresses = []netip.Addr{netip.MustParseAddr("fe80::1%eth0")} },
		"zero":       func(r *Rules) { r.Addresses = []netip.Addr{{}} },
	} {
		rules := good
		change(&rules)
		if err := rules.Validate(); err == nil {
			t.Errorf("%s: got no error", name)
		}
		if err := Install(rules); err == nil {
			t.Errorf("%s: got it installed", name)
		}
	}
}
