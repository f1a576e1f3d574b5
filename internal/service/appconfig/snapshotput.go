package appconfig

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/store"
)

// snapshotRequest is the body of a snapshot's PUT.
type snapshotRequest struct {
	Filters     []snapshotFilter  `json:"filters"`
	Composition string            `json:"composition_type"`
	Retention   *int64            `json:"retention_period"`
	Tags        map[string]string `json:"tags"`
}

// createSnapshot writes the settings that the filters find under a name. It is
// done when it is answered, with the Operation-Location that clients wait at.
func (s *Settings) createSnapshot(w http.ResponseWriter, r *azapi.Request) error {
	name, err := snapshotName(r.Param("name"))
	if err != nil {
		return err
	}
	var body snapshotRequest
	if err := r.DecodeJSON(&body); err != nil {
		return invalid("body", "%s", err)
	}
	of := storeFrom(r)
	made, queries, err := s.newSnapshot(of, body)
	if err != nil {
		return err
	}
	made.Name, made.Created = name, r.Now
	if _, err := s.findSnapshot(r.Context(), of, name, r.Now); err == nil {
		return snapshotExists(name)
	} else if !errors.Is(err, notFound) {
		return err
	}
	items, err := s.compose(r, made.Composition, queries)
	if err != nil {
		return err
	}
	for _, item := range items {
		made.Size += item.size()
	}
	made.Count = len(items)
	version, err := s.writeSnapshotItems(r, of, made, items)
	if err != nil {
		return err
	}
	w.Header().Set("Operation-Location", r.BaseURL()+"/operations?snapshot="+queryEscape(name)+"&api-version="+url.QueryEscape(r.Version))
	return writeSnapshot(w, r, http.StatusCreated, store.Item[snapshot]{Value: made, Version: version})
}

func snapshotExists(name string) error {
	err := alreadyExists.New(name)
	return problem(err, "The resource already exists.", "name", err.Message)
}

// newSnapshot validates what is asked for.
func (s *Settings) newSnapshot(of *Store, body snapshotRequest) (snapshot, []query, error) {
	made := snapshot{
		UID: s.NewID(), Status: statusReady, Filters: body.Filters, Composition: strings.ToLower(body.Composition), Tags: body.Tags,
		Retention: int64(of.history.Seconds()),
	}
	if made.Composition == "" {
		made.Composition = composeKey
	}
	if body.Retention != nil {
		made.Retention = *body.Retention
	}
	switch {
	case len(body.Filters) == 0 || len(body.Filters) > maxSnapshotFilters:
		return made, nil, invalid("filters", "A snapshot has 1 to %d filters.", maxSnapshotFilters)
	case made.Composition != composeKey && made.Composition != composeKeyLabel:
		return made, nil, invalid("composition_type", "The composition type %.32q is none of key, key_label.", body.Composition)
	case made.Retention < minArchived || made.Retention > maxArchived:
		return made, nil, invalid("retention_period", "The retention period must be between %d and %d seconds.", minArchived, maxArchived)
	}
	var queries []query
	for _, f := range body.Filters {
		q, err := f.parse(made.Composition)
		if err != nil {
			return made, nil, err
		}
		queries = append(queries, q)
	}
	return made, queries, nil
}

// parse reads one filter. No label means the null label.
func (f snapshotFilter) parse(composition string) (query, error) {
	var q query
	var err error
	if f.Key == "" {
		return q, invalid("filters.key", "A filter needs a key.")
	}
	if q.key, err = parseFilter("filters.key", f.Key); err != nil {
		return q, err
	}
	q.label = exactly("")
	if f.Label != nil && *f.Label != "" {
		if q.label, err = parseFilter("filters.label", *f.Label); err != nil {
			return q, err
		}
	}
	_, one := q.label.common()
	if composition == composeKey && !one {
		return q, invalid("filters.label", "A snapshot composed by key takes one label in each filter.")
	}
	q.tags, err = parseTags(f.Tags)
	return q, err
}

