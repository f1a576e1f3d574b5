package access

import (
	"slices"
	"strings"

	"github.com/aksess/aksess/internal/chain"
)

// DecideRole decides by role assignments: allowed when one of the grants names
// the principal or a group of it, is scoped at or above the scope and holds a
// role that grants the action. Everything else is refused. Grants to the
// principal's client id are never effective; they only explain.
//
// An assignment, or a permission set of its role, with a condition is effective
// only where the condition holds of the action and the attributes. One that
// cannot be read never holds.
func DecideRole(p Principal, action Action, scope string, grants []Grant, attributes Attributes) Verdict {
	d := roleDecision{principal: p, action: action, scope: scope, attributes: attributes, best: missNothing}
	for i := range grants {
		if rank := d.rank(&grants[i]); rank < d.best {
			d.best, d.nearest = rank, &grants[i]
		}
	}
	if d.best == missNone {
		return d.allow()
	}
	return d.refuse()
}

// miss ranks how far a grant is from allowing, nearest first.
type miss int

const (
	missNone      miss = iota // it allows
	missCondition             // a condition that does not hold, nothing else
	missClientID              // the client id for the principal id, nothing else
	missScope                 // the right role in the wrong place
	missTaken                 // covered, and taken away by notActions
	missPlane                 // the right name in the wrong plane
	missRole                  // in place, without the action
	missBoth                  // neither in place nor with the action
	missOwnID                 // to the client id, and more is wrong
	missNothing               // nothing of this principal
)

type roleDecision struct {
	principal  Principal
	action     Action
	scope      string
	attributes Attributes

	own, inScope int // grants of the principal, and those at or above the scope
	best         miss
	nearest      *Grant
}

func (d *roleDecision) rank(g *Grant) miss {
	a := &g.Assignment
	if !d.principal.is(a.PrincipalID) {
		return d.rankOther(g)
	}
	d.own++
	inScope := contains(a.Scope, d.scope)
	if inScope {
		d.inScope++
	}
	if d.best == missNone {
		return missNone
	}
	cover := g.Role.covering(d.action)
	conditional := a.Condition != "" || cover == coversIf
	if conditional && inScope && (cover == covers || cover == coversIf) {
		conditional = !g.holds(d.action, d.attributes)
	}
	return rankOwn(inScope, cover, conditional)
}

// rankOther ranks a grant that is not the principal's: it can only be the
// mistake of naming the client id.
func (d *roleDecision) rankOther(g *Grant) miss {
	a := &g.Assignment
	switch {
	case d.principal.AppID == "" || !strings.EqualFold(a.PrincipalID, d.principal.AppID):
		return missNothing
	case rankOwn(contains(a.Scope, d.scope), g.Role.covering(d.action), false) == missNone:
		return missClientID
	default:
		return missOwnID
	}
}

func rankOwn(inScope bool, cover coverage, conditional bool) miss {
	covered := cover == covers || cover == coversIf
	switch {
	case inScope && covered && !conditional:
		return missNone
	case inScope && covered:
		return missCondition
	case covered:
		return missScope
	case !inScope:
		return missBoth
	case cover == coversSubtracted:
		return missTaken
	case cover == coversOtherPlane:
		return missPlane
	default:
		return missRole
	}
}

// is reports whether an assignment to that id is the principal's: its own
// object id or that of a group it is in.
func (p *Principal) is(id string) bool {
	if id == "" {
		return false
	}
	return strings.EqualFold(id, p.ObjectID) ||
		slices.ContainsFunc(p.Groups, func(group string) bool { return strings.EqualFold(id, group) })
}

// contains is chain.Contains for two absolute ids; anything else contains nothing.
func contains(scope, id string) bool {
	return strings.HasPrefix(scope, "/") && strings.HasPrefix(id, "/") && chain.Contains(scope, id)
}
