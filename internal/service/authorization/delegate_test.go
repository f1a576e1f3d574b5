package authorization_test

import (
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/arm/armtest"
	"github.com/aksess/aksess/internal/directory"
)

// constrained is the documented condition that lets a delegate assign one role to one type of principal.
func constrained(role, kind string) string {
	one := func(action, source string) string {
		return "((!(ActionMatches{'Microsoft.Authorization/roleAssignments/" + action + "'})) OR (" +
			source + "[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {" + role + "} AND " +
			source + "[Microsoft.Authorization/roleAssignments:PrincipalType] ForAnyOfAnyValues:StringEqualsIgnoreCase {'" + kind + "'}))"
	}
	return one("write", "@Request") + " AND " + one("delete", "@Resource")
}

// TestDelegate: Role Based Access Control Administrator with a condition assigns what the condition says.
func TestDelegate(t *testing.T) {
	w := start(t)
	id := w.principal.ObjectID
	w.Want(armtest.Request{Method: "PUT", Path: armtest.RG + assignments + "/" + guid(1), Body: body("Role Based Access Control Administrator", armtest.ObjectID(armtest.Nobody),
		"principalType", "ServicePrincipal", "condition", constrained(blobReader, "ServicePrincipal"), "conditionVersion", "2.0")}, 201, "")
	at := func(n int) string { return account + assignments + "/" + guid(n) }
	w.Want(armtest.Request{Method: "PUT", Path: at(20), Body: body("Reader", id)}, 201, "")
	cases := []struct {
		name, method, path string
		body               any
		status             int
	}{
		{"assigns", "PUT", at(21), body("Storage Blob Data Reader", id), 201},
		{"changes", "PUT", at(21), body("Storage Blob Data Reader", id, "description", "d"), 200},
		{"another_role", "PUT", at(22), body("Owner", id), 403},
		{"another_type", "PUT", at(22), body("Storage Blob Data Reader", unknown, "principalType", "User"), 403},
		{"a_type_that_is_not_true", "PUT", at(22), body("Storage Blob Data Reader", id, "principalType", "User"), 403},
		{"unknown_principal", "PUT", at(22), body("Storage Blob Data Reader", unknown), 403},
		{"no_body", "PUT", at(22), "", 403},
		{"malformed", "PUT", at(22), `{"properties":`, 403},
		// Whichever of the two is taken, the condition is held against that one.
		{"two_bodies", "PUT", at(22), `{"properties":{"roleDefinitionId":"` + definitions + "/" + blobReader + `","principalId":"` + id + `"},"Properties":{"roleDefinitionId":"` + definitions + `/8e3af657-a8ff-443c-a75c-2fe8c4bcb635"}}`, 409},
		{"above_the_scope", "PUT", armtest.S + assignments + "/" + guid(23), body("Storage Blob Data Reader", id), 403},
		{"deletes_another_role", "DELETE", at(20), nil, 403},
		{"deletes_nothing", "DELETE", at(29), nil, 403},
		{"deletes", "DELETE", at(21), nil, 200},
		{"reads", "GET", at(20), nil, 200},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			code := ""
			switch c.status {
			case 403:
				code = "AuthorizationFailed"
			case 409:
				code = "RoleAssignmentExists"
			}
			w.Want(armtest.Request{Method: c.method, Path: c.path, As: armtest.Nobody, Body: c.body}, c.status, code)
		})
	}
	// What the owner could have said wrong is said to the delegate in the same words.
	w.Want(armtest.Request{Method: "PUT", Path: account + assignments + "/one", As: armtest.Nobody, Body: body("Storage Blob Data Reader", id)}, 400, "InvalidRoleAssignmentId")
}

func TestConditionsAreChecked(t *testing.T) {
	w := start(t)
	path := account + assignments + "/" + guid(1)
	put := func(more ...string) armtest.Request {
		return armtest.Request{Method: "PUT", Path: path, Body: body("Storage Blob Data Reader", w.principal.ObjectID, more...)}
	}
	condition := "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name] StringEquals 'c1'"
	for name, more := range map[string][]string{
		"prose":   {"condition", "only on Mondays", "conditionVersion", "2.0"},
		"version": {"condition", condition, "conditionVersion", "1.0"},
		"long":    {"condition", condition + strings.Repeat(" ", 8192), "conditionVersion", "2.0"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := w.Want(put(more...), 400, "InvalidCondition").Message(); got != "The given role assignment condition is invalid." {
				t.Errorf("got %q", got)
			}
		})
	}
	// Without a version it is 2.0, and what was written is returned as it was.
	got := w.Want(put("condition", condition), 201, "")
	if got.Get("properties.condition") != condition || got.Get("properties.conditionVersion") != "2.0" {
		t.Errorf("got %s", got.Body)
	}
	// An update may take it away.
	got = w.Want(put("delegatedManagedIdentityResourceId", account), 200, "")
	if got.Get("properties.condition") != "null" && got.Get("properties.condition") != "" || got.Get("properties.delegatedManagedIdentityResourceId") != account {
		t.Errorf("got %s", got.Body)
	}
}

