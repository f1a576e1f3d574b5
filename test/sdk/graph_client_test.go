package sdk

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/aksess/aksess/test/sdk/deploy"
)

const graphScope = "https://graph.microsoft.com/.default"

// entity is an object of Graph.
type entity map[string]any

func (e entity) text(name string) string {
	value, _ := e[name].(string)
	return value
}

// directoryMade is what the lookups find: a group with members and an owner,
// two of one name, a user, and applications that may read the directory or not.
type directoryMade struct {
	group, inner string
	twins        []string
	user, upn    string

	application, appID, principal string // that reads

	reader, federated, blind azcore.TokenCredential
}

func (m *manager) makeDirectory(t *testing.T, scenario deploy.Scenario) *directoryMade {
	t.Helper()
	made := &directoryMade{}
	text := func(of map[string]any, name string) string {
		t.Helper()
		if value := entity(of).text(name); value != "" {
			return value
		}
		t.Fatalf("got %v without %s", of, name)
		return ""
	}
	group := func(name, nickname string) string {
		return text(m.graph(t, "/groups", entity{"displayName": name, "mailNickname": nickname, "mailEnabled": false, "securityEnabled": true}), "id")
	}
	application := func(name string) (id, appID, principal string, credential azcore.TokenCredential) {
		registered := m.graph(t, "/applications", entity{"displayName": name})
		id, appID = text(registered, "id"), text(registered, "appId")
		principal = text(m.graph(t, "/servicePrincipals", entity{"appId": appID}), "id")
		// By the client id, as those who know nothing else of it do.
		secret := text(m.graph(t, "/applications(appId='"+appID+"')/addPassword", entity{"passwordCredential": entity{"displayName": "test"}}), "secretText")
		options := &azidentity.ClientSecretCredentialOptions{ClientOptions: m.options.ClientOptions}
		return id, appID, principal, must(azidentity.NewClientSecretCredential(m.TenantID, appID, secret, options))(t)
	}
	made.group, made.inner = group("sub_owners", "subowners"), group("it's inner", "inner")
	made.twins = []string{group("twin", "twin1"), group("twin", "twin2")}
	slices.Sort(made.twins)
	made.application, made.appID, made.principal, made.reader = application("terraform reader")
	_, _, _, made.blind = application("terraform blind")
	m.consent(t, made.principal, "Directory.Read.All")

	domain := text(m.directory(m.credential).list(t, "/v1.0/domains")[0], "id")
	made.upn = "eve@" + domain
	made.user = text(m.graph(t, "/users", entity{
		"accountEnabled": true, "displayName": "Eve", "mailNickname": "eve", "userPrincipalName": made.upn, "employeeId": "7",
		"passwordProfile": entity{"password": "correct Horse 7", "forceChangePasswordNextSignIn": false},
	}), "id")
	for to, members := range map[string][]string{made.group: {made.user, made.principal, made.inner}, made.inner: {m.claims(t, m.credential).text("oid")}} {
		for _, member := range members {
			m.graph(t, "/groups/"+to+"/members/$ref", reference(member))
		}
	}
	m.graph(t, "/groups('"+made.group+"')/owners/$ref", reference(made.user))
	m.graph(t, "/applications(appId='"+made.appID+"')/owners/$ref", reference(made.user))

	m.graph(t, "/applications(appId='"+made.appID+"')/federatedIdentityCredentials", entity{
		"name": "workload", "issuer": scenario.IssuerURL, "subject": "system:serviceaccount:" + deploy.Namespace + ":" + deploy.ServiceAccount,
		"audiences": []string{"api://AzureADTokenExchange"},
	})
	assertion := func(context.Context) (string, error) { return scenario.Token, nil }
	options := &azidentity.ClientAssertionCredentialOptions{ClientOptions: m.options.ClientOptions}
	made.federated = must(azidentity.NewClientAssertionCredential(m.TenantID, made.appID, assertion, options))(t)
	return made
}

func reference(id string) entity {
	return entity{"@odata.id": "https://graph.microsoft.com/v1.0/directoryObjects/" + id}
}

// consent gives a service principal one of Graph's permissions.
func (m *manager) consent(t *testing.T, principal, permission string) {
	t.Helper()
	found := m.directory(m.credential).list(t, "/v1.0/servicePrincipals?"+filter("appId eq '00000003-0000-0000-c000-000000000000'"))
	if len(found) != 1 {
		t.Fatalf("Graph's own service principal: got %d", len(found))
	}
	roles, _ := found[0]["appRoles"].([]any)
	for _, role := range roles {
		if role, _ := role.(map[string]any); role["value"] == permission {
			m.graph(t, "/servicePrincipals/"+principal+"/appRoleAssignments", entity{"principalId": principal, "resourceId": found[0]["id"], "appRoleId": role["id"]})
			return
		}
	}
	t.Fatalf("got %v, want %s among the roles", roles, permission)
}

