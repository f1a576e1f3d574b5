package arm_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/arm/armtest"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/fault"
)

const (
	boxes = "/providers/Microsoft.Storage/boxes"
	box   = armtest.RG + boxes + "/b1"
)

var toyFault = &fault.Kind{Code: "ToyRefused", Status: http.StatusBadRequest, Format: "refused: %s"}

// toys are a top-level type with a global name, a child with documents, a
// child that is always there, and its child.
func toys(deleted *atomic.Int64) []*arm.Type {
	count := func(context.Context, *arm.Resource) error {
		deleted.Add(1)
		return nil
	}
	return []*arm.Type{
		{
			Name: "Microsoft.Storage/boxes", Global: true, Delete: count,
			Put: func(_ context.Context, c arm.Change) error {
				var p map[string]any
				if err := c.New.Decode(&p); err != nil {
					return err
				}
				if p["bad"] != nil {
					return toyFault.New("bad")
				}
				p["computed"] = "of " + c.New.Name
				return c.New.SetProperties(p)
			},
			Read: func(_ context.Context, r *arm.Resource) error {
				r.Kind = "Read"
				return nil
			},
			Actions: []arm.PostAction{{Name: "listKeys", Handle: func(w http.ResponseWriter, r *azapi.Request, found *arm.Resource) error {
				return azapi.WriteJSON(w, http.StatusOK, map[string]string{"key": found.Name})
			}}},
		},
		{Name: "Microsoft.Storage/boxes/lids", Proxy: true, Delete: count},
		{
			Name: "Microsoft.Storage/boxes/services", Proxy: true, CreateStatus: http.StatusOK,
			Default: func(_ context.Context, parent *arm.Resource, name string) (*arm.Resource, error) {
				if name != "default" {
					return nil, nil
				}
				r := &arm.Resource{}
				return r, r.SetProperties(map[string]string{"of": parent.Name})
			},
		},
		{Name: "Microsoft.Storage/boxes/services/items", Proxy: true, NoPatch: true, DeleteStatus: http.StatusNoContent, ValidName: func(name string) error {
			if strings.ToLower(name) != name {
				return toyFault.New("name")
			}
			return nil
		}},
	}
}

func start(t testing.TB) (*armtest.Server, *atomic.Int64) {
	t.Helper()
	deleted := new(atomic.Int64)
	return armtest.New(t, armtest.Setup{Types: func(*armtest.Server) []*arm.Type { return toys(deleted) }}), deleted
}

