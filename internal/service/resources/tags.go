package resources

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/store"
)

const tagsType = "Microsoft.Resources/tags"

// tagsDepth is how many segments of a path are the tags' own: /providers/Microsoft.Resources/tags/default.
const tagsDepth = 4

// tagsBody is the tags of a scope as a client sends them
// (https://learn.microsoft.com/rest/api/resources/tags).
type tagsBody struct {
	Operation  string `json:"operation"` // of a PATCH: Merge, Replace or Delete
	Properties *struct {
		Tags map[string]string `json:"tags"`
	} `json:"properties"`
}

type tagsWire struct {
	ID         string         `json:"id"`
	Name       string         `json:"name"`
	Type       string         `json:"type"`
	Properties tagsProperties `json:"properties"`
}

type tagsProperties struct {
	Tags map[string]string `json:"tags"`
}

// tagOperations are the tags of whatever has some, apart from the rest of it.
func (h *handlers) tagOperations() []azapi.Operation {
	const pattern = "/{scope...}/providers/" + tagsType + "/default"
	write := azapi.Control(tagsType + "/write")
	return []azapi.Operation{
		{Name: "GetTags", Method: http.MethodGet, Pattern: pattern, Action: azapi.Control(tagsType + "/read"), Handle: h.tags},
		{Name: "PutTags", Method: http.MethodPut, Pattern: pattern, Action: write, Handle: h.putTags},
		{Name: "PatchTags", Method: http.MethodPatch, Pattern: pattern, Action: write, Handle: h.patchTags},
		{Name: "DeleteTags", Method: http.MethodDelete, Pattern: pattern, Action: azapi.Control(tagsType + "/delete"), Handle: h.deleteTags},
	}
}

// tagged is what the path's tags are on: a subscription, a group or a tracked resource.
func (h *handlers) tagged(r *azapi.Request) (*arm.Resource, error) {
	id, err := arm.IDOf(r, tagsDepth)
	if err != nil {
		return nil, err
	}
	if id.Subscription == "" {
		return nil, noTags.New("the root")
	}
	if id.ResourceGroup != "" {
		if _, err := h.Resources.Group(r.Context(), id.Subscription, id.ResourceGroup); err != nil {
			return nil, err
		}
	}
	if len(id.Providers) == 0 && id.ResourceGroup == "" {
		return h.Resources.Subscription(r.Context(), id.Subscription)
	}
	found, err := h.Resources.Get(r.Context(), id.String())
	if errors.Is(err, arm.ErrNotFound) {
		return nil, arm.ResourceNotFound.New(label(id), id.ResourceGroup)
	}
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(h.Types, func(t *arm.Type) bool { return t.Proxy && strings.EqualFold(t.Name, found.Type) }) {
		return nil, noTags.New(found.Type)
	}
	return found, nil
}

// label names a resource as Azure's messages do: namespace, types and names in turn.
func label(id chain.ID) string {
	last := id.Providers[len(id.Providers)-1]
	parts := []string{last.Namespace}
	for i, name := range last.Names {
		parts = append(parts, last.Types[i], name)
	}
	return strings.Join(parts, "/")
}

func writeTags(w http.ResponseWriter, of *arm.Resource) error {
	tags := of.Tags
	if tags == nil {
		tags = map[string]string{}
	}
	return azapi.WriteJSON(w, http.StatusOK, tagsWire{
		ID: of.ID + "/providers/" + tagsType + "/default", Name: "default", Type: tagsType, Properties: tagsProperties{Tags: tags},
	})
}

func (h *handlers) tags(w http.ResponseWriter, r *azapi.Request) error {
	found, err := h.tagged(r)
	if err != nil {
		return err
	}
	return writeTags(w, found)
}

func (h *handlers) putTags(w http.ResponseWriter, r *azapi.Request) error {
	body, err := readTags(r)
	if err != nil {
		return err
	}
	written, err := h.changeTags(r, func(map[string]string) map[string]string { return body.Properties.Tags })
	if err != nil {
		return err
	}
	return writeTags(w, written)
}

func (h *handlers) patchTags(w http.ResponseWriter, r *azapi.Request) error {
	body, err := readTags(r)
	if err != nil {
		return err
	}
	change, known := map[string]func(old, sent map[string]string) map[string]string{
		"merge": mergeTags, "delete": withoutTags,
		"replace": func(_, sent map[string]string) map[string]string { return sent },
	}[strings.ToLower(body.Operation)]
	if !known {
		return arm.InvalidContent.New(fmt.Sprintf("'operation' is '%.60s', not Merge, Replace or Delete", body.Operation))
	}
	written, err := h.changeTags(r, func(old map[string]string) map[string]string { return change(old, body.Properties.Tags) })
	if err != nil {
		return err
	}
	return writeTags(w, written)
}

func (h *handlers) deleteTags(w http.ResponseWriter, r *azapi.Request) error {
	if _, err := h.changeTags(r, func(map[string]string) map[string]string { return nil }); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

func readTags(r *azapi.Request) (tagsBody, error) {
	var body tagsBody
	if err := arm.DecodeBody(r, &body); err != nil {
		return body, err
	}
	if body.Properties == nil {
		return body, arm.InvalidContent.New("'properties' is required")
	}
	return body, nil
}

// mergeTags lays tags over others; names compare without case and keep their first spelling.
func mergeTags(old, sent map[string]string) map[string]string {
	merged := maps.Clone(old)
	if merged == nil {
		merged = map[string]string{}
	}
	for name, value := range sent {
		merged[spelled(old, name)] = value
	}
	return merged
}

// withoutTags leaves out the tags whose name and value were sent, or whose name was, without a value.
func withoutTags(old, sent map[string]string) map[string]string {
	left := maps.Clone(old)
	for name, value := range sent {
		if name = spelled(old, name); value == "" || left[name] == value {
			delete(left, name)
		}
	}
	return left
}

// spelled is a tag's name as it is there already, else as it comes.
func spelled(tags map[string]string, name string) string {
	for have := range tags {
		if strings.EqualFold(have, name) {
			return have
		}
	}
	return name
}

// changeTags replaces the tags until no other writer interferes.
func (h *handlers) changeTags(r *azapi.Request, change func(old map[string]string) map[string]string) (*arm.Resource, error) {
	for range maxAttempts {
		found, err := h.tagged(r)
		if err != nil {
			return nil, err
		}
		if found.Type == arm.ResourceGroupType && arm.IsDeleting(found) {
			return nil, arm.GroupBeingDeleted.New(found.Name)
		}
		found.Tags, found.Changed = change(found.Tags), r.Now
		if err := arm.CheckTags(found.Tags); err != nil {
			return nil, err
		}
		err = h.Resources.Save(r.Context(), &arm.Type{Name: found.Type}, found, store.At(found.Version))
		if !errors.Is(err, store.ErrConflict) {
			return found, err
		}
	}
	return nil, arm.Busy.New(arm.ScopeOf(r, tagsDepth)).SetHeader("Retry-After", "1")
}
