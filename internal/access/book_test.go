package access

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/fault"
	"github.com/aksess/aksess/internal/store"
	"github.com/aksess/aksess/internal/store/memory"
)

func guid(n int) string { return fmt.Sprintf("00000000-0000-0000-0000-%012d", n) }

func newBook(t testing.TB) (*Book, store.Store) {
	t.Helper()
	s := memory.New()
	now := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	return NewBook(s, func() time.Time { return now }), s
}

func assign(t testing.TB, b *Book, name int, role, scope, principal string) Assignment {
	t.Helper()
	item, created, err := b.PutAssignment(t.Context(), assignment(t, name, role, scope, principal), store.Always())
	if err != nil || !created {
		t.Fatalf("assigning %q at %s: created %v, %v", role, scope, created, err)
	}
	return item.Value
}

func assignment(t testing.TB, name int, role, scope, principal string) Assignment {
	t.Helper()
	def, found := BuiltinRole(role)
	if !found {
		t.Fatalf("no role %q", role)
	}
	return Assignment{Name: guid(name), Scope: scope, RoleID: def.ID, PrincipalID: principal}
}

func customRole(id int, name string) RoleDefinition {
	return RoleDefinition{ID: guid(id), Name: name, AssignableScopes: []string{subscription},
		Permissions: []Permission{{DataActions: []string{"Microsoft.KeyVault/vaults/secrets/getSecret/action"}}}}
}

func names(assignments []Assignment) string {
	var b strings.Builder
	for _, a := range assignments {
		b.WriteString(strings.TrimLeft(a.Name[24:], "0") + " ")
	}
	return strings.TrimSpace(b.String())
}

func TestBookGrants(t *testing.T) {
	b, _ := newBook(t)
	ctx := t.Context()
	p := workload()
	decide := func() Verdict {
		t.Helper()
		grants, err := b.Grants(ctx, p)
		if err != nil {
			t.Fatal(err)
		}
		return DecideRole(p, getSecret, secret, grants, Attributes{})
	}
	checkVerdict(t, decide(), ReasonNoAssignment, chain.LinkAccess)
	assign(t, b, 1, "Key Vault Secrets User", vault, clientID)
	checkVerdict(t, decide(), ReasonClientID, chain.LinkAccess)
	assign(t, b, 2, "Reader", vault, objectID)
	checkVerdict(t, decide(), ReasonClientID, chain.LinkAccess)
	assign(t, b, 3, "Key Vault Secrets User", groupApp, strings.ToUpper(groupID))
	checkVerdict(t, decide(), "", chain.LinkAccess)
	if grants, err := b.Grants(ctx, p); err != nil || len(grants) != 3 {
		t.Errorf("got %d grants, %v, want 3", len(grants), err)
	}
	if _, err := b.DeleteAssignment(ctx, strings.ToUpper(groupApp)+"/", guid(3), store.Always()); err != nil {
		t.Fatal(err)
	}
	checkVerdict(t, decide(), ReasonClientID, chain.LinkAccess)
	if grants, err := b.Grants(ctx, Principal{}); err != nil || len(grants) != 0 {
		t.Errorf("nobody: got %d grants, %v, want none", len(grants), err)
	}
}

func TestGrantsAreNotMixedUp(t *testing.T) {
	b, _ := newBook(t)
	assign(t, b, 1, "Reader", vault, objectID)
	assign(t, b, 2, "Contributor", vault, objectID)
	assign(t, b, 3, "Owner", vault, groupID)
	assign(t, b, 4, "Owner", vault, clientID)
	for range 2 { // the second time from the cache, which the first must not have changed
		for principal, want := range map[string]int{objectID: 2, groupID: 1, clientID: 1} {
			if grants, err := b.Grants(t.Context(), Principal{ObjectID: principal}); err != nil || len(grants) != want {
				t.Errorf("%s: got %d grants, %v, want %d", principal, len(grants), err, want)
			}
		}
		if grants, err := b.Grants(t.Context(), workload()); err != nil || len(grants) != 4 {
			t.Errorf("together: got %d grants, %v, want 4", len(grants), err)
		}
	}
}

