package graph_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/app/apptest"
	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/store"
)

const (
	host    = "graph.microsoft.com"
	base    = host + "/v1.0"
	domain  = "test.onmicrosoft.com"
	graphID = "00000003-0000-0000-c000-000000000000"
)

// world has the users ada, an administrator, and bob.
func world(t *testing.T) *apptest.World {
	w := apptest.New(t, nil)
	person(w, "ada", directory.ReadWriteAll)
	person(w, "bob")
	return w
}

// person makes a caller a user.
func person(w *apptest.World, name string, permissions ...string) {
	w.T.Helper()
	_, err := w.Directory.CreateUser(w.T.Context(), directory.User{
		TenantID: apptest.TenantID, ObjectID: apptest.ObjectID(name), Name: name + "@" + domain, DisplayName: name, Directory: permissions,
	}, "")
	if err != nil {
		w.T.Fatal(err)
	}
}

func post(path string, body any) apptest.Request {
	return apptest.Request{Method: http.MethodPost, URL: base + path, Body: body}
}

func patch(path string, body any) apptest.Request {
	return apptest.Request{Method: http.MethodPatch, URL: base + path, Body: body}
}

func remove(path string) apptest.Request {
	return apptest.Request{Method: http.MethodDelete, URL: base + path}
}

func get(path string) apptest.Request { return apptest.Request{URL: base + path} }

type member = map[string]any

func createGroup(w *apptest.World, name string) string {
	w.T.Helper()
	return w.Want(post("/groups", member{"displayName": name, "mailNickname": name, "mailEnabled": false, "securityEnabled": true}), 201, "").Get("id")
}

func createApplication(w *apptest.World, name string) (id, appID string) {
	w.T.Helper()
	made := w.Want(post("/applications", member{"displayName": name}), 201, "")
	return made.Get("id"), made.Get("appId")
}

// field is a member whose name has a dot.
func field(r apptest.Response, name string) string {
	var all map[string]any
	if json.Unmarshal([]byte(r.Body), &all) != nil || all[name] == nil {
		return ""
	}
	return fmt.Sprint(all[name])
}

// values of one property of a list.
func values(r apptest.Response, property string) []string {
	var list struct{ Value []map[string]any }
	if json.Unmarshal([]byte(r.Body), &list) != nil {
		return []string{"no list: " + r.Body}
	}
	all := []string{}
	for _, one := range list.Value {
		all = append(all, fmt.Sprint(one[property]))
	}
	slices.Sort(all)
	return all
}

func ref(id string) member {
	return member{"@odata.id": "https://graph.microsoft.com/v1.0/directoryObjects/" + id}
}

func TestWhoMayWhat(t *testing.T) {
	w := world(t)
	w.Register("app")
	w.Register("reader", directory.ReadAll)
	w.Assign("subscription-owner", "Owner", apptest.Subscription)
	group := member{"displayName": "g", "mailNickname": "g", "mailEnabled": false, "securityEnabled": true}
	own := "/servicePrincipals/" + apptest.ObjectID("app")
	tests := []struct {
		name, as string
		request  apptest.Request
		status   int
		code     string
	}{
		{"administrator_writes", "ada", post("/groups", group), 201, ""},
		{"user_reads", "bob", get("/groups"), 200, ""},
		{"user_does_not_write", "bob", post("/groups", group), 403, "Authorization_RequestDenied"},
		{"application_reads_nothing", "app", get("/groups"), 403, "Authorization_RequestDenied"},
		{"application_reads_itself", "app", get(own), 200, ""},
		{"application_reads_itself_beta", "app", apptest.Request{URL: host + "/beta" + own}, 200, ""},
		{"application_does_not_change_itself", "app", patch(own, member{"accountEnabled": false}), 403, "Authorization_RequestDenied"},
		{"application_reads_no_other", "app", get("/servicePrincipals/" + apptest.ObjectID("reader")), 403, "Authorization_RequestDenied"},
		{"reader_reads", "reader", get("/servicePrincipals"), 200, ""},
		{"reader_does_not_write", "reader", post("/groups", group), 403, "Authorization_RequestDenied"},
		{"owner_of_a_subscription", "subscription-owner", get("/users"), 403, "Authorization_RequestDenied"},
		{"of_another_tenant", "foreigner", get("/users"), 403, "Authorization_RequestDenied"},
		{"no_token", "-", get("/users"), 401, "InvalidAuthenticationToken"},
		{"other_audience", "ada", apptest.Request{URL: base + "/users", Audience: "https://management.azure.com"}, 401, "InvalidAuthenticationToken"},
		{"audience_by_id", "ada", apptest.Request{URL: base + "/users", Audience: graphID}, 200, ""},
		{"me", "ada", get("/me"), 200, ""},
		{"me_of_an_application", "reader", get("/me"), 400, "BadRequest"},
		{"no_such_path", "ada", get("/nothing"), 400, "BadRequest"},
		{"no_such_version", "ada", apptest.Request{URL: host + "/v3.0/users"}, 400, "BadRequest"},
		{"no_such_method", "ada", apptest.Request{Method: http.MethodPut, URL: base + "/users"}, 405, "Request_BadRequest"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.request.As = test.as
			w.T = t
			w.Want(test.request, test.status, test.code)
		})
	}
	w.T = t
}

