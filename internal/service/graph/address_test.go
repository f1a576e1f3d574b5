package graph_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/app/apptest"
)

// TestAddresses: what a path says about an object by its id it also says by a
// key in parentheses, for whatever follows the object.
func TestAddresses(t *testing.T) {
	w := world(t)
	id, appID := createApplication(w, "app")
	_, otherID := createApplication(w, "other")
	principal := w.Want(post("/servicePrincipals", member{"appId": appID}), 201, "").Get("id")
	group, outer := createGroup(w, "inner"), createGroup(w, "outer")
	ada := apptest.ObjectID("ada")
	application, service := "/applications(appId='"+appID+"')", "/servicePrincipals(appId='"+appID+"')"
	credential := member{"name": "main", "issuer": "https://issuer.example", "subject": "s", "audiences": []string{"api://AzureADTokenExchange"}}
	steps := []struct {
		name    string
		request apptest.Request
		status  int
		want    string // in the answer
	}{
		{"federate", post(application+"/federatedIdentityCredentials", credential), 201, `"name":"main"`},
		{"credentials", get(application + "/federatedIdentityCredentials"), 200, `"subject":"s"`},
		{"credentials_by_id", get("/applications('" + id + "')/federatedIdentityCredentials"), 200, `"subject":"s"`},
		{"credential", get(application + "/federatedIdentityCredentials/main"), 200, `"issuer":"https://issuer.example"`},
		{"credentials_of_the_other", get("/applications(appId='" + otherID + "')/federatedIdentityCredentials"), 200, `"value":[]`},
		{"change_credential", patch(application+"/federatedIdentityCredentials/main", member{"subject": "t"}), 204, ""},
		{"changed_credential", get("/applications/" + id + "/federatedIdentityCredentials/main"), 200, `"subject":"t"`},
		{"delete_credential", remove(application + "/federatedIdentityCredentials/main"), 204, ""},
		{"certificates", patch(application, member{"keyCredentials": []member{}, "notes": "n"}), 204, ""},
		{"changed", get("/applications/" + id), 200, `"notes":"n"`},
		{"secret", post(application+"/addPassword", member{}), 200, "secretText"},
		{"secret_of_service", post(service+"/addPassword", member{}), 200, "secretText"},
		{"no_such_secret", post(application+"/removePassword", member{"keyId": otherID}), 400, ""},
		{"own", post(application+"/owners/$ref", ref(ada)), 204, ""},
		{"owners", get(application + "/owners?$select=id"), 200, ada},
		{"disown", remove(application + "/owners/" + ada + "/$ref"), 204, ""},
		{"own_service", post("/servicePrincipals('"+principal+"')/owners/$ref", ref(ada)), 204, ""},
		{"owners_of_service", get(service + "/owners"), 200, ada},
		{"permissions", get(service + "/appRoleAssignments"), 200, `"value":[]`},
		{"join", post("/groups('"+group+"')/members/$ref", ref(ada)), 204, ""},
		{"join_service", post("/groups('"+group+"')/members/$ref", ref(principal)), 204, ""},
		{"nest", post("/Groups('"+outer+"')/Members/$ref", ref(group)), 204, ""},
		{"members", get("/groups('" + group + "')/members"), 200, ada},
		{"all_members", get("/groups('" + outer + "')/transitiveMembers"), 200, principal},
		{"groups_of_user", get("/users('ADA@" + domain + "')/memberOf"), 200, group},
		{"groups_of_user_by_id", get("/users('" + ada + "')/transitiveMemberOf"), 200, outer},
		{"groups_of_service", get(service + "/memberOf"), 200, group},
		{"groups_of_service_by_id", get("/servicePrincipals/" + principal + "/memberOf"), 200, group},
		{"groups_of_group", get("/groups('" + group + "')/memberOf"), 200, outer},
		{"ids_of_groups", post(service+"/getMemberGroups", member{}), 200, outer},
		{"ids_of_groups_of_object", post("/directoryObjects('"+ada+"')/getMemberObjects", member{}), 200, outer},
		{"check", post("/users('ada@"+domain+"')/checkMemberGroups", member{"groupIds": []string{outer}}), 200, outer},
		{"manager", get("/users('ada@" + domain + "')/manager"), 404, ""},
		{"leave", remove("/groups('" + group + "')/members/" + ada + "/$ref"), 204, ""},
		{"escaped", get("/applications%28appId%3D%27" + appID + "%27%29/owners"), 200, `"value":[]`},
		{"beta", apptest.Request{URL: host + "/beta" + service + "/owners"}, 200, ada},
		{"graph", get("/servicePrincipals(appId='" + graphID + "')"), 200, "Microsoft Graph"},
		{"delete_service", remove(service), 204, ""},
		{"delete", remove(application), 204, ""},
		{"deleted", get(application + "/owners"), 404, "Request_ResourceNotFound"},
	}
	for _, step := range steps {
		ok := t.Run(step.name, func(t *testing.T) {
			w.T = t
			code := ""
			if step.status == http.StatusNotFound {
				code = "Request_ResourceNotFound"
			}
			if got := w.Want(step.request, step.status, code); !strings.Contains(got.Body, step.want) {
				t.Errorf("got %s, want %s in it", got.Body, step.want)
			}
		})
		if !ok {
			break
		}
	}
	w.T = t
}

