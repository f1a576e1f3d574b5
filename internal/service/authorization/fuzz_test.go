package authorization_test

import (
	"net/url"
	"testing"

	"github.com/aksess/aksess/internal/app/apptest"
)

// FuzzFilters asks for assignments, roles and locks with any filter, as one who
// may read them and one who may not: the answer is a list or a refusal.
func FuzzFilters(f *testing.F) {
	for _, seed := range []string{
		"principalId eq '11111111-1111-4111-8111-111111111111'", "assignedTo('11111111-1111-4111-8111-111111111111')", "atScope() and principalId eq 'x'",
		"roleName eq 'Reader'", "type eq 'CustomRole'", "atScopeAndBelow()", "assignedTo()", "assignedTo('", "not (", "roleName eq 'a''b' or atScope()",
	} {
		f.Add(seed)
	}
	w := apptest.New(f, nil)
	paths := []string{apptest.Group, apptest.Subscription, apptest.Group + "/providers/Microsoft.KeyVault/vaults/none"}
	f.Fuzz(func(t *testing.T, filter string) {
		w.T = t
		for _, scope := range paths {
			for _, list := range []string{"roleAssignments", "roleDefinitions", "locks", "denyAssignments"} {
				path := scope + "/providers/Microsoft.Authorization/" + list + "?" + url.Values{"$filter": {filter}}.Encode()
				if got := w.Do(apptest.Request{URL: path}); got.Status != 200 && got.Status != 400 && got.Status != 404 {
					t.Fatalf("%s %q: got %d %s", path, filter, got.Status, got.Body)
				}
				if got := w.Do(apptest.Request{URL: path, As: "nobody"}); got.Status < 400 || got.Status >= 500 {
					t.Fatalf("%s %q without a role: got %d %s", path, filter, got.Status, got.Body)
				}
			}
		}
	})
}
