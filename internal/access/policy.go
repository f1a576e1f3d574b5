package access

import (
	"slices"
	"strconv"
	"strings"

	"github.com/aksess/aksess/internal/chain"
)

// DecidePolicy decides by a vault's access policies: allowed when a policy of
// the principal's tenant names the principal, or a group of it, and holds the
// permission, written "secrets/get". "all" holds every permission of its kind.
// A policy with an application id applies only to tokens of that application.
//
// Refused with ReasonNoPolicy when no policy applies to the principal and with
// ReasonPermission when some do and lack the permission: Azure words the two
// differently.
func DecidePolicy(p Principal, permission string, policies []Policy) Verdict {
	d := policyDecision{principal: p, policies: len(policies)}
	d.object, d.verb, _ = strings.Cut(permission, "/")
	for i := range policies {
		policy := &policies[i]
		if !d.applies(policy) {
			d.note(policy)
			continue
		}
		d.own++
		held := policy.of(d.object)
		if d.holds(held) {
			return d.allow(permission)
		}
		d.held = append(d.held, held...)
	}
	return d.refuse()
}

type policyDecision struct {
	principal    Principal
	object, verb string
	policies     int

	own     int      // policies that apply to the principal
	held    []string // what they hold of the object's kind
	nearest string   // the nearest miss when none applies
}

func (d *policyDecision) applies(policy *Policy) bool {
	p := &d.principal
	return p.TenantID != "" && strings.EqualFold(policy.TenantID, p.TenantID) && p.is(policy.ObjectID) &&
		(policy.ApplicationID == "" || strings.EqualFold(policy.ApplicationID, p.AppID))
}

// note remembers a policy that looks meant for the principal.
func (d *policyDecision) note(policy *Policy) {
	p := &d.principal
	switch {
	case p.is(policy.ObjectID) && !strings.EqualFold(policy.TenantID, p.TenantID):
		d.nearest = "an access policy names principal " + policy.ObjectID + " in tenant " + policy.TenantID + " instead of " + p.TenantID
	case p.is(policy.ObjectID):
		d.nearest = "an access policy names principal " + policy.ObjectID + " together with application " + policy.ApplicationID +
			", and the token is of application " + p.AppID
	case p.AppID != "" && strings.EqualFold(policy.ObjectID, p.AppID):
		d.nearest = "an access policy names the client id " + p.AppID + " instead of the principal id " + p.ObjectID
	}
}

// of returns the permissions on a kind of object: "secrets", "keys", "certificates", "storage".
func (policy *Policy) of(object string) []string {
	var held []string
	for kind, permissions := range policy.Permissions {
		if strings.EqualFold(kind, object) {
			held = append(held, permissions...)
		}
	}
	return held
}

func (d *policyDecision) holds(held []string) bool {
	return d.verb != "" && slices.ContainsFunc(held, func(have string) bool {
		return strings.EqualFold(have, d.verb) || strings.EqualFold(have, "all")
	})
}

func (d *policyDecision) allow(permission string) Verdict {
	return Verdict{
		Allowed: true,
		Link:    chain.LinkAccess,
		By:      "access policy of principal " + d.principal.ObjectID + " with " + permission,
		Looked:  policies(d.policies),
	}
}

func policies(n int) string {
	if n == 1 {
		return "1 access policy"
	}
	return strconv.Itoa(n) + " access policies"
}

func (d *policyDecision) refuse() Verdict {
	v := Verdict{
		Link:    chain.LinkAccess,
		Reason:  ReasonNoPolicy,
		Looked:  policies(d.policies) + ", " + strconv.Itoa(d.own) + " for principal " + d.principal.ObjectID,
		Nearest: d.nearest,
	}
	wanted := []string{d.verb}
	if d.own > 0 {
		v.Reason = ReasonPermission
		v.Nearest = "the access policy of principal " + d.principal.ObjectID + " has no permission on " + d.object
		if len(d.held) > 0 {
			v.Nearest = "the access policy of principal " + d.principal.ObjectID + " has " + d.object + " " +
				strings.Join(d.held, ", ") + "; it needs " + d.verb
		}
		wanted = append(wanted, d.held...)
	}
	// set-policy replaces the list, so the fix repeats what is held.
	v.Fix = "az keyvault set-policy --object-id " + d.principal.ObjectID + " --" + strings.TrimSuffix(d.object, "s") +
		"-permissions " + strings.Join(wanted, " ") + " --name VAULT"
	return v
}