// TestPrincipalTypes: users and groups of the directory are told from principals.
func TestPrincipalTypes(t *testing.T) {
	w := start(t)
	user, err := w.directory.CreateUser(t.Context(), directory.User{TenantID: armtest.TenantID, Name: "ada@contoso.onmicrosoft.com", DisplayName: "Ada"}, "Correct-Horse-7")
	if err != nil {
		t.Fatal(err)
	}
	group, err := w.directory.CreateGroup(t.Context(), directory.Group{TenantID: armtest.TenantID, DisplayName: "readers", SecurityEnabled: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.directory.AddMember(t.Context(), group.ObjectID, w.principal.ObjectID); err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct{ id, kind string }{{user.ObjectID, "User"}, {group.ObjectID, "Group"}, {w.principal.ObjectID, "ServicePrincipal"}} {
		path := account + assignments + "/" + guid(i+1)
		w.Want(armtest.Request{Method: "PUT", Path: path, Body: body("Reader", c.id, "principalType", "ForeignGroup")}, 400, "UnmatchedPrincipalType")
		if got := w.Want(armtest.Request{Method: "PUT", Path: path, Body: body("Reader", c.id)}, 201, "").Get("properties.principalType"); got != c.kind {
			t.Errorf("principalType of %s: got %q, want %q", c.id, got, c.kind)
		}
	}
	// assignedTo() is of the principal and of the groups that it is in.
	for id, want := range map[string]int{w.principal.ObjectID: 2, user.ObjectID: 1, group.ObjectID: 1, unknown: 0} {
		list := w.Want(armtest.Request{Path: account + assignments + "?$filter=assignedTo('" + id + "')"}, 200, "")
		if list.Len() != want {
			t.Errorf("assigned to %s: got %d, want %d", id, list.Len(), want)
		}
	}
	// And the role that a group holds is the member's: who is refused is told the action and the scope.
	p := access.Principal{TenantID: armtest.TenantID, ObjectID: w.principal.ObjectID, AppID: w.principal.AppID}
	if p.Groups, err = w.directory.MemberOf(t.Context(), p.ObjectID); err != nil {
		t.Fatal(err)
	}
	grants, err := w.book.Grants(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	v := access.DecideRole(p, access.Action{Name: "Microsoft.Storage/storageAccounts/delete"}, account, grants, access.Attributes{})
	if v.Allowed || v.Reason != access.ReasonRole || !strings.HasPrefix(v.Looked, "2 role assignments") {
		t.Errorf("got %+v, want the group's assignment looked at", v)
	}
}

func TestListsBesideAssignments(t *testing.T) {
	w := start(t)
	w.Want(armtest.Request{Method: "PUT", Path: account + assignments + "/" + guid(1), Body: body("Storage Blob Data Reader", w.principal.ObjectID)}, 201, "")
	base := "/providers/Microsoft.Authorization/"
	for _, kind := range []string{"denyAssignments", "classicAdministrators"} {
		if got := w.Want(armtest.Request{Path: armtest.S + base + kind, As: armtest.Reader}, 200, "").Body; strings.TrimSpace(got) != `{"value":[]}` {
			t.Errorf("%s: got %s, want none", kind, got)
		}
		w.Want(armtest.Request{Path: armtest.S + base + kind, As: armtest.Nobody}, 403, "AuthorizationFailed")
		w.Want(armtest.Request{Path: armtest.S + "/resourceGroups/none" + base + kind}, 404, "ResourceGroupNotFound")
	}
	held := w.Want(armtest.Request{Path: account + base + "permissions", As: armtest.Reader}, 200, "")
	if held.Len() != 1 || held.Get("value.0.actions.0") != "*/read" || held.Get("value.0.notDataActions") != "[]" {
		t.Errorf("permissions of a reader: got %s", held.Body)
	}
	w.Want(armtest.Request{Path: account + base + "permissions", As: armtest.Nobody}, 403, "AuthorizationFailed")
	list := w.Want(armtest.Request{Path: account + base + "roleAssignmentScheduleInstances?$filter=principalId+eq+'" + w.principal.ObjectID + "'", As: armtest.Reader}, 200, "")
	if list.Len() != 1 || list.Get("value.0.id") != account+base+"roleAssignmentScheduleInstances/"+guid(1) || list.Get("value.0.properties.originRoleAssignmentId") != account+assignments+"/"+guid(1) ||
		list.Get("value.0.properties.assignmentType") != "Assigned" {
		t.Errorf("instances: got %s", list.Body)
	}
	own := w.Want(armtest.Request{Path: armtest.S + base + "roleAssignmentScheduleInstances?$filter=asTarget()", As: armtest.Reader}, 200, "")
	if own.Len() != 1 || own.Get("value.0.properties.principalId") != armtest.ObjectID(armtest.Reader) {
		t.Errorf("own instances: got %s", own.Body)
	}
}