func TestErrorForm(t *testing.T) {
	w := world(t)
	const ask = "11111111-2222-4333-8444-555555555555"
	r := get("/groups/" + apptest.TenantID)
	r.Header = map[string]string{"client-request-id": ask}
	got := w.Want(r, 404, "Request_ResourceNotFound")
	for path, want := range map[string]string{
		"error.message":                      "Resource '" + apptest.TenantID + "' does not exist or one of its queried reference-property objects are not present.",
		"error.innerError.date":              "2026-09-01T12:00:00",
		"error.innerError.client-request-id": ask,
		"error.innerError.request-id":        got.Header.Get("request-id"),
	} {
		if got.Get(path) != want || want == "" {
			t.Errorf("%s: got %q, want %q", path, got.Get(path), want)
		}
	}
}

func TestUsers(t *testing.T) {
	w := world(t)
	body := member{
		"accountEnabled": true, "displayName": "Eve Example", "mailNickname": "eve", "userPrincipalName": "eve@" + domain, "givenName": "Eve",
		"passwordProfile": member{"password": "correct Horse 7", "forceChangePasswordNextSignIn": false},
	}
	made := w.Want(post("/users", body), 201, "")
	id := made.Get("id")
	if _, err := w.Directory.CheckPassword(t.Context(), apptest.TenantID, "EVE@"+domain, "correct Horse 7"); err != nil {
		t.Errorf("signing in with the password: %v", err)
	}
	for _, path := range []string{"/users/" + id, "/users/EVE@" + domain, "/users/eve%40" + domain, "/users('" + id + "')"} {
		got := w.Want(get(path), 200, "")
		if got.Get("id") != id || got.Get("givenName") != "Eve" || strings.Contains(got.Body, "accountEnabled") || strings.Contains(got.Body, "igest") {
			t.Errorf("%s: got %s", path, got.Body)
		}
	}
	if got := w.Want(get("/users/"+id+"?$select=accountEnabled,mailNickname"), 200, ""); got.Get("accountEnabled") != "true" || got.Get("mailNickname") != "eve" || got.Get("id") != "" {
		t.Errorf("selected: got %s", got.Body)
	}
	w.Want(get("/users/"+id+"/manager"), 404, "Request_ResourceNotFound")
	w.Want(post("/users", body), 400, "Request_MultipleObjectsWithSameKeyValue")
	w.Want(patch("/users/"+id, member{"accountEnabled": false, "displayName": "Eve", "jobTitle": nil, "department": "d"}), 204, "")
	if got := w.Want(get("/users/"+id+"?$select=accountEnabled,displayName,department"), 200, ""); got.Get("accountEnabled") != "false" || got.Get("displayName") != "Eve" || got.Get("department") != "d" {
		t.Errorf("changed: got %s", got.Body)
	}
	w.Want(patch("/users/"+id, member{"passwordProfile": member{"password": "another Horse 8"}, "accountEnabled": true}), 204, "")
	if _, err := w.Directory.CheckPassword(t.Context(), apptest.TenantID, "eve@"+domain, "another Horse 8"); err != nil {
		t.Errorf("signing in with the new password: %v", err)
	}
	refused := map[string]struct {
		with member
		code string
	}{
		"other_domain":     {member{"userPrincipalName": "x@contoso.com"}, "Request_BadRequest"},
		"odd_name":         {member{"userPrincipalName": "x y@" + domain}, "Request_BadRequest"},
		"weak_password":    {member{"userPrincipalName": "x@" + domain, "passwordProfile": member{"password": "short"}}, "Request_BadRequest"},
		"no_password":      {member{"userPrincipalName": "x@" + domain, "passwordProfile": member{}}, "Request_BadRequest"},
		"unknown_property": {member{"userPrincipalName": "x@" + domain, "colour": "red"}, "Request_BadRequest"},
		"read_only":        {member{"userPrincipalName": "x@" + domain, "id": id}, "Request_BadRequest"},
		"wrong_type":       {member{"userPrincipalName": "x@" + domain, "jobTitle": 7}, "Request_BadRequest"},
		"null_name":        {member{"userPrincipalName": nil}, "Request_BadRequest"},
	}
	for name, test := range refused {
		t.Run(name, func(t *testing.T) {
			w.T = t
			one := member{}
			for key, value := range body {
				one[key] = value
			}
			for key, value := range test.with {
				one[key] = value
			}
			w.Want(post("/users", one), 400, test.code)
		})
	}
	w.T = t
	w.Want(patch("/users/"+id, member{"userPrincipalName": "eve@contoso.com"}), 400, "Request_BadRequest")
	w.Want(patch("/users/"+id, member{"userPrincipalName": "ada@" + domain}), 400, "Request_MultipleObjectsWithSameKeyValue")
	w.Want(remove("/users/"+id), 204, "")
	w.Want(get("/users/"+id), 404, "Request_ResourceNotFound")
	me := get("/me")
	me.As = "bob"
	if got := w.Want(me, 200, ""); got.Get("userPrincipalName") != "bob@"+domain || field(got, "@odata.context") != "https://graph.microsoft.com/v1.0/$metadata#users/$entity" {
		t.Errorf("me: got %s", got.Body)
	}
}

