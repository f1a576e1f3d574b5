package arm_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/arm/armtest"
)

const (
	servers  = "/providers/Microsoft.Sql/servers"
	server   = armtest.RG + servers + "/one"
	database = server + "/databases/d"
)

func startOpaque(t testing.TB) *armtest.Server {
	t.Helper()
	return armtest.New(t, armtest.Setup{AcceptUnknown: true, Types: func(*armtest.Server) []*arm.Type { return toys(new(atomic.Int64)) }})
}

func TestOpaque(t *testing.T) {
	s := startOpaque(t)
	var log bytes.Buffer
	s.Resources.Log = slog.New(slog.NewTextHandler(&log, nil))
	put := armtest.Request{Method: "PUT", Path: server, Body: `{"location":"West Europe","tags":{"a":"b"},"sku":{"name":"S"},"plan":{"p":1},"properties":{"version":"12.0"}}`}
	created := s.Want(put, 200, "")
	for member, want := range map[string]string{
		"id": server, "type": "Microsoft.Sql/servers", "name": "one", "location": "westeurope", "tags.a": "b", "sku.name": "S", "plan.p": "1",
		"properties.version": "12.0", "properties.provisioningState": "Succeeded",
	} {
		if got := created.Get(member); got != want {
			t.Errorf("%s: got %q, want %q", member, got, want)
		}
	}
	s.Want(put, 200, "")
	if n := strings.Count(log.String(), "resource stored without meaning"); n != 1 || !strings.Contains(log.String(), server) {
		t.Errorf("log: got %d lines, want one for the first write: %s", n, log.String())
	}
	if got := s.Want(armtest.Request{Path: strings.ToUpper(server)}, 200, ""); got.Header.Get(arm.OpaqueHeader) != "true" || got.Get("id") != server {
		t.Errorf("got %v %s, want the marked resource as first spelled", got.Header, got.Body)
	}
	s.Want(armtest.Request{Method: "HEAD", Path: server}, 204, "")
	s.Want(armtest.Request{Method: "HEAD", Path: server + "x"}, 404, "")
	s.Want(armtest.Request{Method: "PATCH", Path: server, Body: `{"tags":{"c":"d"}}`}, 200, "")
	s.Want(armtest.Request{Method: "PATCH", Path: server + "x", Body: `{}`}, 404, "ResourceNotFound")
	s.Want(armtest.Request{Method: "PUT", Path: server, Body: `{"location":"eastus"}`}, 409, "InvalidResourceLocation")
	s.Want(armtest.Request{Method: "PUT", Path: server, Body: `{}`, Headers: map[string]string{"If-Match": `"0"`}}, 412, "PreconditionFailed")
	s.Want(armtest.Request{Method: "PUT", Path: database, Body: `{"location":"westeurope"}`}, 200, "")
	s.Want(armtest.Request{Method: "PUT", Path: armtest.RG + "/providers/Microsoft.Sql/none/n/databases/d", Body: `{}`}, 200, "") // its parent is not served
	s.Want(armtest.Request{Method: "PUT", Path: box + "/opaques/o", Body: `{}`}, 404, "ParentResourceNotFound")                   // its parent is
	setting := server + "/providers/Microsoft.Insights/diagnosticSettings/x"
	s.Want(armtest.Request{Method: "PUT", Path: setting, Body: `{}`}, 200, "")
	s.Want(armtest.Request{Method: "PUT", Path: armtest.S + "/providers/Microsoft.Security/pricings/p", Body: `{}`}, 200, "")
	for path, want := range map[string]int{
		armtest.RG + servers: 1, armtest.S + servers: 1, server + "/databases": 1, armtest.RG + "/providers/Microsoft.Sql/others": 0,
		server + "/providers/Microsoft.Insights/diagnosticSettings": 1, armtest.RG + "/providers/Microsoft.Insights/diagnosticSettings": 0,
		armtest.S + "/providers/Microsoft.Security/pricings": 1,
	} {
		if got := s.Want(armtest.Request{Path: path}, 200, ""); got.Len() != want || got.Header.Get(arm.OpaqueHeader) != "true" {
			t.Errorf("list %s: got %d, want %d", path, got.Len(), want)
		}
	}
	s.Want(armtest.Request{Method: "POST", Path: server + "/failover", Body: `{}`}, 501, "NotImplemented")
	s.Want(armtest.Request{Method: "DELETE", Path: server}, 200, "")
	s.Want(armtest.Request{Method: "DELETE", Path: server}, 204, "")
	s.Want(armtest.Request{Path: database}, 404, "ResourceNotFound")
	s.Want(armtest.Request{Path: setting}, 404, "ResourceNotFound")
}

