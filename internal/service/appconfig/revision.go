package appconfig

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/store"
)

// maxExpired is how many revisions, whose time is up, one write removes: more
// than it adds, so that they do not pile up.
const maxExpired = 8

// revision is an earlier state of a setting
// (https://learn.microsoft.com/azure/azure-app-configuration/rest-api-revisions).
type revision struct {
	setting
	Version int64     `json:"version"` // of the setting's document then; its ETag is made from it
	Until   time.Time `json:"until"`   // when another state, or none, took its place
}

// placeInTime orders states by their last modification, the newest first.
func placeInTime(v setting, version int64) string {
	return fmt.Sprintf("%016x%016x", ^uint64(v.LastModified.UnixNano()), ^uint64(version))
}

// write replaces a setting by another state of it, or by none, on the condition
// that it is as it was read; version 0 is none. What was there becomes a revision.
// The error has store.ErrConflict in its chain when another writer was faster.
func (s *Settings) write(ctx context.Context, of *Store, old store.Item[setting], next *setting, now time.Time) (int64, error) {
	condition := store.Absent()
	if old.Version != 0 {
		condition = store.At(old.Version)
	}
	op := s.settings.DeleteOp(old.Key, condition)
	if next != nil {
		var err error
		if op, err = s.settings.PutOp(old.Key, *next, condition); err != nil {
			return 0, err
		}
	}
	ops := []store.Op{op}
	if old.Version != 0 {
		history, err := s.supersede(ctx, of, old, now)
		if err != nil {
			return 0, err
		}
		ops = append(ops, history...)
	}
	versions, err := s.Store.Apply(ctx, ops...)
	if err != nil {
		return 0, err
	}
	return versions[0], nil
}

// supersede keeps a state for the history and removes some of what is too old for it.
func (s *Settings) supersede(ctx context.Context, of *Store, old store.Item[setting], now time.Time) ([]store.Op, error) {
	prefix := of.UID + "/"
	put, err := s.revisions.PutOp(prefix+placeInTime(old.Value, old.Version), revision{setting: old.Value, Version: old.Version, Until: now}, store.Always())
	if err != nil {
		return nil, err
	}
	oldest := prefix + placeInTime(setting{LastModified: now.Add(-of.history)}, 0)
	page, err := s.Store.List(ctx, kindRevision, store.Query{Prefix: prefix, After: oldest, Limit: maxExpired})
	if err != nil {
		return nil, err
	}
	ops := []store.Op{put}
	for _, doc := range page.Docs {
		if doc.Key != put.Key {
			ops = append(ops, s.revisions.DeleteOp(doc.Key, store.Always()))
		}
	}
	return ops, nil
}

// moment is the time that the request asks about, the zero time for now. Like
// last_modified on the wire it has whole seconds. The reference has it as an HTTP
// date; az and the SDK for Go send RFC 3339.
func moment(r *azapi.Request) (time.Time, error) {
	text := r.Header.Get("Accept-Datetime")
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at.Truncate(time.Second), nil
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return at, invalid("Accept-Datetime", "The value %.64q is neither an HTTP date nor RFC 3339.", text)
	}
	return at, nil
}

// madeBy reports that the state was there at that moment or before.
func (v setting) madeBy(at time.Time) bool { return !v.LastModified.Truncate(time.Second).After(at) }

// heldAt reports that the state was the setting's at that moment.
func (v revision) heldAt(at time.Time) bool {
	return v.madeBy(at) && at.Before(v.Until.Truncate(time.Second))
}

// listRevisions answers the states that settings have and had, the newest first.
func (s *Settings) listRevisions(w http.ResponseWriter, r *azapi.Request) error {
	at, err := moment(r)
	if err != nil {
		return err
	}
	q, err := parseQuery(r)
	if err != nil {
		return err
	}
	selected, err := selection(r)
	if err != nil {
		return err
	}
	until := func(v setting) bool { return at.IsZero() || v.madeBy(at) }
	items, err := s.states(r, q, func(v setting, version int64) (string, bool) { return placeInTime(v, version), until(v) },
		func(v revision) (string, bool) { return placeInTime(v.setting, v.Version), until(v.setting) })
	if err != nil {
		return err
	}
	return s.answerPage(w, r, "/revisions", items, selected)
}

