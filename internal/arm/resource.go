package arm

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/aksess/aksess/internal/chain"
)

// Resource is one stored resource, in the form of the resource group and
// resource REST APIs (https://learn.microsoft.com/rest/api/resources/resources).
// Members that no code here knows are kept in Extra and returned.
type Resource struct {
	ID         string            `json:"id"`   // as first written, with the type's own spelling
	Name       string            `json:"name"` // as first written
	Type       string            `json:"type"` // "Microsoft.KeyVault/vaults"
	Location   string            `json:"location,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
	Kind       string            `json:"kind,omitempty"`
	SKU        json.RawMessage   `json:"sku,omitempty"`
	Identity   json.RawMessage   `json:"identity,omitempty"`
	Zones      json.RawMessage   `json:"zones,omitempty"`
	Properties json.RawMessage   `json:"properties,omitempty"`

	// Extra are further members on the level of location and tags, such as plan
	// and extendedLocation.
	Extra map[string]json.RawMessage `json:"-"`

	// Private is the type's own state, never sent: keys, issuer ids, object ids.
	Private json.RawMessage `json:"-"`

	Created   time.Time `json:"-"`
	Changed   time.Time `json:"-"`
	CreatedBy string    `json:"-"` // object id
	Version   int64     `json:"-"` // of the stored document; the ETag is made from it
}

// wire is a Resource without its MarshalJSON.
type wire Resource

// MarshalJSON writes the resource as clients read it: without Private, with Extra.
func (r Resource) MarshalJSON() ([]byte, error) {
	encoded, err := json.Marshal(wire(r))
	if err != nil || len(r.Extra) == 0 {
		return encoded, err
	}
	var b bytes.Buffer
	b.Write(bytes.TrimSuffix(encoded, []byte("}")))
	for _, name := range slices.Sorted(maps.Keys(r.Extra)) {
		key, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		b.WriteByte(',')
		b.Write(key)
		b.WriteByte(':')
		b.Write(r.Extra[name])
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Decode unmarshals the properties into v.
func (r *Resource) Decode(v any) error {
	if len(r.Properties) == 0 {
		return nil
	}
	return json.Unmarshal(r.Properties, v)
}

// SetProperties replaces the properties by the JSON of v.
func (r *Resource) SetProperties(v any) error {
	encoded, err := json.Marshal(v)
	if err != nil {
		return err
	}
	r.Properties = encoded
	return nil
}

// ETag is the resource's entity tag (RFC 9110, section 8.8.3). It changes with
// every write; a resource that was never written has none.
func (r *Resource) ETag() string {
	if r.Version == 0 {
		return ""
	}
	return `"` + strconv.FormatInt(r.Version, 16) + `"`
}

// parsed is the id in its parts.
func (r *Resource) parsed() chain.ID {
	id, _ := chain.ParseID(r.ID) // stored ids were parsed before they were stored
	return id
}

// clone is a copy whose members can be replaced; their contents are shared.
func (r *Resource) clone() *Resource {
	c := *r
	c.Tags, c.Extra = maps.Clone(r.Tags), maps.Clone(r.Extra)
	return &c
}
