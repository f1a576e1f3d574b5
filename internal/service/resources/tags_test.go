package resources_test

import (
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/arm/armtest"
)

const tags = "/providers/Microsoft.Resources/tags/default"

func TestTags(t *testing.T) {
	s := start(t)
	vault := vaultsIn + "/v"
	s.Want(armtest.Request{Method: "PUT", Path: vault, Body: `{"location":"westeurope","tags":{"Env":"dev"}}`}, 201, "")
	steps := []struct {
		name, method, scope, body string
		want                      string
	}{
		{"of_resource", "GET", vault, "", `{"Env":"dev"}`},
		{"merge", "PATCH", vault, `{"operation":"Merge","properties":{"tags":{"ENV":"prod","a":"1"}}}`, `{"Env":"prod","a":"1"}`},
		{"delete_other_value", "PATCH", vault, `{"operation":"delete","properties":{"tags":{"a":"2"}}}`, `{"Env":"prod","a":"1"}`},
		{"delete", "PATCH", vault, `{"operation":"delete","properties":{"tags":{"A":"1"}}}`, `{"Env":"prod"}`},
		{"replace", "PATCH", vault, `{"operation":"REPLACE","properties":{"tags":{"b":"2"}}}`, `{"b":"2"}`},
		{"put", "PUT", vault, `{"properties":{"tags":{"c":"3"}}}`, `{"c":"3"}`},
		{"group", "PUT", armtest.RG, `{"properties":{"tags":{"g":"1"}}}`, `{"g":"1"}`},
		{"subscription", "PUT", armtest.S, `{"properties":{"tags":{"s":"1"}}}`, `{"s":"1"}`},
		{"none", "PUT", armtest.RG, `{"properties":{}}`, `{}`},
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			r := armtest.Request{Method: step.method, Path: step.scope + tags}
			if step.body != "" {
				r.Body = step.body
			}
			got := s.Want(r, 200, "")
			if got.Get("properties.tags") != step.want || got.Get("id") != step.scope+tags || got.Get("type") != "Microsoft.Resources/tags" {
				t.Errorf("got %s, want tags %s", got.Body, step.want)
			}
		})
	}
	if got := s.Want(armtest.Request{Path: vault}, 200, "").Get("tags"); got != `{"c":"3"}` {
		t.Errorf("tags on the resource: got %s", got)
	}
	if got := s.Want(armtest.Request{Path: armtest.S}, 200, "").Get("tags"); got != `{"s":"1"}` {
		t.Errorf("tags on the subscription: got %s", got)
	}
	s.Want(armtest.Request{Method: "DELETE", Path: vault + tags}, 200, "")
	if got := s.Want(armtest.Request{Path: vault + tags}, 200, "").Get("properties.tags"); got != `{}` {
		t.Errorf("after the delete: got %s", got)
	}
}

func TestTagRefusals(t *testing.T) {
	s := start(t)
	vault := vaultsIn + "/v"
	s.Want(armtest.Request{Method: "PUT", Path: vault, Body: `{"location":"westeurope"}`}, 201, "")
	s.Want(armtest.Request{Method: "PUT", Path: vault + "/secrets/s", Body: `{}`}, 201, "")
	many := strings.Repeat(`"a":"b",`, 1)
	for i := range 51 {
		many += `"t` + strings.Repeat("x", i) + `":"v",`
	}
	cases := []struct {
		name, method, path, as, body string
		status                       int
		code                         string
	}{
		{"reader", "PUT", vault + tags, armtest.Reader, `{"properties":{}}`, 403, "AuthorizationFailed"},
		{"nobody", "GET", vault + tags, armtest.Nobody, "", 403, "AuthorizationFailed"},
		{"no_properties", "PUT", vault + tags, "", `{}`, 400, "InvalidRequestContent"},
		{"no_operation", "PATCH", vault + tags, "", `{"properties":{}}`, 400, "InvalidRequestContent"},
		{"bad_value", "PUT", vault + tags, "", `{"properties":{"tags":{"a":1}}}`, 400, "InvalidRequestContent"},
		{"bad_name", "PUT", vault + tags, "", `{"properties":{"tags":{"a/b":"1"}}}`, 400, "InvalidTagNameCharacters"},
		{"too_many", "PUT", vault + tags, "", `{"properties":{"tags":{` + strings.TrimSuffix(many, ",") + `}}}`, 400, "TooManyTags"},
		{"proxy", "PUT", vault + "/secrets/s" + tags, "", `{"properties":{}}`, 400, "TagsNotSupportedForResource"},
		{"no_resource", "GET", vault + "x" + tags, "", "", 404, "ResourceNotFound"},
		{"no_group", "GET", groups + "/none" + tags, "", "", 404, "ResourceGroupNotFound"},
		{"outside", "GET", "/providers/Microsoft.Authorization/x/y" + tags, armtest.Owner, "", 403, "AuthorizationFailed"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := armtest.Request{Method: c.method, Path: c.path, As: c.as}
			if c.body != "" {
				r.Body = c.body
			}
			s.Want(r, c.status, c.code)
		})
	}
}

// TestListsOfOpaqueResources: what is kept without a meaning is in the lists, as
// clients of a group that they empty expect.
func TestListsOfOpaqueResources(t *testing.T) {
	s := startWith(t, true)
	server := armtest.RG + "/providers/Microsoft.Sql/servers/one"
	s.Want(armtest.Request{Method: "PUT", Path: server, Body: `{"location":"westeurope"}`}, 200, "")
	s.Want(armtest.Request{Method: "PUT", Path: server + "/firewallRules/r", Body: `{}`}, 200, "")
	for _, path := range []string{armtest.RG + "/resources?$expand=provisioningState&$top=10", armtest.S + "/resources?$filter=resourceType%20eq%20'microsoft.sql/servers'&api-version=2015-11-01"} {
		got := s.Want(armtest.Request{Path: path}, 200, "")
		if got.Len() != 1 || got.Get("value.0.id") != server {
			t.Errorf("%s: got %s, want the server", path, got.Body)
		}
	}
	s.Want(armtest.Request{Method: "PUT", Path: server + tags, Body: `{"properties":{"tags":{"a":"b"}}}`}, 200, "")
	s.Want(armtest.Request{Method: "DELETE", Path: armtest.RG}, 200, "")
	if _, err := s.Resources.Get(t.Context(), server); err == nil {
		t.Error("after the group's delete: got the server, want ErrNotFound")
	}
}

// TestStateInLists: what is under way is not shown as complete.
func TestStateInLists(t *testing.T) {
	s := start(t)
	r := &arm.Resource{ID: vaultsIn + "/v", Name: "v", Type: "Microsoft.KeyVault/vaults", Location: "westeurope"}
	if err := r.SetProperties(map[string]string{"provisioningState": "Creating"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Resources.Save(t.Context(), &arm.Type{Name: r.Type}, r, absent()); err != nil {
		t.Fatal(err)
	}
	if got := s.Want(armtest.Request{Path: armtest.RG + "/resources?$expand=provisioningState"}, 200, "").Get("value.0.provisioningState"); got != "Creating" {
		t.Errorf("state: got %q, want Creating", got)
	}
}