func TestGrantsCacheIsBounded(t *testing.T) {
	b, _ := newBook(t)
	for i := range maxCached + 1 {
		if _, err := b.grantsOf(t.Context(), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if len(b.cache) != 1 {
		t.Errorf("got %d entries, want 1", len(b.cache))
	}
}

func TestPutAssignment(t *testing.T) {
	b, _ := newBook(t)
	ctx := t.Context()
	a := assignment(t, 1, "Key Vault Secrets User", vault+"/", objectID)
	a.CreatedBy = groupID
	first, created, err := b.PutAssignment(ctx, a, store.Absent())
	got := first.Value
	if err != nil || !created || got.Scope != vault || got.PrincipalType != PrincipalServicePrincipal || got.CreatedOn != "2026-10-01T12:00:00.0000000Z" {
		t.Fatalf("got %+v, created %v, %v", got, created, err)
	}
	if got.ID() != vault+"/providers/Microsoft.Authorization/roleAssignments/"+guid(1) {
		t.Errorf("got id %q", got.ID())
	}
	if id := (Assignment{Scope: "/", Name: "n"}).ID(); id != "/providers/Microsoft.Authorization/roleAssignments/n" {
		t.Errorf("got id %q", id)
	}

	b.now = func() time.Time { return time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC) }
	changed := Assignment{Name: strings.ToUpper(guid(1)), Scope: strings.ToLower(vault), RoleID: strings.ToUpper(a.RoleID), PrincipalID: strings.ToUpper(objectID),
		Description: "why", Condition: "@Resource[x] StringEquals 'y'", Version: "2.0", CreatedBy: "else"}
	second, created, err := b.PutAssignment(ctx, changed, store.Present())
	got = second.Value
	if err != nil || created || second.Version == first.Version || got.Description != "why" || got.Condition == "" || got.Scope != vault ||
		got.CreatedBy != groupID || got.CreatedOn != first.Value.CreatedOn || got.UpdatedOn != "2027-01-01T00:00:00.0000000Z" {
		t.Errorf("got %+v, created %v, %v", got, created, err)
	}
	read, err := b.Assignment(ctx, strings.ToUpper(vault), guid(1))
	if err != nil || read != second {
		t.Errorf("got %+v, %v, want %+v", read, err, second)
	}
	grants, err := b.Grants(ctx, workload())
	if err != nil || len(grants) != 1 || grants[0].Assignment != got {
		t.Errorf("got grants %+v, %v, want the condition to be seen", grants, err)
	}
	if _, _, err := b.PutAssignment(ctx, changed, store.At(first.Version)); !errors.Is(err, store.ErrConflict) {
		t.Errorf("old version: got %v, want ErrConflict", err)
	}
	if _, _, err := b.PutAssignment(ctx, changed, store.Absent()); !errors.Is(err, store.ErrConflict) {
		t.Errorf("absent: got %v, want ErrConflict", err)
	}
}

func TestPutAssignmentRefuses(t *testing.T) {
	b, _ := newBook(t)
	ctx := t.Context()
	if _, _, err := b.PutRole(ctx, customRole(90, "Custom"), store.Always()); err != nil {
		t.Fatal(err)
	}
	assign(t, b, 1, "Key Vault Secrets User", vault, objectID)
	tests := map[string]struct {
		change func(*Assignment)
		kind   *fault.Kind
		text   string
	}{
		"name":                 {func(a *Assignment) { a.Name = "x" }, ErrInvalidAssignmentName, "'x'"},
		"principal":            {func(a *Assignment) { a.PrincipalID = "wi-demo" }, ErrInvalidPrincipalID, ""},
		"no_role":              {func(a *Assignment) { a.RoleID = "" }, ErrInvalidRoleID, ""},
		"unknown_role":         {func(a *Assignment) { a.RoleID = guid(99) }, ErrRoleNotFound, guid(99)},
		"relative_scope":       {func(a *Assignment) { a.Scope = "subscriptions/x" }, ErrBadRequest, "scope"},
		"empty_scope":          {func(a *Assignment) { a.Scope = "" }, ErrBadRequest, "scope"},
		"collection":           {func(a *Assignment) { a.Scope = groupApp + "/providers/Microsoft.KeyVault/vaults" }, ErrBadRequest, "scope"},
		"principal_type":       {func(a *Assignment) { a.PrincipalType = "Robot" }, ErrBadRequest, "'Robot'"},
		"condition":            {func(a *Assignment) { a.Condition = "x" }, ErrInvalidCondition, "condition is invalid"},
		"condition_version":    {func(a *Assignment) { a.Condition, a.Version = ifV, "1.0" }, ErrInvalidCondition, "condition is invalid"},
		"custom_role_not_here": {func(a *Assignment) { a.RoleID, a.Scope = guid(90), "/subscriptions/other" }, ErrRoleNotFound, guid(90)},
		"same_triple":          {func(a *Assignment) { a.Name = guid(2) }, ErrAssignmentExists, strings.ReplaceAll(guid(1), "-", "")},
		"another_principal":    {func(a *Assignment) { a.PrincipalID = groupID }, ErrAssignmentUpdate, ""},
		"another_role":         {func(a *Assignment) { a.RoleID = builtins().byName["owner"].ID }, ErrAssignmentUpdate, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a := assignment(t, 1, "Key Vault Secrets User", vault, objectID)
			test.change(&a)
			if _, _, err := b.PutAssignment(ctx, a, store.Always()); !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("got %v, want %v with %q", err, test.kind, test.text)
			}
		})
	}
	// The same name elsewhere is another assignment.
	assign(t, b, 1, "Key Vault Secrets User", groupApp, objectID)
	if _, err := b.Assignment(ctx, subscription, guid(1)); !errors.Is(err, ErrAssignmentNotFound) {
		t.Errorf("got %v, want ErrAssignmentNotFound", err)
	}
}

