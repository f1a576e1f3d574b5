package access

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// The oracles say who gets in, and nothing else, in the plainest way there is.
// They share no code with the decisions.

// oracleCondition knows the conditions that world draws; value is what the request has.
func oracleCondition(condition, value string) bool {
	switch condition {
	case "":
		return true
	case ifV:
		return value == "v"
	case unlessV:
		return value != "" && value != "v"
	default:
		return false
	}
}

// Two conditions that can be read.
const (
	ifV     = "@Request[k] StringEquals 'v'"
	unlessV = "!(@Request[k] StringEquals 'v')"
)

func oracleRole(p Principal, action Action, scope string, grants []Grant, value string) bool {
	ids := map[string]bool{strings.ToLower(p.ObjectID): true}
	for _, group := range p.Groups {
		ids[strings.ToLower(group)] = true
	}
	delete(ids, "")
	for _, g := range grants {
		if !ids[strings.ToLower(g.Assignment.PrincipalID)] || !oracleCondition(g.Assignment.Condition, value) {
			continue
		}
		if !oracleAbove(g.Assignment.Scope, scope) {
			continue
		}
		for _, set := range g.Role.Permissions {
			plus, minus := set.Actions, set.NotActions
			if action.Data {
				plus, minus = set.DataActions, set.NotDataActions
			}
			if oracleCondition(set.Condition, value) && oracleAny(plus, action.Name) && !oracleAny(minus, action.Name) {
				return true
			}
		}
	}
	return false
}

func oracleAny(patterns []string, action string) bool {
	for _, pattern := range patterns {
		if oracleMatch(pattern, action) {
			return true
		}
	}
	return false
}

// oracleAbove compares scopes as lists of segments.
func oracleAbove(scope, id string) bool {
	if scope == "" || id == "" || scope[0] != '/' || id[0] != '/' {
		return false
	}
	split := func(s string) []string {
		return strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return r == '/' })
	}
	have, want := split(scope), split(id)
	if len(have) > len(want) {
		return false
	}
	for i := range have {
		if have[i] != want[i] {
			return false
		}
	}
	return true
}

func oraclePolicy(p Principal, object, verb string, policies []Policy) bool {
	for _, policy := range policies {
		mine := p.ObjectID != "" && strings.EqualFold(policy.ObjectID, p.ObjectID)
		for _, group := range p.Groups {
			mine = mine || group != "" && strings.EqualFold(policy.ObjectID, group)
		}
		if !mine || p.TenantID == "" || !strings.EqualFold(policy.TenantID, p.TenantID) {
			continue
		}
		if policy.ApplicationID != "" && !strings.EqualFold(policy.ApplicationID, p.AppID) {
			continue
		}
		for kind, held := range policy.Permissions {
			list := " " + strings.ToLower(strings.Join(held, " ")) + " "
			if strings.EqualFold(kind, object) && (strings.Contains(list, " all ") || strings.Contains(list, " "+strings.ToLower(verb)+" ")) {
				return true
			}
		}
	}
	return false
}

func oracleAdmit(o Origin, n Network) bool {
	trusted := o.TrustedService && n.TrustedServices
	if n.PublicAccessDisabled {
		return trusted
	}
	if !n.DefaultDeny || trusted {
		return true
	}
	for _, id := range n.SubnetIDs {
		if o.SubnetID != "" && strings.EqualFold(id, o.SubnetID) {
			return true
		}
	}
	if !o.Address.IsValid() {
		return false
	}
	ip := net.ParseIP(o.Address.String())
	for _, rule := range n.IPRules {
		if _, block, err := net.ParseCIDR(rule); err == nil && block.Contains(ip) {
			return true
		}
		if one := net.ParseIP(rule); one != nil && one.Equal(ip) {
			return true
		}
	}
	return false
}

// world draws small random cases, so that hits and near misses are frequent.
type world struct{ *rand.Rand }

func (w world) pick(of ...string) string { return of[w.IntN(len(of))] }

func (w world) some(max int, of ...string) []string {
	var picked []string
	for range w.IntN(max + 1) {
		picked = append(picked, w.pick(of...))
	}
	return picked
}

func (w world) id() string { return w.pick("", "oid", "oid", "OID", "app", "g1", "g2", "other") }

func (w world) principal() Principal {
	return Principal{TenantID: w.pick("t", "t", "T", ""), ObjectID: w.pick("oid", "Oid", "app", ""), AppID: w.pick("app", ""), Groups: w.some(2, "g1", "G2", "")}
}

func (w world) scope() string {
	return w.pick("/", "/s/a", "/s/A", "/s/a/g/x", "/s/a/g/x2", "/s/a/g/x/p/v", "/s/b", "/S/a/g/X/p/v/secrets/q", "", "s/a", "/s/a/")
}

