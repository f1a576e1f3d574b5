package authorization_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/arm/armtest"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/service/authorization"
	"github.com/aksess/aksess/internal/service/resources"
)

const (
	locks = "/providers/Microsoft.Authorization/locks"
	disk  = armtest.RG + "/providers/Microsoft.Storage/storageAccounts/locked"
)

// startLocked serves locks, resource groups and a type with an action.
func startLocked(t testing.TB) *armtest.Server {
	t.Helper()
	answer := func(w http.ResponseWriter, _ *azapi.Request, _ *arm.Resource) error {
		return azapi.WriteJSON(w, http.StatusOK, struct{}{})
	}
	var scopes *arm.Scopes
	s := armtest.New(t, armtest.Setup{
		Types: func(s *armtest.Server) []*arm.Type {
			types := []*arm.Type{
				{Name: "Microsoft.Storage/storageAccounts", Actions: []arm.PostAction{{Name: "listKeys", Handle: answer}}},
				{Name: "Microsoft.Storage/storageAccounts/blobServices/containers", Proxy: true},
			}
			var err error
			if scopes, err = arm.NewScopes(s.Resources, types); err != nil {
				t.Fatal(err)
			}
			return types
		},
		Operations: func(s *armtest.Server, types []*arm.Type) []azapi.Operation {
			return append(resources.Operations(resources.Options{Resources: s.Resources, Types: types, Tenant: resources.Tenant{ID: armtest.TenantID}}),
				authorization.LockOperations(s.Resources, scopes)...)
		},
	})
	s.Want(armtest.Request{Method: "PUT", Path: disk, Body: `{"location":"westeurope"}`}, 201, "")
	s.Want(armtest.Request{Method: "PUT", Path: disk + "/blobServices/default/containers/c", Body: `{}`}, 201, "")
	return s
}

func level(l string) string { return `{"properties":{"level":"` + l + `","notes":"why"}}` }

// TestLocksHold: which lock forbids what. An empty message: the request gets through.
func TestLocksHold(t *testing.T) {
	child := disk + "/blobServices/default/containers/c"
	const body = `{"location":"westeurope"}`
	write, delete, act := armtest.Request{Method: "PUT", Path: disk, Body: body}, armtest.Request{Method: "DELETE", Path: disk}, armtest.Request{Method: "POST", Path: disk + "/listKeys"}
	refusal := func(scope, verb, locked string) string {
		return "The scope '" + scope + "' cannot perform " + verb + " operation because following scope(s) are locked: '" + locked + "'. Please remove the lock and try again."
	}
	cases := []struct {
		name, scope, level string
		request            armtest.Request
		message            string
	}{
		{"delete_at", disk, "CanNotDelete", delete, refusal(disk, "delete", disk)},
		{"delete_below", armtest.RG, "CanNotDelete", delete, refusal(disk, "delete", armtest.RG)},
		{"delete_far_below", armtest.S, "cannotdelete", armtest.Request{Method: "DELETE", Path: child}, refusal(child, "delete", armtest.S)},
		{"delete_above", child, "CanNotDelete", delete, refusal(disk, "delete", child)},
		{"delete_group_with_locked", disk, "CanNotDelete", armtest.Request{Method: "DELETE", Path: armtest.RG}, refusal(armtest.RG, "delete", disk)},
		{"delete_group_with_read_only", disk, "ReadOnly", armtest.Request{Method: "DELETE", Path: armtest.RG}, refusal(armtest.RG, "delete", disk)},
		{"delete_read_only", armtest.RG, "ReadOnly", delete, refusal(disk, "delete", armtest.RG)},
		{"write_read_only", armtest.RG, "ReadOnly", write, refusal(disk, "write", armtest.RG)},
		{"other_spelling", strings.ToUpper(disk), "ReadOnly", write, refusal(disk, "write", strings.ToUpper(disk))},
		{"patch_read_only", disk, "ReadOnly", armtest.Request{Method: "PATCH", Path: disk, Body: `{}`}, refusal(disk, "write", disk)},
		{"act_read_only", armtest.S, "ReadOnly", act, refusal(disk, "write", armtest.S)},
		{"patch_group_read_only", armtest.RG, "ReadOnly", armtest.Request{Method: "PATCH", Path: armtest.RG, Body: `{}`}, refusal(armtest.RG, "write", armtest.RG)},
		{"create_read_only", armtest.RG, "ReadOnly", armtest.Request{Method: "PUT", Path: disk + "2", Body: body}, refusal(disk+"2", "write", armtest.RG)},
		{"write_above_read_only", child, "ReadOnly", write, ""},
		{"write_not_deleted", armtest.RG, "CanNotDelete", write, ""},
		{"act_not_deleted", armtest.RG, "CanNotDelete", act, ""},
		{"read_read_only", armtest.S, "ReadOnly", armtest.Request{Path: disk}, ""},
		{"sibling", disk, "ReadOnly", armtest.Request{Method: "PUT", Path: disk + "2", Body: body}, ""},
		{"delete_lock", armtest.S, "ReadOnly", armtest.Request{Method: "DELETE", Path: armtest.S + locks + "/l"}, ""},
		{"write_lock", armtest.S, "ReadOnly", armtest.Request{Method: "PUT", Path: armtest.S + locks + "/l", Body: level("CanNotDelete")}, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := startLocked(t)
			s.Want(armtest.Request{Method: "PUT", Path: c.scope + locks + "/l", Body: level(c.level)}, 201, "")
			got := s.Do(c.request)
			if c.message == "" && got.Status >= 400 || c.message != "" && (got.Status != 409 || got.Code() != "ScopeLocked" || got.Message() != c.message) {
				t.Fatalf("got %d %s, want %q", got.Status, got.Body, c.message)
			}
			s.Want(armtest.Request{Method: "DELETE", Path: c.scope + locks + "/L"}, map[bool]int{false: 200, true: 204}[c.name == "delete_lock"], "")
			if got := s.Do(c.request); got.Status >= 400 {
				t.Errorf("without the lock: got %d %s", got.Status, got.Body)
			}
		})
	}
}

