package arm_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/arm/armtest"
	"github.com/aksess/aksess/internal/store"
)

// failing is a store whose writes fail from the nth on, as after a crash.
type failing struct {
	store.Store
	left atomic.Int64 // writes that still succeed; negative: all
}

func (f *failing) Apply(ctx context.Context, ops ...store.Op) ([]int64, error) {
	if f.left.Load() >= 0 && f.left.Add(-1) < 0 {
		f.left.Store(0)
		return nil, errors.New("crashed")
	}
	return f.Store.Apply(ctx, ops...)
}

// TestCrashAtEveryWrite stops a delete, a recovery and a purge before each of
// their writes: after Resume the resource is live, deleted or gone, as a whole.
func TestCrashAtEveryWrite(t *testing.T) {
	v := &vaulted{days: 7}
	for name, last := range map[string]func(s *armtest.Server) error{
		"delete": func(s *armtest.Server) error { return status(s.Do(armtest.Request{Method: "DELETE", Path: safe})) },
		"recover": func(s *armtest.Server) error {
			s.Do(armtest.Request{Method: "DELETE", Path: safe})
			return status(s.Do(armtest.Request{Method: "PUT", Path: safe, Body: recovers}))
		},
		"purge": func(s *armtest.Server) error {
			s.Do(armtest.Request{Method: "DELETE", Path: safe})
			return s.Resources.Purge(t.Context(), v.types()[0], "s1")
		},
	} {
		t.Run(name, func(t *testing.T) {
			for n, done := int64(0), false; !done; n++ {
				f := &failing{}
				f.left.Store(-1)
				s := armtest.New(t, armtest.Setup{
					Types: func(*armtest.Server) []*arm.Type { return v.types() },
					Store: func(inner store.Store) store.Store { f.Store = inner; return f },
				})
				s.Want(armtest.Request{Method: "PUT", Path: safe, Body: inWest}, 201, "")
				s.Want(armtest.Request{Method: "PUT", Path: safe + "/drawers/d", Body: `{}`}, 201, "")
				f.left.Store(n)
				done = last(s) == nil
				f.left.Store(-1)
				if err := s.Resources.Resume(t.Context()); err != nil {
					t.Fatalf("resuming after write %d: %v", n, err)
				}
				whole(t, s, n, [4]int{2, 0, 0, 1}, [4]int{0, 1, 1, 1}, [4]int{})
			}
		})
	}
}

// whole fails unless the resource with its child, what is deleted, what was
// below it and its name are there in one of the numbers wanted.
func whole(t *testing.T, s *armtest.Server, at int64, wants ...[4]int) {
	t.Helper()
	live := len(stored(t, s.Store, "arm.resource")) - 2 // subscription and group
	deleted, below, names := len(stored(t, s.Store, "arm.deleted")), len(stored(t, s.Store, "arm.deleted.below")), len(stored(t, s.Store, "arm.name"))
	got := [4]int{live, deleted, below, names}
	if !slices.Contains(wants, got) {
		t.Errorf("after write %d: got %d live, %d deleted, %d below, %d names", at, live, deleted, below, names)
	}
}

func status(r armtest.Response) error {
	if r.Status >= 400 {
		return errors.New(r.Body)
	}
	return nil
}

// TestRacingEnds deletes, recovers, purges and makes one name at the same time:
// every answer is one of Azure's, and what is left is whole.
func TestRacingEnds(t *testing.T) {
	for round := range 15 {
		v := &racing{}
		s := armtest.New(t, armtest.Setup{Types: func(*armtest.Server) []*arm.Type { return v.types() }})
		armtest.Parallel(8, func(i int) {
			for range 6 {
				switch i % 4 {
				case 0:
					allowed(t, s.Do(armtest.Request{Method: "PUT", Path: safe, Body: inWest}), "SafeTaken", "AnotherOperationInProgress")
				case 1:
					allowed(t, s.Do(armtest.Request{Method: "PUT", Path: safe, Body: recovers}), "AnotherOperationInProgress")
					allowed(t, s.Do(armtest.Request{Method: "PUT", Path: safe + "/drawers/d", Body: `{}`}), "ParentResourceNotFound", "AnotherOperationInProgress")
				case 2:
					allowed(t, s.Do(armtest.Request{Method: "DELETE", Path: safe}), "AnotherOperationInProgress")
				default:
					err := s.Resources.Purge(t.Context(), v.types()[0], "s1")
					if err != nil && !errors.Is(err, arm.ErrNotFound) && !strings.Contains(err.Error(), "AnotherOperationInProgress") {
						t.Errorf("purge: got %v", err)
					}
					if err := s.Resources.Resume(t.Context()); err != nil {
						t.Errorf("resume: got %v", err)
					}
				}
			}
		})
		if err := s.Resources.Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
		whole(t, s, int64(round), [4]int{1, 0, 0, 1}, [4]int{2, 0, 0, 1}, [4]int{0, 1, 0, 1}, [4]int{0, 1, 1, 1}, [4]int{})
	}
}

