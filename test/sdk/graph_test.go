package sdk

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// TestTerraformGraph sends what the azuread provider 3.9 sends for its data
// sources: path, query and headers as its client writes them, and judges the
// answers as it does (https://github.com/hashicorp/terraform-provider-azuread,
// internal/services). The provider itself is not to be had as a Go module.
func TestTerraformGraph(t *testing.T) {
	m := startManager(t)
	scenario := m.deploy(t)
	made := m.makeDirectory(t, scenario)
	for _, caller := range []struct {
		name       string
		credential azcore.TokenCredential
	}{
		{"client_secret", made.reader},
		{"federated_assertion", made.federated},
	} {
		t.Run(caller.name, func(t *testing.T) {
			d := m.directory(caller.credential)
			t.Run("client_config", func(t *testing.T) { d.readClientConfig(t, m.claims(t, caller.credential), m.TenantID, made) })
			t.Run("group", func(t *testing.T) { d.readGroup(t, made) })
			t.Run("groups", func(t *testing.T) { d.readGroups(t, made) })
			t.Run("service_principal", func(t *testing.T) { d.readServicePrincipal(t, m, made) })
			t.Run("application", func(t *testing.T) { d.readApplication(t, made) })
			t.Run("user", func(t *testing.T) { d.readUser(t, made) })
			t.Run("writes_nothing", func(t *testing.T) {
				d.denied(t, http.MethodPatch, "/v1.0/applications/"+made.application, entity{"displayName": "stolen"})
			})
		})
	}
	t.Run("without_permission", func(t *testing.T) {
		d := m.directory(made.blind)
		for _, path := range []string{
			"/beta/groups?" + filter("displayName eq 'sub_owners'"), "/beta/groups/" + made.group, "/beta/groups/" + made.group + "/members",
			"/v1.0/servicePrincipals?" + filter("appId eq '"+made.appID+"'"), "/v1.0/applications?" + filter("appId eq '"+made.appID+"'"),
			"/v1.0/applications(appId='" + made.appID + "')/owners", "/v1.0/users?" + filter("userPrincipalName eq '"+made.upn+"'"), "/v1.0/users/" + made.user,
		} {
			d.denied(t, http.MethodGet, path, nil)
		}
	})
	t.Run("no_token", func(t *testing.T) {
		d := &directory{pipeline: runtime.NewPipeline("sdk", "test", runtime.PipelineOptions{}, &m.options.ClientOptions)}
		if status, code, _ := d.send(t, http.MethodGet, "/beta/groups", nil); status != http.StatusUnauthorized || code != "InvalidAuthenticationToken" {
			t.Errorf("got %d %s, want 401 InvalidAuthenticationToken", status, code)
		}
	})
}

// readClientConfig is azuread_client_config: the claims of a token for Graph.
func (d *directory) readClientConfig(t *testing.T, claims entity, tenant string, made *directoryMade) {
	for claim, want := range map[string]string{"oid": made.principal, "appid": made.appID, "tid": tenant} {
		if claims.text(claim) != want {
			t.Errorf("%s: got %v, want %s", claim, claims[claim], want)
		}
	}
	if scopes := claims.text("scp"); scopes != "" {
		t.Errorf("got the scopes %q, which make the caller a user", scopes)
	}
	d.wantIDs(t, "/v1.0/servicePrincipals?"+filter("appId eq '"+made.appID+"'"), made.principal) // where a token has no oid
}

// readGroup is azuread_group.
func (d *directory) readGroup(t *testing.T, made *directoryMade) {
	for expression, want := range map[string][]string{
		"displayName eq 'sub_owners'":                                                      {made.group},
		"displayName eq 'sub_owners' and securityEnabled eq true":                          {made.group},
		"displayName eq 'sub_owners' and mailEnabled eq false and securityEnabled eq true": {made.group},
		"displayName eq 'SUB_OWNERS' and securityEnabled eq true":                          {made.group},
		"displayName eq 'sub_owners' and securityEnabled eq false":                         nil,
		"displayName eq 'sub_owners' and mailEnabled eq true":                              nil,
		"displayName eq 'nobody' and securityEnabled eq true":                              nil,
		"displayName eq 'twin' and securityEnabled eq true":                                made.twins,
		"displayName eq 'it''s inner'":                                                     {made.inner},
		"mailNickname eq 'subowners' and securityEnabled eq true":                          {made.group},
		"mailNickname eq 'nobody'":                                                         nil,
	} {
		d.wantIDs(t, "/beta/groups?"+filter(expression), want...)
	}
	found, ok := d.one(t, "/beta/groups/"+made.group)
	if !ok || found.text("id") != made.group || found["securityEnabled"] != true || found["mailEnabled"] != false || found.text("displayName") != "sub_owners" {
		t.Errorf("by its id: got %v", found)
	}
	if types, is := found["groupTypes"].([]any); !is || len(types) != 0 {
		t.Errorf("groupTypes: got %v, want an empty list", found["groupTypes"])
	}
	if _, ok := d.one(t, "/beta/groups/"+made.application); ok {
		t.Error("a group by the id of an application: got it")
	}
	d.wantIDs(t, "/beta/groups/"+made.group+"/members", made.user, made.principal, made.inner)
	d.wantIDs(t, "/beta/groups/"+made.group+"/owners", made.user)
	d.wantIDs(t, "/beta/groups/"+made.twins[0]+"/members")
	d.wantIDs(t, "/beta/groups('"+made.group+"')/members?$top=1", made.user, made.principal, made.inner)
	if all := d.list(t, "/beta/groups/"+made.group+"/transitiveMembers"); len(all) != 4 {
		t.Errorf("transitive members: got %v, want the three and the one of the group among them", ids(all))
	}
	for _, member := range d.list(t, "/beta/groups/"+made.group+"/members") {
		want := map[string]string{made.user: "user", made.principal: "servicePrincipal", made.inner: "group"}[member.text("id")]
		if member.text("@odata.type") != "#microsoft.graph."+want {
			t.Errorf("member %s: got type %v, want %s", member.text("id"), member["@odata.type"], want)
		}
	}
}

