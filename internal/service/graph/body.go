package graph

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/directory"
)

// maxText is the most bytes of a name that is kept.
const maxText = 256

// body is a JSON object as it was sent.
type body map[string]json.RawMessage

func readBody(r *azapi.Request) (body, error) {
	var b body
	err := r.DecodeJSON(&b)
	var malformed *azapi.ErrBody
	switch {
	case errors.As(err, &malformed):
		return nil, badBody.New(malformed.Reason)
	case err != nil:
		return nil, err
	case b == nil:
		return nil, badBody.New("the body is not an object")
	}
	return b, nil
}

// names are the properties of the body in one order.
func (b body) names() []string { return slices.Sorted(maps.Keys(b)) }

// annotation reports whether a name is OData's own: @odata.type, odata.type.
func annotation(name string) bool {
	return strings.HasPrefix(name, "@odata.") || strings.HasSuffix(name, "@odata.type") || strings.HasSuffix(name, "@odata.context")
}

// into decodes a property; null and absence leave v alone.
func (b body) into(name string, k *kind, v any) error {
	raw, found := b[name]
	if !found {
		return nil
	}
	if json.Unmarshal(raw, v) != nil {
		return badProperty.New(name, k.name)
	}
	return nil
}

// needs refuses a body without a property.
func (b body) needs(k *kind, names ...string) error {
	for _, name := range names {
		if raw, found := b[name]; !found || string(raw) == "null" {
			return needProperty.New(name, k.name)
		}
	}
	return nil
}

// name decodes a name that must not be empty, or too long to be shown.
func name(k *kind, property string, raw json.RawMessage) (string, error) {
	value, err := optional(k, property, raw)
	if err == nil && value == "" {
		err = badProperty.New(property, k.name)
	}
	return value, err
}

// optional decodes a text; null is "".
func optional(k *kind, property string, raw json.RawMessage) (string, error) {
	var value *string
	if json.Unmarshal(raw, &value) != nil || value != nil && len(*value) > 4*maxText {
		return "", badProperty.New(property, k.name)
	}
	if value == nil {
		return "", nil
	}
	return *value, nil
}

// enabled decodes true or false.
func enabled(k *kind, property string, raw json.RawMessage) (bool, error) {
	var value *bool
	if json.Unmarshal(raw, &value) != nil || value == nil {
		return false, badProperty.New(property, k.name)
	}
	return *value, nil
}

// references takes a property such as "members@odata.bind" out of the body and
// returns the object ids that it names.
func (b body) references(property string) ([]string, error) {
	raw, found := b[property+"@odata.bind"]
	delete(b, property+"@odata.bind")
	if !found || string(raw) == "null" {
		return nil, nil
	}
	var urls []string
	if json.Unmarshal(raw, &urls) != nil {
		return nil, badReference.New(property)
	}
	ids := make([]string, 0, len(urls))
	for _, one := range urls {
		id, err := reference(one)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// readReference reads the body of a POST to $ref.
func readReference(r *azapi.Request) (string, error) {
	b, err := readBody(r)
	if err != nil {
		return "", err
	}
	var to string
	if json.Unmarshal(b["@odata.id"], &to) != nil {
		return "", badReference.New("")
	}
	return reference(to)
}

// reference returns the object id at the end of a URL such as
// https://graph.microsoft.com/v1.0/directoryObjects/{id}. The host is whatever
// the client knows Graph by.
func reference(to string) (string, error) {
	u, err := url.Parse(to)
	if err != nil {
		return "", badReference.New(to)
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	id := parts[len(parts)-1]
	if inside, ok := strings.CutSuffix(id, "')"); ok { // directoryObjects('id')
		_, id, _ = strings.Cut(inside, "('")
	}
	if !chain.IsGUID(id) || len(parts) < 2 {
		return "", badReference.New(to)
	}
	return strings.ToLower(id), nil
}

// wire words a refusal of the directory as Graph does; id is what was asked for.
func wire(err error, k *kind, id string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, directory.ErrUserNotFound), errors.Is(err, directory.ErrGroupNotFound), errors.Is(err, directory.ErrPrincipalNotFound),
		errors.Is(err, directory.ErrObjectNotFound), errors.Is(err, directory.ErrMemberNotFound), errors.Is(err, directory.ErrCredentialNotFound):
		return notFound.New(id).With(err)
	case errors.Is(err, directory.ErrUserExists):
		return taken.New("userPrincipalName")
	case errors.Is(err, directory.ErrPasswordWeak):
		return weakPassword.New()
	case errors.Is(err, directory.ErrTooManyMembers), errors.Is(err, directory.ErrTooManyKeys):
		return tooMany.New(k.name)
	case errors.Is(err, directory.ErrInvalid), errors.Is(err, directory.ErrImmutable):
		return badProperty.New("", k.name).With(err)
	}
	return fmt.Errorf("%s %.64q: %w", k.odata, id, err)
}
