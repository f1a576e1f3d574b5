package storetest

import (
	"context"
	"errors"
	"testing"

	"github.com/aksess/aksess/internal/store"
)

var applyTests = []test{
	{"nothing", func(t *testing.T, s store.Store) {
		if versions, err := s.Apply(t.Context()); err != nil || len(versions) != 0 {
			t.Fatalf("got versions %v and error %v, want neither", versions, err)
		}
	}},
	{"conditions", conditions},
	{"conflict_names_the_operation", func(t *testing.T, s store.Store) {
		version := apply(t, s, put("k", "x", "1"))[0]
		_, err := s.Apply(t.Context(),
			put("k", "a", "1"),
			when(put("k", "b", "1"), store.Absent()),
			when(put("k", "x", "2"), store.At(version+1000)),
			when(put("k", "c", "1"), store.Present()))
		wantConflict(t, err, store.ConflictError{Index: 2, Exists: true, Have: version})
		_, err = s.Apply(t.Context(), put("k", "a", "1"), when(del("k", "gone"), store.At(version)))
		wantConflict(t, err, store.ConflictError{Index: 1})
	}},
	{"all_or_nothing", func(t *testing.T, s store.Store) {
		apply(t, s, put("k", "x", "1"), put("k", "y", "1"))
		_, err := s.Apply(t.Context(), put("k", "x", "2"), del("k", "y"), put("other", "z", "2"), when(put("k", "w", "2"), store.Present()))
		wantConflict(t, err, store.ConflictError{Index: 3})
		wantDoc(t, s, "k", "x", "1")
		wantDoc(t, s, "k", "y", "1")
		wantNoDoc(t, s, "other", "z")
		wantNoDoc(t, s, "k", "w")
	}},
	{"check_writes_nothing", func(t *testing.T, s store.Store) {
		version := apply(t, s, put("k", "x", "1"))[0]
		versions := apply(t, s,
			store.Op{Kind: "k", Key: "x", Check: true, If: store.At(version)},
			put("k", "y", "1"),
			store.Op{Kind: "k", Key: "z", Check: true, If: store.Absent()})
		if versions[0] != 0 || versions[1] == 0 || versions[2] != 0 {
			t.Fatalf("got versions %v, want only the write to have one", versions)
		}
		if got := wantDoc(t, s, "k", "x", "1").Version; got != version {
			t.Fatalf("got version %d after a check, want %d", got, version)
		}
		wantNoDoc(t, s, "k", "z")
		_, err := s.Apply(t.Context(), put("k", "y", "2"), store.Op{Kind: "k", Key: "z", Check: true, If: store.Present()})
		wantConflict(t, err, store.ConflictError{Index: 1})
		wantDoc(t, s, "k", "y", "1")
	}},
	{"in_order", func(t *testing.T, s store.Store) {
		versions := apply(t, s,
			when(put("k", "x", "1"), store.Absent()),
			when(put("k", "x", "2"), store.Present()),
			when(del("k", "x"), store.Present()),
			store.Op{Kind: "k", Key: "x", Check: true, If: store.Absent()},
			when(put("k", "x", "3"), store.Absent()),
			put("k", "y", "1"),
			del("k", "y"))
		if got := wantDoc(t, s, "k", "x", "3").Version; got != versions[4] {
			t.Fatalf("got version %d, want %d", got, versions[4])
		}
		wantNoDoc(t, s, "k", "y")
		_, err := s.Apply(t.Context(), del("k", "x"), when(put("k", "x", "4"), store.Present()))
		wantConflict(t, err, store.ConflictError{Index: 1})
		wantDoc(t, s, "k", "x", "3")
	}},
	{"versions_grow_and_are_never_reused", versionsGrow},
	{"ended_context", func(t *testing.T, s store.Store) {
		apply(t, s, put("k", "x", "1"))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Apply(ctx, put("k", "x", "2")); !errors.Is(err, context.Canceled) {
			t.Fatalf("got error %v from Apply, want context.Canceled", err)
		}
		wantDoc(t, s, "k", "x", "1")
		if _, err := s.Get(ctx, "k", "x"); !errors.Is(err, context.Canceled) {
			t.Fatalf("got error %v from Get, want context.Canceled", err)
		}
		if _, err := s.List(ctx, "k", store.Query{}); !errors.Is(err, context.Canceled) {
			t.Fatalf("got error %v from List, want context.Canceled", err)
		}
	}},
	{"collection", collection},
}

