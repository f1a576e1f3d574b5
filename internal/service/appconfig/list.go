package appconfig

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/store"
)

const pageSize = 100 // settings of one page, as the service gives them

// query is a parsed list request.
type query struct {
	key, label filter
	tags       []tag
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
	if q.tags, err = parseTags(r.QueryValues("tags")); err != nil {
		return q, err
	}
	q.after, err = afterOf(r)
	return q, err
}

// afterOf is the place that a list continues from, "" for its beginning.
func afterOf(r *azapi.Request) (string, error) {
	after, err := base64.RawURLEncoding.DecodeString(r.Query("after"))
	if err != nil {
		return "", invalid("after", "The continuation is not one that this store gave.")
	}
	return string(after), nil
}

func (q query) match(v setting) bool {
	if !q.key.match(v.Key) || !q.label.match(v.Label) {
		return false
	}
	for _, want := range q.tags {
		if have, ok := v.Tags[want.name]; !ok || have != want.value {
			return false
		}
	}
	return true
}

// read returns the first matching settings, up to limit.
func (s *Settings) read(r *azapi.Request, q query, limit int) ([]store.Item[setting], error) {
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
		items, more, err := s.settings.List(r.Context(), store.Query{Prefix: prefix, After: after, Limit: limit})
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			after = item.Key
			if !q.match(item.Value) {
				continue
			}
			if found = append(found, item); len(found) == limit {
				return found, nil
			}
		}
		if !more {
			return found, nil
		}
	}
}

// list answers one page of settings. Its ETag changes when anything on the page does.
func (s *Settings) list(w http.ResponseWriter, r *azapi.Request) error {
	if r.HasQuery("snapshot") {
		return s.listKept(w, r)
	}
	if at, err := moment(r); err != nil {
		return err
	} else if !at.IsZero() {
		return s.listPast(w, r, at)
	}
	q, err := parseQuery(r)
	if err != nil {
		return err
	}
	selected, err := selection(r)
	if err != nil {
		return err
	}
	items, err := s.read(r, q, pageSize+1)
	if err != nil {
		return err
	}
	return s.answerPage(w, r, "/kv", items, selected)
}

// answerPage answers the first items of those that were read: one more than a
// page has says that another page follows.
func (s *Settings) answerPage(w http.ResponseWriter, r *azapi.Request, path string, items []store.Item[setting], selected fields) error {
	next := ""
	if len(items) > pageSize {
		items = items[:pageSize]
		base := storeFrom(r).UID + "/"
		next = nextLink(r, path, strings.TrimPrefix(items[pageSize-1].Key, base))
		w.Header().Add("Link", "<"+next+`>; rel="next"`)
	}
	etag := pageETag(items)
	if none := r.Header.Get("If-None-Match"); none != "" && matches(none, etag, true) {
		w.WriteHeader(http.StatusNotModified) // without ETag: clients take any ETag for a change
		return nil
	}
	if !matches(r.Header.Get("If-Match"), etag, true) {
		return conditionFailed.New()
	}
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
	body, err := json.Marshal(list)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", `"`+etag+`"`)
	write(w, r, typeSettings, body)
	return nil
}

func write(w http.ResponseWriter, r *azapi.Request, contentType string, body []byte) {
	writeStatus(w, r, http.StatusOK, contentType, body)
}

func writeStatus(w http.ResponseWriter, r *azapi.Request, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client may be gone; nobody is left to tell
	}
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
func nextLink(r *azapi.Request, path, last string) string {
	var parameters []string
	for part := range strings.SplitSeq(r.URL.RawQuery, "&") {
		name, _, _ := strings.Cut(part, "=")
		if decoded, err := url.QueryUnescape(name); part != "" && err == nil && !strings.EqualFold(decoded, "after") {
			parameters = append(parameters, part)
		}
	}
	after := "after=" + base64.RawURLEncoding.EncodeToString([]byte(last))
	return path + "?" + strings.Join(append(parameters, after), "&")
}
