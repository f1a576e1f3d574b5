package access

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/fault"
	"github.com/aksess/aksess/internal/store"
)

func TestRoles(t *testing.T) {
	b, _ := newBook(t)
	ctx := t.Context()
	item, created, err := b.PutRole(ctx, customRole(90, "Secret Peeker"), store.Absent())
	if err != nil || !created || item.Value.Type != TypeCustom || item.Value.Permissions[0].Actions == nil || item.Value.CreatedOn == "" {
		t.Fatalf("got %+v, created %v, %v", item, created, err)
	}
	tests := []struct {
		name  string
		query RoleQuery
		want  int
	}{
		{"all", RoleQuery{}, len(BuiltinRoles()) + 1},
		{"by_name", RoleQuery{Name: "storage blob data CONTRIBUTOR", Scope: groupApp}, 1},
		{"custom_by_name", RoleQuery{Name: "secret peeker", Scope: vault}, 1},
		{"custom_elsewhere", RoleQuery{Name: "Secret Peeker", Scope: "/subscriptions/other"}, 0},
		{"custom", RoleQuery{Type: TypeCustom}, 1},
		{"built_in", RoleQuery{Type: TypeBuiltIn}, len(BuiltinRoles())},
		{"unknown", RoleQuery{Name: "Secrets Emperor"}, 0},
	}
	for _, test := range tests {
		if got, err := b.Roles(ctx, test.query); err != nil || len(got) != test.want {
			t.Errorf("%s: got %d roles, %v, want %d", test.name, len(got), err, test.want)
		}
	}
	if role, err := b.Role(ctx, strings.ToUpper(getRole(t, "Owner").ID)); err != nil || role.Name != "Owner" {
		t.Errorf("got %+v, %v", role, err)
	}
	if _, err := b.Role(ctx, "owner"); !errors.Is(err, ErrInvalidRoleID) {
		t.Errorf("got %v, want ErrInvalidRoleID", err)
	}
	if _, err := b.Role(ctx, guid(1)); !errors.Is(err, ErrRoleNotFound) {
		t.Errorf("got %v, want ErrRoleNotFound", err)
	}
}

func getRole(t *testing.T, name string) RoleDefinition {
	t.Helper()
	role, found := BuiltinRole(name)
	if !found {
		t.Fatalf("no role %q", name)
	}
	return role
}

func TestCustomRoleInUse(t *testing.T) {
	b, _ := newBook(t)
	ctx := t.Context()
	first, _, err := b.PutRole(ctx, customRole(90, "Secret Peeker"), store.Always())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.PutAssignment(ctx, Assignment{Name: guid(1), Scope: vault, RoleID: guid(90), PrincipalID: objectID}, store.Always()); err != nil {
		t.Fatal(err)
	}
	p := workload()
	allowed := func() bool {
		t.Helper()
		grants, err := b.Grants(ctx, p)
		if err != nil {
			t.Fatal(err)
		}
		return DecideRole(p, getSecret, secret, grants, Attributes{}).Allowed
	}
	if !allowed() {
		t.Error("got refused, want allowed by the custom role")
	}
	changed := customRole(90, "Key Peeker")
	changed.Permissions[0].DataActions[0] = "Microsoft.KeyVault/vaults/keys/read"
	second, created, err := b.PutRole(ctx, changed, store.At(first.Version))
	if err != nil || created || second.Value.CreatedOn != first.Value.CreatedOn {
		t.Fatalf("got %+v, created %v, %v", second, created, err)
	}
	if allowed() {
		t.Error("got allowed by what the role no longer has")
	}
	if _, _, err := b.PutRole(ctx, changed, store.At(first.Version)); !errors.Is(err, store.ErrConflict) {
		t.Errorf("got %v, want ErrConflict", err)
	}
	if _, _, err := b.PutRole(ctx, customRole(91, "Secret Peeker"), store.Always()); err != nil {
		t.Errorf("the old name: got %v, want it free", err)
	}
	if _, _, err := b.PutRole(ctx, customRole(92, "KEY peeker"), store.Always()); !errors.Is(err, ErrRoleNameExists) {
		t.Errorf("got %v, want ErrRoleNameExists", err)
	}
	if err := b.DeleteRole(ctx, guid(90)); !errors.Is(err, ErrRoleHasAssignments) {
		t.Errorf("got %v, want ErrRoleHasAssignments", err)
	}
	if _, err := b.DeleteAssignment(ctx, vault, guid(1), store.Always()); err != nil {
		t.Fatal(err)
	}
	if err := b.DeleteRole(ctx, guid(90)); err != nil {
		t.Errorf("got %v", err)
	}
	if err := b.DeleteRole(ctx, guid(90)); !errors.Is(err, ErrRoleNotFound) {
		t.Errorf("got %v, want ErrRoleNotFound", err)
	}
	if err := b.DeleteRole(ctx, getRole(t, "Owner").ID); !errors.Is(err, ErrBadRequest) {
		t.Errorf("got %v, want ErrBadRequest", err)
	}
}