// compose finds the settings of a snapshot, in the order of their places. Later
// filters win over earlier ones.
func (s *Settings) compose(r *azapi.Request, composition string, queries []query) ([]kept, error) {
	found, size := map[string]kept{}, 0
	for _, q := range queries {
		for {
			items, err := s.read(r, q, pageSize)
			if err != nil {
				return nil, err
			}
			for _, item := range items {
				identity := item.Value.Key
				if composition == composeKeyLabel {
					identity += "\x00" + item.Value.Label
				}
				size += item.Value.size() - found[identity].size()
				found[identity] = kept{setting: item.Value, Version: item.Version}
			}
			if size > maxSnapshot {
				return nil, tooLargeError(maxSnapshot)
			}
			if len(items) < pageSize {
				break
			}
			q.after = strings.TrimPrefix(items[len(items)-1].Key, storeFrom(r).UID+"/")
		}
	}
	all := make([]kept, 0, len(found))
	for _, one := range found {
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b kept) int { return strings.Compare(a.Key+"\x00"+a.Label, b.Key+"\x00"+b.Label) })
	return all, nil
}

// writeSnapshotItems writes the settings, and then the snapshot, which makes
// them visible, unless another one has the name.
func (s *Settings) writeSnapshotItems(r *azapi.Request, of *Store, made snapshot, items []kept) (int64, error) {
	ops := make([]store.Op, 0, len(items))
	for _, item := range items {
		op, err := s.kept.PutOp(made.prefix(of)+item.Key+"\x00"+item.Label, item, store.Always())
		if err != nil {
			return 0, err
		}
		ops = append(ops, op)
	}
	for part := range slices.Chunk(ops, store.MaxOps) {
		if _, err := s.Store.Apply(r.Context(), part...); err != nil {
			return 0, err
		}
	}
	version, err := s.snapshots.Put(r.Context(), of.snapshotPlace(made.Name), made, store.Absent())
	if errors.Is(err, store.ErrConflict) {
		return 0, errors.Join(snapshotExists(made.Name), s.erase(r.Context(), kindKept, made.prefix(of)))
	}
	return version, err
}

// listSnapshots answers a page of snapshots in the order of their names.
func (s *Settings) listSnapshots(w http.ResponseWriter, r *azapi.Request) error {
	wanted, err := parseFilter("name", r.Query("name"))
	if err != nil {
		return err
	}
	statuses, err := parseFilter("status", r.Query("status"))
	if err != nil {
		return err
	}
	after, err := afterOf(r)
	if err != nil {
		return err
	}
	of := storeFrom(r)
	list := struct {
		Items []snapshotWire `json:"items"`
		Next  string         `json:"@nextLink,omitempty"`
	}{Items: []snapshotWire{}}
	err = each(r.Context(), s.snapshots, of.UID+"/", func(item store.Item[snapshot]) {
		v := item.Value
		if v.expired(r.Now) || !wanted.match(v.Name) || !statuses.match(v.Status) || after != "" && v.Name <= after {
			return
		}
		if len(list.Items) < pageSize {
			list.Items = append(list.Items, v.wire(item.Version))
		} else if list.Next == "" {
			list.Next = nextLink(r, "/snapshots", list.Items[pageSize-1].Name)
		}
	})
	if err != nil {
		return err
	}
	if list.Next != "" {
		w.Header().Set("Link", "<"+list.Next+`>; rel="next"`)
	}
	return writeAs(w, r, http.StatusOK, typeSnapshots, list)
}

// listKept answers a page of the settings of a snapshot.
func (s *Settings) listKept(w http.ResponseWriter, r *azapi.Request) error {
	name, err := snapshotName(r.Query("snapshot"))
	if err != nil {
		return err
	}
	for _, filter := range []string{"key", "label", "tags"} {
		if r.Query(filter) != "" {
			return invalid(filter, "The settings of a snapshot take no filter.")
		}
	}
	after, err := afterOf(r)
	if err != nil {
		return err
	}
	selected, err := selection(r)
	if err != nil {
		return err
	}
	of := storeFrom(r)
	found, err := s.findSnapshot(r.Context(), of, name, r.Now)
	if err != nil {
		return err
	}
	prefix := found.Value.prefix(of)
	q := store.Query{Prefix: prefix, Limit: pageSize + 1}
	if after != "" {
		q.After = prefix + after
	}
	var items []store.Item[setting]
	for more := true; more && len(items) <= pageSize; {
		var part []store.Item[kept]
		if part, more, err = s.kept.List(r.Context(), q); err != nil {
			return err
		}
		for _, item := range part {
			q.After = item.Key
			items = append(items, store.Item[setting]{Key: of.UID + "/" + strings.TrimPrefix(item.Key, prefix), Version: item.Value.Version, Value: item.Value.setting})
		}
	}
	return s.answerPage(w, r, "/kv", items, selected)
}

func queryEscape(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

func writeAs(w http.ResponseWriter, r *azapi.Request, status int, contentType string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	writeStatus(w, r, status, contentType, body)
	return nil
}
