package appconfig

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/store"
)

const (
	maxSetting = 10 * 1024 // bytes of key, label, value, content type and tags together
	maxName    = 4000      // bytes of key and label together: both are the document's key in the store
	maxBody    = 64 << 10  // bytes
)

// setting is one setting as it is stored. Its ETag is made from the document's version.
type setting struct {
	Key          string            `json:"key"`
	Label        string            `json:"label,omitempty"` // "" is the null label
	Value        *string           `json:"value"`
	ContentType  *string           `json:"contentType"`
	Tags         map[string]string `json:"tags,omitempty"`
	Locked       bool              `json:"locked,omitempty"`
	LastModified time.Time         `json:"lastModified"`
}

// wire is a setting on the wire.
type wire struct {
	ETag         string            `json:"etag"`
	Key          string            `json:"key"`
	Label        *string           `json:"label"`
	ContentType  *string           `json:"content_type"`
	Value        *string           `json:"value"`
	Tags         map[string]string `json:"tags"`
	Locked       bool              `json:"locked"`
	LastModified string            `json:"last_modified"`
}

func (v setting) wire(etag string) wire {
	out := wire{
		ETag: etag, Key: v.Key, ContentType: v.ContentType, Value: v.Value, Tags: v.Tags, Locked: v.Locked,
		LastModified: wireTime(v.LastModified),
	}
	if v.Label != "" {
		out.Label = &v.Label
	}
	if out.Tags == nil {
		out.Tags = map[string]string{}
	}
	return out
}

// etagOf makes a document's ETag, without quotes.
func etagOf(version int64) string {
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64([]byte("aks"), uint64(version)))
}

// place is where a setting is stored. NUL orders a key before every longer key
// that begins with it, and no key or label may hold one.
func (s *Store) place(key, label string) string { return s.UID + "/" + key + "\x00" + label }

// address reads key and label of a request for one setting.
func address(r *azapi.Request) (key, label string, err error) {
	key = r.Param("key")
	if label = r.Query("label"); label == nullLabel {
		label = ""
	}
	if err := checkAddress(key, label); err != nil {
		return "", "", err
	}
	return key, label, nil
}

// checkAddress refuses what no setting is called.
func checkAddress(key, label string) error {
	switch {
	case !utf8.ValidString(key) || strings.ContainsRune(key, 0) || key == "." || key == "..":
		return invalid("key", "The key is not valid.")
	case !utf8.ValidString(label) || strings.ContainsRune(label, 0):
		return invalid("label", "The label is not valid.")
	case strings.ContainsAny(label, "*,"):
		return invalid("label", "The label of one setting cannot contain * or a comma.")
	case len(key)+len(label) > maxName:
		return tooLargeError(maxName)
	}
	return nil
}

// nullLabel is how a request names the null label, which %00 decodes to.
const nullLabel = "\x00"

func tooLargeError(limit int) error {
	err := tooLarge.New(limit)
	return problem(err, "Request entity too large", "", err.Message)
}

// notAtThatTime refuses lists of names as of the past.
func notAtThatTime(r *azapi.Request) error {
	if r.Header.Get("Accept-Datetime") == "" {
		return nil
	}
	err := notServed.New(r.Method, r.URL.Path+" at a past time (Accept-Datetime)")
	return problem(err, "Not Implemented", "Accept-Datetime", err.Message)
}