// TestAddressesRefused: what names no object, and what the set has not.
func TestAddressesRefused(t *testing.T) {
	w := world(t)
	id, appID := createApplication(w, "app")
	for _, segment := range []string{
		"applications(" + id + ")", "applications('" + id + "'", "applications('')", "applications()", "applications", "applications(appId=" + appID + ")",
		"applications(appId='" + appID + "'))", "applications(displayName='app')", "applications(appId='x')", "applications('x')", "users(appId='" + appID + "')",
		"groups(appId='" + appID + "')", "applications(appId=''" + appID + "')", "'" + id + "'", "me('" + id + "')", "applications('" + id + "','" + id + "')", "('" + id + "')",
	} {
		for _, rest := range []string{"", "/owners", "/federatedIdentityCredentials/main"} {
			if segment == "applications" && rest == "" {
				continue // the list
			}
			t.Run(url.QueryEscape(segment+rest), func(t *testing.T) {
				w.T = t
				if got := w.Do(get("/" + segment + rest)); got.Status != http.StatusBadRequest {
					t.Errorf("got %d %s, want 400", got.Status, got.Body)
				}
			})
		}
	}
	w.T = t
	w.Want(get("/applications('"+appID+"')"), 404, "Request_ResourceNotFound")
	w.Want(get("/applications(appId='"+id+"')/owners"), 404, "Request_ResourceNotFound")
	w.Want(get("/servicePrincipals(appId='"+appID+"')/owners"), 404, "Request_ResourceNotFound")
	w.Want(get("/servicePrincipals/"+graphID), 404, "Request_ResourceNotFound")
	w.Want(get("/users('ada@"+domain+"')/owners"), 400, "BadRequest")
	w.Want(get("/users('o''neil@"+domain+"')/memberOf"), 404, "Request_ResourceNotFound")
}

// TestAddressesGuarded: an address in parentheses opens nothing.
func TestAddressesGuarded(t *testing.T) {
	w := world(t)
	id, appID := createApplication(w, "victim")
	w.Register("app")
	own, ownApp := apptest.ObjectID("app"), apptest.AppID("app")
	credential := member{"name": "main", "issuer": "https://issuer.example", "subject": "s", "audiences": []string{"api://AzureADTokenExchange"}}
	for _, as := range []string{"app", "bob"} {
		for _, r := range []apptest.Request{
			post("/applications(appId='"+appID+"')/federatedIdentityCredentials", credential), post("/applications('"+id+"')/addPassword", member{}),
			post("/servicePrincipals(appId='"+ownApp+"')/addPassword", member{}), post("/servicePrincipals('"+own+"')/owners/$ref", ref(own)),
			patch("/applications(appId='"+appID+"')", member{"keyCredentials": []member{}}), remove("/servicePrincipals('" + own + "')"),
		} {
			r.As = as
			w.Want(r, 403, "Authorization_RequestDenied")
		}
	}
	for _, path := range []string{"/users('ada@" + domain + "')/memberOf", "/servicePrincipals('" + own + "')/owners", "/servicePrincipals(appId='" + appID + "')", "/nothing('" + own + "')"} {
		r := get(path)
		r.As = "app"
		w.Want(r, 403, "Authorization_RequestDenied")
		r.As = "-"
		w.Want(r, 401, "InvalidAuthenticationToken")
	}
	if got := w.Want(get("/applications/"+id+"/federatedIdentityCredentials"), 200, ""); !slices.Equal(values(got, "name"), []string{}) {
		t.Errorf("got %s", got.Body)
	}
}