func TestRefusals(t *testing.T) {
	s, _ := start(t)
	put := map[string]any{"location": "westeurope"}
	s.Want(armtest.Request{Method: "PUT", Path: box, Body: put}, 201, "")
	cases := []struct {
		name    string
		request armtest.Request
		status  int
		code    string
		message string // a part of it
	}{
		{"no_token", armtest.Request{Path: box, As: "-"}, 401, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."},
		{"bad_token", armtest.Request{Path: box, As: "bad"}, 401, "InvalidAuthenticationToken", "The access token is invalid: the signature does not verify."},
		{"other_scheme", armtest.Request{Path: box, As: "-", Headers: map[string]string{"Authorization": "Basic x"}}, 401, "InvalidAuthenticationToken", "Basic"},
		{"wrong_audience", armtest.Request{Path: box, As: armtest.Elsewhere}, 401, "InvalidAuthenticationTokenAudience", "'https://vault.azure.net'"},
		{"other_tenant", armtest.Request{Path: box, As: armtest.Foreign}, 401, "InvalidAuthenticationTokenTenant", "https://sts.windows.net/" + armtest.TenantID},
		{"no_role", armtest.Request{Path: box, As: armtest.Nobody}, 403, "AuthorizationFailed",
			"The client '" + armtest.AppID("nobody") + "' with object id '" + armtest.ObjectID("nobody") + "' does not have authorization to perform action 'Microsoft.Storage/boxes/read' over scope '" + box + "' or the scope is invalid. If access was recently granted, please refresh your credentials."},
		{"no_role_of_a_user", armtest.Request{Path: box, As: armtest.User}, 403, "AuthorizationFailed",
			"The client '" + armtest.UserName + "' with object id '" + armtest.ObjectID(armtest.User) + "' does not have authorization"},
		{"reader_writes", armtest.Request{Method: "PUT", Path: box, As: armtest.Reader, Body: put}, 403, "AuthorizationFailed", "Microsoft.Storage/boxes/write"},
		{"reader_deletes", armtest.Request{Method: "DELETE", Path: box, As: armtest.Reader}, 403, "AuthorizationFailed", "Microsoft.Storage/boxes/delete"},
		{"reader_patches", armtest.Request{Method: "PATCH", Path: box, As: armtest.Reader, Body: put}, 403, "AuthorizationFailed", "Microsoft.Storage/boxes/write"},
		{"reader_acts", armtest.Request{Method: "POST", Path: box + "/listKeys", As: armtest.Reader}, 403, "AuthorizationFailed", "action 'Microsoft.Storage/boxes/listKeys/action' over scope '" + box + "'"},
		{"list_scope", armtest.Request{Path: armtest.RG + boxes, As: armtest.Nobody}, 403, "AuthorizationFailed", "over scope '" + armtest.RG + "/providers/Microsoft.Storage'"},
		{"children_scope", armtest.Request{Path: box + "/lids", As: armtest.Nobody}, 403, "AuthorizationFailed", "over scope '" + box + "'"},
		{"group_role_elsewhere", armtest.Request{Path: armtest.S + "/resourceGroups/rg2" + boxes + "/b1", As: armtest.InGroup}, 403, "AuthorizationFailed", ""},
		{"escaped_slash_is_no_way_in", armtest.Request{Path: armtest.S + "/resourceGroups/rg%2F..%2Frg2" + boxes + "/b1", As: armtest.InGroup}, 403, "AuthorizationFailed", "rg%2F..%2Frg2"},
		{"no_version", armtest.Request{Path: box + "?"}, 400, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required for all requests."},
		{"bad_version", armtest.Request{Path: box + "?api-version=latest"}, 400, "InvalidApiVersionParameter", "'latest'"},
		{"no_subscription", armtest.Request{Path: "/subscriptions/33333333-3333-3333-3333-333333333333/resourceGroups/rg" + boxes + "/b1"}, 404, "SubscriptionNotFound", "The subscription '33333333-3333-3333-3333-333333333333' could not be found."},
		{"bad_subscription", armtest.Request{Path: "/subscriptions/mine/resourceGroups/rg" + boxes + "/b1"}, 400, "InvalidSubscriptionId", "'mine'"},
		{"no_group", armtest.Request{Path: armtest.S + "/resourceGroups/none" + boxes + "/b1"}, 404, "ResourceGroupNotFound", "Resource group 'none' could not be found."},
		{"no_resource", armtest.Request{Path: armtest.RG + boxes + "/none"}, 404, "ResourceNotFound", "The Resource 'Microsoft.Storage/boxes/none' under resource group 'rg' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"},
		{"no_child", armtest.Request{Path: box + "/services/default/items/x"}, 404, "ResourceNotFound", "'Microsoft.Storage/boxes/b1/services/default/items/x'"},
		{"no_parent", armtest.Request{Path: armtest.RG + boxes + "/none/lids/l", Method: "PUT", Body: put}, 404, "ParentResourceNotFound", boxes + "/none"},
		{"no_grandparent", armtest.Request{Path: armtest.RG + boxes + "/none/services/default/items/l", Method: "PUT", Body: put}, 404, "ParentResourceNotFound", "/none/services/default"},
		{"no_default", armtest.Request{Path: box + "/services/other"}, 404, "ResourceNotFound", ""},
		{"unknown_type", armtest.Request{Path: armtest.RG + "/providers/Microsoft.Storage/crates/c"}, 404, "InvalidResourceType", "Served here: Microsoft.Storage/boxes, Microsoft.Storage/boxes/lids"},
		{"unknown_namespace", armtest.Request{Path: armtest.RG + "/providers/Microsoft.Sql/servers/c"}, 404, "InvalidResourceNamespace", "Microsoft.Storage"},
		{"unknown_action", armtest.Request{Method: "POST", Path: box + "/explode"}, 404, "InvalidResourceType", "boxes/explode"},
		{"unknown_path", armtest.Request{Path: "/nothing"}, 400, "InvalidRequestUri", ""},
		{"method", armtest.Request{Method: "POST", Path: box}, 405, "MethodNotAllowed", "The requested resource does not support http method 'POST'."},
		{"no_patch", armtest.Request{Method: "PATCH", Path: box + "/services/default/items/x", Body: put}, 405, "MethodNotAllowed", ""},
		{"patch_nothing", armtest.Request{Method: "PATCH", Path: armtest.RG + boxes + "/none", Body: put}, 404, "ResourceNotFound", ""},
		{"action_on_nothing", armtest.Request{Method: "POST", Path: armtest.RG + boxes + "/none/listKeys"}, 404, "ResourceNotFound", ""},
		{"own_name_rule", armtest.Request{Method: "PUT", Path: box + "/services/default/items/BIG", Body: put}, 400, "ToyRefused", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			response := s.Want(c.request, c.status, c.code)
			if !strings.Contains(response.Message(), c.message) {
				t.Errorf("message of %s: got %q, want %q in it", c.request.Path, response.Message(), c.message)
			}
			if c.status == 401 && !strings.HasPrefix(response.Header.Get("WWW-Authenticate"), `Bearer authorization_uri="https://login.windows.net/`+armtest.TenantID+`", error="invalid_token"`) {
				t.Errorf("WWW-Authenticate: got %q", response.Header.Get("WWW-Authenticate"))
			}
		})
	}
}

func TestBadBodies(t *testing.T) {
	s, _ := start(t)
	s.Want(armtest.Request{Method: "PUT", Path: box, Body: map[string]any{"location": "westeurope"}}, 201, "")
	tags := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(`,"t` + strconv.Itoa(i) + `":"v"`)
		}
		return `{"location":"westeurope","tags":{` + b.String()[1:] + `}}`
	}
	fresh := armtest.RG + boxes + "/fresh"
	cases := []struct {
		name, path, body string
		status           int
		code             string
	}{
		{"empty", fresh, "", 400, "InvalidRequestContent"},
		{"not_json", fresh, "{", 400, "InvalidRequestContent"},
		{"list", fresh, "[]", 400, "InvalidRequestContent"},
		{"null", fresh, "null", 400, "InvalidRequestContent"},
		{"twice", fresh, "{}{}", 400, "InvalidRequestContent"},
		{"utf8", fresh, "{\"location\":\"\xff\"}", 400, "InvalidRequestContent"},
		{"properties_text", fresh, `{"location":"westeurope","properties":"x"}`, 400, "InvalidRequestContent"},
		{"location_number", fresh, `{"location":1}`, 400, "InvalidRequestContent"},
		{"tag_number", fresh, `{"location":"westeurope","tags":{"a":1}}`, 400, "InvalidRequestContent"},
		{"tags_list", fresh, `{"location":"westeurope","tags":[]}`, 400, "InvalidRequestContent"},
		{"deep", fresh, `{"location":"westeurope","properties":` + strings.Repeat(`{"a":`, 20000) + "1" + strings.Repeat("}", 20000) + "}", 400, "InvalidRequestContent"},
		{"large", fresh, `{"location":"` + strings.Repeat("x", 5<<20) + `"}`, 413, "RequestContentTooLarge"},
		{"many_members", fresh, `{"location":"westeurope","properties":{"a":[` + strings.Repeat("{},", 1<<16) + `{}]}}`, 400, "InvalidRequestContent"},
		{"no_location", fresh, `{}`, 400, "LocationRequired"},
		{"bad_location", fresh, `{"location":"atlantis"}`, 400, "LocationNotAvailableForResourceType"},
		{"moved", box, `{"location":"northeurope"}`, 409, "InvalidResourceLocation"},
		{"tags_51", fresh, tags(51), 400, "TooManyTags"},
		{"tag_name_long", fresh, `{"location":"westeurope","tags":{"` + strings.Repeat("n", 513) + `":"v"}}`, 400, "InvalidTag"},
		{"tag_value_long", fresh, `{"location":"westeurope","tags":{"n":"` + strings.Repeat("v", 257) + `"}}`, 400, "InvalidTag"},
		{"tag_name_empty", fresh, `{"location":"westeurope","tags":{"":"v"}}`, 400, "InvalidTag"},
		{"tag_name_twice", fresh, `{"location":"westeurope","tags":{"a":"v","A":"v"}}`, 400, "InvalidTag"},
		{"tag_name_chars", fresh, `{"location":"westeurope","tags":{"a<b":"v"}}`, 400, "InvalidTagNameCharacters"},
		{"name_chars", armtest.RG + boxes + "/a%3Cb", `{"location":"westeurope"}`, 400, "InvalidResourceName"},
		{"name_slash", armtest.RG + boxes + "/a%2Fb", `{"location":"westeurope"}`, 400, "InvalidRequestUri"},
		{"name_period", armtest.RG + boxes + "/a.", `{"location":"westeurope"}`, 400, "InvalidResourceName"},
		{"name_long", armtest.RG + boxes + "/" + strings.Repeat("n", 261), `{"location":"westeurope"}`, 400, "InvalidResourceName"},
		{"hook", fresh, `{"location":"westeurope","properties":{"bad":1}}`, 400, "ToyRefused"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s.Want(armtest.Request{Method: "PUT", Path: c.path, Body: c.body}, c.status, c.code)
			s.Want(armtest.Request{Path: fresh}, 404, "ResourceNotFound")
		})
	}
	s.Want(armtest.Request{Method: "PUT", Path: fresh, Body: tags(50)}, 201, "")
	for _, contentType := range []string{"", "text/plain", "application/x-www-form-urlencoded", ";;"} {
		s.Want(armtest.Request{Method: "PUT", Path: box, Body: `{"location":"westeurope"}`, Headers: map[string]string{"Content-Type": contentType}}, 415, "UnsupportedMediaType")
	}
	s.Want(armtest.Request{Method: "PUT", Path: box, Body: "\xef\xbb\xbf{\"Location\":\"West Europe\"}", Headers: map[string]string{"Content-Type": "application/json; charset=utf-8"}}, 200, "")
}

