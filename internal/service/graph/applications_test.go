package graph_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/app/apptest"
)

func TestApplications(t *testing.T) {
	w := world(t)
	made := w.Want(post("/applications", member{
		"displayName": "app", "identifierUris": []string{"api://app"}, "signInAudience": "AzureADMyOrg", "tags": []string{"t"},
		"web": member{"redirectUris": []string{"https://app.example/cb"}},
	}), 201, "")
	id, appID := made.Get("id"), made.Get("appId")
	for _, path := range []string{
		"/applications/" + id, "/applications(appId='" + appID + "')",
	} {
		if got := w.Want(get(path), 200, ""); got.Get("appId") != appID || got.Get("web.redirectUris.0") == "" || got.Get("web.implicitGrantSettings") == "" || got.Get("tags.0") != "t" {
			t.Errorf("%s: got %s", path, got.Body)
		}
	}
	for _, filter := range []string{"appId eq '" + appID + "'", "identifierUris/any(s:s eq 'api://app')", "startswith(displayName,'ap')", "displayName eq 'APP'"} {
		if got := w.Want(get("/applications?$filter="+escape(filter)), 200, ""); !slices.Equal(values(got, "id"), []string{id}) {
			t.Errorf("%s: got %s", filter, got.Body)
		}
	}
	w.Want(post("/applications", member{"displayName": "other", "identifierUris": []string{"api://app"}}), 400, "Request_MultipleObjectsWithSameKeyValue")
	w.Want(patch("/applications/"+id, member{"displayName": "renamed", "notes": "n"}), 204, "")
	w.Want(patch("/applications/"+id, member{"appId": id}), 400, "Request_BadRequest")

	// Nobody signs in before there is a service principal.
	if _, err := w.Directory.ByAppID(t.Context(), apptest.TenantID, appID); err == nil {
		t.Error("the application has a service principal before one is made")
	}
	principal := w.Want(post("/servicePrincipals", member{"appId": appID, "accountEnabled": true}), 201, "")
	if principal.Get("displayName") != "renamed" || principal.Get("servicePrincipalType") != "Application" || principal.Get("servicePrincipalNames") != `["`+appID+`","api://app"]` {
		t.Errorf("got %s", principal.Body)
	}
	w.Want(post("/servicePrincipals", member{"appId": appID}), 409, "Request_MultipleObjectsWithSameKeyValue")
	w.Want(post("/servicePrincipals", member{"appId": apptest.TenantID}), 400, "NoBackingApplicationObject")
	oid := principal.Get("id")
	for _, filter := range []string{"appId eq '" + appID + "'", "servicePrincipalNames/any(c:c eq '" + appID + "')", "servicePrincipalNames/any(c:c eq 'api://app')", "id in ('" + oid + "')", "displayName eq 'renamed'"} {
		if got := w.Want(get("/servicePrincipals?$filter="+escape(filter)), 200, ""); !slices.Equal(values(got, "id"), []string{oid}) {
			t.Errorf("%s: got %s", filter, got.Body)
		}
	}
	if got := w.Want(get("/servicePrincipals(appId='"+appID+"')"), 200, ""); got.Get("id") != oid {
		t.Errorf("by appId: got %s", got.Body)
	}
	w.Want(patch("/servicePrincipals/"+oid, member{"accountEnabled": false, "tags": []string{"x"}}), 204, "")
	if p, err := w.Directory.ByObjectID(t.Context(), oid); err != nil || !p.Disabled {
		t.Errorf("got %+v, %v, want it disabled", p, err)
	}
	w.Want(remove("/servicePrincipals/"+oid), 204, "")
	w.Want(get("/servicePrincipals/"+oid), 404, "")
	w.Want(get("/applications/"+id), 200, "")
	again := w.Want(post("/servicePrincipals", member{"appId": appID}), 201, "").Get("id")
	if again == oid {
		t.Error("a service principal made anew has the old object id")
	}
	w.Want(remove("/applications/"+id), 204, "")
	w.Want(get("/servicePrincipals/"+again), 404, "")
	w.Want(get("/applications/"+id), 404, "Request_ResourceNotFound")
}

func TestOwners(t *testing.T) {
	w := world(t)
	create := post("/applications", member{"displayName": "of ada"})
	create.As = "ada"
	made := w.Want(create, 201, "")
	id, ada, bob := made.Get("id"), apptest.ObjectID("ada"), apptest.ObjectID("bob")
	if got := w.Want(get("/applications/"+id+"/owners"), 200, ""); !slices.Equal(values(got, "id"), []string{ada}) {
		t.Errorf("got %s, want who made it", got.Body)
	}
	w.Want(post("/applications/"+id+"/owners/$ref", ref(bob)), 204, "")
	w.Want(post("/applications/"+id+"/owners/$ref", ref(bob)), 400, "Request_BadRequest")
	w.Want(remove("/applications/"+id+"/owners/"+ada+"/$ref"), 204, "")
	mine := get("/me/ownedObjects")
	mine.As = "bob"
	if got := w.Want(mine, 200, ""); !slices.Equal(values(got, "@odata.type"), []string{"#microsoft.graph.application"}) {
		t.Errorf("got %s", got.Body)
	}
	oid := w.Want(post("/servicePrincipals", member{"appId": made.Get("appId")}), 201, "").Get("id")
	w.Want(post("/servicePrincipals/"+oid+"/owners/$ref", ref(bob)), 204, "")
	if got := w.Want(get("/servicePrincipals/"+oid+"/owners"), 200, ""); !slices.Equal(values(got, "id"), []string{bob}) {
		t.Errorf("got %s", got.Body)
	}
	w.Want(remove("/servicePrincipals/"+oid+"/owners/"+bob+"/$ref"), 204, "")
	w.Want(remove("/servicePrincipals/"+oid+"/owners/"+bob+"/$ref"), 404, "")
}

func TestManagedIdentity(t *testing.T) {
	w := world(t)
	identity := apptest.Group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/wi-demo"
	w.Put(identity, `{"location":"westeurope"}`, 201)
	got := w.Want(get("/servicePrincipals?$filter="+escape("displayName eq 'wi-demo' and servicePrincipalType eq 'ManagedIdentity'")), 200, "")
	if got.Get("value.0.alternativeNames.0") != "isExplicit=True" || !strings.EqualFold(got.Get("value.0.alternativeNames.1"), identity) {
		t.Fatalf("got %s", got.Body)
	}
	oid := got.Get("value.0.id")
	w.Want(remove("/servicePrincipals/"+oid), 400, "Request_BadRequest")
	w.Want(post("/servicePrincipals/"+oid+"/addPassword", member{}), 400, "Request_BadRequest")
	w.Want(patch("/servicePrincipals/"+oid, member{"tags": []string{}}), 400, "Request_BadRequest")
	w.Want(get("/applications?$filter="+escape("appId eq '"+got.Get("value.0.appId")+"'")), 200, "")
	group := createGroup(w, "identities")
	w.Want(post("/groups/"+group+"/members/$ref", ref(oid)), 204, "")
	if in, err := w.Directory.MemberOf(t.Context(), oid); err != nil || !slices.Equal(in, []string{group}) {
		t.Errorf("got %v, %v, want the group", in, err)
	}
}
