package arm

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/aksess/aksess/internal/azapi"
)

// pageSize is how many entries a page has at most.
const pageSize = 1000

// skipTokenForm is the first byte of a skip token; another form of token gets another one.
const skipTokenForm = 'k'

// Entry is one element of a list with its id, which orders the list.
type Entry struct {
	ID    string
	Value any
}

// list is the form of every list of Resource Manager.
type list struct {
	Value    []any  `json:"value"`
	NextLink string `json:"nextLink,omitempty"`
}

// WriteList answers with a page of entries in the order of their ids, without
// regard to case, from where $skiptoken continues: $top or $maxpagesize at most,
// whichever is less. Storage's lists are asked with the latter.
func WriteList(w http.ResponseWriter, r *azapi.Request, entries []Entry) error {
	size, err := sizeOfPage(r)
	if err != nil {
		return err
	}
	after, err := readSkipToken(r.Query("$skiptoken"))
	if err != nil {
		return err
	}
	for i := range entries {
		entries[i].ID = strings.ToLower(entries[i].ID)
	}
	slices.SortStableFunc(entries, func(a, b Entry) int { return strings.Compare(a.ID, b.ID) })
	first, _ := slices.BinarySearchFunc(entries, after, func(e Entry, after string) int {
		if after == "" || e.ID > after {
			return 1
		}
		return -1
	})
	page := list{Value: []any{}}
	for i := first; i < len(entries); i++ {
		if len(page.Value) == size {
			page.NextLink = nextLink(r, entries[i-1].ID)
			break
		}
		page.Value = append(page.Value, entries[i].Value)
	}
	return azapi.WriteJSON(w, http.StatusOK, page)
}

func sizeOfPage(r *azapi.Request) (int, error) {
	size := pageSize
	for _, name := range []string{"$top", "$maxpagesize"} {
		text := r.Query(name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n <= 0 {
			return 0, InvalidTop.New(text, name)
		}
		size = min(size, n)
	}
	return size, nil
}

// skipToken is the place after an entry. It holds nothing that its reader
// could not see, and a made-up one only moves the place: lists are decided
// about and filtered on every page.
func skipToken(id string) string {
	return base64.RawURLEncoding.EncodeToString(append([]byte{skipTokenForm}, id...))
}

func readSkipToken(token string) (string, error) {
	if token == "" {
		return "", nil
	}
	decoded, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(decoded) < 2 || decoded[0] != skipTokenForm || len(token) > 8192 {
		return "", badSkipToken.New(token)
	}
	return string(decoded[1:]), nil
}

// nextLink is the request's own URL with the place to continue from.
func nextLink(r *azapi.Request, id string) string {
	query := url.Values{}
	for name, values := range r.URL.Query() {
		if !strings.EqualFold(name, "$skiptoken") {
			query[name] = values
		}
	}
	query.Set("$skiptoken", skipToken(id))
	return r.BaseURL() + r.URL.EscapedPath() + "?" + query.Encode()
}

// list lists a type in a group, or the children of a resource.
func (e *endpoint) list(w http.ResponseWriter, r *azapi.Request) error {
	p, err := e.place(r, 1)
	if err != nil {
		return err
	}
	above := place{subscription: p.subscription, group: p.group, names: append(p.names, "")}
	c, err := e.above(r.Context(), above, "read")
	if err != nil {
		return err
	}
	found, err := e.under(r, p, c)
	if err != nil {
		return err
	}
	return e.writeList(w, r, found)
}

// under are the resources of the type in a group or directly under a parent.
func (e *endpoint) under(r *azapi.Request, p place, c container) ([]*Resource, error) {
	if e.parent == nil {
		return e.resources.List(r.Context(), c.group.ID, e.typ.Name)
	}
	at := func(found *Resource) *Resource {
		full := p
		full.names = append(slices.Clone(p.names), found.Name)
		return e.named(found, full)
	}
	if e.typ.Storage != nil {
		found, err := e.typ.Storage.List(r.Context(), c.parent)
		for _, one := range found {
			at(one)
		}
		return found, err
	}
	prefix := p.groupID() + "/providers/" + e.typ.namespace() + "/" + interleave(e.typ.segments(), p.names)
	found, err := e.resources.List(r.Context(), prefix, e.typ.Name)
	if err != nil || len(found) > 0 || e.typ.Default == nil {
		return found, err
	}
	one, err := e.typ.Default(r.Context(), c.parent, "default")
	if err != nil || one == nil {
		return nil, err
	}
	one.Name = "default"
	return []*Resource{at(one)}, nil
}

// listAll lists a type in a subscription.
func (e *endpoint) listAll(w http.ResponseWriter, r *azapi.Request) error {
	subscription, err := e.resources.Subscription(r.Context(), r.Param("subscription"))
	if err != nil {
		return err
	}
	found, err := e.resources.List(r.Context(), subscription.ID, e.typ.Name)
	if err != nil {
		return err
	}
	return e.writeList(w, r, found)
}

func (e *endpoint) writeList(w http.ResponseWriter, r *azapi.Request, found []*Resource) error {
	entries := make([]Entry, 0, len(found))
	for _, one := range found {
		complete, err := e.complete(r.Context(), one)
		if err != nil {
			return err
		}
		entries = append(entries, Entry{ID: one.ID, Value: complete})
	}
	return WriteList(w, r, entries)
}

var _ json.Marshaler = Resource{}
