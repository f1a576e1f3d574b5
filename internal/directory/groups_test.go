package directory

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/aksess/aksess/internal/store"
)

func group(t testing.TB, d *Directory, name string, security bool) *Group {
	t.Helper()
	g, err := d.CreateGroup(t.Context(), Group{TenantID: tenantID, DisplayName: name, SecurityEnabled: security})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func add(t testing.TB, d *Directory, g *Group, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := d.AddMember(t.Context(), g.ObjectID, id); err != nil {
			t.Fatal(err)
		}
	}
}

func sorted(ids ...string) []string { slices.Sort(ids); return ids }

func TestMemberOf(t *testing.T) {
	d, s, _ := quick(t)
	ctx := t.Context()
	ada, app := person(t, d, "ada"), application(t, d)
	inner, middle, outer := group(t, d, "inner", true), group(t, d, "middle", false), group(t, d, "outer", true)
	add(t, d, inner, ada.ObjectID, app.ObjectID)
	add(t, d, middle, inner.ObjectID)
	add(t, d, outer, middle.ObjectID)
	add(t, d, inner, outer.ObjectID) // a circle
	want := sorted(inner.ObjectID, outer.ObjectID)
	for _, id := range []string{ada.ObjectID, app.ObjectID} {
		if got, err := d.MemberOf(ctx, id); err != nil || !slices.Equal(got, want) {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
	}
	if got, err := d.AllGroupsOf(ctx, ada.ObjectID); err != nil || !slices.Equal(got, sorted(inner.ObjectID, middle.ObjectID, outer.ObjectID)) {
		t.Errorf("all: got %v, %v", got, err)
	}
	if got, err := d.AllGroupsOf(ctx, inner.ObjectID); err != nil || !slices.Equal(got, sorted(middle.ObjectID, outer.ObjectID)) {
		t.Errorf("of a group in a circle: got %v, %v", got, err)
	}
	if got, err := d.GroupsOf(ctx, ada.ObjectID); err != nil || !slices.Equal(got, []string{inner.ObjectID}) {
		t.Errorf("direct: got %v, %v", got, err)
	}
	s.take()
	generation := d.members.current.Load()
	if _, err := d.MemberOf(ctx, ada.ObjectID); err != nil || s.take() != 0 || d.members.current.Load() != generation {
		t.Errorf("a second look reads the store again, %v", err)
	}
	if err := d.RemoveMember(ctx, middle.ObjectID, inner.ObjectID); err != nil {
		t.Fatal(err)
	}
	if got, err := d.MemberOf(ctx, ada.ObjectID); err != nil || !slices.Equal(got, []string{inner.ObjectID}) {
		t.Errorf("after a removal: got %v, %v", got, err)
	}
	if got, err := d.MemberOf(ctx, "nobody"); err != nil || len(got) != 0 {
		t.Errorf("nobody: got %v, %v", got, err)
	}
}

func TestMembers(t *testing.T) {
	d, _, _ := quick(t)
	ctx := t.Context()
	ada, g, other := person(t, d, "ada"), group(t, d, "g", true), group(t, d, "other", true)
	add(t, d, g, ada.ObjectID, other.ObjectID)
	if err := d.AddOwner(ctx, g.ObjectID, ada.ObjectID); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ err, want error }{
		"twice":          {d.AddMember(ctx, g.ObjectID, ada.ObjectID), ErrMemberExists},
		"owner_twice":    {d.AddOwner(ctx, g.ObjectID, ada.ObjectID), ErrMemberExists},
		"nobody":         {d.AddMember(ctx, g.ObjectID, tenantID), ErrObjectNotFound},
		"no_group":       {d.AddMember(ctx, tenantID, ada.ObjectID), ErrGroupNotFound},
		"itself":         {d.AddMember(ctx, g.ObjectID, g.ObjectID), ErrInvalid},
		"not_a_member":   {d.RemoveMember(ctx, other.ObjectID, ada.ObjectID), ErrMemberNotFound},
		"not_an_owner":   {d.RemoveOwner(ctx, other.ObjectID, ada.ObjectID), ErrMemberNotFound},
		"remove_nowhere": {d.RemoveMember(ctx, tenantID, ada.ObjectID), ErrGroupNotFound},
		"delete_nobody":  {d.DeleteGroup(ctx, tenantID), ErrGroupNotFound},
	}
	for name, test := range tests {
		if !errors.Is(test.err, test.want) {
			t.Errorf("%s: got %v, want %v", name, test.err, test.want)
		}
	}
	_, err := d.UpdateGroup(ctx, g.ObjectID, func(g *Group) error { g.Members = nil; return nil })
	if !errors.Is(err, ErrImmutable) {
		t.Errorf("members through UpdateGroup: got %v, want ErrImmutable", err)
	}
	// Who is deleted leaves the groups.
	if err := errors.Join(d.DeleteUser(ctx, ada.ObjectID), d.DeleteGroup(ctx, other.ObjectID)); err != nil {
		t.Fatal(err)
	}
	if got, err := d.Group(ctx, g.ObjectID); err != nil || len(got.Members) != 0 || len(got.Owners) != 0 {
		t.Errorf("got %+v, %v, want nobody in it", got, err)
	}
}

