package appconfig

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/store"
)

// Limits of snapshots
// (https://learn.microsoft.com/azure/azure-app-configuration/concept-snapshots).
const (
	maxSnapshotName    = 256 // characters
	maxSnapshotFilters = 3
	maxSnapshot        = 1 << 20 // bytes of the settings of one
	minArchived        = 3600    // seconds that an archived one is kept
	maxArchived        = 7776000
)

// Statuses and compositions of snapshots.
const (
	statusReady    = "ready"
	statusArchived = "archived"

	composeKey      = "key"       // one setting of a key: the one that the last filter finds
	composeKeyLabel = "key_label" // one of a key and a label
)

// snapshot is a named state of some settings, which does not change.
type snapshot struct {
	Name        string            `json:"name"`
	UID         string            `json:"uid"` // its settings are kept below it
	Status      string            `json:"status"`
	Filters     []snapshotFilter  `json:"filters"`
	Composition string            `json:"composition"`
	Created     time.Time         `json:"created"`
	Expires     *time.Time        `json:"expires,omitempty"` // of one that is archived
	Retention   int64             `json:"retention"`         // seconds that it is kept when archived
	Size        int               `json:"size"`              // bytes
	Count       int               `json:"count"`
	Tags        map[string]string `json:"tags,omitempty"`
}

type snapshotFilter struct {
	Key   string   `json:"key"`
	Label *string  `json:"label"`
	Tags  []string `json:"tags,omitempty"`
}

// kept is a setting of a snapshot, with the version that its ETag is made from.
type kept struct {
	setting
	Version int64 `json:"version"`
}

// snapshotWire is a snapshot on the wire
// (https://learn.microsoft.com/azure/azure-app-configuration/rest-api-snapshot).
type snapshotWire struct {
	ETag        string            `json:"etag"`
	Name        string            `json:"name"`
	Status      string            `json:"status"`
	Filters     []snapshotFilter  `json:"filters"`
	Composition string            `json:"composition_type"`
	Created     string            `json:"created"`
	Expires     *string           `json:"expires"`
	Size        int               `json:"size"`
	Count       int               `json:"items_count"`
	Tags        map[string]string `json:"tags"`
	Retention   int64             `json:"retention_period"`
}

func (v snapshot) wire(version int64) snapshotWire {
	out := snapshotWire{
		ETag: etagOf(version), Name: v.Name, Status: v.Status, Filters: v.Filters, Composition: v.Composition,
		Created: wireTime(v.Created), Size: v.Size, Count: v.Count, Tags: v.Tags, Retention: v.Retention,
	}
	if v.Expires != nil {
		expires := wireTime(*v.Expires)
		out.Expires = &expires
	}
	if out.Tags == nil {
		out.Tags = map[string]string{}
	}
	return out
}

func wireTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05+00:00") }

func (s *Store) snapshotPlace(name string) string { return s.UID + "/" + name }

// prefix is what the keys of a snapshot's settings begin with.
func (v snapshot) prefix(of *Store) string { return of.UID + "/" + v.UID + "/" }

// snapshotName reads the name of the path, or of the query where a list is of one.
func snapshotName(name string) (string, error) {
	if name == "" || utf8.RuneCountInString(name) > maxSnapshotName || !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
		return "", invalid("name", "The name of a snapshot has 1 to %d characters.", maxSnapshotName)
	}
	return name, nil
}

// findSnapshot reads a snapshot. An archived one whose time is up is removed now and not found.
func (s *Settings) findSnapshot(ctx context.Context, of *Store, name string, now time.Time) (store.Item[snapshot], error) {
	item, err := s.snapshots.Get(ctx, of.snapshotPlace(name))
	if errors.Is(err, store.ErrNotFound) {
		return item, notFound.New()
	}
	if err != nil || !item.Value.expired(now) {
		return item, err
	}
	if err := s.endSnapshot(ctx, of, item); err != nil {
		return item, err
	}
	return item, notFound.New()
}

func (v snapshot) expired(now time.Time) bool { return v.Expires != nil && !now.Before(*v.Expires) }

// endSnapshot removes a snapshot with its settings, these first.
func (s *Settings) endSnapshot(ctx context.Context, of *Store, item store.Item[snapshot]) error {
	if err := s.erase(ctx, kindKept, item.Value.prefix(of)); err != nil {
		return err
	}
	err := s.snapshots.Delete(ctx, item.Key, store.At(item.Version))
	if errors.Is(err, store.ErrConflict) {
		return nil // somebody else ended it
	}
	return err
}

func (s *Settings) getSnapshot(w http.ResponseWriter, r *azapi.Request) error {
	name, err := snapshotName(r.Param("name"))
	if err != nil {
		return err
	}
	item, err := s.findSnapshot(r.Context(), storeFrom(r), name, r.Now)
	if err != nil {
		return err
	}
	etag := etagOf(item.Version)
	if !matches(r.Header.Get("If-Match"), etag, true) {
		return conditionFailed.New()
	}
	if none := r.Header.Get("If-None-Match"); none != "" && matches(none, etag, true) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return writeSnapshot(w, r, http.StatusOK, item)
}

func writeSnapshot(w http.ResponseWriter, r *azapi.Request, status int, item store.Item[snapshot]) error {
	w.Header().Set("ETag", `"`+etagOf(item.Version)+`"`)
	w.Header().Set("Link", `</kv?snapshot=`+queryEscape(item.Value.Name)+`>; rel="items"`)
	return writeAs(w, r, status, typeSnapshot, item.Value.wire(item.Version))
}

// changeSnapshot archives a snapshot or takes it back.
func (s *Settings) changeSnapshot(w http.ResponseWriter, r *azapi.Request) error {
	name, err := snapshotName(r.Param("name"))
	if err != nil {
		return err
	}
	var body struct {
		Status string `json:"status"`
	}
	if err := r.DecodeJSON(&body); err != nil {
		return invalid("body", "%s", err)
	}
	if body.Status != statusReady && body.Status != statusArchived {
		return invalid("status", "The status %.32q is none of ready, archived.", body.Status)
	}
	of := storeFrom(r)
	for {
		item, err := s.findSnapshot(r.Context(), of, name, r.Now)
		if err != nil {
			return err
		}
		if !preconditions(r, etagOf(item.Version), true) {
			return conditionFailed.New()
		}
		if item.Value.Status == body.Status {
			return writeSnapshot(w, r, http.StatusOK, item)
		}
		item.Value.Status, item.Value.Expires = body.Status, nil
		if body.Status == statusArchived {
			expires := r.Now.Add(time.Duration(item.Value.Retention) * time.Second)
			item.Value.Expires = &expires
		}
		item.Version, err = s.snapshots.Put(r.Context(), item.Key, item.Value, store.At(item.Version))
		if errors.Is(err, store.ErrConflict) {
			continue // another writer was first
		}
		if err != nil {
			return err
		}
		return writeSnapshot(w, r, http.StatusOK, item)
	}
}

// snapshotOperation says that a snapshot is made: it is when PUT is answered.
func (s *Settings) snapshotOperation(w http.ResponseWriter, r *azapi.Request) error {
	name, err := snapshotName(r.Query("snapshot"))
	if err != nil {
		return err
	}
	item, err := s.findSnapshot(r.Context(), storeFrom(r), name, r.Now)
	if err != nil {
		return err
	}
	return azapi.WriteJSON(w, http.StatusOK, map[string]any{"id": item.Value.UID, "status": "Succeeded", "error": nil})
}