func TestGroups(t *testing.T) {
	w := world(t)
	id := createGroup(w, "sub_owners")
	for _, version := range []string{"v1.0", "beta"} {
		filter := "/groups?$filter=displayName+eq+%27sub_owners%27+and+securityEnabled+eq+true+and+mailEnabled+eq+false"
		got := w.Want(apptest.Request{URL: host + "/" + version + filter}, 200, "")
		if !slices.Equal(values(got, "id"), []string{id}) || field(got, "@odata.context") != "https://graph.microsoft.com/"+version+"/$metadata#groups" {
			t.Errorf("%s: got %s", version, got.Body)
		}
	}
	inner := createGroup(w, "inner")
	ada, bob := apptest.ObjectID("ada"), apptest.ObjectID("bob")
	w.Want(post("/groups/"+id+"/members/$ref", ref(inner)), 204, "")
	w.Want(post("/groups/"+id+"/members/$ref", ref(ada)), 204, "")
	w.Want(post("/groups/"+inner+"/members/$ref", member{"@odata.id": "https://graph.microsoft.com/v1.0/users/" + bob}), 204, "")
	w.Want(post("/groups/"+id+"/owners/$ref", ref(apptest.ObjectID(apptest.Owner))), 204, "")
	if got := w.Want(get("/groups/"+id+"/members"), 200, ""); !slices.Equal(values(got, "@odata.type"), []string{"#microsoft.graph.group", "#microsoft.graph.user"}) {
		t.Errorf("members: got %s", got.Body)
	}
	if got := w.Want(get("/groups/"+id+"/transitiveMembers?$select=id"), 200, ""); len(values(got, "id")) != 3 {
		t.Errorf("transitive members: got %s", got.Body)
	}
	if got := w.Want(get("/groups/"+id+"/owners"), 200, ""); !slices.Equal(values(got, "@odata.type"), []string{"#microsoft.graph.servicePrincipal"}) {
		t.Errorf("owners: got %s", got.Body)
	}
	if got := w.Want(get("/users/bob@"+domain+"/memberOf"), 200, ""); !slices.Equal(values(got, "displayName"), []string{"inner"}) {
		t.Errorf("memberOf: got %s", got.Body)
	}
	if got := w.Want(get("/users/"+bob+"/transitiveMemberOf"), 200, ""); !slices.Equal(values(got, "displayName"), []string{"inner", "sub_owners"}) {
		t.Errorf("transitiveMemberOf: got %s", got.Body)
	}
	for _, path := range []string{"/users/" + bob, "/directoryObjects/" + bob} {
		if got := w.Want(post(path+"/getMemberGroups", member{"securityEnabledOnly": true}), 200, ""); strings.Count(got.Body, "-4000-8000-") != 2 {
			t.Errorf("%s: got %s", path, got.Body)
		}
	}
	check := w.Want(post("/directoryObjects/"+bob+"/checkMemberGroups", member{"groupIds": []string{id, apptest.TenantID}}), 200, "")
	if check.Get("value.0") != id || check.Get("value.1") != "" {
		t.Errorf("checkMemberGroups: got %s", check.Body)
	}
	mine := post("/me/getMemberObjects", member{})
	mine.As = "bob"
	if got := w.Want(mine, 200, ""); !strings.Contains(got.Body, inner) {
		t.Errorf("my groups: got %s", got.Body)
	}
	for name, test := range map[string]struct {
		request apptest.Request
		status  int
		code    string
	}{
		"twice":         {post("/groups/"+id+"/members/$ref", ref(ada)), 400, "Request_BadRequest"},
		"itself":        {post("/groups/"+id+"/members/$ref", ref(id)), 400, "Request_BadRequest"},
		"nobody":        {post("/groups/"+id+"/members/$ref", ref(apptest.TenantID)), 404, "Request_ResourceNotFound"},
		"no_reference":  {post("/groups/"+id+"/members/$ref", member{}), 400, "Request_BadRequest"},
		"odd_reference": {post("/groups/"+id+"/members/$ref", member{"@odata.id": "x"}), 400, "Request_BadRequest"},
		"not_a_member":  {remove("/groups/" + id + "/members/" + bob + "/$ref"), 404, "Request_ResourceNotFound"},
		"not_a_guid":    {get("/groups/x"), 400, "Request_BadRequest"},
		"mail":          {post("/groups", member{"displayName": "m", "mailNickname": "m", "mailEnabled": true, "securityEnabled": true}), 400, "Request_BadRequest"},
		"dynamic":       {post("/groups", member{"displayName": "m", "mailNickname": "m", "mailEnabled": false, "securityEnabled": true, "groupTypes": []string{"DynamicMembership"}}), 400, "Request_BadRequest"},
		"no_nickname":   {post("/groups", member{"displayName": "m", "mailEnabled": false, "securityEnabled": true}), 400, "Request_BadRequest"},
		"not_json":      {post("/groups", "{"), 400, "BadRequest"},
		"not_an_object": {post("/groups", "null"), 400, "BadRequest"},
	} {
		t.Run(name, func(t *testing.T) { w.T = t; w.Want(test.request, test.status, test.code) })
	}
	w.T = t
	w.Want(patch("/groups/"+id, member{"description": "d", "visibility": "Private"}), 204, "")
	if got := w.Want(get("/groups/"+id), 200, ""); got.Get("description") != "d" || got.Get("visibility") != "Private" {
		t.Errorf("changed: got %s", got.Body)
	}
	w.Want(remove("/groups/"+id+"/members/"+ada+"/$ref"), 204, "")
	w.Want(remove("/groups/"+id), 204, "")
	w.Want(get("/groups/"+id), 404, "")
	bound := w.Want(post("/groups", member{
		"displayName": "bound", "mailNickname": "b", "mailEnabled": false, "securityEnabled": true,
		"members@odata.bind": []string{"https://graph.microsoft.com/v1.0/directoryObjects/" + bob},
	}), 201, "").Get("id")
	if got := w.Want(get("/groups/"+bound+"/members"), 200, ""); !slices.Equal(values(got, "id"), []string{bob}) {
		t.Errorf("bound: got %s", got.Body)
	}
}