func TestDeleteAssignment(t *testing.T) {
	b, _ := newBook(t)
	ctx := t.Context()
	a := assign(t, b, 1, "Reader", vault, objectID)
	if _, err := b.DeleteAssignment(ctx, vault, guid(1), store.At(1<<40)); !errors.Is(err, store.ErrConflict) {
		t.Errorf("wrong version: got %v, want ErrConflict", err)
	}
	if got, err := b.DeleteAssignment(ctx, vault, strings.ToUpper(guid(1)), store.Always()); err != nil || got != a {
		t.Errorf("got %+v, %v, want %+v", got, err, a)
	}
	if _, err := b.DeleteAssignment(ctx, vault, guid(1), store.Always()); !errors.Is(err, ErrAssignmentNotFound) {
		t.Errorf("got %v, want ErrAssignmentNotFound", err)
	}
	assign(t, b, 2, "Reader", vault, objectID) // the triple is free again
}

func TestAssignments(t *testing.T) {
	b, _ := newBook(t)
	ctx := t.Context()
	assign(t, b, 1, "Owner", "/", groupID)
	assign(t, b, 2, "Reader", subscription, objectID)
	assign(t, b, 3, "Reader", groupApp, objectID)
	assign(t, b, 4, "Key Vault Secrets User", vault, objectID)
	assign(t, b, 5, "Key Vault Secrets User", vault, groupID)
	assign(t, b, 6, "Reader", groupApp2, objectID)
	assign(t, b, 7, "Reader", "/subscriptions/s2", objectID)
	tests := []struct {
		name  string
		query AssignmentQuery
		want  string
	}{
		{"all", AssignmentQuery{Scope: "/"}, "1 2 3 4 5 6 7"},
		{"group", AssignmentQuery{Scope: groupApp}, "2 1 3 4 5"},
		{"group_in_another_case", AssignmentQuery{Scope: strings.ToUpper(groupApp) + "/"}, "2 1 3 4 5"},
		{"at_group", AssignmentQuery{Scope: groupApp, AtScope: true}, "2 1 3"},
		{"at_root", AssignmentQuery{Scope: "/", AtScope: true}, "1"},
		{"at_secret", AssignmentQuery{Scope: secret, AtScope: true}, "4 5 3 2 1"},
		{"of_principal", AssignmentQuery{Scope: groupApp, PrincipalID: []string{strings.ToUpper(objectID)}}, "2 3 4"},
		{"of_principal_at_scope", AssignmentQuery{Scope: groupApp, AtScope: true, PrincipalID: []string{objectID}}, "2 3"},
		{"of_principal_and_groups", AssignmentQuery{Scope: vault, PrincipalID: []string{objectID, groupID, groupID}}, "1 2 3 4 5"},
		{"of_nobody", AssignmentQuery{Scope: "/", PrincipalID: []string{clientID, ""}}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, next, err := b.Assignments(ctx, test.query)
			if err != nil || next != "" || names(got) != test.want {
				t.Errorf("got %q, next %q, %v, want %q", names(got), next, err, test.want)
			}
			// One by one: the pages are the same listing. What is above the scope is on the first.
			paged, q := []Assignment{}, test.query
			q.Limit = 1
			for {
				page, next, err := b.Assignments(ctx, q)
				if err != nil {
					t.Fatal(err)
				}
				paged = append(paged, page...)
				if q.After = next; next == "" {
					break
				}
			}
			if names(paged) != test.want {
				t.Errorf("paged: got %q, want %q", names(paged), test.want)
			}
		})
	}
	if _, _, err := b.Assignments(ctx, AssignmentQuery{Scope: "x"}); !errors.Is(err, ErrBadRequest) {
		t.Errorf("got %v, want ErrBadRequest", err)
	}
}

