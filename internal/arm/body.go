package arm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aksess/aksess/internal/azapi"
)

// maxBody is Resource Manager's limit of a request
// (https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling).
const maxBody = 4 << 20

// maxMembers bounds the members and elements of a body. A vault with 1024
// access policies, the largest of honest resources, has some 40,000; decoding
// 4 MiB of empty ones takes 200 MB.
const maxMembers = 1 << 16

// body is a resource as a client sent it.
type body struct {
	sent    map[string]any
	members map[string]json.RawMessage // by name in Azure's spelling
}

// ReadObject reads a request's body, which must be one JSON object.
func ReadObject(r *azapi.Request) (map[string]json.RawMessage, error) {
	data, err := r.ReadBody()
	if err != nil {
		return nil, bodyFault(err)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if len(bytes.TrimSpace(data)) > 0 {
		media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || (media != "application/json" && !strings.HasSuffix(media, "+json") && media != "text/json") {
			return nil, notJSON.New(printable(r.Header.Get("Content-Type")))
		}
	}
	if !utf8.Valid(data) {
		return nil, InvalidContent.New("the content is not valid UTF-8")
	}
	if bytes.Count(data, []byte{','}) > maxMembers { // those within strings, too: none are so many
		return nil, InvalidContent.New(fmt.Sprintf("the content has more than %d members", maxMembers))
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil || members == nil {
		return nil, InvalidContent.New(describe(err, data))
	}
	return members, nil
}

func printable(contentType string) string {
	if contentType == "" {
		return "<null>"
	}
	return fmt.Sprintf("%.100s", contentType)
}

func bodyFault(err error) error {
	var bad *azapi.ErrBody
	switch {
	case errors.As(err, &bad) && bad.TooLarge:
		return tooLarge.New(maxBody >> 10)
	case errors.As(err, &bad):
		return InvalidContent.New(bad.Reason)
	default:
		return err
	}
}

func describe(err error, data []byte) string {
	var syntax *json.SyntaxError
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		return "the content is empty, a JSON object is expected"
	case errors.As(err, &syntax):
		return fmt.Sprintf("the content is not valid JSON at byte %d", syntax.Offset)
	default:
		return "the content is not a JSON object"
	}
}

// DecodeBody reads a request's body into v, which is a pointer to a struct. The
// error is a coded 400, 413 or 415.
func DecodeBody(r *azapi.Request, v any) error {
	members, err := ReadObject(r)
	if err != nil {
		return err
	}
	data, err := json.Marshal(members)
	if err != nil {
		return err
	}
	var kind *json.UnmarshalTypeError
	err = json.Unmarshal(data, v)
	if errors.As(err, &kind) {
		return InvalidContent.New(fmt.Sprintf("the value of '%s' is a %s, which is not expected there", kind.Field, kind.Value))
	}
	if err != nil {
		return InvalidContent.New("the content is not what the resource takes")
	}
	return nil
}

// known are the members that Resource has, in Azure's spelling. Clients may
// write them in another case.
var known = [...]string{
	"id", "name", "type", "etag", "systemData", // read-only: accepted, ignored
	"location", "tags", "kind", "sku", "identity", "zones", "properties",
}

func readBody(r *azapi.Request) (*body, error) {
	object, err := ReadObject(r)
	if err != nil {
		return nil, err
	}
	b := &body{sent: map[string]any{}, members: map[string]json.RawMessage{}}
	// In this order Azure's own spelling comes last and wins over others of the same member.
	for _, name := range slices.Sorted(maps.Keys(object)) {
		spelled := name
		for _, k := range known {
			if strings.EqualFold(k, name) {
				spelled = k
			}
		}
		b.members[spelled] = object[name]
		var value any
		if err := json.Unmarshal(object[name], &value); err != nil {
			return nil, InvalidContent.New("the content is not valid JSON")
		}
		b.sent[spelled] = value
	}
	return b, b.check()
}

func (b *body) check() error {
	for _, name := range []string{"location", "kind"} {
		if _, ok := b.sent[name].(string); b.sent[name] != nil && !ok {
			return InvalidContent.New(fmt.Sprintf("'%s' must be a string", name))
		}
	}
	for _, name := range []string{"tags", "sku", "identity", "properties"} {
		if _, ok := b.sent[name].(map[string]any); b.sent[name] != nil && !ok {
			return InvalidContent.New(fmt.Sprintf("'%s' must be an object", name))
		}
	}
	tags, _ := b.sent["tags"].(map[string]any)
	for name, value := range tags {
		if _, ok := value.(string); value != nil && !ok {
			return InvalidContent.New(fmt.Sprintf("the value of the tag '%.100s' must be a string", name))
		}
	}
	return CheckTags(b.tags())
}

// tags are the tags as sent; those of value null are none.
func (b *body) tags() map[string]string {
	sent, _ := b.sent["tags"].(map[string]any)
	tags := map[string]string{}
	for name, value := range sent {
		if text, ok := value.(string); ok {
			tags[name] = text
		}
	}
	return tags
}

func (b *body) location() string {
	location, _ := b.sent["location"].(string)
	return NormalLocation(location)
}

// put lays a PUT over what is stored: members sent replace, members absent
// stay, so that a client of an older api-version does not undo what it cannot
// say. Tags are always replaced as a whole.
func (b *body) put(r *Resource) error {
	r.Tags = b.tags()
	if kind, sent := b.sent["kind"]; sent {
		r.Kind, _ = kind.(string)
	}
	for name, member := range map[string]*json.RawMessage{"sku": &r.SKU, "identity": &r.Identity, "zones": &r.Zones} {
		if value, sent := b.sent[name]; sent {
			*member = nil
			if value != nil {
				*member = b.members[name]
			}
		}
	}
	b.extra(r)
	stored, sent := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	if err := r.Decode(&stored); err != nil {
		return fmt.Errorf("decoding the properties of %q: %w", r.ID, err)
	}
	if value := b.members["properties"]; b.sent["properties"] != nil {
		if err := json.Unmarshal(value, &sent); err != nil {
			return InvalidContent.New("'properties' must be an object")
		}
	}
	for name, value := range sent {
		if string(value) == "null" {
			delete(stored, name)
			continue
		}
		stored[name] = value
	}
	return r.SetProperties(stored)
}

// patch lays a PATCH over what is stored: a merge patch (RFC 7396) of
// properties, sku and identity; tags, where sent, are replaced as a whole, as
// the providers of Azure do.
func (b *body) patch(r *Resource) error {
	if _, sent := b.sent["tags"]; sent {
		r.Tags = b.tags()
	}
	if kind, sent := b.sent["kind"].(string); sent {
		r.Kind = kind
	}
	if _, sent := b.sent["zones"]; sent {
		r.Zones = b.members["zones"]
	}
	b.extra(r)
	for name, member := range map[string]*json.RawMessage{"sku": &r.SKU, "identity": &r.Identity, "properties": &r.Properties} {
		if b.sent[name] == nil {
			continue
		}
		merged, err := mergePatch(*member, b.members[name])
		if err != nil {
			return err
		}
		*member = merged
	}
	return nil
}

func (b *body) extra(r *Resource) {
	for name, value := range b.members {
		if slices.Contains(known[:], name) {
			continue
		}
		if b.sent[name] == nil {
			delete(r.Extra, name)
			continue
		}
		if r.Extra == nil {
			r.Extra = map[string]json.RawMessage{}
		}
		r.Extra[name] = value
	}
}

// mergePatch applies RFC 7396.
func mergePatch(target, patch json.RawMessage) (json.RawMessage, error) {
	var t, p any
	if len(target) > 0 {
		if err := decodeNumbers(target, &t); err != nil {
			return nil, err
		}
	}
	if err := decodeNumbers(patch, &p); err != nil {
		return nil, InvalidContent.New("the content is not valid JSON")
	}
	return json.Marshal(merge(t, p))
}

func merge(target, patch any) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	object, ok := target.(map[string]any)
	if !ok {
		object = map[string]any{}
	}
	for name, value := range changes {
		if value == nil {
			delete(object, name)
			continue
		}
		object[name] = merge(object[name], value)
	}
	return object
}

// decodeNumbers keeps numbers as they are written.
func decodeNumbers(data []byte, v *any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	return decoder.Decode(v)
}