func (w world) patterns() []string {
	return w.some(3, "*", "*/read", "N/v/*", "n/V/read", "N/v/*/read", "N/*/act", "N/v/s/act", "X/*")
}

func (w world) grant() Grant {
	g := Grant{Assignment: Assignment{Name: "n", Scope: w.scope(), PrincipalID: w.id(), Condition: w.pick("", "", "", "c", ifV, unlessV)}}
	for range 1 + w.IntN(2) {
		g.Role.Permissions = append(g.Role.Permissions, Permission{Actions: w.patterns(), NotActions: w.patterns(),
			DataActions: w.patterns(), NotDataActions: w.patterns(), Condition: w.pick("", "", "", "c", ifV, unlessV)})
	}
	return g
}

func (w world) policy() Policy {
	return Policy{TenantID: w.pick("t", "t", "u", ""), ObjectID: w.id(), ApplicationID: w.pick("", "", "app", "APP", "x"),
		Permissions: map[string][]string{w.pick("secrets", "Secrets", "keys"): w.some(2, "get", "GET", "list", "all")}}
}

func (w world) network() (Origin, Network) {
	o := Origin{SubnetID: w.pick("", "/n/s1", "/N/S2"), TrustedService: w.IntN(3) == 0}
	addresses := []string{"10.0.0.1", "10.0.1.1", "192.168.0.1", "::1", "2001:db8::1"}
	if w.IntN(6) > 0 {
		o.Address = netip.MustParseAddr(w.pick(addresses...))
	}
	rules := append(addresses, "10.0.0.0/24", "10.0.0.0/8", "2001:db8::/32", "192.168.0.0/31", "bad", "1.1.1.1/99")
	return o, Network{PublicAccessDisabled: w.IntN(6) == 0, DefaultDeny: w.IntN(4) > 0, TrustedServices: w.IntN(2) == 0,
		IPRules: w.some(3, rules...), SubnetIDs: w.some(2, "/n/s1", "/n/s2", "/n/s3", "")}
}

// TestDecisionsAgreeWithOracles compares verdicts with the oracles on random
// cases. The seed is fixed; a failure prints the case.
func TestDecisionsAgreeWithOracles(t *testing.T) {
	w := world{rand.New(rand.NewPCG(1, 2))}
	deadline := time.Now().Add(time.Second)
	allowed := map[string]int{}
	cases := 0
	for ; cases < 30000 && time.Now().Before(deadline); cases++ {
		p, action, scope := w.principal(), Action{Name: w.pick("N/v/read", "N/v/s/act", "n/v/s/READ", "N/x"), Data: w.IntN(2) == 0}, w.scope()
		grants := make([]Grant, w.IntN(8))
		for i := range grants {
			grants[i] = w.grant()
		}
		value := w.pick("", "v", "x")
		attributes := Attributes{Value: func(string, string) ([]string, bool) { return []string{value}, value != "" }}
		v := DecideRole(p, action, scope, grants, attributes)
		compare(t, v, oracleRole(p, action, scope, grants, value), fmt.Sprintf("DecideRole(%+v, %+v, %q, %+v)", p, action, scope, grants))
		policies := make([]Policy, w.IntN(7))
		for i := range policies {
			policies[i] = w.policy()
		}
		verb := w.pick("get", "List", "set")
		vp := DecidePolicy(p, "secrets/"+verb, policies)
		compare(t, vp, oraclePolicy(p, "secrets", verb, policies), fmt.Sprintf("DecidePolicy(%+v, %q, %+v)", p, verb, policies))
		o, n := w.network()
		vn := Admit(o, n)
		compare(t, vn, oracleAdmit(o, n), fmt.Sprintf("Admit(%+v, %+v)", o, n))
		for name, verdict := range map[string]Verdict{"role": v, "policy": vp, "network": vn} {
			if verdict.Allowed {
				allowed[name]++
			}
		}
	}
	for _, name := range []string{"role", "policy", "network"} {
		if share := float64(allowed[name]) / float64(cases); share < 0.02 || share > 0.9 {
			t.Errorf("%s: %.0f %% of %d cases are allowed, which proves little", name, 100*share, cases)
		}
	}
	t.Logf("%d cases, allowed %v", cases, allowed)
}

func compare(t *testing.T, v Verdict, want bool, what string) {
	t.Helper()
	if v.Allowed != want {
		t.Fatalf("got %+v, want allowed %v\n%s", v, want, what)
	}
	if v.Allowed != (v.Reason == "") || v.Allowed != (v.By != "") || v.Allowed != (v.Fix == "") {
		t.Fatalf("got an incoherent verdict %+v\n%s", v, what)
	}
}