// racing are vaulted types whose hooks record nothing.
type racing struct{}

func (racing) types() []*arm.Type {
	types := (&vaulted{days: 7}).types()
	for _, typ := range types {
		typ.Delete = nil
	}
	types[0].SoftDelete.Purge = nil
	return types
}

func allowed(t *testing.T, r armtest.Response, codes ...string) {
	t.Helper()
	if r.Status >= 400 && !slices.Contains(codes, r.Code()) {
		t.Errorf("got %d %s, want success or one of %v", r.Status, r.Body, codes)
	}
}

// TestEndsHoldToWhatTheyRead puts another write between the look and the write
// of a recovery, a delete and a purge.
func TestEndsHoldToWhatTheyRead(t *testing.T) {
	child := armtest.Request{Method: "PUT", Path: safe + "/drawers/d", Body: `{}`}
	do := func(r armtest.Request, status int) func(*armtest.Server, *vaulted) {
		return func(s *armtest.Server, _ *vaulted) { s.Want(r, status, "") }
	}
	purge := func(want error) func(*armtest.Server, *vaulted) {
		return func(s *armtest.Server, v *vaulted) {
			if err := s.Resources.Purge(s.T.Context(), v.types()[0], "s1"); !errors.Is(err, want) {
				s.T.Errorf("purge: got %v, want %v", err, want)
			}
		}
	}
	put, remove, back := armtest.Request{Method: "PUT", Path: safe, Body: inWest}, armtest.Request{Method: "DELETE", Path: safe}, armtest.Request{Method: "PUT", Path: safe, Body: recovers}
	for name, c := range map[string]struct {
		deleted bool // before both
		between func(*armtest.Server, *vaulted)
		then    func(*armtest.Server, *vaulted)
		want    [4]int
	}{
		"recovery_after_purge":      {true, purge(nil), do(back, 201), [4]int{1, 0, 0, 1}}, // what is asked for is gone: a new one
		"bare_recovery_after_purge": {true, purge(nil), do(back, 201), [4]int{1, 0, 0, 1}},
		"bare_purge_after_recovery": {true, do(back, 200), purge(arm.ErrNotFound), [4]int{1, 0, 0, 1}},
		"recovery_after_recovery":   {true, do(back, 200), do(back, 200), [4]int{2, 0, 0, 1}},
		"purge_after_recovery":      {true, do(back, 200), purge(arm.ErrNotFound), [4]int{2, 0, 0, 1}},
		"purge_after_purge":         {true, purge(nil), purge(arm.ErrNotFound), [4]int{}},
		"create_after_delete":       {false, do(remove, 200), do(put, 409), [4]int{0, 1, 1, 1}},
		"child_after_delete":        {false, do(remove, 200), do(child, 404), [4]int{0, 1, 1, 1}},
		"delete_after_delete":       {false, do(remove, 200), do(remove, 204), [4]int{0, 1, 1, 1}},
		"delete_after_update":       {false, do(put, 200), do(remove, 200), [4]int{0, 1, 1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			v, between := &vaulted{days: 7}, &interposer{}
			s := armtest.New(t, armtest.Setup{
				Types: func(*armtest.Server) []*arm.Type { return v.types() },
				Store: func(inner store.Store) store.Store { between.Store = inner; return between },
			})
			do(put, 201)(s, v)
			if !strings.HasPrefix(name, "bare") {
				do(child, 201)(s, v)
			}
			if c.deleted {
				do(remove, 200)(s, v)
			}
			between.before = func([]store.Op) { c.between(s, v) }
			c.then(s, v)
			whole(t, s, 0, c.want)
		})
	}
}
