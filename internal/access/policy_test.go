package access

import (
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/chain"
)

func TestDecidePolicy(t *testing.T) {
	p := workload()
	policy := func(object string, permissions ...string) Policy {
		return Policy{TenantID: p.TenantID, ObjectID: object, Permissions: map[string][]string{"secrets": permissions}}
	}
	foreign := policy(objectID, "get")
	foreign.TenantID = "33333333-3333-3333-3333-333333333333"
	compound := policy(objectID, "get")
	compound.ApplicationID = clientID
	otherApp := policy(objectID, "get")
	otherApp.ApplicationID = "88888888-8888-8888-8888-888888888888"
	upper := Policy{TenantID: strings.ToUpper(p.TenantID), ObjectID: strings.ToUpper(objectID), Permissions: map[string][]string{"Secrets": {"GET"}}}
	tests := []struct {
		name, permission string
		policies         []Policy
		reason           Reason
		nearest, fix     string
	}{
		{name: "none", permission: "secrets/get", reason: ReasonNoPolicy, fix: "--secret-permissions get --name"},
		{name: "has_it", permission: "secrets/get", policies: []Policy{policy("other", "list"), policy(objectID, "list", "get")}},
		{name: "in_another_case", permission: "secrets/get", policies: []Policy{upper}},
		{name: "all", permission: "secrets/set", policies: []Policy{policy(objectID, "All")}},
		{name: "group", permission: "secrets/get", policies: []Policy{policy(groupID, "get")}},
		{name: "own_and_group_add_up", permission: "secrets/get", policies: []Policy{policy(objectID, "list"), policy(groupID, "get")}},
		{name: "lacks_it", permission: "secrets/get", policies: []Policy{policy(objectID, "list", "set")}, reason: ReasonPermission,
			nearest: "has secrets list, set; it needs get", fix: "--secret-permissions get list set"},
		{name: "other_kind", permission: "keys/get", policies: []Policy{policy(objectID, "all")}, reason: ReasonPermission, nearest: "has no permission on keys", fix: "--key-permissions get"},
		{name: "other_principal", permission: "secrets/get", policies: []Policy{policy("other", "get")}, reason: ReasonNoPolicy},
		{name: "other_tenant", permission: "secrets/get", policies: []Policy{foreign}, reason: ReasonNoPolicy, nearest: "in tenant 33333333-"},
		{name: "client_id", permission: "secrets/get", policies: []Policy{policy(clientID, "get")}, reason: ReasonNoPolicy, nearest: "names the client id " + clientID},
		{name: "compound", permission: "secrets/get", policies: []Policy{compound}},
		{name: "compound_of_another_app", permission: "secrets/get", policies: []Policy{otherApp}, reason: ReasonNoPolicy, nearest: "together with application 88888888-"},
		{name: "empty_verb", permission: "secrets", policies: []Policy{policy(objectID, "all", "")}, reason: ReasonPermission},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := DecidePolicy(p, test.permission, test.policies)
			checkVerdict(t, v, test.reason, chain.LinkAccess)
			if !strings.Contains(v.Nearest, test.nearest) || !strings.Contains(v.Fix, test.fix) {
				t.Errorf("got nearest %q fix %q, want %q %q", v.Nearest, v.Fix, test.nearest, test.fix)
			}
		})
	}
	t.Run("no_tenant", func(t *testing.T) {
		anonymous := Policy{ObjectID: objectID, Permissions: map[string][]string{"secrets": {"get"}}}
		v := DecidePolicy(Principal{ObjectID: objectID}, "secrets/get", []Policy{anonymous})
		checkVerdict(t, v, ReasonNoPolicy, chain.LinkAccess)
	})
}