// An assignment whose custom role disappeared at the same moment grants nothing.
func TestGrantWithoutRole(t *testing.T) {
	b, _ := newBook(t)
	ctx := t.Context()
	if _, _, err := b.PutRole(ctx, customRole(90, "Custom"), store.Always()); err != nil {
		t.Fatal(err)
	}
	a := Assignment{Name: guid(1), Scope: vault, RoleID: guid(90), PrincipalID: objectID}
	if _, _, err := b.PutAssignment(ctx, a, store.Always()); err != nil {
		t.Fatal(err)
	}
	if err := b.roles.Delete(ctx, guid(90), store.Always()); err != nil {
		t.Fatal(err)
	}
	grants, err := b.Grants(ctx, workload())
	if err != nil || len(grants) != 1 {
		t.Fatalf("got %+v, %v", grants, err)
	}
	checkVerdict(t, DecideRole(workload(), getSecret, secret, grants, Attributes{}), ReasonRole, chain.LinkAccess)
	role, err := b.assignableRole(ctx, &a)
	if !errors.Is(err, ErrRoleNotFound) {
		t.Errorf("got %v, want ErrRoleNotFound", err)
	}
	role = customRole(90, "Custom")
	role.Type = TypeCustom
	a.Name, a.PrincipalID = guid(2), groupID
	if _, _, err := b.putAssignment(ctx, a, role, store.Always()); !errors.Is(err, ErrRoleNotFound) {
		t.Errorf("a role deleted meanwhile: got %v, want ErrRoleNotFound", err)
	}
}

func TestSameTripleAtOnce(t *testing.T) {
	b, s := newBook(t)
	other := NewBook(s, nil) // a second replica
	results := make(chan error, 16)
	for i := range cap(results) {
		go func() {
			book := b
			if i%2 == 1 {
				book = other
			}
			_, _, err := book.PutAssignment(context.Background(), assignment(t, i+1, "Reader", vault, objectID), store.Always())
			results <- err
		}()
	}
	made := 0
	for range cap(results) {
		switch err := <-results; {
		case err == nil:
			made++
		case !errors.Is(err, ErrAssignmentExists):
			t.Errorf("got %v, want ErrAssignmentExists", err)
		}
	}
	if made != 1 {
		t.Errorf("got %d assignments, want 1", made)
	}
}

