package arm_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/arm/armtest"
	"github.com/aksess/aksess/internal/fault"
	"github.com/aksess/aksess/internal/store"
)

const (
	safes    = "/providers/Microsoft.KeyVault/safes"
	safe     = armtest.RG + safes + "/s1"
	inWest   = `{"location":"westeurope"}`
	recovers = `{"location":"westeurope","properties":{"mode":"recover"}}`
)

var safeTaken = &fault.Kind{Code: "SafeTaken", Status: http.StatusConflict, Format: "%s is deleted"}

// vaulted are a type with soft delete, its child, and what their hooks did.
type vaulted struct {
	days      int
	protected bool
	calls     []string
	fail      string // the call that fails
}

func (v *vaulted) called(what string, r *arm.Resource) error {
	v.calls = append(v.calls, what+" "+r.Name)
	if v.fail == what {
		return errors.New("interrupted")
	}
	return nil
}

func (v *vaulted) types() []*arm.Type {
	hook := func(what string) func(context.Context, *arm.Resource) error {
		return func(_ context.Context, r *arm.Resource) error { return v.called(what, r) }
	}
	return []*arm.Type{
		{
			Name: "Microsoft.KeyVault/safes", Global: true, Delete: hook("delete"), Put: putSafe,
			SoftDelete: &arm.SoftDelete{
				Terms: func(*arm.Resource) (int, bool, error) { return v.days, v.protected, nil },
				Recovers: func(c arm.Change) bool {
					properties, _ := c.Sent["properties"].(map[string]any)
					return properties["mode"] == "recover"
				},
				Taken: func(d *arm.Deleted) error { return safeTaken.New(d.Resource.Name) },
				Purge: hook("purge"),
			},
		},
		{Name: "Microsoft.KeyVault/safes/drawers", Proxy: true, Delete: hook("child")},
	}
}

// putSafe gives a safe a serial number that it keeps.
func putSafe(_ context.Context, c arm.Change) error {
	if c.Old == nil {
		c.New.Private = json.RawMessage(`"` + c.Request.ID + `"`)
	}
	return nil
}

func startVaulted(t *testing.T, v *vaulted) *armtest.Server {
	t.Helper()
	return armtest.New(t, armtest.Setup{Types: func(*armtest.Server) []*arm.Type { return v.types() }})
}

func TestSoftDelete(t *testing.T) {
	v := &vaulted{days: 7}
	s := startVaulted(t, v)
	ctx := t.Context()
	s.Want(armtest.Request{Method: "PUT", Path: safe, Body: inWest}, 201, "")
	s.Want(armtest.Request{Method: "PUT", Path: safe + "/drawers/d", Body: `{"properties":{"a":1}}`}, 201, "")
	before, err := s.Resources.Get(ctx, safe)
	if err != nil {
		t.Fatal(err)
	}
	s.Want(armtest.Request{Method: "DELETE", Path: safe}, 200, "")
	s.Want(armtest.Request{Path: safe}, 404, "ResourceNotFound")
	s.Want(armtest.Request{Path: safe + "/drawers/d"}, 404, "ParentResourceNotFound")
	s.Want(armtest.Request{Method: "DELETE", Path: safe}, 204, "")
	if _, err := s.Resources.ByName(ctx, "Microsoft.KeyVault/safes", "s1"); !errors.Is(err, arm.ErrNotFound) {
		t.Errorf("by name: got %v, want ErrNotFound", err)
	}
	d, err := s.Resources.Deleted(ctx, "microsoft.keyvault/SAFES", "S1")
	if err != nil || d.Resource.ID != safe || !d.Until.Equal(d.At.AddDate(0, 0, 7)) || d.Protected {
		t.Fatalf("deleted: got %+v %v, want it for 7 days", d, err)
	}
	if all, err := s.Resources.ListDeleted(ctx, armtest.SubscriptionID, "Microsoft.KeyVault/safes"); err != nil || len(all) != 1 {
		t.Errorf("list of deleted: got %d %v, want 1", len(all), err)
	}
	if want := []string{"delete s1"}; !slices.Equal(v.calls, want) {
		t.Errorf("hooks at the delete: got %v, want %v", v.calls, want)
	}

	s.Want(armtest.Request{Method: "PUT", Path: safe, Body: inWest}, 409, "SafeTaken")
	s.Want(armtest.Request{Method: "PATCH", Path: safe, Body: `{}`}, 404, "ResourceNotFound")
	s.Want(armtest.Request{Method: "PUT", Path: safe, Body: strings.Replace(recovers, "west", "north", 1)}, 409, "InvalidResourceLocation")
	s.Want(armtest.Request{Method: "PUT", Path: safe, Body: recovers}, 200, "")
	after, err := s.Resources.ByName(ctx, "Microsoft.KeyVault/safes", "s1")
	if err != nil || string(after.Private) != string(before.Private) || !after.Created.Equal(before.Created) {
		t.Errorf("recovered: got %+v %v, want what was deleted", after, err)
	}
	s.Want(armtest.Request{Path: safe + "/drawers/d"}, 200, "")
	if _, err := s.Resources.Deleted(ctx, "Microsoft.KeyVault/safes", "s1"); !errors.Is(err, arm.ErrNotFound) {
		t.Errorf("deleted after the recovery: got %v, want ErrNotFound", err)
	}
}