// claims of the token for Graph, which the provider reads without checking it.
func (m *manager) claims(t *testing.T, credential azcore.TokenCredential) entity {
	t.Helper()
	token := must(credential.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{graphScope}}))(t)
	parts := strings.Split(token.Token, ".")
	if len(parts) != 3 {
		t.Fatalf("got a token of %d parts, want 3", len(parts))
	}
	claims := entity{}
	if err := json.Unmarshal(must(base64.RawURLEncoding.DecodeString(parts[1]))(t), &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// directory sends as the provider's client does.
type directory struct{ pipeline runtime.Pipeline }

func (m *manager) directory(credential azcore.TokenCredential) *directory {
	bearer := runtime.NewBearerTokenPolicy(credential, []string{graphScope}, nil)
	return &directory{pipeline: runtime.NewPipeline("sdk", "test", runtime.PipelineOptions{PerRetry: []policy.Policy{bearer}}, &m.options.ClientOptions)}
}

// filter is a query with $filter, escaped as the provider's client does.
func filter(expression string) string { return url.Values{"$filter": {expression}}.Encode() }

// send returns the status, the code of an error and the body.
func (d *directory) send(t testing.TB, method, path string, body any) (status int, code string, answer []byte) {
	t.Helper()
	target := path
	if !strings.HasPrefix(path, "https://") {
		target = "https://graph.microsoft.com" + path
	}
	request := must(runtime.NewRequest(t.Context(), method, target))(t)
	for name, value := range map[string]string{
		"Accept": "application/json; charset=utf-8; IEEE754Compatible=false", "Content-Type": "application/json; charset=utf-8", "Odata-Maxversion": "4.0", "Odata-Version": "4.0",
	} {
		request.Raw().Header.Set(name, value)
	}
	if body != nil {
		if err := runtime.MarshalAsJSON(request, body); err != nil {
			t.Fatal(err)
		}
	}
	response := must(d.pipeline.Do(request))(t)
	defer response.Body.Close()
	answer = must(io.ReadAll(response.Body))(t)
	if len(answer) > 0 && !strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") {
		t.Errorf("%s %s: got Content-Type %q, want JSON", method, path, response.Header.Get("Content-Type"))
	}
	var failed struct{ Error struct{ Code string } }
	if response.StatusCode >= 400 {
		if err := json.Unmarshal(answer, &failed); err != nil {
			t.Errorf("%s %s: %v in %s", method, path, err, answer)
		}
	}
	return response.StatusCode, failed.Error.Code, answer
}

// one reads an object; it is absent when that is what the answer says.
func (d *directory) one(t testing.TB, path string) (found entity, ok bool) {
	t.Helper()
	status, code, answer := d.send(t, http.MethodGet, path, nil)
	if status == http.StatusNotFound && code == "Request_ResourceNotFound" {
		return nil, false
	}
	if err := json.Unmarshal(answer, &found); err != nil || status != http.StatusOK {
		t.Fatalf("GET %s: got %d %s, %v", path, status, answer, err)
	}
	return found, true
}

// list reads all pages.
func (d *directory) list(t testing.TB, path string) (all []entity) {
	t.Helper()
	for pages := 0; path != ""; pages++ {
		status, _, answer := d.send(t, http.MethodGet, path, nil)
		var page struct {
			Value []entity `json:"value"`
			Next  string   `json:"@odata.nextLink"`
		}
		if err := json.Unmarshal(answer, &page); err != nil || status != http.StatusOK || page.Value == nil || pages > 100 {
			t.Fatalf("GET %s: got %d %s, %v", path, status, answer, err)
		}
		all, path = append(all, page.Value...), page.Next
	}
	return all
}

func (d *directory) denied(t *testing.T, method, path string, body any) {
	t.Helper()
	if status, code, _ := d.send(t, method, path, body); status != http.StatusForbidden || code != "Authorization_RequestDenied" {
		t.Errorf("%s %s: got %d %s, want 403 Authorization_RequestDenied", method, path, status, code)
	}
}

// ids of the objects, in order.
func ids(of []entity) []string {
	found := []string{}
	for _, one := range of {
		found = append(found, one.text("id"))
	}
	slices.Sort(found)
	return found
}

func (d *directory) wantIDs(t *testing.T, path string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := ids(d.list(t, path)); !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", path, got, want)
	}
}
