package authorization_test

import (
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/arm/armtest"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/service/authorization"
	"github.com/aksess/aksess/internal/service/resources"
	"github.com/aksess/aksess/internal/store"
)

const (
	assignments = "/providers/Microsoft.Authorization/roleAssignments"
	definitions = "/providers/Microsoft.Authorization/roleDefinitions"
	account     = armtest.RG + "/providers/Microsoft.Storage/storageAccounts/acc"
	container   = account + "/blobServices/default/containers/c1"
	blobReader  = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1" // Storage Blob Data Reader
	unknown     = "77777777-7777-7777-7777-777777777777"
)

type world struct {
	*armtest.Server
	book      *access.Book
	directory *directory.Directory
	principal *directory.Principal
}

func guid(n int) string { return fmt.Sprintf("00000000-0000-0000-0000-%012d", n) }

func start(t testing.TB) *world {
	t.Helper()
	w := &world{}
	w.Server = armtest.New(t, armtest.Setup{
		Grants: func(s *armtest.Server) azapi.Grants {
			w.book = access.NewBook(s.Store, s.Now)
			n := 9000
			for caller, held := range map[string][2]string{
				armtest.Owner: {"Owner", armtest.S}, armtest.Contributor: {"Contributor", armtest.S}, armtest.Reader: {"Reader", armtest.S}, armtest.InGroup: {"Owner", armtest.RG},
			} {
				n++
				role, _ := access.BuiltinRole(held[0])
				if _, _, err := w.book.PutAssignment(t.Context(), access.Assignment{Name: guid(n), Scope: held[1], RoleID: role.ID, PrincipalID: armtest.ObjectID(caller)}, store.Absent()); err != nil {
					t.Fatal(err)
				}
			}
			return w.book
		},
		Types: func(*armtest.Server) []*arm.Type {
			return []*arm.Type{
				{Name: "Microsoft.Storage/storageAccounts", Global: true},
				{Name: "Microsoft.Storage/storageAccounts/blobServices/containers", Proxy: true},
			}
		},
		Operations: func(s *armtest.Server, types []*arm.Type) []azapi.Operation {
			d := directory.New(s.Store, directory.Options{Now: s.Now, NewID: s.NewID})
			if _, err := d.EnsureTenant(t.Context(), directory.Tenant{ID: armtest.TenantID, Domain: "contoso.onmicrosoft.com"}); err != nil {
				t.Fatal(err)
			}
			w.directory = d
			var err error
			if w.principal, err = d.CreateApplication(t.Context(), armtest.TenantID, "app"); err != nil {
				t.Fatal(err)
			}
			scopes, err := arm.NewScopes(s.Resources, types)
			if err != nil {
				t.Fatal(err)
			}
			s.Resources.Forget = authorization.Forget(w.book)
			return append(authorization.Operations(authorization.Options{Book: w.book, Directory: d, Scopes: scopes, TenantID: armtest.TenantID}),
				resources.Operations(resources.Options{Resources: s.Resources, Types: types, Grants: s.Grants})...)
		},
	})
	w.Want(armtest.Request{Method: "PUT", Path: account, Body: `{"location":"westeurope"}`}, 201, "")
	w.Want(armtest.Request{Method: "PUT", Path: container, Body: `{}`}, 201, "")
	return w
}

// body assigns a role by name.
func body(role, principal string, more ...string) map[string]any {
	id := role
	if found, ok := access.BuiltinRole(role); ok {
		id = armtest.S + definitions + "/" + found.ID
	}
	properties := map[string]any{"roleDefinitionId": id, "principalId": principal}
	for i := 0; i+1 < len(more); i += 2 {
		properties[more[i]] = more[i+1]
	}
	return map[string]any{"properties": properties}
}