// states are the matching states of settings, present and past, after the place
// that the query continues from: as many as a page has and one more. Each is
// ordered by the place that now and then give it, or left out. No more than a
// few pages are held in memory.
func (s *Settings) states(r *azapi.Request, q query, now func(setting, int64) (string, bool), then func(revision) (string, bool)) ([]store.Item[setting], error) {
	prefix := storeFrom(r).UID + "/"
	var found []store.Item[setting]
	keep := func(place string, shown bool, v setting, version int64) {
		if !shown || !q.match(v) || place <= q.after && q.after != "" {
			return
		}
		if found = append(found, store.Item[setting]{Key: place, Version: version, Value: v}); len(found) > 4*pageSize {
			found = first(found, pageSize+1)
		}
	}
	err := each(r.Context(), s.settings, prefix, func(item store.Item[setting]) {
		place, shown := now(item.Value, item.Version)
		keep(place, shown, item.Value, item.Version)
	})
	if err != nil {
		return nil, err
	}
	err = each(r.Context(), s.revisions, prefix, func(item store.Item[revision]) {
		place, shown := then(item.Value)
		keep(place, shown, item.Value.setting, item.Value.Version)
	})
	return first(found, pageSize+1), err
}

// first sorts items by their place and returns the first n. A state that was
// read both before and after it became a revision is there once.
func first(items []store.Item[setting], n int) []store.Item[setting] {
	slices.SortFunc(items, func(a, b store.Item[setting]) int { return strings.Compare(a.Key, b.Key) })
	items = slices.CompactFunc(items, func(a, b store.Item[setting]) bool { return a.Key == b.Key && a.Version == b.Version })
	return items[:min(n, len(items))]
}

// each calls do for every document below a prefix, in order.
func each[T any](ctx context.Context, of store.Collection[T], prefix string, do func(store.Item[T])) error {
	for q, more := (store.Query{Prefix: prefix}), true; more; {
		items, next, err := of.List(ctx, q)
		if err != nil {
			return err
		}
		for _, item := range items {
			q.After = item.Key
			do(item)
		}
		more = next && len(items) > 0
	}
	return nil
}

// listPast answers the settings as they were at a moment.
func (s *Settings) listPast(w http.ResponseWriter, r *azapi.Request, at time.Time) error {
	q, err := parseQuery(r)
	if err != nil {
		return err
	}
	selected, err := selection(r)
	if err != nil {
		return err
	}
	items, err := s.statesAt(r, q, at)
	if err != nil {
		return err
	}
	remember(w, r, at)
	return s.answerPage(w, r, "/kv", items, selected)
}

func (s *Settings) statesAt(r *azapi.Request, q query, at time.Time) ([]store.Item[setting], error) {
	place := func(v setting) string { return v.Key + "\x00" + v.Label }
	return s.states(r, q, func(v setting, _ int64) (string, bool) { return place(v), v.madeBy(at) },
		func(v revision) (string, bool) { return place(v.setting), v.heldAt(at) })
}

// getPast answers one setting as it was at a moment.
func (s *Settings) getPast(w http.ResponseWriter, r *azapi.Request, at time.Time) error {
	key, label, err := address(r)
	if err != nil {
		return err
	}
	selected, err := selection(r)
	if err != nil {
		return err
	}
	item, err := s.settings.Get(r.Context(), storeFrom(r).place(key, label))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err != nil || !item.Value.madeBy(at) {
		q := query{key: exactly(key), label: exactly(label)}
		items, err := s.statesAt(r, q, at)
		if err != nil {
			return err
		}
		if len(items) == 0 {
			return notFound.New()
		}
		item = items[0]
	}
	remember(w, r, at)
	return answer(w, r, item.Value, item.Version, selected)
}

func exactly(text string) filter { return filter{alternatives: []alternative{{text: text}}} }

// remember sets the headers of an answer about the past (RFC 7089, section 2.1).
func remember(w http.ResponseWriter, r *azapi.Request, at time.Time) {
	w.Header().Set("Memento-Datetime", azapi.HTTPTime(at))
	w.Header().Add("Link", "<"+r.URL.RequestURI()+`>; rel="original"`)
}
