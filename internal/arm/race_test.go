package arm_test

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/arm/armtest"
	"github.com/aksess/aksess/internal/store"
)

// TestNothingOutlivesItsGroup creates resources while their group is deleted:
// each is either refused or deleted with the group, and its name is free.
func TestNothingOutlivesItsGroup(t *testing.T) {
	for round := range 20 {
		s, _ := start(t)
		types := toys(new(atomic.Int64))
		armtest.Parallel(9, func(i int) {
			if i == 8 {
				group, err := s.Resources.Get(t.Context(), armtest.RG)
				if err == nil {
					err = s.Resources.DestroyGroup(t.Context(), types, group)
				}
				if err != nil {
					t.Errorf("deleting the group: %v", err)
				}
				return
			}
			for j := range 5 {
				path := armtest.RG + boxes + "/b" + strconv.Itoa(i) + "-" + strconv.Itoa(j)
				response := s.Do(armtest.Request{Method: "PUT", Path: path, Body: `{"location":"westeurope"}`})
				if response.Status != 201 && response.Code() != "ResourceGroupNotFound" && response.Code() != "ResourceGroupBeingDeleted" {
					t.Errorf("PUT %s: got %d %s", path, response.Status, response.Body)
				}
				child := s.Do(armtest.Request{Method: "PUT", Path: path + "/lids/l", Body: `{}`})
				if child.Status != 201 && child.Status != 404 && child.Code() != "ResourceGroupBeingDeleted" {
					t.Errorf("PUT %s/lids/l: got %d %s", path, child.Status, child.Body)
				}
			}
		})
		left, err := s.Resources.List(t.Context(), armtest.RG, "")
		if err != nil || len(left) != 0 {
			t.Fatalf("round %d: %d resources outlive the group, %v: %s", round, len(left), err, left[0].ID)
		}
		for i := range 8 {
			if _, err := s.Resources.ByName(t.Context(), "Microsoft.Storage/boxes", "b"+strconv.Itoa(i)+"-0"); !errors.Is(err, arm.ErrNotFound) {
				t.Errorf("round %d: the name of b%d-0 is still taken: %v", round, i, err)
			}
		}
	}
}

// TestNoChildOutlivesItsParent creates children while their parent is deleted.
func TestNoChildOutlivesItsParent(t *testing.T) {
	for round := range 20 {
		s, _ := start(t)
		s.Want(armtest.Request{Method: "PUT", Path: box, Body: `{"location":"westeurope"}`}, 201, "")
		armtest.Parallel(5, func(i int) {
			if i == 4 {
				s.Want(armtest.Request{Method: "DELETE", Path: box}, 200, "")
				return
			}
			for j := range 5 {
				path := box + "/lids/l" + strconv.Itoa(i) + "-" + strconv.Itoa(j)
				if response := s.Do(armtest.Request{Method: "PUT", Path: path, Body: `{}`}); response.Status != 201 && response.Code() != "ParentResourceNotFound" {
					t.Errorf("PUT %s: got %d %s", path, response.Status, response.Body)
				}
			}
		})
		if left, err := s.Resources.List(t.Context(), box, ""); err != nil || len(left) != 0 {
			t.Fatalf("round %d: %d children outlive the parent, %v", round, len(left), err)
		}
	}
}

// interposer runs something between what a request has read and what it writes.
type interposer struct {
	store.Store
	before func(ops []store.Op)
}

func (i *interposer) Apply(ctx context.Context, ops ...store.Op) ([]int64, error) {
	if before := i.before; before != nil {
		i.before = nil
		before(ops)
	}
	return i.Store.Apply(ctx, ops...)
}

// TestWritesHoldToWhatTheyRead puts another write between the look and the
// write of a request.
func TestWritesHoldToWhatTheyRead(t *testing.T) {
	var between *interposer
	types := toys(new(atomic.Int64))
	fresh := func(t *testing.T) *armtest.Server {
		s := armtest.New(t, armtest.Setup{
			Types: func(*armtest.Server) []*arm.Type { return types },
			Store: func(inner store.Store) store.Store {
				between = &interposer{Store: inner}
				return between
			},
		})
		s.Want(armtest.Request{Method: "PUT", Path: box, Body: `{"location":"westeurope"}`}, 201, "")
		return s
	}
	deleteGroup := func(s *armtest.Server) func([]store.Op) {
		return func([]store.Op) {
			group, err := s.Resources.Get(t.Context(), armtest.RG)
			if err == nil {
				err = s.Resources.DestroyGroup(t.Context(), types, group)
			}
			if err != nil {
				t.Errorf("deleting the group: %v", err)
			}
		}
	}
	t.Run("create_and_delete_of_the_group", func(t *testing.T) {
		s := fresh(t)
		between.before = deleteGroup(s)
		s.Want(armtest.Request{Method: "PUT", Path: armtest.RG + boxes + "/b2", Body: `{"location":"westeurope"}`}, 404, "ResourceGroupNotFound")
	})
	t.Run("create_of_a_child_and_delete_of_the_group", func(t *testing.T) {
		s := fresh(t)
		between.before = deleteGroup(s)
		s.Want(armtest.Request{Method: "PUT", Path: box + "/lids/l", Body: `{}`}, 404, "ResourceGroupNotFound")
	})
	t.Run("update_and_delete", func(t *testing.T) {
		s := fresh(t)
		between.before = func([]store.Op) { s.Want(armtest.Request{Method: "DELETE", Path: box}, 200, "") }
		s.Want(armtest.Request{Method: "PATCH", Path: box, Body: `{"tags":{}}`}, 404, "ResourceNotFound")
	})
	t.Run("stale_update", func(t *testing.T) {
		s := fresh(t)
		tag := s.Want(armtest.Request{Path: box}, 200, "").Header.Get("ETag")
		between.before = func([]store.Op) {
			s.Want(armtest.Request{Method: "PATCH", Path: box, Body: `{"tags":{"a":"b"}}`}, 200, "")
		}
		s.Want(armtest.Request{Method: "PATCH", Path: box, Body: `{"tags":{}}`, Headers: map[string]string{"If-Match": tag}}, 412, "PreconditionFailed")
	})
	t.Run("both_create", func(t *testing.T) {
		s := fresh(t)
		path := armtest.RG + boxes + "/b2"
		between.before = func([]store.Op) {
			s.Want(armtest.Request{Method: "PUT", Path: path, Body: `{"location":"westeurope","properties":{"first":1}}`}, 201, "")
		}
		if got := s.Want(armtest.Request{Method: "PUT", Path: path, Body: `{"location":"westeurope","properties":{"second":2}}`}, 200, ""); got.Get("properties.first") != "1" || got.Get("properties.second") != "2" {
			t.Errorf("after two creates: got %s, want both", got.Body)
		}
	})
}