func TestAssignmentAtEveryLevel(t *testing.T) {
	for name, scope := range map[string]string{
		"subscription": armtest.S, "group": armtest.RG, "resource": account, "child": container,
		"data_below_a_resource": account + "/queueServices/default/queues/q", "as_requested": armtest.S + "/resourceGroups/RG/providers/microsoft.storage/StorageAccounts/ACC",
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t)
			path := scope + assignments + "/" + guid(1)
			w.Want(armtest.Request{Path: path}, 404, "RoleAssignmentNotFound")
			created := w.Want(armtest.Request{Method: "PUT", Path: path, Body: body("Storage Blob Data Reader", w.principal.ObjectID, "description", "")}, 201, "")
			for member, want := range map[string]string{
				"id": path, "name": guid(1), "type": "Microsoft.Authorization/roleAssignments", "properties.scope": scope, "properties.principalId": w.principal.ObjectID,
				"properties.principalType": "ServicePrincipal", "properties.createdBy": armtest.ObjectID(armtest.Owner), "properties.createdOn": "2026-09-01T12:00:00.0000000Z",
				"properties.roleDefinitionId": armtest.S + definitions + "/" + blobReader,
			} {
				if got := created.Get(member); got != want {
					t.Errorf("%s: got %q, want %q", member, got, want)
				}
			}
			if got := w.Want(armtest.Request{Path: path, As: armtest.Reader}, 200, "").Body; got != created.Body {
				t.Errorf("read: got %s, want %s", got, created.Body)
			}
			w.Want(armtest.Request{Method: "PUT", Path: path, Body: body("Storage Blob Data Reader", w.principal.ObjectID, "description", "why")}, 200, "")
			w.Want(armtest.Request{Method: "DELETE", Path: path}, 200, "")
			w.Want(armtest.Request{Method: "DELETE", Path: path}, 204, "")
		})
	}
}

func TestAssignmentTakesEffect(t *testing.T) {
	w := start(t)
	w.Want(armtest.Request{Path: account, As: armtest.Nobody}, 403, "AuthorizationFailed")
	path := armtest.RG + assignments + "/" + guid(1)
	w.Want(armtest.Request{Method: "PUT", Path: path, Body: body("Reader", armtest.ObjectID(armtest.Nobody), "principalType", "ServicePrincipal")}, 201, "")
	w.Want(armtest.Request{Path: account, As: armtest.Nobody}, 200, "")
	w.Want(armtest.Request{Method: "DELETE", Path: account, As: armtest.Nobody}, 403, "AuthorizationFailed")
	w.Want(armtest.Request{Method: "DELETE", Path: path}, 200, "")
	w.Want(armtest.Request{Path: account, As: armtest.Nobody}, 403, "AuthorizationFailed")
}