func (s *Settings) get(w http.ResponseWriter, r *azapi.Request) error {
	if at, err := moment(r); err != nil {
		return err
	} else if !at.IsZero() {
		return s.getPast(w, r, at)
	}
	key, label, err := address(r)
	if err != nil {
		return err
	}
	selected, err := selection(r)
	if err != nil {
		return err
	}
	item, err := s.settings.Get(r.Context(), storeFrom(r).place(key, label))
	if errors.Is(err, store.ErrNotFound) {
		return notFound.New()
	}
	if err != nil {
		return err
	}
	etag := etagOf(item.Version)
	if !matches(r.Header.Get("If-Match"), etag, true) {
		return conditionFailed.New()
	}
	if none := r.Header.Get("If-None-Match"); none != "" && matches(none, etag, true) {
		describe(w, item.Value, etag)
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return answer(w, r, item.Value, item.Version, selected)
}

// describe sets the headers that tell which state of a setting is answered.
func describe(w http.ResponseWriter, v setting, etag string) {
	w.Header().Set("ETag", `"`+etag+`"`)
	w.Header().Set("Last-Modified", azapi.HTTPTime(v.LastModified))
}

// matches evaluates an If-Match header; absent holds. exists says whether there is a setting.
func matches(header, etag string, exists bool) bool {
	if header == "" {
		return true
	}
	if header == "*" {
		return exists
	}
	for candidate := range strings.SplitSeq(header, ",") {
		if exists && strings.Trim(strings.TrimPrefix(strings.TrimSpace(candidate), "W/"), `"`) == etag {
			return true
		}
	}
	return false
}

// answer writes a setting; selected was read before anything was changed.
func answer(w http.ResponseWriter, r *azapi.Request, v setting, version int64, selected fields) error {
	etag := etagOf(version)
	body, err := selected.encode(v.wire(etag))
	if err != nil {
		return err
	}
	describe(w, v, etag)
	write(w, r, typeSetting, body)
	return nil
}

func (s *Settings) put(w http.ResponseWriter, r *azapi.Request) error {
	key, label, err := address(r)
	if err != nil {
		return err
	}
	var body struct {
		Value       *string           `json:"value"`
		ContentType *string           `json:"content_type"`
		Tags        map[string]string `json:"tags"`
	}
	if err := r.DecodeJSON(&body); err != nil {
		var bad *azapi.ErrBody
		if errors.As(err, &bad) && bad.TooLarge {
			return tooLargeError(maxSetting)
		}
		return invalid("body", "%s", err)
	}
	next := setting{Key: key, Label: label, Value: body.Value, ContentType: body.ContentType, Tags: body.Tags}
	if next.size() > maxSetting {
		return tooLargeError(maxSetting)
	}
	return s.change(w, r, key, label, func(v *setting, exists bool, etag string) error {
		if !preconditions(r, etag, exists) {
			return conditionFailed.New()
		}
		if v.Locked {
			return lockedError(key)
		}
		*v = next
		return nil
	})
}

// size is what a setting takes of its limit.
func (v setting) size() int {
	size := len(v.Key) + len(v.Label) + length(v.Value) + length(v.ContentType)
	for name, value := range v.Tags {
		size += len(name) + len(value)
	}
	return size
}

func length(s *string) int {
	if s == nil {
		return 0
	}
	return len(*s)
}

// preconditions evaluates If-Match and If-None-Match of a write.
func preconditions(r *azapi.Request, etag string, exists bool) bool {
	if !matches(r.Header.Get("If-Match"), etag, exists) {
		return false
	}
	none := r.Header.Get("If-None-Match")
	return none == "" || !matches(none, etag, exists)
}

func lockedError(key string) error {
	err := locked.New(key)
	return problem(err, err.Message, key, "The key is read-only. To allow modification unlock it first.")
}

// change reads, alters and writes one setting on the condition that nobody else
// did, and answers it. alter returns errUnchanged to leave it as it is.
func (s *Settings) change(w http.ResponseWriter, r *azapi.Request, key, label string, alter func(v *setting, exists bool, etag string) error) error {
	selected, err := selection(r)
	if err != nil {
		return err
	}
	place := storeFrom(r).place(key, label)
	for {
		item, err := s.settings.Get(r.Context(), place)
		exists := err == nil
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		etag := ""
		if exists {
			etag = etagOf(item.Version)
		}
		item.Key = place
		next := item.Value
		if err := alter(&next, exists, etag); errors.Is(err, errUnchanged) {
			return answer(w, r, item.Value, item.Version, selected)
		} else if err != nil {
			return err
		}
		next.LastModified = r.Now
		version, err := s.write(r.Context(), storeFrom(r), item, &next, r.Now)
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			return err
		}
		return answer(w, r, next, version, selected)
	}
}

var errUnchanged = errors.New("nothing to change")

// delete answers the setting that was there, 204 when there was none.
func (s *Settings) delete(w http.ResponseWriter, r *azapi.Request) error {
	key, label, err := address(r)
	if err != nil {
		return err
	}
	selected, err := selection(r)
	if err != nil {
		return err
	}
	place := storeFrom(r).place(key, label)
	for {
		item, err := s.settings.Get(r.Context(), place)
		if errors.Is(err, store.ErrNotFound) {
			if !preconditions(r, "", false) {
				return conditionFailed.New()
			}
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
		if err != nil {
			return err
		}
		if !preconditions(r, etagOf(item.Version), true) {
			return conditionFailed.New()
		}
		if item.Value.Locked {
			return lockedError(key)
		}
		_, err = s.write(r.Context(), storeFrom(r), item, nil, r.Now)
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			return err
		}
		return answer(w, r, item.Value, item.Version, selected)
	}
}

func (s *Settings) lock(w http.ResponseWriter, r *azapi.Request) error { return s.setLock(w, r, true) }
func (s *Settings) unlock(w http.ResponseWriter, r *azapi.Request) error {
	return s.setLock(w, r, false)
}

func (s *Settings) setLock(w http.ResponseWriter, r *azapi.Request, to bool) error {
	key, label, err := address(r)
	if err != nil {
		return err
	}
	return s.change(w, r, key, label, func(v *setting, exists bool, etag string) error {
		if !exists {
			return notFound.New()
		}
		if !preconditions(r, etag, exists) {
			return conditionFailed.New()
		}
		if v.Locked == to {
			return errUnchanged // its ETag stays: nobody has to read it again
		}
		v.Locked = to
		return nil
	})
}

// fields is the $select of a request: the members that the answer has.
type fields map[string]bool

var allFields = []string{"etag", "key", "label", "content_type", "value", "tags", "locked", "last_modified"}

func selection(r *azapi.Request) (fields, error) {
	text := r.Query("$select")
	if text == "" {
		return nil, nil
	}
	selected := fields{}
	for name := range strings.SplitSeq(strings.ToLower(text), ",") {
		selected[strings.TrimSpace(name)] = true
	}
	known := 0
	for _, name := range allFields {
		if selected[name] {
			known++
		}
	}
	if known != len(selected) {
		return nil, invalid("$select", "The fields %.100q are not all fields of a setting.", text)
	}
	return selected, nil
}

func (f fields) encode(v wire) ([]byte, error) {
	if f == nil || len(f) == len(allFields) {
		return json.Marshal(v)
	}
	all := map[string]any{
		"etag": v.ETag, "key": v.Key, "label": v.Label, "content_type": v.ContentType, "value": v.Value,
		"tags": v.Tags, "locked": v.Locked, "last_modified": v.LastModified,
	}
	for name := range all {
		if !f[name] {
			delete(all, name)
		}
	}
	return json.Marshal(all)
}
