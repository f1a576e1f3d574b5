package sdk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
	"github.com/google/uuid"
)

// graph calls Microsoft Graph as the deployer.
func (m *manager) graph(t *testing.T, path string, body any) map[string]any {
	t.Helper()
	token := must(m.credential.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://graph.microsoft.com/.default"}}))(t)
	sent := must(json.Marshal(body))(t)
	request := must(http.NewRequestWithContext(t.Context(), http.MethodPost, "https://graph.microsoft.com/v1.0"+path, bytes.NewReader(sent)))(t)
	request.Header.Set("Authorization", "Bearer "+token.Token)
	request.Header.Set("Content-Type", "application/json")
	response := must(m.options.Transport.Do(request))(t)
	defer response.Body.Close()
	text := must(io.ReadAll(response.Body))(t)
	if response.StatusCode/100 != 2 {
		t.Fatalf("POST %s: got %d %s", path, response.StatusCode, text)
	}
	got := map[string]any{}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("POST %s: %v in %s", path, err, text)
		}
	}
	return got
}

// member makes an application that is in a group, and returns what it signs in
// with, its object id and the group's.
func (m *manager) member(t *testing.T) (credential azcore.TokenCredential, principal, group string) {
	t.Helper()
	text := func(of map[string]any, name string) string {
		value, _ := of[name].(string)
		if value == "" {
			t.Fatalf("got %v without %s", of, name)
		}
		return value
	}
	application := m.graph(t, "/applications", map[string]any{"displayName": "arm group member"})
	appID := text(application, "appId")
	secret := text(m.graph(t, "/applications/"+text(application, "id")+"/addPassword", map[string]any{"passwordCredential": map[string]any{"displayName": "test"}}), "secretText")
	principal = text(m.graph(t, "/servicePrincipals", map[string]any{"appId": appID}), "id")
	group = text(m.graph(t, "/groups", map[string]any{"displayName": "arm readers", "mailNickname": "armreaders", "mailEnabled": false, "securityEnabled": true}), "id")
	m.graph(t, "/groups/"+group+"/members/$ref", map[string]any{"@odata.id": "https://graph.microsoft.com/v1.0/directoryObjects/" + principal})
	options := &azidentity.ClientSecretCredentialOptions{ClientOptions: m.options.ClientOptions}
	return must(azidentity.NewClientSecretCredential(m.TenantID, appID, secret, options))(t), principal, group
}

// testGroupRoles: the role that a group holds is its members', and what it does
// not grant is refused with the action and the scope.
func testGroupRoles(t *testing.T, m *manager) {
	ctx, name := t.Context(), m.group(t, "arm-group-roles")
	credential, principal, group := m.member(t)
	groups := must(armresources.NewResourceGroupsClient(m.SubscriptionID, credential, m.options))(t)
	refused(groups.Get(ctx, name, nil))(t, 403, "AuthorizationFailed")

	assignments := must(armauthorization.NewRoleAssignmentsClient(m.SubscriptionID, m.credential, m.options))(t)
	made := must(assignments.Create(ctx, m.scope(name), uuid.NewString(), armauthorization.RoleAssignmentCreateParameters{Properties: &armauthorization.RoleAssignmentProperties{
		RoleDefinitionID: to.Ptr(roleNamed(t, m, m.scope(name), "Reader")), PrincipalID: to.Ptr(group),
	}}, nil))(t)
	same(t, "principal type", made.Properties.PrincipalType, armauthorization.PrincipalTypeGroup)
	same(t, "group", must(groups.Get(ctx, name, nil))(t).Name, name)

	_, err := groups.Update(ctx, name, armresources.ResourceGroupPatchable{Tags: tags("a", "b")}, nil)
	refused(0, err)(t, 403, "AuthorizationFailed")
	want := fmt.Sprintf("with object id '%s' does not have authorization to perform action 'Microsoft.Resources/subscriptions/resourceGroups/write' over scope '%s'", principal, m.scope(name))
	if err == nil || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(want)) { // the client writes resourcegroups
		t.Errorf("got %v, want %q in it", err, want)
	}
	assigned, _ := every(t, assignments.NewListForScopePager(m.scope(name), &armauthorization.RoleAssignmentsClientListForScopeOptions{Filter: to.Ptr("assignedTo('" + principal + "')")}),
		func(p armauthorization.RoleAssignmentsClientListForScopeResponse) []*armauthorization.RoleAssignment {
			return p.Value
		})
	if len(assigned) != 1 || *assigned[0].Properties.PrincipalID != group {
		t.Errorf("assigned to the member: got %d, want the group's", len(assigned))
	}
	must(assignments.DeleteByID(ctx, *made.ID, nil))(t)
	refused(groups.Get(ctx, name, nil))(t, 403, "AuthorizationFailed")
}