func TestAssignmentRefusals(t *testing.T) {
	w := start(t)
	id := w.principal.ObjectID
	at := func(scope string) string { return scope + assignments + "/" + guid(1) }
	w.Want(armtest.Request{Method: "PUT", Path: account + assignments + "/" + guid(9), Body: body("Reader", id)}, 201, "")
	cases := []struct {
		name, method, path, as string
		body                   any
		status                 int
		code                   string
		message                string
	}{
		{"contributor", "PUT", at(account), armtest.Contributor, body("Owner", id), 403, "AuthorizationFailed", "action 'Microsoft.Authorization/roleAssignments/write' over scope '" + at(account) + "'"},
		{"owner_of_another_scope", "PUT", at(armtest.S), armtest.InGroup, body("Owner", id), 403, "AuthorizationFailed", ""},
		{"reader_deletes", "DELETE", account + assignments + "/" + guid(9), armtest.Reader, nil, 403, "AuthorizationFailed", "roleAssignments/delete"},
		{"nobody_reads", "GET", at(account), armtest.Nobody, nil, 403, "AuthorizationFailed", "roleAssignments/read"},
		{"nobody_lists", "GET", account + assignments, armtest.Nobody, nil, 403, "AuthorizationFailed", "over scope '" + account + "/providers/Microsoft.Authorization'"},
		{"root", "PUT", at(""), "", body("Owner", id), 403, "AuthorizationFailed", ""},
		{"empty", "PUT", at(account), "", "", 400, "InvalidRequestContent", ""},
		{"types", "PUT", at(account), "", `{"properties":{"principalId":1}}`, 400, "InvalidRequestContent", "properties.principalId"},
		{"name", "PUT", account + assignments + "/one", "", body("Reader", id), 400, "InvalidRoleAssignmentId", "'one'"},
		{"no_role", "PUT", at(account), "", map[string]any{"properties": map[string]any{"principalId": id}}, 400, "InvalidRoleDefinitionId", ""},
		{"role_by_name", "PUT", at(account), "", body("/providers/Microsoft.Authorization/roleDefinitions/Reader", id), 400, "InvalidRoleDefinitionId", ""},
		{"unknown_role", "PUT", at(account), "", body(definitions+"/"+unknown, id), 404, "RoleDefinitionDoesNotExist", unknown},
		{"no_principal", "PUT", at(account), "", body("Reader", ""), 400, "InvalidPrincipalId", ""},
		{"unknown_principal", "PUT", at(account), "", body("Reader", unknown), 400, "PrincipalNotFound", "Principal 77777777777777777777777777777777 does not exist in the directory " + armtest.TenantID},
		{"client_id", "PUT", at(account), "", body("Reader", w.principal.AppID), 400, "PrincipalNotFound", ""},
		{"other_type", "PUT", at(account), "", body("Reader", id, "principalType", "Group"), 400, "UnmatchedPrincipalType", ""},
		{"type", "PUT", at(account), "", body("Reader", unknown, "principalType", "Robot"), 400, "BadRequestFormat", "Robot"},
		{"twice", "PUT", at(account), "", body("Reader", id), 409, "RoleAssignmentExists", strings.ReplaceAll(guid(9), "-", "")},
		{"other_role_same_name", "PUT", account + assignments + "/" + guid(9), "", body("Owner", id), 400, "RoleAssignmentUpdateNotPermitted", ""},
		{"no_group", "PUT", at(armtest.S + "/resourceGroups/none"), "", body("Reader", id), 404, "ResourceGroupNotFound", ""},
		{"no_resource", "PUT", at(armtest.RG + "/providers/Microsoft.Storage/storageAccounts/none"), "", body("Reader", id), 404, "ResourceNotFound", ""},
		{"no_child", "PUT", at(account + "/blobServices/default/containers/none"), "", body("Reader", id), 404, "ResourceNotFound", "containers/none"},
		{"no_type", "PUT", at(armtest.RG + "/providers/Microsoft.Sql/servers/s"), "", body("Reader", id), 404, "ResourceNotFound", ""},
		{"collection", "PUT", at(armtest.RG + "/providers/Microsoft.Storage/storageAccounts"), "", body("Reader", id), 400, "InvalidRequestUri", ""},
		{"no_subscription", "PUT", at("/subscriptions/" + unknown), "", body("Reader", id), 404, "SubscriptionNotFound", ""},
		{"patch", "PATCH", at(account), "", body("Reader", id), 405, "MethodNotAllowed", ""},
		{"list_nothing", "GET", armtest.S + "/resourceGroups/none" + assignments, "", nil, 404, "ResourceGroupNotFound", ""},
		{"filter", "GET", account + assignments + "?$filter=principalId+gt+'a'", "", nil, 400, "InvalidFilterInQueryString", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			response := w.Want(armtest.Request{Method: c.method, Path: c.path, As: c.as, Body: c.body}, c.status, c.code)
			if !strings.Contains(response.Message(), c.message) {
				t.Errorf("message: got %q, want %q in it", response.Message(), c.message)
			}
		})
	}
	// One that the directory does not know yet is taken when the type is said.
	w.Want(armtest.Request{Method: "PUT", Path: at(account), Body: body("Reader", unknown, "principalType", "User")}, 201, "")
}

