package access

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/aksess/aksess/internal/chain"
)

func (d *roleDecision) allow() Verdict {
	by := d.nearest.by
	if by == "" {
		by = d.nearest.text()
	}
	return Verdict{Allowed: true, Link: chain.LinkAccess, By: by}
}

// text says what allowed a request.
func (g *Grant) text() string {
	return `role "` + g.Role.Name + `" at ` + g.Assignment.Scope + " (assignment " + g.Assignment.Name + ")"
}

func (d *roleDecision) looked() string {
	return plural(d.own, "role assignment") + " of principal " + d.principal.ObjectID + ", " +
		strconv.Itoa(d.inScope) + " at or above " + d.scope
}

func (d *roleDecision) refuse() Verdict {
	v := Verdict{Link: chain.LinkAccess, Looked: d.looked(), Fix: d.assign()}
	if d.nearest == nil {
		v.Reason = ReasonNoAssignment
		return v
	}
	v.Reason, v.Nearest = d.explain()
	if v.Reason == ReasonCondition {
		v.Fix = "make the request meet the condition of assignment " + d.nearest.Assignment.Name + ", or assign a role without one: " + v.Fix
	}
	return v
}

// explain words the nearest miss.
func (d *roleDecision) explain() (Reason, string) {
	a := &d.nearest.Assignment
	role := fmt.Sprintf("role %q (assignment %s)", d.nearest.Role.Name, a.Name)
	switch d.best {
	case missCondition:
		return ReasonCondition, role + " at " + a.Scope + " grants " + d.action.Name + " under a condition only: " + d.nearest.whyNot(d.action, d.attributes)
	case missClientID:
		return ReasonClientID, role + " at " + a.Scope + " is assigned to the client id " + d.principal.AppID + " instead of the principal id " + d.principal.ObjectID
	case missScope:
		return ReasonScope, role + " is granted at " + a.Scope + "; " + whereInstead(a.Scope, d.scope)
	case missTaken:
		return ReasonNotActions, role + " at " + a.Scope + " takes " + d.action.Name + " away in its " + d.action.list("not")
	case missPlane:
		return ReasonPlane, role + " at " + a.Scope + " grants only " + otherPlane(d.action) + " actions; " + d.action.Name + " is a " + plane(d.action) + " action"
	case missRole:
		return ReasonRole, role + " at " + a.Scope + " does not have " + d.action.Name + " in its " + d.action.list("")
	case missBoth:
		return ReasonNoAssignment, role + " is granted at " + a.Scope + " only, and does not have " + d.action.Name + " in its " + d.action.list("")
	default:
		return ReasonNoAssignment, role + " at " + a.Scope + " is assigned to the client id " + d.principal.AppID +
			" instead of the principal id " + d.principal.ObjectID + ", and would not grant " + d.action.Name + " here"
	}
}

func plane(a Action) string {
	if a.Data {
		return "data"
	}
	return "control-plane"
}

func otherPlane(a Action) string { return plane(Action{Data: !a.Data}) }

// list names the list of a permission set that decides about the action.
func (a Action) list(prefix string) string {
	name := "actions"
	if a.Data {
		name = "dataActions"
	}
	if prefix == "" {
		return name
	}
	return prefix + strings.ToUpper(name[:1]) + name[1:]
}

// whereInstead says in what the place of the resource differs from that of the assignment.
func whereInstead(granted, scope string) string {
	if contains(scope, granted) {
		return "the request is about " + scope + ", which is above it"
	}
	have, errHave := chain.ParseID(granted)
	want, errWant := chain.ParseID(scope)
	switch {
	case errHave != nil || errWant != nil:
	case want.Subscription != "" && have.Subscription != "" && !strings.EqualFold(have.Subscription, want.Subscription):
		return "the resource is in subscription " + want.Subscription
	case want.ResourceGroup != "" && have.ResourceGroup != "" && !strings.EqualFold(have.ResourceGroup, want.ResourceGroup):
		return "the resource is in resource group " + want.ResourceGroup
	}
	return "the resource is " + scope
}

// assign is the command that gives the principal the least role for the action.
func (d *roleDecision) assign() string {
	scope := assignable(d.action, d.scope)
	role, found := LeastRole(d.action)
	if !found {
		return fmt.Sprintf("no built-in role grants it: make a custom role with %q in its %s and assign it to principal %s at %s",
			d.action.Name, d.action.list(""), d.principal.ObjectID, scope)
	}
	return fmt.Sprintf("az role assignment create --role %q --assignee-object-id %s --assignee-principal-type ServicePrincipal --scope %s",
		role.Name, d.principal.ObjectID, scope)
}

// assignable is where a person would assign a role for the action: data is
// reached through the resource that holds it, not through the single secret or blob.
func assignable(action Action, scope string) string {
	id, err := chain.ParseID(scope)
	if err != nil || !action.Data || len(id.Providers) == 0 {
		return scope
	}
	first := id.Providers[0]
	if len(first.Types) == 0 || len(first.Names) == 0 {
		return scope
	}
	first.Types, first.Names = first.Types[:1], first.Names[:1]
	id.Providers = []chain.Provider{first}
	return id.String()
}

// plural writes a count with its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