func conditions(t *testing.T, s store.Store) {
	for _, c := range []struct {
		name      string
		exists    bool
		condition func(have int64) store.Condition
		holds     bool
	}{
		{"always_absent", false, func(int64) store.Condition { return store.Always() }, true},
		{"always_present", true, func(int64) store.Condition { return store.Always() }, true},
		{"absent_absent", false, func(int64) store.Condition { return store.Absent() }, true},
		{"absent_present", true, func(int64) store.Condition { return store.Absent() }, false},
		{"present_absent", false, func(int64) store.Condition { return store.Present() }, false},
		{"present_present", true, func(int64) store.Condition { return store.Present() }, true},
		{"at_absent", false, func(int64) store.Condition { return store.At(1) }, false},
		{"at_zero_absent", false, func(int64) store.Condition { return store.At(0) }, false},
		{"at_same", true, store.At, true},
		{"at_older", true, func(have int64) store.Condition { return store.At(have - 1) }, false},
		{"at_newer", true, func(have int64) store.Condition { return store.At(have + 1) }, false},
	} {
		for _, op := range []store.Op{put(c.name, "write", "new"), del(c.name, "delete"), {Kind: c.name, Key: "check", Check: true}} {
			t.Run(c.name+"_"+op.Key, func(t *testing.T) {
				var have int64
				if c.exists {
					have = apply(t, s, put(op.Kind, op.Key, "old"))[0]
				}
				op.If = c.condition(have)
				_, err := s.Apply(t.Context(), op)
				if !c.holds {
					wantConflict(t, err, store.ConflictError{Exists: c.exists, Have: have})
				} else if err != nil {
					t.Fatalf("got error %v, want none", err)
				}
				switch {
				case c.holds && op.Key == "write":
					wantDoc(t, s, op.Kind, op.Key, "new")
				case c.holds && op.Key == "delete" || !c.exists:
					wantNoDoc(t, s, op.Kind, op.Key)
				default:
					wantDoc(t, s, op.Kind, op.Key, "old")
				}
			})
		}
	}
}

func versionsGrow(t *testing.T, s store.Store) {
	var last int64
	for range 20 {
		versions := apply(t, s, put("k", "x", "1"), put("k", "y", "1"), del("k", "x"), put("other", "x", "1"))
		for _, version := range []int64{versions[0], versions[1], versions[3]} {
			if version <= last {
				t.Fatalf("got version %d after %d", version, last)
			}
			last = version
		}
		// A refused write may use versions up but must not give them out twice.
		_, err := s.Apply(t.Context(), put("k", "z", "1"), when(put("k", "y", "1"), store.Absent()))
		wantConflict(t, err, store.ConflictError{Index: 1, Exists: true, Have: versions[1]})
	}
}

func collection(t *testing.T, s store.Store) {
	type secret struct{ Name string }
	c := store.Collection[secret]{Store: s, Kind: "secret"}
	ctx := t.Context()
	version, err := c.Put(ctx, "a", secret{"first"}, store.Absent())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Put(ctx, "a", secret{"again"}, store.Absent()); !errors.Is(err, store.ErrConflict) {
		t.Fatalf("got error %v, want ErrConflict", err)
	}
	item, err := c.Get(ctx, "a")
	if want := (store.Item[secret]{Key: "a", Version: version, Value: secret{"first"}}); err != nil || item != want {
		t.Fatalf("got %+v and error %v, want %+v", item, err, want)
	}
	item, err = c.Update(ctx, "b", func(value *secret, exists bool) error {
		if exists {
			t.Errorf("got exists true for a document that is not there")
		}
		value.Name = "second"
		return nil
	})
	if err != nil || item.Key != "b" || item.Version <= version {
		t.Fatalf("got %+v and error %v", item, err)
	}
	enough := errors.New("enough")
	if _, err := c.Update(ctx, "b", func(*secret, bool) error { return enough }); !errors.Is(err, enough) {
		t.Fatalf("got error %v, want the one of change", err)
	}
	all, err := c.All(ctx, "")
	if err != nil || len(all) != 2 || all[0].Value.Name != "first" || all[1].Value.Name != "second" {
		t.Fatalf("got %+v and error %v", all, err)
	}
	if err := c.Delete(ctx, "a", store.At(version+1000)); !errors.Is(err, store.ErrConflict) {
		t.Fatalf("got error %v, want ErrConflict", err)
	}
	if err := c.Delete(ctx, "a", store.At(version)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(ctx, "a"); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("got error %v, want ErrNotFound", err)
	}
}