func TestListAssignments(t *testing.T) {
	w := start(t)
	id := w.principal.ObjectID
	for i, scope := range []string{armtest.S, armtest.RG, account, container} {
		w.Want(armtest.Request{Method: "PUT", Path: scope + assignments + "/" + guid(i+1), Body: body("Storage Blob Data Reader", id)}, 201, "")
	}
	cases := []struct {
		name, scope, filter string
		want                int // of the principal's; callers have four more, three of them above
	}{
		{"of_principal", armtest.S, "principalId eq '" + strings.ToUpper(id) + "'", 4},
		{"of_principal_below", account, "principalId eq '" + id + "'", 4},
		{"at_scope", account, "atScope() and principalId eq '" + id + "'", 3},
		{"assigned_to", armtest.RG, "assignedTo('" + id + "')", 4},
		{"at_scope_and_assigned_to", armtest.RG, "atScope() and assignedTo('" + id + "')", 2},
		{"all", armtest.S, "", 8},
		{"at_subscription", armtest.S, "atScope()", 4},
		{"nobody", armtest.S, "principalId eq '" + unknown + "'", 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			list := w.Want(armtest.Request{Path: c.scope + assignments + "?$filter=" + url.QueryEscape(c.filter), As: armtest.Reader}, 200, "")
			if list.Len() != c.want {
				t.Errorf("%s at %s: got %s, want %d", c.filter, c.scope, list.Body, c.want)
			}
		})
	}
	w.Want(armtest.Request{Path: assignments, As: armtest.Reader}, 403, "AuthorizationFailed")
}

func TestAssignmentsGoWithTheirScope(t *testing.T) {
	w := start(t)
	id := w.principal.ObjectID
	for i, scope := range []string{armtest.RG, account, container} {
		w.Want(armtest.Request{Method: "PUT", Path: scope + assignments + "/" + guid(i+1), Body: body("Reader", id)}, 201, "")
	}
	w.Want(armtest.Request{Method: "DELETE", Path: account}, 200, "")
	w.Want(armtest.Request{Method: "PUT", Path: account, Body: `{"location":"westeurope"}`}, 201, "")
	list := w.Want(armtest.Request{Path: armtest.S + assignments + "?$filter=principalId+eq+'" + id + "'"}, 200, "")
	if list.Len() != 1 || list.Get("value.0.name") != guid(1) {
		t.Errorf("assignments after the account: got %s, want that of the group", list.Body)
	}
	w.Want(armtest.Request{Method: "DELETE", Path: armtest.RG}, 200, "")
	if got := w.Want(armtest.Request{Path: armtest.S + assignments + "?$filter=principalId+eq+'" + id + "'"}, 200, "").Len(); got != 0 {
		t.Errorf("assignments after the group: got %d, want 0", got)
	}
}

func TestConcurrentAssignments(t *testing.T) {
	w := start(t)
	var created atomic.Int64
	armtest.Parallel(12, func(i int) {
		response := w.Do(armtest.Request{Method: "PUT", Path: account + assignments + "/" + guid(i+1), Body: body("Reader", w.principal.ObjectID)})
		switch {
		case response.Status == 201:
			created.Add(1)
		case response.Status != 409 || response.Code() != "RoleAssignmentExists":
			t.Errorf("writer %d: got %d %s", i, response.Status, response.Body)
		}
	})
	if created.Load() != 1 {
		t.Errorf("assignments of one role to one principal: got %d, want 1", created.Load())
	}
}