func TestSoftDeletedNameInAnotherGroup(t *testing.T) {
	s := startVaulted(t, &vaulted{days: 7})
	other := armtest.S + "/resourceGroups/other"
	group := &arm.Resource{ID: other, Name: "other", Type: arm.ResourceGroupType, Location: "westeurope"}
	if err := s.Resources.Save(t.Context(), &arm.Type{Name: group.Type}, group, absent()); err != nil {
		t.Fatal(err)
	}
	s.Want(armtest.Request{Method: "PUT", Path: safe, Body: inWest}, 201, "")
	s.Want(armtest.Request{Method: "DELETE", Path: safe}, 200, "")
	s.Want(armtest.Request{Method: "PUT", Path: other + safes + "/s1", Body: inWest}, 409, "SafeTaken")
	s.Want(armtest.Request{Method: "PUT", Path: other + safes + "/S1", Body: recovers}, 409, "SafeTaken")
}

func TestPurge(t *testing.T) {
	const typ = "Microsoft.KeyVault/safes"
	v := &vaulted{days: 7, protected: true}
	s := startVaulted(t, v)
	ctx, types := t.Context(), v.types()
	put := func() {
		t.Helper()
		s.Want(armtest.Request{Method: "PUT", Path: safe, Body: inWest}, 201, "")
		s.Want(armtest.Request{Method: "PUT", Path: safe + "/drawers/d", Body: `{}`}, 201, "")
	}
	if err := s.Resources.Purge(ctx, types[0], "s1"); !errors.Is(err, arm.ErrNotFound) {
		t.Errorf("purge of nothing: got %v, want ErrNotFound", err)
	}
	put()
	if err := s.Resources.Purge(ctx, types[0], "s1"); !errors.Is(err, arm.ErrNotFound) {
		t.Errorf("purge of a live one: got %v, want ErrNotFound", err)
	}
	s.Want(armtest.Request{Method: "DELETE", Path: safe}, 200, "")
	if err := s.Resources.Purge(ctx, types[0], "s1"); !errors.Is(err, arm.ErrProtected) {
		t.Errorf("purge of a protected one: got %v, want ErrProtected", err)
	}
	s.Advance(7 * 24 * time.Hour)
	if _, err := s.Resources.Deleted(ctx, typ, "s1"); !errors.Is(err, arm.ErrNotFound) {
		t.Errorf("deleted after its time: got %v, want ErrNotFound", err)
	}
	v.calls = nil
	put() // a PUT ends what is overdue
	if want := []string{"child d", "purge s1"}; !slices.Equal(v.calls, want) {
		t.Errorf("hooks at the end: got %v, want %v", v.calls, want)
	}

	v.protected, v.fail = false, "purge"
	s.Want(armtest.Request{Method: "DELETE", Path: safe}, 200, "")
	if err := s.Resources.Purge(ctx, types[0], "s1"); err == nil {
		t.Error("an interrupted purge: got no error")
	}
	s.Want(armtest.Request{Method: "PUT", Path: safe, Body: recovers}, 500, "") // half gone, and its end fails still
	v.fail = ""
	if err := s.Resources.Resume(ctx); err != nil {
		t.Fatalf("resuming: %v", err)
	}
	if keys := stored(t, s.Store, "arm.deleted", "arm.deleted.below", "arm.name"); len(keys) != 0 {
		t.Errorf("after the purge: got %v, want nothing", keys)
	}
	put()
}

