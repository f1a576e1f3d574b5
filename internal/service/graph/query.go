package graph

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
)

const (
	pageSize    = 100 // objects on a page when $top does not say
	maxPageSize = 999
	skipForm    = 'k' // first byte of a skip token
)

// query is what a list was asked for.
type query struct {
	of      *kind
	selects []string
	filter  filter
	top     int
	after   string // the key that the page begins behind
	count   bool
}

// readQuery reads a list's query and refuses what an answer without it would be
// wrong for. ConsistencyLevel is accepted in any form: there is one consistency.
func readQuery(r *azapi.Request, of *kind) (query, error) {
	if err := refuseOptions(r, "$search", "$orderby", "$expand", "$skip", "$apply"); err != nil {
		return query{}, err
	}
	q := query{of: of, selects: readSelect(r), top: pageSize, count: strings.EqualFold(r.Query("$count"), "true")}
	if text := r.Query("$top"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxPageSize {
			return query{}, badTop.New(text)
		}
		q.top = n
	}
	if token := r.Query("$skiptoken"); token != "" {
		decoded, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil || len(decoded) == 0 || decoded[0] != skipForm || !chain.IsGUID(string(decoded[1:])) {
			return query{}, badSkipToken.New()
		}
		q.after = string(decoded[1:])
	}
	var err error
	q.filter, err = parseFilter(r.Query("$filter"), of)
	return q, err
}

func refuseOptions(r *azapi.Request, names ...string) error {
	for _, name := range names {
		if r.Query(name) != "" {
			return noQuery.New(name)
		}
	}
	return nil
}

func readSelect(r *azapi.Request) []string {
	var names []string
	for name := range strings.SplitSeq(r.Query("$select"), ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// only keeps the named properties and the type; no names keep all.
func (o object) only(names []string) object {
	if len(names) == 0 {
		return o
	}
	kept := object{"@odata.type": o["@odata.type"]}
	for _, name := range names {
		for have, value := range o {
			if strings.EqualFold(have, name) {
				kept[have] = value
			}
		}
	}
	return kept
}

// show is an object as v1.0 or beta shows it, with what $select asks for. In a
// list of one type the type is not said.
func show(r *azapi.Request, k *kind, selects []string, o object) object {
	if len(selects) == 0 && !beta(r) {
		selects = k.shown
	}
	o = o.only(selects)
	if k.properties != nil {
		delete(o, "@odata.type")
	}
	return o
}

func beta(r *azapi.Request) bool {
	return len(r.URL.Path) > 5 && strings.EqualFold(r.URL.Path[:5], "/beta")
}

func version(r *azapi.Request) string {
	if beta(r) {
		return "beta"
	}
	return "v1.0"
}

func contextURL(r *azapi.Request, of string) string {
	return r.BaseURL() + "/" + version(r) + "/$metadata#" + of
}

// scan yields objects behind a key in the order of their keys, GUIDs, until
// yield returns false.
type scan func(after string, yield func(key string, o object) bool) error

// page is the form of every list of Graph.
type page struct {
	Context string   `json:"@odata.context"`
	Count   *int     `json:"@odata.count,omitempty"`
	Next    string   `json:"@odata.nextLink,omitempty"`
	Value   []object `json:"value"`
}

// writeList answers with a page of what the scan finds.
func writeList(w http.ResponseWriter, r *azapi.Request, q query, find scan) error {
	p := page{Context: contextURL(r, q.of.set), Value: []object{}}
	last := ""
	err := find(q.after, func(key string, o object) bool {
		if q.filter != nil && !q.filter(o) {
			return true
		}
		if len(p.Value) == q.top {
			p.Next = nextLink(r, last)
			return false
		}
		last = key
		p.Value = append(p.Value, show(r, q.of, q.selects, o))
		return true
	})
	if err != nil {
		return err
	}
	if q.count {
		count, err := countAll(q, find)
		if err != nil {
			return err
		}
		p.Count = &count
	}
	return azapi.WriteJSON(w, http.StatusOK, p)
}

func countAll(q query, find scan) (count int, err error) {
	err = find("", func(_ string, o object) bool {
		if q.filter == nil || q.filter(o) {
			count++
		}
		return true
	})
	return count, err
}

// writeCount answers /$count: a number in plain text.
func writeCount(w http.ResponseWriter, r *azapi.Request, of *kind, find scan) error {
	q, err := readQuery(r, of)
	if err != nil {
		return err
	}
	count, err := countAll(q, find)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain")
	_, _ = fmt.Fprint(w, count) // the client may be gone; nobody is left to tell
	return nil
}

// nextLink is the request's own URL with the place to continue behind.
func nextLink(r *azapi.Request, key string) string {
	values := url.Values{}
	for name, all := range r.URL.Query() {
		if !strings.EqualFold(name, "$skiptoken") {
			values[name] = all
		}
	}
	values.Set("$skiptoken", base64.RawURLEncoding.EncodeToString(append([]byte{skipForm}, key...)))
	return r.BaseURL() + r.URL.EscapedPath() + "?" + values.Encode()
}

// writeObject answers with one object.
func writeObject(w http.ResponseWriter, r *azapi.Request, k *kind, status int, o object) error {
	if err := refuseOptions(r, "$expand"); err != nil {
		return err
	}
	shown := show(r, k, readSelect(r), o)
	shown["@odata.context"] = contextURL(r, k.set+"/$entity")
	return azapi.WriteJSON(w, status, shown)
}

func noContent(w http.ResponseWriter) error {
	w.WriteHeader(http.StatusNoContent)
	return nil
}
