package appconfig

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/store"
)

const pageSize = 100 // settings of one page, as the service gives them

// query is a parsed list request.
type query struct {
	key, label filter
	tags       map[string]string
	after      string // last stored key of the page before, without the store's part
}

func parseQuery(r *azapi.Request) (query, error) {
	var q query
	var err error
	if q.key, err = parseFilter("key", r.Query("key")); err != nil {
		return q, err
	}
	if q.label, err = parseFilter("label", r.Query("label")); err != nil {
		return q, err
	}
	if tags := r.QueryValues("tags"); len(tags) > 0 {
		if len(tags) > maxAlternatives {
			return q, invalid("tags", "The filter lists %d tags; the limit is %d.", len(tags), maxAlternatives)
		}
		q.tags = map[string]string{}
		for _, tag := range tags {
			name, value, ok := strings.Cut(tag, "=")
			if !ok {
				return q, invalid("tags", "The tag filter %.64q is not of the form name=value.", tag)
			}
			q.tags[name] = value
		}
	}
	if token := r.Query("after"); token != "" {
		after, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			return q, invalid("after", "The continuation is not one that this store gave.")
		}
		q.after = string(after)
	}
	return q, nil
}

func (q query) match(v setting) bool {
	if !q.key.match(v.Key) || !q.label.match(v.Label) {
		return false
	}
	for name, value := range q.tags {
		if have, ok := v.Tags[name]; !ok || have != value {
			return false
		}
	}
	return true
}

// read returns up to limit matching settings and whether more follow.
func (s *Settings) read(r *azapi.Request, q query, limit int) ([]store.Item[setting], bool, error) {
	base := storeFrom(r).UID + "/"
	text, exact := q.key.common()
	prefix := base + text
	if exact {
		prefix += "\x00"
	}
	after := ""
	if q.after != "" {
		after = base + q.after
	}
	var found []store.Item[setting]
	for {
		items, more, err := s.settings.List(r.Context(), store.Query{Prefix: prefix, After: after, Limit: limit + 1})
		if err != nil {
			return nil, false, err
		}
		for _, item := range items {
			after = item.Key
			if !q.match(item.Value) {
				continue
			}
			if len(found) == limit {
				return found, true, nil
			}
			found = append(found, item)
		}
		if !more {
			return found, false, nil
		}
	}
}

// list answers one page of settings. Its ETag changes when anything on the page does.
func (s *Settings) list(w http.ResponseWriter, r *azapi.Request) error {
	if r.Header.Get("Accept-Datetime") != "" || r.HasQuery("snapshot") {
		err := notServed.New(r.Method, "at a past time or of a snapshot")
		return problem(err, "Not Implemented", "", err.Message)
	}
	q, err := parseQuery(r)
	if err != nil {
		return err
	}
	selected, err := selection(r)
	if err != nil {
		return err
	}
	items, more, err := s.read(r, q, pageSize)
	if err != nil {
		return err
	}
	etag := pageETag(items)
	next := ""
	if more {
		base := storeFrom(r).UID + "/"
		next = nextLink(r, strings.TrimPrefix(items[len(items)-1].Key, base))
		w.Header().Set("Link", "<"+next+`>; rel="next"`)
	}
	if none := r.Header.Get("If-None-Match"); none != "" && matches(none, etag, true) {
		w.WriteHeader(http.StatusNotModified) // without ETag: clients take any ETag for a change
		return nil
	}
	if !matches(r.Header.Get("If-Match"), etag, true) {
		return conditionFailed.New()
	}
	w.Header().Set("ETag", `"`+etag+`"`)
	return writePage(w, r, items, selected, etag, next)
}

func writePage(w http.ResponseWriter, r *azapi.Request, items []store.Item[setting], selected fields, etag, next string) error {
	list := struct {
		Items []json.RawMessage `json:"items"`
		ETag  string            `json:"etag"`
		Next  string            `json:"@nextLink,omitempty"`
	}{Items: make([]json.RawMessage, 0, len(items)), ETag: etag, Next: next}
	for _, item := range items {
		encoded, err := selected.encode(item.Value.wire(etagOf(item.Version)))
		if err != nil {
			return err
		}
		list.Items = append(list.Items, encoded)
	}
	return write(w, r, typeSettings, list)
}

func write(w http.ResponseWriter, r *azapi.Request, contentType string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client may be gone; nobody is left to tell
	}
	return nil
}

// pageETag changes when a setting of the page is added, changed or removed, and not otherwise.
func pageETag(items []store.Item[setting]) string {
	hash := sha256.New()
	for _, item := range items {
		fmt.Fprintf(hash, "%d %s\x00", item.Version, item.Key)
	}
	return base64.RawURLEncoding.EncodeToString(hash.Sum(nil)[:24])
}

// nextLink repeats the request with a continuation. It is relative, and `after`
// is never its first parameter: the JavaScript SDK looks for "&after=".
func nextLink(r *azapi.Request, last string) string {
	var parameters []string
	for part := range strings.SplitSeq(r.URL.RawQuery, "&") {
		name, _, _ := strings.Cut(part, "=")
		if decoded, err := url.QueryUnescape(name); part != "" && err == nil && !strings.EqualFold(decoded, "after") {
			parameters = append(parameters, part)
		}
	}
	after := "after=" + base64.RawURLEncoding.EncodeToString([]byte(last))
	return r.URL.EscapedPath() + "?" + strings.Join(append(parameters, after), "&")
}

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

// listNames answers distinct names on one page; a store has few of either.
func (s *Settings) listNames(w http.ResponseWriter, r *azapi.Request, contentType string, nameOf func(setting) *string) error {
	wanted, err := parseFilter("name", r.Query("name"))
	if err != nil {
		return err
	}
	items, err := s.settings.All(r.Context(), storeFrom(r).UID+"/")
	if err != nil {
		return err
	}
	type named struct {
		Name *string `json:"name"`
	}
	list := struct {
		Items []named `json:"items"`
	}{Items: []named{}}
	seen := map[string]bool{}
	for _, item := range items {
		name := nameOf(item.Value)
		text := ""
		if name != nil {
			text = *name
		}
		if !seen[text] && wanted.match(text) {
			seen[text] = true
			list.Items = append(list.Items, named{name})
		}
	}
	slices.SortFunc(list.Items, func(a, b named) int { return strings.Compare(deref(a.Name), deref(b.Name)) })
	return write(w, r, contentType, list)
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