func TestLifecycle(t *testing.T) {
	s, deleted := start(t)
	s.Want(armtest.Request{Path: box}, 404, "ResourceNotFound")
	s.Want(armtest.Request{Method: "DELETE", Path: box}, 204, "")
	created := s.Want(armtest.Request{Method: "PUT", Path: armtest.S + "/resourcegroups/RG/providers/microsoft.storage/BOXES/B1", As: armtest.InGroup, Body: map[string]any{
		"id": "/ignored", "type": "ignored", "systemData": 1, "location": "West Europe", "tags": map[string]any{"a": "1", "gone": nil}, "plan": map[string]any{"p": 1}, "sku": map[string]any{"name": "S"},
		"properties": map[string]any{"kept": 1, "changed": 1, "nothing": nil, "provisioningState": "Creating", "computed": "not this"},
	}}, 201, "")
	for path, want := range map[string]string{
		"id": armtest.S + "/resourceGroups/RG" + boxes + "/B1", "name": "B1", "type": "Microsoft.Storage/boxes", "location": "westeurope", "tags": `{"a":"1"}`, "kind": "Read", "plan.p": "1",
		"properties": `{"changed":1,"computed":"of B1","kept":1,"provisioningState":"Succeeded"}`,
	} {
		if got := created.Get(path); got != want {
			t.Errorf("%s of what was created: got %s, want %s", path, got, want)
		}
	}
	if created.Header.Get("ETag") == "" || created.Header.Get("X-Go-Azure-Sdk-Skip-Polling-Delay") != "true" || created.Header.Get("X-Ms-Correlation-Request-Id") == "" {
		t.Errorf("headers: got %v", created.Header)
	}
	got := s.Want(armtest.Request{Path: box, As: armtest.Reader}, 200, "")
	if got.Body != created.Body {
		t.Errorf("GET in another case: got %s, want %s", got.Body, created.Body)
	}
	s.Want(armtest.Request{Method: "HEAD", Path: box}, 204, "")
	s.Want(armtest.Request{Method: "HEAD", Path: armtest.RG + boxes + "/none"}, 404, "")

	updated := s.Want(armtest.Request{Method: "PUT", Path: box, Body: map[string]any{"location": "westeurope", "plan": nil, "properties": map[string]any{"changed": 2, "kept": nil}}}, 200, "")
	if got, want := updated.Get("properties"), `{"changed":2,"computed":"of B1","provisioningState":"Succeeded"}`; got != want || updated.Get("tags") != "" || updated.Get("plan") != "" || updated.Get("sku.name") != "S" {
		t.Errorf("after PUT: got %s, want properties %s, no tags, no plan, the sku kept", updated.Body, want)
	}
	patched := s.Want(armtest.Request{Method: "PATCH", Path: box, Body: `{"tags":{"b":"2"},"sku":{"tier":"T"},"properties":{"deep":{"a":7,"b":2},"changed":null}}`}, 200, "")
	patched = s.Want(armtest.Request{Method: "PATCH", Path: box, Body: `{"properties":{"deep":{"b":null,"c":[1]}}}`}, 200, "")
	if !strings.Contains(patched.Body, `"deep":{"a":7,"c":[1]}`) || !strings.Contains(patched.Body, `"tags":{"b":"2"}`) || !strings.Contains(patched.Body, `"sku":{"name":"S","tier":"T"}`) || strings.Contains(patched.Body, "changed") {
		t.Errorf("after PATCH: got %s", patched.Body)
	}
	if got := s.Want(armtest.Request{Method: "POST", Path: box + "/listkeys"}, 200, "").Get("key"); got != "B1" {
		t.Errorf("listKeys: got %q, want B1", got)
	}
	s.Want(armtest.Request{Method: "PUT", Path: box + "/lids/l1", Body: map[string]any{"location": "moon", "properties": map[string]any{}}}, 201, "")
	s.Want(armtest.Request{Method: "DELETE", Path: box}, 200, "")
	if deleted.Load() != 2 {
		t.Errorf("Delete hooks: got %d, want those of the box and its lid", deleted.Load())
	}
	s.Want(armtest.Request{Path: box + "/lids/l1"}, 404, "ParentResourceNotFound")
	s.Want(armtest.Request{Method: "PUT", Path: box, Body: map[string]any{"location": "northeurope"}}, 201, "")
	if got := s.Want(armtest.Request{Path: box + "/lids"}, 200, "").Len(); got != 0 {
		t.Errorf("lids of the new box: got %d, want 0", got)
	}
}