// TestOpaqueRefusals: accepting what is unknown opens nothing that is known.
func TestOpaqueRefusals(t *testing.T) {
	s := startOpaque(t)
	s.Want(armtest.Request{Method: "PUT", Path: server, Body: `{}`}, 200, "")
	assignment := server + "/providers/Microsoft.Authorization/roleAssignments/a"
	cases := []struct {
		name    string
		request armtest.Request
		status  int
		code    string
	}{
		{"no_token", armtest.Request{Path: server, As: "-"}, 401, "AuthenticationFailed"},
		{"nobody_reads", armtest.Request{Path: server, As: armtest.Nobody}, 403, "AuthorizationFailed"},
		{"nobody_lists", armtest.Request{Path: armtest.RG + servers, As: armtest.Nobody}, 403, "AuthorizationFailed"},
		{"nobody_acts", armtest.Request{Method: "POST", Path: server + "/a", As: armtest.Nobody}, 403, "AuthorizationFailed"},
		{"reader_writes", armtest.Request{Method: "PUT", Path: server, Body: `{}`, As: armtest.Reader}, 403, "AuthorizationFailed"},
		{"reader_deletes", armtest.Request{Method: "DELETE", Path: server, As: armtest.Reader}, 403, "AuthorizationFailed"},
		{"in_group_elsewhere", armtest.Request{Method: "PUT", Path: armtest.S + servers + "/s", Body: `{}`, As: armtest.InGroup}, 403, "AuthorizationFailed"},
		{"foreign", armtest.Request{Path: server, As: armtest.Foreign}, 401, "InvalidAuthenticationTokenTenant"},
		{"no_group", armtest.Request{Method: "PUT", Path: strings.Replace(server, "/rg/", "/none/", 1), Body: `{}`}, 404, "ResourceGroupNotFound"},
		{"no_version", armtest.Request{Path: server + "?"}, 400, "MissingApiVersionParameter"},
		{"served_type", armtest.Request{Method: "POST", Path: box}, 405, "MethodNotAllowed"},
		{"assignment", armtest.Request{Method: "PUT", Path: assignment, Body: `{}`}, 404, "InvalidResourceType"},
		{"deny_assignment", armtest.Request{Method: "PUT", Path: server + "/providers/Microsoft.Authorization/denyAssignments/a", Body: `{}`}, 404, "InvalidResourceType"},
		{"lock", armtest.Request{Method: "PUT", Path: server + "/providers/Microsoft.Authorization/locks/a", Body: `{}`}, 404, "InvalidResourceType"},
		{"deployment", armtest.Request{Method: "PUT", Path: armtest.RG + "/providers/Microsoft.Resources/deployments/d", Body: `{}`}, 404, "InvalidResourceType"},
		{"tenant_scope", armtest.Request{Method: "PUT", Path: "/providers/Microsoft.Management/managementGroups/g", Body: `{}`}, 404, "InvalidResourceNamespace"},
		{"namespace", armtest.Request{Method: "PUT", Path: armtest.RG + "/providers/Sql/servers/d", Body: `{}`}, 400, "InvalidRequestUri"},
		{"type", armtest.Request{Method: "PUT", Path: armtest.RG + "/providers/Microsoft.Sql/ser'vers/d", Body: `{}`}, 400, "InvalidRequestUri"},
		{"name", armtest.Request{Method: "PUT", Path: armtest.RG + servers + "/a%3Cb", Body: `{}`}, 400, "InvalidResourceName"},
		{"collection", armtest.Request{Method: "PUT", Path: armtest.RG + servers, Body: `{}`}, 405, "MethodNotAllowed"},
		{"post", armtest.Request{Method: "POST", Path: server, Body: `{}`}, 405, "MethodNotAllowed"},
		{"body", armtest.Request{Method: "PUT", Path: server, Body: `[]`}, 400, "InvalidRequestContent"},
		{"path", armtest.Request{Path: "/nothing"}, 400, "InvalidRequestUri"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { s.Want(c.request, c.status, c.code) })
	}
	if _, _, err := s.Resources.PutLock(t.Context(), arm.Lock{Name: "l", Scope: armtest.RG, Level: arm.LockReadOnly}); err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{http.MethodPut, http.MethodPatch, http.MethodDelete} {
		s.Want(armtest.Request{Method: method, Path: server, Body: `{}`}, 409, "ScopeLocked")
	}
	s.Want(armtest.Request{Method: "POST", Path: server + "/act", Body: `{}`}, 409, "ScopeLocked")
	s.Want(armtest.Request{Path: server}, 200, "")
}
