package app_test

import (
	"errors"
	"net/http"
	"net/url"
	"testing"

	"github.com/aksess/aksess/internal/app"
	"github.com/aksess/aksess/internal/deploy"
)

const graph = "https://graph.microsoft.com"

// TestGraphApplicationSignsIn: what the deployer registers through Graph signs
// in with its secret, and reads the directory once it may.
func TestGraphApplicationSignsIn(t *testing.T) {
	a := open(t, app.Config{})
	deployer := client(a, nil)
	ctx := t.Context()
	token, err := deployer.Token(ctx, graph)
	if err != nil {
		t.Fatal(err)
	}
	call := func(method, path string, body, out any) error {
		return deployer.Do(ctx, deploy.Call{Method: method, URL: graph + "/v1.0" + path, Token: token, Body: body}, out)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var registered, principal struct{ ID, AppID string }
	var secret struct{ SecretText string }
	must(call(http.MethodPost, "/applications", map[string]any{"displayName": "made through graph"}, &registered))
	must(call(http.MethodPost, "/applications/"+registered.ID+"/addPassword", map[string]any{}, &secret))
	made := &deploy.Client{HTTP: deployer.HTTP, TenantID: a.Account.TenantID, ClientID: registered.AppID, ClientSecret: secret.SecretText}
	if _, err := made.Token(ctx, graph); err == nil {
		t.Error("an application without a service principal signs in")
	}
	must(call(http.MethodPost, "/servicePrincipals", map[string]any{"appId": registered.AppID}, &principal))
	token2, err := made.Token(ctx, graph)
	must(err)
	list := deploy.Call{Method: http.MethodGet, URL: graph + "/v1.0/users", Token: token2}
	var refused *deploy.Error
	if err := made.Do(ctx, list, nil); !errors.As(err, &refused) || refused.Status != http.StatusForbidden {
		t.Errorf("an application without permission: got %v, want 403", err)
	}
	must(made.Do(ctx, deploy.Call{Method: http.MethodGet, URL: graph + "/v1.0/servicePrincipals/" + principal.ID, Token: token2}, nil))

	var microsoft struct {
		Value []struct {
			ID       string
			AppRoles []struct{ ID, Value string }
		}
	}
	filter := url.QueryEscape("servicePrincipalNames/any(c:c eq '00000003-0000-0000-c000-000000000000')")
	must(call(http.MethodGet, "/servicePrincipals?$filter="+filter, nil, &microsoft))
	if len(microsoft.Value) != 1 || len(microsoft.Value[0].AppRoles) == 0 {
		t.Fatalf("got %+v, want Graph's service principal", microsoft)
	}
	must(call(http.MethodPost, "/servicePrincipals/"+principal.ID+"/appRoleAssignments", map[string]any{
		"principalId": principal.ID, "resourceId": microsoft.Value[0].ID, "appRoleId": microsoft.Value[0].AppRoles[0].ID,
	}, nil))
	var users struct {
		Value []struct{ UserPrincipalName string }
	}
	must(made.Do(ctx, list, &users))
	if len(users.Value) != 1 || users.Value[0].UserPrincipalName != a.Account.User.Name {
		t.Errorf("got %+v, want the user of the state", users)
	}
}