func TestConditions(t *testing.T) {
	s, _ := start(t)
	body := map[string]any{"location": "westeurope"}
	with := func(name, value string) map[string]string { return map[string]string{name: value} }
	s.Want(armtest.Request{Method: "PUT", Path: box, Body: body, Headers: with("If-Match", "*")}, 412, "PreconditionFailed")
	s.Want(armtest.Request{Method: "DELETE", Path: box, Headers: with("If-Match", `"1"`)}, 412, "PreconditionFailed")
	first := s.Want(armtest.Request{Method: "PUT", Path: box, Body: body, Headers: with("If-None-Match", "*")}, 201, "").Header.Get("ETag")
	s.Want(armtest.Request{Method: "PUT", Path: box, Body: body, Headers: with("If-None-Match", "*")}, 412, "PreconditionFailed")
	second := s.Want(armtest.Request{Method: "PUT", Path: box, Body: body, Headers: with("If-Match", first)}, 200, "").Header.Get("ETag")
	if first == second {
		t.Errorf("ETag after a write: got %s again", second)
	}
	for _, method := range []string{"PUT", "PATCH", "DELETE"} {
		s.Want(armtest.Request{Method: method, Path: box, Body: body, Headers: with("If-Match", first)}, 412, "PreconditionFailed")
	}
	s.Want(armtest.Request{Method: "PATCH", Path: box, Body: body, Headers: with("If-Match", `"x", W/`+second)}, 200, "")
	s.Want(armtest.Request{Method: "DELETE", Path: box, Headers: with("If-Match", "*")}, 200, "")
}