func TestPutRoleRefuses(t *testing.T) {
	b, _ := newBook(t)
	tests := map[string]struct {
		change func(*RoleDefinition)
		kind   *fault.Kind
	}{
		"id":               {func(r *RoleDefinition) { r.ID = "x" }, ErrInvalidRoleID},
		"built_in":         {func(r *RoleDefinition) { r.ID = getRole(t, "Reader").ID }, ErrBadRequest},
		"no_name":          {func(r *RoleDefinition) { r.Name = "" }, ErrBadRequest},
		"name_of_built_in": {func(r *RoleDefinition) { r.Name = "reader" }, ErrRoleNameExists},
		"description":      {func(r *RoleDefinition) { r.Description = strings.Repeat("x", maxRoleDescription+1) }, ErrBadRequest},
		"no_scopes":        {func(r *RoleDefinition) { r.AssignableScopes = nil }, ErrBadRequest},
		"root_scope":       {func(r *RoleDefinition) { r.AssignableScopes = []string{"/"} }, ErrBadRequest},
		"malformed_scope":  {func(r *RoleDefinition) { r.AssignableScopes = []string{"x"} }, ErrBadRequest},
		"no_actions":       {func(r *RoleDefinition) { r.Permissions = nil }, ErrBadRequest},
		"empty_action":     {func(r *RoleDefinition) { r.Permissions[0].NotActions = []string{""} }, ErrBadRequest},
		"many_actions": {func(r *RoleDefinition) {
			r.Permissions[0].Actions = strings.Split(strings.Repeat("*,", maxPatterns)+"*", ",")
		}, ErrBadRequest},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			role := customRole(90, "Custom")
			test.change(&role)
			if _, _, err := b.PutRole(t.Context(), role, store.Always()); !errors.Is(err, test.kind) {
				t.Errorf("got %v, want %v", err, test.kind)
			}
		})
	}
}

func TestCustomRolesAreLimited(t *testing.T) {
	b, _ := newBook(t)
	ctx := t.Context()
	var ops []store.Op
	for i := range maxRoles - 1 {
		op, err := b.roleNames.PutOp(fmt.Sprintf("role %d", i), guid(i), store.Absent())
		if err != nil {
			t.Fatal(err)
		}
		ops = append(ops, op)
	}
	for batch := range slices.Chunk(ops, 100) {
		if _, err := b.store.Apply(ctx, batch...); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := b.PutRole(ctx, customRole(90, "the last"), store.Always()); err != nil {
		t.Fatalf("role %d: got %v, want none", maxRoles, err)
	}
	if _, _, err := b.PutRole(ctx, customRole(91, "too many"), store.Always()); !errors.Is(err, ErrRoleLimit) {
		t.Errorf("role %d: got %v, want %v", maxRoles+1, err, ErrRoleLimit)
	}
	if _, _, err := b.PutRole(ctx, customRole(90, "changed"), store.Always()); err != nil {
		t.Errorf("a change at the limit: got %v, want none", err)
	}
}