func TestGetByIDs(t *testing.T) {
	w := world(t)
	group := createGroup(w, "g")
	id, _ := createApplication(w, "app")
	ask := member{
		"ids":   []string{group, apptest.ObjectID("ada"), apptest.ObjectID(apptest.Owner), id, apptest.TenantID},
		"types": []string{"user", "group", "servicePrincipal", "directoryObjectPartnerReference"},
	}
	got := w.Want(post("/directoryObjects/getByIds", ask), 200, "")
	if !slices.Equal(values(got, "@odata.type"), []string{"#microsoft.graph.group", "#microsoft.graph.servicePrincipal", "#microsoft.graph.user"}) {
		t.Errorf("got %s", got.Body)
	}
	if got := w.Want(get("/directoryObjects/"+id), 200, ""); field(got, "@odata.type") != "#microsoft.graph.application" {
		t.Errorf("got %s", got.Body)
	}
	w.Want(get("/directoryObjects/"+apptest.TenantID), 404, "Request_ResourceNotFound")
	w.Want(post("/directoryObjects/getByIds", member{"ids": []string{"x"}}), 400, "Request_BadRequest")
	w.Want(post("/directoryObjects/getByIds", `{"ids":7}`), 400, "BadRequest")
}

func TestTenant(t *testing.T) {
	w := world(t)
	if got := w.Want(get("/organization"), 200, ""); got.Get("value.0.id") != apptest.TenantID || got.Get("value.0.verifiedDomains.0.name") != domain {
		t.Errorf("got %s", got.Body)
	}
	if got := w.Want(get("/domains"), 200, ""); got.Get("value.0.id") != domain {
		t.Errorf("got %s", got.Body)
	}
	w.Want(get("/directory/deletedItems/"+apptest.TenantID), 404, "Request_ResourceNotFound")
}

