package access

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
)

//go:embed builtin_roles.json
var builtinJSON []byte

// TypeBuiltIn and TypeCustom are the types of a role definition.
const (
	TypeBuiltIn = "BuiltInRole"
	TypeCustom  = "CustomRole"
)

// builtins is the set of built-in roles, parsed when first needed.
var builtins = sync.OnceValue(func() *roleSet { return parseRoles(builtinJSON) })

// roleSet is an immutable set of role definitions.
type roleSet struct {
	roles   []RoleDefinition
	special []bool                     // in the order of roles: not to be advised
	byID    map[string]*RoleDefinition // lower-case GUID
	byName  map[string]*RoleDefinition // lower case
	breadth func() []int               // how much each role grants, in the order of roles
}

// parseRoles panics on a malformed file: it is part of the program.
func parseRoles(data []byte) *roleSet {
	var file struct {
		Roles []struct {
			RoleDefinition
			Special bool `json:"special"` // for one feature of Azure; nobody is advised to assign it
		} `json:"roles"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		panic(fmt.Sprintf("decoding the built-in roles: %v", err))
	}
	set := &roleSet{roles: make([]RoleDefinition, len(file.Roles)), special: make([]bool, len(file.Roles)), byID: map[string]*RoleDefinition{}, byName: map[string]*RoleDefinition{}}
	for i := range set.roles {
		set.roles[i], set.special[i] = file.Roles[i].RoleDefinition, file.Roles[i].Special
		role := &set.roles[i]
		role.Type, role.AssignableScopes = TypeBuiltIn, []string{"/"}
		role.normalize()
		set.byID[strings.ToLower(role.ID)] = role
		set.byName[strings.ToLower(role.Name)] = role
	}
	set.breadth = sync.OnceValue(set.measure)
	return set
}

// normalize makes absent lists empty ones, as they are on the wire.
func (r *RoleDefinition) normalize() {
	for i := range r.Permissions {
		p := &r.Permissions[i]
		for _, list := range []*[]string{&p.Actions, &p.NotActions, &p.DataActions, &p.NotDataActions} {
			if *list == nil {
				*list = []string{}
			}
		}
	}
}

// measure counts for each role how many of all actions named by any role it
// grants. A data action weighs twice: it reaches what the resources hold.
func (s *roleSet) measure() []int {
	control, data := map[string]bool{}, map[string]bool{}
	for i := range s.roles {
		for _, p := range s.roles[i].Permissions {
			for _, action := range p.Actions {
				control[action] = true
			}
			for _, action := range p.DataActions {
				data[action] = true
			}
		}
	}
	breadth := make([]int, len(s.roles))
	for i := range s.roles {
		breadth[i] = s.roles[i].count(control, false) + 2*s.roles[i].count(data, true)
	}
	return breadth
}

func (r *RoleDefinition) count(names map[string]bool, data bool) int {
	n := 0
	for name := range names {
		if r.Grants(Action{Name: name, Data: data}) {
			n++
		}
	}
	return n
}

func (s *roleSet) least(action Action) (RoleDefinition, bool) {
	best := -1
	for i := range s.roles {
		if !s.special[i] && s.roles[i].Grants(action) && (best < 0 || s.breadth()[i] < s.breadth()[best]) {
			best = i
		}
	}
	if best < 0 {
		return RoleDefinition{}, false
	}
	return s.roles[best], true
}

// BuiltinRoles returns the built-in roles in the order of the file. The lists
// inside are shared and must not be modified.
func BuiltinRoles() []RoleDefinition { return slices.Clone(builtins().roles) }

// BuiltinRole returns the built-in role of that name, without regard to case.
func BuiltinRole(name string) (RoleDefinition, bool) {
	role, found := builtins().byName[strings.ToLower(name)]
	if !found {
		return RoleDefinition{}, false
	}
	return *role, true
}

// LeastRole returns the built-in role that grants the action and the least
// beside it, or false when none does. Roles that one feature of Azure has for
// itself do not count.
func LeastRole(action Action) (RoleDefinition, bool) { return builtins().least(action) }