func TestGlobalNames(t *testing.T) {
	s, _ := start(t)
	body := map[string]any{"location": "westeurope"}
	group2 := &arm.Resource{ID: armtest.S + "/resourceGroups/rg2", Name: "rg2", Type: arm.ResourceGroupType, Location: "westeurope"}
	if err := s.Resources.Save(t.Context(), &arm.Type{Name: arm.ResourceGroupType}, group2, absent()); err != nil {
		t.Fatal(err)
	}
	s.Want(armtest.Request{Method: "PUT", Path: box, Body: body}, 201, "")
	s.Want(armtest.Request{Method: "PUT", Path: armtest.S + "/resourceGroups/rg2" + boxes + "/B1", Body: body}, 409, "NameUnavailable")
	if found, err := s.Resources.ByName(t.Context(), "microsoft.storage/boxes", "B1"); err != nil || found.ID != box {
		t.Errorf("ByName: got %v, %v, want %s", found, err, box)
	}
	types := toys(new(atomic.Int64))
	group, err := s.Resources.Get(t.Context(), armtest.RG)
	if err != nil {
		t.Fatal(err)
	}
	var forgotten []string
	s.Resources.Forget = func(_ context.Context, id string) error {
		forgotten = append(forgotten, id)
		return nil
	}
	if err := s.Resources.DestroyGroup(t.Context(), types, group); err != nil {
		t.Fatalf("deleting the group: %v", err)
	}
	if got := strings.Join(forgotten, " "); got != box+" "+armtest.RG {
		t.Errorf("forgotten scopes: got %s, want the box and the group", got)
	}
	if _, err := s.Resources.ByName(t.Context(), "Microsoft.Storage/boxes", "b1"); !errors.Is(err, arm.ErrNotFound) {
		t.Errorf("the name after the group: got %v, want ErrNotFound", err)
	}
	s.Want(armtest.Request{Path: box}, 404, "ResourceGroupNotFound")
	s.Want(armtest.Request{Method: "PUT", Path: box, Body: body}, 404, "ResourceGroupNotFound")
	s.Want(armtest.Request{Method: "DELETE", Path: box}, 404, "ResourceGroupNotFound")
	s.Want(armtest.Request{Method: "PUT", Path: armtest.S + "/resourceGroups/rg2" + boxes + "/B1", Body: body}, 201, "")
}