func TestSameNameAtOnce(t *testing.T) {
	b, _ := newBook(t)
	ctx := t.Context()
	var wait sync.WaitGroup
	for i := range 16 {
		wait.Go(func() {
			a := assignment(t, 1, "Reader", vault, objectID)
			a.Description = fmt.Sprint(i)
			if _, _, err := b.PutAssignment(ctx, a, store.Always()); err != nil {
				t.Errorf("put: got %v", err)
			}
			if i%4 == 0 {
				if _, err := b.DeleteAssignment(ctx, vault, guid(1), store.Always()); err != nil && !errors.Is(err, ErrAssignmentNotFound) {
					t.Errorf("delete: got %v", err)
				}
			}
			if _, err := b.Grants(ctx, workload()); err != nil {
				t.Errorf("grants: got %v", err)
			}
		})
	}
	wait.Wait()
	one, err := b.Assignment(ctx, vault, guid(1))
	grants, errGrants := b.Grants(ctx, workload())
	if errGrants != nil || (err == nil) != (len(grants) == 1) || err == nil && grants[0].Assignment != one.Value {
		t.Errorf("got assignment %+v, %v and grants %+v, %v: the two documents differ", one, err, grants, errGrants)
	}
}

func TestStoreFailuresAreNotRefusals(t *testing.T) {
	b, s := newBook(t)
	assign(t, b, 1, "Reader", vault, objectID)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b = NewBook(s, nil)
	ctx := context.Background()
	for name, fail := range map[string]func() error{
		"Grants": func() error { _, err := b.Grants(ctx, workload()); return err },
		"PutAssignment": func() error {
			_, _, err := b.PutAssignment(ctx, assignment(t, 2, "Reader", vault, objectID), store.Always())
			return err
		},
		"DeleteAssignment": func() error { _, err := b.DeleteAssignment(ctx, vault, guid(1), store.Always()); return err },
		"Assignments":      func() error { _, _, err := b.Assignments(ctx, AssignmentQuery{Scope: vault}); return err },
		"Assignments_root": func() error { _, _, err := b.Assignments(ctx, AssignmentQuery{Scope: "/"}); return err },
		"Assignments_of": func() error {
			_, _, err := b.Assignments(ctx, AssignmentQuery{Scope: "/", PrincipalID: []string{objectID}})
			return err
		},
		"Role":       func() error { _, err := b.Role(ctx, guid(90)); return err },
		"Roles":      func() error { _, err := b.Roles(ctx, RoleQuery{}); return err },
		"PutRole":    func() error { _, _, err := b.PutRole(ctx, customRole(90, "Custom"), store.Always()); return err },
		"DeleteRole": func() error { return b.DeleteRole(ctx, guid(90)) },
		"assigned":   func() error { _, err := b.assigned(ctx, guid(90)); return err },
	} {
		if err := fail(); !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s: got %v, want ErrClosed", name, err)
		}
	}
}

// BenchmarkGrants decides for one of 20,000 principals with 5 assignments each.
func BenchmarkGrants(b *testing.B) {
	book, _ := newBook(b)
	ctx := b.Context()
	roles := BuiltinRoles()
	for i := range 100_000 {
		a := Assignment{Name: guid(i), Scope: vault, RoleID: roles[i%5].ID, PrincipalID: guid(i / 5)}
		if _, _, err := book.PutAssignment(ctx, a, store.Always()); err != nil {
			b.Fatal(err)
		}
	}
	p := Principal{ObjectID: guid(7), AppID: clientID}
	b.Run("unchanged", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if grants, err := book.Grants(ctx, p); err != nil || len(grants) != 5 {
				b.Fatal(len(grants), err)
			}
		}
	})
	b.Run("after_a_write", func(b *testing.B) {
		a := Assignment{Name: guid(100_000), Scope: groupApp, RoleID: roles[0].ID, PrincipalID: groupID}
		for b.Loop() {
			if _, _, err := book.PutAssignment(ctx, a, store.Always()); err != nil {
				b.Fatal(err)
			}
			if grants, err := book.Grants(ctx, p); err != nil || len(grants) != 5 {
				b.Fatal(len(grants), err)
			}
		}
	})
}
