package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/store"
)

// retention is how long a deleted workspace can be recovered
// (https://learn.microsoft.com/azure/azure-monitor/logs/delete-workspace).
const retention = 14 * 24 * time.Hour

// remains is a deleted workspace.
type remains struct {
	Resource json.RawMessage `json:"resource"` // as clients read it
	Private  json.RawMessage `json:"private"`
	At       time.Time       `json:"at"`
}

func (s *Workspaces) over(d remains) bool { return !s.Now().Before(d.At.Add(retention)) }

func key(id string) string { return strings.ToLower(id) + "/" }

// bury keeps a workspace that is about to go, and lets those go whose time is up.
func (s *Workspaces) bury(ctx context.Context, r *arm.Resource) error {
	all, err := s.deleted.All(ctx, "")
	if err != nil {
		return fmt.Errorf("listing the deleted workspaces: %w", err)
	}
	for _, item := range all {
		if !s.over(item.Value) {
			continue
		}
		if err := s.deleted.Delete(ctx, item.Key, store.At(item.Version)); err != nil && !errors.Is(err, store.ErrConflict) {
			return fmt.Errorf("ending the deleted workspace %q: %w", item.Key, err)
		}
	}
	shown, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if _, err := s.deleted.Put(ctx, key(r.ID), remains{Resource: shown, Private: r.Private, At: s.Now()}, store.Always()); err != nil {
		return fmt.Errorf("keeping the deleted workspace %q: %w", r.ID, err)
	}
	return nil
}

// ended ends a workspace for good that was deleted with ?force=true.
func (s *Workspaces) ended(r *azapi.Request, workspace *arm.Resource) error {
	if !strings.EqualFold(r.Query("force"), "true") {
		return nil
	}
	return s.deleted.Delete(r.Context(), key(workspace.ID), store.Always())
}

// recovered returns the deleted workspace that a PUT of the same name, in the
// same group and region, brings back; nil for a PUT that makes a new one.
func (s *Workspaces) recovered(ctx context.Context, c arm.Change) (*arm.Resource, error) {
	item, err := s.deleted.Get(ctx, key(c.New.ID))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for the deleted workspace %q: %w", c.New.ID, err)
	}
	before := new(arm.Resource)
	if err := json.Unmarshal(item.Value.Resource, before); err != nil {
		return nil, fmt.Errorf("decoding the deleted workspace %q: %w", c.New.ID, err)
	}
	c.Also(s.deleted.DeleteOp(item.Key, store.At(item.Version)))
	if s.over(item.Value) || before.Location != c.New.Location {
		return nil, nil
	}
	before.Private = item.Value.Private
	return before, nil
}

func (s *Workspaces) operations() []azapi.Operation {
	const tail = "/providers/Microsoft.OperationalInsights/deletedWorkspaces"
	action := azapi.Control("Microsoft.OperationalInsights/deletedWorkspaces/read")
	above := func(r *azapi.Request) string { return arm.ScopeOf(r, 3) }
	return []azapi.Operation{
		{Name: "ListDeletedWorkspaces", Method: http.MethodGet, Pattern: "/subscriptions/{subscription}" + tail, Action: action, Scope: above, Handle: s.list},
		{Name: "ListDeletedWorkspacesOfGroup", Method: http.MethodGet, Pattern: "/subscriptions/{subscription}/resourceGroups/{group}" + tail, Action: action, Scope: above, Handle: s.list},
	}
}

// list: https://learn.microsoft.com/rest/api/loganalytics/deleted-workspaces
func (s *Workspaces) list(w http.ResponseWriter, r *azapi.Request) error {
	ctx := r.Context()
	if group := r.Param("group"); group != "" {
		if _, err := s.Resources.Group(ctx, r.Param("subscription"), group); err != nil {
			return err
		}
	} else if _, err := s.Resources.Subscription(ctx, r.Param("subscription")); err != nil {
		return err
	}
	items, err := s.deleted.All(ctx, key(arm.ScopeOf(r, 3)))
	if err != nil {
		return err
	}
	entries := make([]arm.Entry, 0, len(items))
	for _, item := range items {
		if s.over(item.Value) {
			continue
		}
		id := strings.TrimSuffix(item.Key, "/")
		if _, err := s.Resources.Get(ctx, id); !errors.Is(err, arm.ErrNotFound) {
			if err != nil {
				return err
			}
			continue // its delete was not completed
		}
		entries = append(entries, arm.Entry{ID: id, Value: item.Value.Resource})
	}
	return arm.WriteList(w, r, entries)
}