func TestGroupBeingDeleted(t *testing.T) {
	s, _ := start(t)
	group, err := s.Resources.Get(t.Context(), armtest.RG)
	if err != nil {
		t.Fatal(err)
	}
	s.Want(armtest.Request{Method: "PUT", Path: box, Body: map[string]any{"location": "westeurope"}}, 201, "")
	types := toys(new(atomic.Int64))
	// The delete stops in the middle: the hook of the box fails.
	types[0].Delete = func(context.Context, *arm.Resource) error { return errors.New("interrupted") }
	if err := s.Resources.DestroyGroup(t.Context(), types, group); err == nil {
		t.Fatal("an interrupted delete: got no error")
	}
	s.Want(armtest.Request{Method: "PUT", Path: armtest.RG + boxes + "/b2", Body: map[string]any{"location": "westeurope"}}, 409, "ResourceGroupBeingDeleted")
	s.Want(armtest.Request{Path: box}, 200, "")
	// The next one completes it.
	if group, err = s.Resources.Get(t.Context(), armtest.RG); err != nil {
		t.Fatal(err)
	}
	if err := s.Resources.DestroyGroup(t.Context(), toys(new(atomic.Int64)), group); err != nil {
		t.Fatal(err)
	}
	s.Want(armtest.Request{Path: box}, 404, "ResourceGroupNotFound")
}

func TestChildren(t *testing.T) {
	s, _ := start(t)
	s.Want(armtest.Request{Method: "PUT", Path: box, Body: map[string]any{"location": "westeurope"}}, 201, "")
	s.Want(armtest.Request{Method: "PUT", Path: armtest.RG + boxes + "/b10", Body: map[string]any{"location": "westeurope"}}, 201, "")
	service := s.Want(armtest.Request{Path: box + "/services/default"}, 200, "")
	if service.Get("id") != box+"/services/default" || service.Get("properties.of") != "b1" || service.Get("type") != "Microsoft.Storage/boxes/services" {
		t.Errorf("the default service: got %s", service.Body)
	}
	if list := s.Want(armtest.Request{Path: box + "/services"}, 200, ""); list.Len() != 1 || list.Get("value.0.name") != "default" {
		t.Errorf("services before a write: got %s", list.Body)
	}
	s.Want(armtest.Request{Method: "PUT", Path: box + "/services/default/items/i1", Body: `{}`}, 201, "")
	s.Want(armtest.Request{Method: "PUT", Path: box + "/services/default", Body: `{"properties":{"more":1}}`}, 200, "")
	if got := s.Want(armtest.Request{Path: box + "/services/default"}, 200, "").Get("properties"); got != `{"more":1,"of":"b1"}` {
		t.Errorf("the written default: got %s", got)
	}
	s.Want(armtest.Request{Method: "PUT", Path: box + "/services/default/items/i2", Body: `{"properties":{}}`}, 201, "")
	if list := s.Want(armtest.Request{Path: box + "/services/default/items"}, 200, ""); list.Len() != 2 {
		t.Errorf("items: got %s", list.Body)
	}
	if list := s.Want(armtest.Request{Path: armtest.RG + boxes + "/b10/services/default/items"}, 200, ""); list.Len() != 0 {
		t.Errorf("items of the other box: got %s", list.Body)
	}
	s.Want(armtest.Request{Method: "DELETE", Path: box + "/services/default/items/i2"}, 204, "")
	s.Want(armtest.Request{Method: "PUT", Path: box + "/lids/l", Body: `{"properties":{"n":12345678901234567890.5}}`}, 201, "")
	if got := s.Want(armtest.Request{Method: "PATCH", Path: box + "/lids/l", Body: `{"properties":{"m":0.10}}`}, 200, ""); !strings.Contains(got.Body, `{"m":0.10,"n":12345678901234567890.5}`) {
		t.Errorf("numbers after PATCH: got %s, want them as written", got.Body)
	}
	s.Want(armtest.Request{Method: "DELETE", Path: box}, 200, "")
	s.Want(armtest.Request{Path: box + "/services/default/items/i1"}, 404, "ParentResourceNotFound")
}

