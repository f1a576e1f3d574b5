package appconfig

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/store"
)

// listKeys answers the distinct keys that match the filter `name`.
func (s *Settings) listKeys(w http.ResponseWriter, r *azapi.Request) error {
	return s.listNames(w, r, typeKeys, func(v setting) *string { return &v.Key })
}

// listLabels answers the distinct labels that match the filter `name`, null among them.
func (s *Settings) listLabels(w http.ResponseWriter, r *azapi.Request) error {
	return s.listNames(w, r, typeLabels, func(v setting) *string {
		if v.Label == "" {
			return nil
		}
		return &v.Label
	})
}

// listNames answers the distinct names of a store on one page, in order; the
// null label comes first. It keeps the names only, not the settings.
func (s *Settings) listNames(w http.ResponseWriter, r *azapi.Request, contentType string, nameOf func(setting) *string) error {
	if err := notAtThatTime(r); err != nil {
		return err
	}
	wanted, err := parseFilter("name", r.Query("name"))
	if err != nil {
		return err
	}
	names := map[string]*string{} // the null label under ""
	prefix := storeFrom(r).UID + "/"
	for q, more := (store.Query{Prefix: prefix}), true; more; {
		var items []store.Item[setting]
		if items, more, err = s.settings.List(r.Context(), q); err != nil {
			return err
		}
		for _, item := range items {
			q.After = item.Key
			name := nameOf(item.Value)
			if text := deref(name); wanted.match(text) {
				names[text] = name
			}
		}
	}
	type named struct {
		Name *string `json:"name"`
	}
	list := struct {
		Items []named `json:"items"`
	}{Items: []named{}}
	for _, text := range slices.Sorted(maps.Keys(names)) {
		list.Items = append(list.Items, named{names[text]})
	}
	body, err := json.Marshal(list)
	if err != nil {
		return err
	}
	write(w, r, contentType, body)
	return nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