func TestDefinitions(t *testing.T) {
	w := start(t)
	for name, scope := range map[string]string{"subscription": armtest.S, "group": armtest.RG, "resource": account, "tenant": ""} {
		t.Run(name, func(t *testing.T) {
			// As azurerm asks: spaces as +, quotes escaped.
			list := w.Want(armtest.Request{Path: scope + definitions + "?$filter=roleName+eq+%27Storage+Blob+Data+Reader%27&api-version=2022-05-01-preview", As: armtest.Reader}, 200, "")
			if list.Len() != 1 || list.Get("value.0.name") != blobReader || list.Get("value.0.properties.type") != "BuiltInRole" {
				t.Fatalf("by name: got %s", list.Body)
			}
			id := list.Get("value.0.id")
			if !strings.HasSuffix(id, definitions+"/"+blobReader) || (scope != "" && !strings.HasPrefix(id, armtest.S+"/providers")) {
				t.Errorf("id at %s: got %s", scope, id)
			}
			got := w.Want(armtest.Request{Path: id, As: armtest.Reader}, 200, "")
			if got.Get("properties.roleName") != "Storage Blob Data Reader" || got.Get("properties.permissions.0.dataActions.0") == "" || got.Get("properties.assignableScopes") != `["/"]` {
				t.Errorf("by id: got %s", got.Body)
			}
		})
	}
	w.Want(armtest.Request{Path: definitions + "/" + blobReader, As: armtest.Nobody}, 200, "")
	w.Want(armtest.Request{Path: armtest.S + definitions, As: armtest.Nobody}, 403, "AuthorizationFailed")
	w.Want(armtest.Request{Path: armtest.S + definitions + "/" + unknown}, 404, "RoleDefinitionDoesNotExist")
	w.Want(armtest.Request{Path: armtest.S + definitions + "/reader"}, 400, "InvalidRoleDefinitionId")
	w.Want(armtest.Request{Path: armtest.S + definitions + "?$filter=name+eq+'x'"}, 400, "InvalidFilterInQueryString")
	w.Want(armtest.Request{Path: armtest.S + "/resourceGroups/none" + definitions}, 404, "ResourceGroupNotFound")
	if got := w.Want(armtest.Request{Path: armtest.S + definitions + "?$filter=type+eq+'CustomRole'+and+atScopeAndBelow()"}, 200, "").Len(); got != 0 {
		t.Errorf("custom roles: got %d, want 0", got)
	}
}

func role(name string, scopes ...string) map[string]any {
	return map[string]any{"properties": map[string]any{
		"roleName": name, "description": "d", "type": "CustomRole", "assignableScopes": scopes,
		"permissions": []any{map[string]any{"actions": []string{"Microsoft.Storage/storageAccounts/read"}, "notActions": []string{}}},
	}}
}