func TestPaging(t *testing.T) {
	s, _ := start(t)
	for i := range 7 {
		s.Want(armtest.Request{Method: "PUT", Path: armtest.RG + boxes + "/B" + strconv.Itoa(i), Body: map[string]any{"location": "westeurope"}}, 201, "")
	}
	for _, path := range []string{
		armtest.RG + boxes + "?$top=3", armtest.S + boxes + "?$top=3", armtest.RG + boxes + "?$maxpagesize=3", armtest.S + boxes + "?%24MaxPageSize=3&$top=5",
		armtest.S + boxes + "?$maxpagesize=9&$top=3",
	} {
		var names []string
		next := path + "&api-version=2025-01-01"
		for pages := 1; next != ""; pages++ {
			page := s.Want(armtest.Request{Path: next, As: armtest.Reader}, 200, "")
			if want := []int{0, 3, 3, 1}; pages >= len(want) || page.Len() != want[pages] {
				t.Fatalf("page %d of %s: got %d entries, want pages of 3, 3 and 1", pages, path, page.Len())
			}
			for i := range page.Len() {
				names = append(names, page.Get("value."+strconv.Itoa(i)+".name"))
			}
			next = strings.TrimPrefix(page.Get("nextLink"), "https://"+arm.Host)
		}
		if got := strings.Join(names, " "); got != "B0 B1 B2 B3 B4 B5 B6" {
			t.Errorf("pages of %s: got %s", path, got)
		}
	}
	s.Want(armtest.Request{Path: armtest.RG + boxes + "?$skiptoken=nonsense"}, 400, "InvalidSkipToken")
	s.Want(armtest.Request{Path: armtest.RG + boxes + "?$top=0"}, 400, "InvalidTopParameter")
	s.Want(armtest.Request{Path: armtest.RG + boxes + "?$top=many"}, 400, "InvalidTopParameter")
	s.Want(armtest.Request{Path: armtest.RG + boxes + "?$maxpagesize=-1&$top=1"}, 400, "InvalidTopParameter")
	s.Want(armtest.Request{Path: armtest.S + "/resourceGroups/none" + boxes}, 404, "ResourceGroupNotFound")
	s.Want(armtest.Request{Path: armtest.RG + boxes + "/none/lids"}, 404, "ParentResourceNotFound")
}

func TestConcurrentWriters(t *testing.T) {
	s, _ := start(t)
	var created, failed atomic.Int64
	armtest.Parallel(16, func(i int) {
		response := s.Do(armtest.Request{Method: "PUT", Path: box, Body: map[string]any{"location": "westeurope", "properties": map[string]any{"w" + strconv.Itoa(i): i}}})
		switch response.Status {
		case 201:
			created.Add(1)
		case 200:
		default:
			failed.Add(1)
			t.Errorf("writer %d: got %d %s", i, response.Status, response.Body)
		}
	})
	if created.Load() != 1 {
		t.Errorf("creators: got %d, want 1", created.Load())
	}
	got := s.Want(armtest.Request{Path: box}, 200, "")
	for i := range 16 {
		if got.Get("properties.w"+strconv.Itoa(i)) != strconv.Itoa(i) {
			t.Errorf("the write of %d is lost: got %s", i, got.Body)
		}
	}
}

func TestTypesAreChecked(t *testing.T) {
	for name, types := range map[string][]*arm.Type{
		"form":      {{Name: "boxes"}},
		"twice":     {{Name: "A.B/c"}, {Name: "a.b/C"}},
		"no_parent": {{Name: "A.B/c/d"}},
		"no_home":   {{Name: "A.B/c", Storage: &arm.Storage{}}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := arm.Service(arm.Options{Types: types}); err == nil {
				t.Errorf("types %v: got no error", types[0].Name)
			}
		})
	}
}
