package access

import (
	"fmt"
	"strings"
)

// Condition is the compiled condition of a role assignment or of a permission
// set of a role definition, version 2.0
// (https://learn.microsoft.com/azure/role-based-access-control/conditions-format).
// It is immutable and safe for concurrent use.
type Condition struct {
	text string
	root expression // nil for a condition that could not be read: it never holds
	err  error
}

// Limits of a condition. Azure's own are not public; its editor's are lower.
const (
	maxCondition     = 8 << 10 // bytes
	maxConditionNest = 64      // parentheses and negations within each other
)

// ParseCondition compiles a condition. The error is an ErrInvalidCondition
// whose explanation says what is wrong and where.
func ParseCondition(text string) (*Condition, error) {
	if len(text) > maxCondition {
		return nil, ErrInvalidCondition.New().Because(fmt.Sprintf("the condition has %d bytes; at most %d are read", len(text), maxCondition))
	}
	tokens, err := lexCondition(text)
	if err != nil {
		return nil, ErrInvalidCondition.New().Because(err.Error())
	}
	p := conditionParser{text: text, tokens: tokens}
	root, err := p.whole()
	if err != nil {
		return nil, ErrInvalidCondition.New().Because(err.Error())
	}
	return &Condition{text: text, root: root}, nil
}

// compileCondition never fails: what cannot be read becomes a condition that
// never holds. "" is nil, no condition.
func compileCondition(text string) *Condition {
	if text == "" {
		return nil
	}
	c, err := ParseCondition(text)
	if err != nil {
		return &Condition{text: text, err: err}
	}
	return c
}

// Holds reports whether the condition is true of an action and a request. What
// the request does not say can make no condition true: a comparison with an
// attribute that it does not have is neither true nor false, negated or not,
// and what depends on it does not hold.
func (c *Condition) Holds(action Action, attributes Attributes) bool {
	return c.root != nil && c.root.judge(&question{action.Name, attributes}) == yes
}

// maxWhy bounds the comparisons that an explanation names.
const maxWhy = 4

// Why says which part keeps the condition from being true and what it saw; ""
// when it holds.
func (c *Condition) Why(action Action, attributes Attributes) string {
	if c.root == nil {
		return "the condition cannot be read"
	}
	q := &question{action.Name, attributes}
	if c.root.judge(q) == yes {
		return ""
	}
	trace := trace{question: q, text: c.text}
	c.root.blame(&trace, yes)
	switch {
	case len(trace.found) == 0: // nothing but actions and suboperations decided
		return "(" + clipText(c.text) + ") does not hold for this action"
	case len(trace.found) > maxWhy:
		trace.found = append(trace.found[:maxWhy], "…")
	}
	return strings.Join(trace.found, "; ")
}

// maxClip bounds what a verdict repeats of a condition or a value.
const maxClip = 256

func clipText(s string) string {
	if len(s) <= maxClip {
		return s
	}
	return strings.ToValidUTF8(s[:maxClip], "") + "…"
}

// grantConditions are the compiled conditions of a grant.
type grantConditions struct {
	assignment  *Condition   // nil: none
	permissions []*Condition // in the order of the role's permission sets; nil entries: none
}

// compileConditions returns nil for a grant without any condition.
func (g *Grant) compileConditions() *grantConditions {
	c := &grantConditions{assignment: compileCondition(g.Assignment.Condition)}
	found := c.assignment != nil
	for i := range g.Role.Permissions {
		compiled := compileCondition(g.Role.Permissions[i].Condition)
		c.permissions = append(c.permissions, compiled)
		found = found || compiled != nil
	}
	if !found {
		return nil
	}
	return c
}

// conditionsOf returns what the Book compiled beforehand, or compiles it now.
func (g *Grant) conditionsOf() *grantConditions {
	if g.conditions != nil {
		return g.conditions
	}
	return g.compileConditions()
}

// holds reports whether the conditions of a grant that covers the action let it
// through: that of the assignment, and that of a permission set which covers it.
func (g *Grant) holds(action Action, attributes Attributes) bool {
	c := g.conditionsOf()
	if c == nil {
		return true
	}
	if c.assignment != nil && !c.assignment.Holds(action, attributes) {
		return false
	}
	for i := range g.Role.Permissions {
		switch g.Role.Permissions[i].covering(action) {
		case covers:
			return true
		case coversIf:
			if c.permissions[i].Holds(action, attributes) {
				return true
			}
		}
	}
	return false
}

// whyNot says what kept the grant's conditions from holding.
func (g *Grant) whyNot(action Action, attributes Attributes) string {
	c := g.conditionsOf()
	if c == nil {
		return ""
	}
	if c.assignment != nil {
		if why := c.assignment.Why(action, attributes); why != "" {
			return why
		}
	}
	for i := range g.Role.Permissions {
		if g.Role.Permissions[i].covering(action) != coversIf {
			continue
		}
		if why := c.permissions[i].Why(action, attributes); why != "" {
			return why
		}
	}
	return ""
}