func TestCustomRole(t *testing.T) {
	w := start(t)
	path := armtest.RG + definitions + "/" + guid(5)
	w.Want(armtest.Request{Method: "PUT", Path: path, As: armtest.Contributor, Body: role("Mine", armtest.RG)}, 403, "AuthorizationFailed")
	w.Want(armtest.Request{Method: "PUT", Path: path, As: armtest.InGroup, Body: role("Mine", armtest.RG, armtest.S)}, 403, "AuthorizationFailed")
	created := w.Want(armtest.Request{Method: "PUT", Path: path, As: armtest.InGroup, Body: role("Mine", armtest.RG)}, 201, "")
	if created.Get("id") != armtest.S+definitions+"/"+guid(5) || created.Get("properties.type") != "CustomRole" || created.Get("properties.permissions.0.dataActions") != "[]" {
		t.Errorf("custom role: got %s", created.Body)
	}
	w.Want(armtest.Request{Path: path, As: armtest.Reader}, 200, "")
	w.Want(armtest.Request{Path: definitions + "/" + guid(5), As: armtest.Reader}, 200, "")
	w.Want(armtest.Request{Path: definitions + "/" + guid(5), As: armtest.Nobody}, 403, "AuthorizationFailed")
	w.Want(armtest.Request{Path: created.Get("id")}, 200, "") // which names the subscription
	w.Want(armtest.Request{Method: "PUT", Path: armtest.S + "/resourceGroups/other", Body: `{"location":"westeurope"}`}, 201, "")
	w.Want(armtest.Request{Path: armtest.S + "/resourceGroups/other" + definitions + "/" + guid(5)}, 404, "RoleDefinitionDoesNotExist")
	for filter, want := range map[string]int{"": 0, "type+eq+'customrole'+and+atScopeAndBelow()": 1} {
		list := w.Want(armtest.Request{Path: armtest.S + definitions + "?$filter=" + filter}, 200, "")
		if got := strings.Count(list.Body, `"CustomRole"`); got != want {
			t.Errorf("custom roles of the subscription with %q: got %d, want %d", filter, got, want)
		}
	}
	// The tenant's list is open to everyone, and holds of the custom roles what the caller may read.
	for caller, want := range map[string]int{armtest.Nobody: 0, armtest.Reader: 1} {
		list := w.Want(armtest.Request{Path: definitions + "?$filter=type+eq+'customrole'+and+atScopeAndBelow()", As: caller}, 200, "")
		if got := strings.Count(list.Body, `"CustomRole"`); got != want {
			t.Errorf("custom roles of the tenant as %s: got %d, want %d", caller, got, want)
		}
	}
	// It works, and only where it can be assigned.
	w.Want(armtest.Request{Method: "PUT", Path: armtest.S + assignments + "/" + guid(1), Body: body(definitions+"/"+guid(5), armtest.ObjectID(armtest.Nobody), "principalType", "ServicePrincipal")}, 404, "RoleDefinitionDoesNotExist")
	w.Want(armtest.Request{Method: "PUT", Path: armtest.RG + assignments + "/" + guid(1), Body: body(definitions+"/"+guid(5), armtest.ObjectID(armtest.Nobody), "principalType", "ServicePrincipal")}, 201, "")
	w.Want(armtest.Request{Path: account, As: armtest.Nobody}, 200, "")
	w.Want(armtest.Request{Path: armtest.RG, As: armtest.Nobody}, 403, "AuthorizationFailed")
	w.Want(armtest.Request{Method: "DELETE", Path: path}, 409, "RoleDefinitionHasAssignments")

	changed := role("Mine too", armtest.RG, armtest.S)
	w.Want(armtest.Request{Method: "PUT", Path: path, As: armtest.Owner, Body: changed}, 201, "")
	// Who owns the group alone may not take the role away from the subscription.
	w.Want(armtest.Request{Method: "PUT", Path: path, As: armtest.InGroup, Body: role("Mine", armtest.RG)}, 403, "AuthorizationFailed")
	w.Want(armtest.Request{Method: "DELETE", Path: path, As: armtest.InGroup}, 403, "AuthorizationFailed")
	w.Want(armtest.Request{Method: "PUT", Path: armtest.S + definitions + "/" + guid(6), Body: role("mine TOO", armtest.S)}, 409, "RoleDefinitionWithSameNameExists")
	w.Want(armtest.Request{Method: "DELETE", Path: armtest.RG + assignments + "/" + guid(1)}, 200, "")
	w.Want(armtest.Request{Method: "DELETE", Path: path, As: armtest.Reader}, 403, "AuthorizationFailed")
	w.Want(armtest.Request{Method: "DELETE", Path: path}, 200, "")
	w.Want(armtest.Request{Method: "DELETE", Path: path}, 204, "")
}

func TestCustomRoleRefusals(t *testing.T) {
	w := start(t)
	path := armtest.S + definitions + "/" + guid(5)
	cases := []struct {
		name, path string
		body       any
		status     int
		code       string
	}{
		{"empty", path, "", 400, "InvalidRequestContent"},
		{"no_scopes", path, role("R"), 400, "BadRequestFormat"},
		{"no_name", path, role("", armtest.S), 400, "BadRequestFormat"},
		{"root", path, role("R", "/"), 403, "AuthorizationFailed"},
		{"bad_scope", path, role("R", "subscriptions"), 400, "BadRequestFormat"},
		{"no_such_scope", path, role("R", armtest.S+"/resourceGroups/none"), 404, "ResourceGroupNotFound"},
		{"built_in", armtest.S + definitions + "/" + blobReader, role("R", armtest.S), 400, "BadRequestFormat"},
		{"built_in_name", path, role("reader", armtest.S), 409, "RoleDefinitionWithSameNameExists"},
		{"id", armtest.S + definitions + "/x", role("R", armtest.S), 400, "InvalidRoleDefinitionId"},
		{"permissions", path, `{"properties":{"roleName":"R","assignableScopes":["` + armtest.S + `"],"permissions":{}}}`, 400, "InvalidRequestContent"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w.Want(armtest.Request{Method: "PUT", Path: c.path, Body: c.body}, c.status, c.code)
		})
	}
	w.Want(armtest.Request{Method: "DELETE", Path: armtest.S + definitions + "/" + blobReader}, 400, "BadRequestFormat")
	w.Want(armtest.Request{Method: "DELETE", Path: path}, 204, "")
}