// TestNotKept: 0 days is gone at once, with the hooks of both ends.
func TestNotKept(t *testing.T) {
	v := &vaulted{protected: true}
	s := startVaulted(t, v)
	s.Want(armtest.Request{Method: "PUT", Path: safe, Body: inWest}, 201, "")
	s.Want(armtest.Request{Method: "DELETE", Path: safe}, 200, "")
	if want := []string{"delete s1", "purge s1"}; !slices.Equal(v.calls, want) {
		t.Errorf("hooks: got %v, want %v", v.calls, want)
	}
	s.Want(armtest.Request{Method: "PUT", Path: safe, Body: inWest}, 201, "")
}

// TestGroupKeepsNames: what a deleted group held is deleted as by itself, and
// comes back into a group of the same name.
func TestGroupKeepsNames(t *testing.T) {
	v := &vaulted{days: 7}
	s := startVaulted(t, v)
	s.Want(armtest.Request{Method: "PUT", Path: safe, Body: inWest}, 201, "")
	group, err := s.Resources.Get(t.Context(), armtest.RG)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Resources.DestroyGroup(t.Context(), v.types(), group); err != nil {
		t.Fatal(err)
	}
	s.Want(armtest.Request{Method: "PUT", Path: safe, Body: recovers}, 404, "ResourceGroupNotFound")
	group = &arm.Resource{ID: armtest.RG, Name: "rg", Type: arm.ResourceGroupType, Location: "westeurope"}
	if err := s.Resources.Save(t.Context(), &arm.Type{Name: group.Type}, group, absent()); err != nil {
		t.Fatal(err)
	}
	s.Want(armtest.Request{Method: "PUT", Path: safe, Body: recovers}, 200, "")
}

// TestManyBelow: more than one write can take moves in several, there and back.
func TestManyBelow(t *testing.T) {
	s := startVaulted(t, &vaulted{days: 7})
	const n = store.MaxOps // two operations each
	s.Want(armtest.Request{Method: "PUT", Path: safe, Body: inWest}, 201, "")
	var ops []store.Op
	for i := range n {
		id := strings.ToLower(safe) + "/drawers/" + s.NewID() + "/"
		value, err := json.Marshal(map[string]string{"id": id, "type": "Microsoft.KeyVault/safes/drawers", "name": s.NewID()})
		if err != nil {
			t.Fatal(i, err)
		}
		ops = append(ops, store.Op{Kind: "arm.resource", Key: id, Value: value})
	}
	if _, err := s.Store.Apply(t.Context(), ops...); err != nil {
		t.Fatal(err)
	}
	s.Want(armtest.Request{Method: "DELETE", Path: safe}, 200, "")
	if left := stored(t, s.Store, "arm.resource"); len(left) != 2 {
		t.Errorf("live after the delete: got %d, want subscription and group", len(left))
	}
	s.Want(armtest.Request{Method: "PUT", Path: safe, Body: recovers}, 200, "")
	if back := stored(t, s.Store, "arm.resource"); len(back) != n+3 {
		t.Errorf("live after the recovery: got %d, want %d", len(back), n+3)
	}
	if left := stored(t, s.Store, "arm.deleted", "arm.deleted.below"); len(left) != 0 {
		t.Errorf("deleted after the recovery: got %d, want none", len(left))
	}
}

// stored are the keys of the documents of some kinds.
func stored(t *testing.T, s store.Store, kinds ...string) []string {
	t.Helper()
	var keys []string
	for _, kind := range kinds {
		all, err := store.Collection[json.RawMessage]{Store: s, Kind: kind}.All(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range all {
			keys = append(keys, item.Key)
		}
	}
	return keys
}