// TestPermissions: an administrator gives an application the directory, and takes it back.
func TestPermissions(t *testing.T) {
	w := world(t)
	w.Register("app")
	microsoft := w.Want(get("/servicePrincipals?$filter="+escape("appId eq '"+graphID+"'")), 200, "")
	role := microsoft.Get("value.0.appRoles.0.id")
	if microsoft.Get("value.0.appRoles.0.value") != directory.ReadAll {
		t.Fatalf("got %s", microsoft.Body)
	}
	oid := apptest.ObjectID("app")
	assignment := member{"principalId": oid, "resourceId": microsoft.Get("value.0.id"), "appRoleId": role}
	users := get("/users")
	users.As = "app"
	w.Want(users, 403, "Authorization_RequestDenied")
	made := w.Want(post("/servicePrincipals/"+oid+"/appRoleAssignments", assignment), 201, "")
	w.Want(users, 200, "")
	w.Want(post("/servicePrincipals/"+oid+"/appRoleAssignments", assignment), 400, "Request_BadRequest")
	if got := w.Want(get("/servicePrincipals/"+oid+"/appRoleAssignments"), 200, ""); !slices.Equal(values(got, "id"), []string{made.Get("id")}) {
		t.Errorf("got %s", got.Body)
	}
	w.Want(remove("/servicePrincipals/"+oid+"/appRoleAssignments/"+made.Get("id")), 204, "")
	w.Want(remove("/servicePrincipals/"+oid+"/appRoleAssignments/"+made.Get("id")), 404, "")
	w.Want(users, 403, "Authorization_RequestDenied")
	assignment["appRoleId"] = apptest.TenantID
	w.Want(post("/servicePrincipals/"+oid+"/appRoleAssignments", assignment), 400, "Request_BadRequest")
}

// TestTenantsAreApart: objects of another tenant are not there.
func TestTenantsAreApart(t *testing.T) {
	w := world(t)
	ctx := t.Context()
	if _, err := w.Directory.EnsureTenant(ctx, directory.Tenant{ID: apptest.ForeignID, Domain: "foreign.onmicrosoft.com"}); err != nil {
		t.Fatal(err)
	}
	_, err := w.Directory.Register(ctx, directory.Principal{
		TenantID: apptest.ForeignID, ObjectID: apptest.ObjectID("foreign"), AppID: apptest.AppID("foreign"), AppObjectID: apptest.AppID("foreign-object"),
		Type: directory.TypeApplication, DisplayName: "foreign", Directory: []string{directory.ReadWriteAll},
	})
	if err != nil {
		t.Fatal(err)
	}
	group := createGroup(w, "g")
	id, appID := createApplication(w, "app")
	for _, path := range []string{
		"/groups/" + group, "/users/" + apptest.ObjectID("ada"), "/users/ada@" + domain, "/applications/" + id, "/applications(appId='" + appID + "')",
		"/servicePrincipals/" + apptest.ObjectID(apptest.Owner), "/directoryObjects/" + group, "/groups/" + group + "/members", "/users/" + apptest.ObjectID("ada") + "/memberOf",
	} {
		r := get(path)
		r.As = "foreign"
		w.Want(r, 404, "Request_ResourceNotFound")
	}
	for _, path := range []string{"/groups", "/users", "/applications", "/servicePrincipals"} {
		r := get(path)
		r.As = "foreign"
		if got := w.Want(r, 200, ""); strings.Contains(got.Body, apptest.ObjectID("ada")) || strings.Contains(got.Body, group) || strings.Contains(got.Body, id) || strings.Contains(got.Body, apptest.ObjectID(apptest.Owner)) {
			t.Errorf("%s: got %s", path, got.Body)
		}
	}
	w.Want(post("/groups/"+group+"/members/$ref", ref(apptest.ObjectID("foreign"))), 404, "Request_ResourceNotFound")
	if users, _, err := w.Directory.ListUsers(ctx, store.Query{}); err != nil || len(users) != 2 {
		t.Errorf("got %d users, %v", len(users), err)
	}
}