// TestLocksHoldForEverySpelling: what leads to something locked is refused,
// however it is spelled. Letters that have another length in the other case, or
// an end that the store takes for none, must not lead around the lock.
func TestLocksHoldForEverySpelling(t *testing.T) {
	const link = armtest.RG + "/providers/Microsoft.Storage/storageAccounts/link"
	for name, c := range map[string]struct{ locked, path string }{
		"escaped_slash": {armtest.RG, armtest.RG + "%2F"},
		"kelvin_sign":   {link, strings.TrimSuffix(link, "k") + "%E2%84%AA"},
		"dotted_i":      {link, strings.TrimSuffix(link, "ink") + "%C4%B0nk"},
	} {
		t.Run(name, func(t *testing.T) {
			s := startLocked(t)
			s.Want(armtest.Request{Method: "PUT", Path: link, Body: `{"location":"westeurope"}`}, 201, "")
			s.Want(armtest.Request{Method: "PUT", Path: c.locked + locks + "/l", Body: level("CanNotDelete")}, 201, "")
			if got := s.Do(armtest.Request{Method: "DELETE", Path: c.path}); got.Status < 400 {
				t.Errorf("DELETE %s: got %d, want a refusal", c.path, got.Status)
			}
			s.Want(armtest.Request{Path: link}, 200, "")
		})
	}
}

func TestLocks(t *testing.T) {
	s := startLocked(t)
	lock := armtest.RG + locks + "/keep"
	s.Want(armtest.Request{Path: lock}, 404, "LockNotFound")
	created := s.Want(armtest.Request{Method: "PUT", Path: lock, Body: level("CanNotDelete")}, 201, "")
	if created.Get("id") != lock || created.Get("type") != arm.LockType || created.Get("properties.level") != "CanNotDelete" || created.Get("properties.notes") != "why" {
		t.Errorf("created: got %s", created.Body)
	}
	s.Want(armtest.Request{Method: "PUT", Path: strings.ToUpper(armtest.RG[:20]) + armtest.RG[20:] + locks + "/KEEP", Body: level("ReadOnly")}, 200, "")
	if got := s.Want(armtest.Request{Path: lock}, 200, ""); got.Get("properties.level") != "ReadOnly" || got.Get("name") != "keep" {
		t.Errorf("updated: got %s", got.Body)
	}
	s.Want(armtest.Request{Method: "PUT", Path: armtest.S + locks + "/all", Body: level("CanNotDelete")}, 201, "")
	s.Want(armtest.Request{Method: "PUT", Path: disk + locks + "/one", Body: level("CanNotDelete")}, 201, "")
	for path, want := range map[string]int{
		armtest.S + locks: 3, armtest.RG + locks: 3, disk + locks: 3, disk + "/blobServices/default/containers/c" + locks: 3,
		armtest.S + locks + "?$filter=atScope()": 1, armtest.RG + locks + "?$filter=atScope()": 2,
	} {
		if got := s.Want(armtest.Request{Path: path}, 200, "").Len(); got != want {
			t.Errorf("%s: got %d locks, want %d", path, got, want)
		}
	}
	for name, body := range map[string]string{
		"no_properties": `{}`, "no_level": `{"properties":{}}`, "other_level": `{"properties":{"level":"NotSpecified"}}`,
		"long_notes": `{"properties":{"level":"ReadOnly","notes":"` + strings.Repeat("n", 513) + `"}}`,
		"bad_owner":  `{"properties":{"level":"ReadOnly","owners":[{"applicationId":"me"}]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			s.Want(armtest.Request{Method: "PUT", Path: armtest.RG + locks + "/bad", Body: body}, 400, "InvalidLock")
		})
	}
	s.Want(armtest.Request{Method: "PUT", Path: armtest.RG + "x" + locks + "/l", Body: level("ReadOnly")}, 404, "ResourceGroupNotFound")
	s.Want(armtest.Request{Method: "PUT", Path: disk + "x" + locks + "/l", Body: level("ReadOnly")}, 404, "ResourceNotFound")
	s.Want(armtest.Request{Method: "PUT", Path: armtest.RG + locks + "/l", Body: level("ReadOnly"), As: armtest.Contributor}, 403, "AuthorizationFailed")
	s.Want(armtest.Request{Method: "DELETE", Path: lock, As: armtest.Contributor}, 403, "AuthorizationFailed")
	s.Want(armtest.Request{Path: armtest.RG + locks + "?$filter=level%20eq%20'x'"}, 400, "InvalidFilterInQueryString")
}