// readGroups is azuread_groups.
func (d *directory) readGroups(t *testing.T, made *directoryMade) {
	d.wantIDs(t, "/beta/groups?"+filter("startsWith(displayName, 'twi')"), made.twins...)
	d.wantIDs(t, "/beta/groups?"+filter("mailEnabled eq false and securityEnabled eq true and startsWith(displayName, 'sub_')"), made.group)
	d.wantIDs(t, "/beta/groups?"+filter("mailEnabled eq false and securityEnabled eq true"), append([]string{made.group, made.inner}, made.twins...)...)
	d.wantIDs(t, "/beta/groups", append([]string{made.group, made.inner}, made.twins...)...)
}

// readServicePrincipal is azuread_service_principal.
func (d *directory) readServicePrincipal(t *testing.T, m *manager, made *directoryMade) {
	d.wantIDs(t, "/v1.0/servicePrincipals?"+filter("displayName eq 'terraform reader'"), made.principal)
	d.wantIDs(t, "/v1.0/servicePrincipals?"+filter("displayName eq 'nobody'"))
	d.wantIDs(t, "/v1.0/servicePrincipals?"+filter("appId eq '"+made.application+"'"))
	found := d.list(t, "/v1.0/servicePrincipals?"+filter("appId eq '"+made.appID+"'"))
	if len(found) != 1 || found[0].text("id") != made.principal || !strings.EqualFold(found[0].text("appId"), made.appID) ||
		found[0].text("displayName") != "terraform reader" || found[0].text("appOwnerOrganizationId") != m.TenantID || found[0].text("servicePrincipalType") != "Application" {
		t.Errorf("by the client id: got %v", found)
	}
	byID, ok := d.one(t, "/v1.0/servicePrincipals/"+made.principal)
	if !ok || byID.text("appId") != made.appID {
		t.Errorf("by its id: got %v", byID)
	}
	if more, ok := d.one(t, "/beta/servicePrincipals/"+made.principal+"?"+url.Values{"$select": {"samlMetadataUrl"}}.Encode()); !ok || more.text("samlMetadataUrl") != "" {
		t.Errorf("samlMetadataUrl: got %v", more)
	}
	if _, ok := d.one(t, "/v1.0/servicePrincipals/"+made.user); ok {
		t.Error("a service principal by the id of a user: got it")
	}
}

// readApplication is azuread_application.
func (d *directory) readApplication(t *testing.T, made *directoryMade) {
	for expression, want := range map[string][]string{
		"appId eq '" + made.appID + "'":                         {made.application},
		"displayName eq 'terraform reader'":                     {made.application},
		"displayName eq 'nobody'":                               nil,
		"identifierUris/any(uri:uri eq 'api://nobody.example')": nil,
	} {
		d.wantIDs(t, "/v1.0/applications?"+filter(expression), want...)
	}
	for _, path := range []string{"/v1.0/applications/" + made.application, "/v1.0/applications(appId='" + made.appID + "')"} {
		if found, ok := d.one(t, path); !ok || found.text("appId") != made.appID || found.text("signInAudience") != "AzureADMyOrg" || found["api"] == nil || found["web"] == nil {
			t.Errorf("%s: got %v", path, found)
		}
	}
	if _, ok := d.one(t, "/beta/applications/"+made.application+"?"+url.Values{"$select": {"oauth2RequirePostResponse"}}.Encode()); !ok {
		t.Error("oauth2RequirePostResponse: got no application")
	}
	d.wantIDs(t, "/v1.0/applications/"+made.application+"/owners", made.user)
	if found := d.list(t, "/v1.0/applications(appId='"+made.appID+"')/federatedIdentityCredentials"); len(found) != 1 || found[0].text("name") != "workload" {
		t.Errorf("federated credentials: got %v", found)
	}
}

// readUser is azuread_user.
func (d *directory) readUser(t *testing.T, made *directoryMade) {
	for expression, want := range map[string][]string{
		"userPrincipalName eq '" + made.upn + "'": {made.user}, "userPrincipalName eq 'nobody" + made.upn + "'": nil,
		"mailNickname eq 'eve'": {made.user}, "employeeId eq '7'": {made.user}, "employeeId eq '8'": nil, "mail eq 'nobody@example.com'": nil,
	} {
		d.wantIDs(t, "/v1.0/users?"+filter(expression), want...)
	}
	selected := url.Values{"$select": {"accountEnabled,ageGroup,businessPhones,displayName,employeeHireDate,employeeId,employeeOrgData,id,imAddresses,mailNickname,onPremisesDistinguishedName,userPrincipalName,userType"}}.Encode()
	found, ok := d.one(t, "/v1.0/users/"+made.user+"?"+selected)
	if !ok || found.text("userPrincipalName") != made.upn || found["accountEnabled"] != true || found.text("userType") != "Member" || found.text("employeeId") != "7" {
		t.Errorf("by its id: got %v", found)
	}
	if _, ok := d.one(t, "/v1.0/users/"+made.user+"/manager"); ok {
		t.Error("the manager: got one, want 404")
	}
	if byName, ok := d.one(t, "/v1.0/users('"+made.upn+"')"); !ok || byName.text("id") != made.user {
		t.Errorf("by its name: got %v", byName)
	}
	d.wantIDs(t, "/v1.0/users('"+made.upn+"')/memberOf", made.group)
}
