package access

import "slices"

// Match reports whether a pattern of a role definition covers an action. The
// wildcard * stands for any text, slashes included, and letters compare without
// case (https://learn.microsoft.com/azure/role-based-access-control/role-definitions#actions-format).
//
// "/*/" also covers a single slash: Managed Identity Operator holds
// "Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action" and does
// grant "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action".
func Match(pattern, action string) bool {
	if !sameEnd(pattern, action) {
		return false
	}
	p, a := 0, 0
	star, resume := -1, 0 // the last * seen and where in the action its text ends
	for a < len(action) || isSegment(pattern, p) {
		switch {
		case isSegment(pattern, p):
			star, resume = p, a-1 // the slash before the * may serve as the one after it
			p, a = p+1, resume
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, a
			p++
		case p < len(pattern) && lower(pattern[p]) == lower(action[a]):
			p, a = p+1, a+1
		case star >= 0:
			resume++
			p, a = star+1, resume
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// sameEnd reports whether the last letters allow a match. Most pairs fail here:
// actions end in read, write, delete or action.
func sameEnd(pattern, action string) bool {
	p, a := len(pattern), len(action)
	return p == 0 || pattern[p-1] == '*' || a > 0 && lower(pattern[p-1]) == lower(action[a-1])
}

// isSegment reports whether a * is at that place of the pattern, between two slashes.
func isSegment(pattern string, at int) bool {
	return at > 0 && at+1 < len(pattern) && pattern[at-1] == '/' && pattern[at] == '*' && pattern[at+1] == '/'
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func matchAny(patterns []string, action string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return Match(pattern, action) })
}

// coverage is what a role says about an action.
type coverage int

const (
	coversNot        coverage = iota // nothing
	coversOtherPlane                 // its name is covered, in the plane it is not in
	coversSubtracted                 // covered and taken away again by notActions
	coversIf                         // covered under a condition of the role definition
	covers                           // covered
)

// covering returns the best that the role's permission sets say. NotActions
// subtract from the actions of their own permission set only.
func (r *RoleDefinition) covering(action Action) coverage {
	best := coversNot
	for i := range r.Permissions {
		best = max(best, r.Permissions[i].covering(action))
	}
	return best
}

func (p *Permission) covering(action Action) coverage {
	granted, taken, other := p.Actions, p.NotActions, p.DataActions
	if action.Data {
		granted, taken, other = p.DataActions, p.NotDataActions, p.Actions
	}
	switch {
	case !matchAny(granted, action.Name):
		if matchAny(other, action.Name) {
			return coversOtherPlane
		}
		return coversNot
	case matchAny(taken, action.Name):
		return coversSubtracted
	case p.Condition != "":
		return coversIf
	default:
		return covers
	}
}

// Held returns the permission sets that grants give the principal at a scope,
// those with a condition included. The lists inside are shared.
func Held(p Principal, scope string, grants []Grant) []Permission {
	var held []Permission
	for i := range grants {
		if p.is(grants[i].Assignment.PrincipalID) && contains(grants[i].Assignment.Scope, scope) {
			held = append(held, grants[i].Role.Permissions...)
		}
	}
	return held
}

// Grants reports whether the role grants the action without a condition.
func (r *RoleDefinition) Grants(action Action) bool { return r.covering(action) == covers }