func TestConcurrentMembers(t *testing.T) {
	d, _, _ := quick(t)
	ctx := t.Context()
	g := group(t, d, "g", true)
	var wait sync.WaitGroup
	for range 16 {
		wait.Go(func() {
			p, err := d.CreateApplication(ctx, tenantID, "p")
			if err == nil {
				err = d.AddMember(ctx, g.ObjectID, p.ObjectID)
			}
			if err == nil {
				if in, failed := d.MemberOf(ctx, p.ObjectID); failed != nil || !slices.Equal(in, []string{g.ObjectID}) {
					t.Errorf("got %v, %v, want the group", in, failed)
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if got, err := d.Group(ctx, g.ObjectID); err != nil || len(got.Members) != 16 || !slices.IsSorted(got.Members) {
		t.Errorf("got %+v, %v, want 16 members", got, err)
	}
}

func TestRegistration(t *testing.T) {
	d, _, _ := quick(t)
	ctx := t.Context()
	made, err := d.CreateRegistration(ctx, tenantID, "app")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.ByAppID(ctx, tenantID, made.AppID); !errors.Is(err, ErrNoServicePrincipal) || !errors.Is(err, ErrPrincipalNotFound) {
		t.Errorf("without a service principal: got %v, want ErrNoServicePrincipal", err)
	}
	if _, _, err := d.PutCredential(ctx, made.ObjectID, credential("aks", "default"), store.Absent()); err != nil {
		t.Errorf("a credential before the service principal: %v", err)
	}
	p, err := d.CreateServicePrincipal(ctx, tenantID, made.AppID)
	if err != nil || p.NoService {
		t.Fatalf("got %+v, %v", p, err)
	}
	if _, err := d.CreateServicePrincipal(ctx, tenantID, made.AppID); !errors.Is(err, ErrPrincipalExists) {
		t.Errorf("got %v, want ErrPrincipalExists", err)
	}
	g := group(t, d, "g", true)
	add(t, d, g, p.ObjectID)
	if _, err := d.Update(ctx, p.ObjectID, func(p *Principal) error { p.Directory = []string{ReadAll}; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := d.DeleteServicePrincipal(ctx, p.ObjectID); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"object_id": func() error { _, err := d.ByObjectID(ctx, p.ObjectID); return err }(),
		"app_id":    func() error { _, err := d.ByAppID(ctx, tenantID, p.AppID); return err }(),
		"again":     d.DeleteServicePrincipal(ctx, p.ObjectID),
	} {
		if !errors.Is(err, ErrPrincipalNotFound) {
			t.Errorf("%s of a deleted service principal: got %v, want ErrPrincipalNotFound", name, err)
		}
	}
	if in, err := d.Group(ctx, g.ObjectID); err != nil || len(in.Members) != 0 {
		t.Errorf("got %+v, %v, want it out of the group", in, err)
	}
	next, err := d.CreateServicePrincipal(ctx, tenantID, p.AppID)
	if err != nil || next.ObjectID == p.ObjectID || len(next.Directory) != 0 || len(next.Federated) != 1 {
		t.Errorf("made anew: got %+v, %v, want another object id, no permissions, the same credential", next, err)
	}
	if err := d.DeletePrincipal(ctx, next.ObjectID); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Application(ctx, tenantID, p.AppID); !errors.Is(err, ErrPrincipalNotFound) {
		t.Errorf("deleted application: got %v, want ErrPrincipalNotFound", err)
	}
	if err := d.DeleteServicePrincipal(ctx, identity(t, d).ObjectID); !errors.Is(err, ErrInvalid) {
		t.Errorf("of a managed identity: got %v, want ErrInvalid", err)
	}
}
