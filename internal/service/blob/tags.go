package blob

import (
	"encoding/xml"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/storage"
	"github.com/aksess/aksess/internal/storageapi"
)

const (
	tagsRead  = containers + "/blobs/tags/read"
	tagsWrite = containers + "/blobs/tags/write"

	maxTagsBody = 16 << 10 // bytes
)

// tagsXML is the body of Get and Set Blob Tags
// (https://learn.microsoft.com/rest/api/storageservices/set-blob-tags#request-body).
type tagsXML struct {
	XMLName xml.Name  `xml:"Tags"`
	Set     tagSetXML `xml:"TagSet"`
}

type tagSetXML struct {
	Tags []tagXML `xml:"Tag"`
}

type tagXML struct {
	Key   string `xml:"Key"`
	Value string `xml:"Value"`
}

func tagSetOf(tags map[string]string) tagSetXML {
	var set tagSetXML
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		set.Tags = append(set.Tags, tagXML{key, tags[key]})
	}
	return set
}

// getTags: https://learn.microsoft.com/rest/api/storageservices/get-blob-tags
func (b *Blobs) getTags(w http.ResponseWriter, r *azapi.Request) error {
	held, err := leaseOf(r.Header, "x-ms-lease-id")
	if err != nil {
		return err
	}
	c, err := b.container(r)
	if err != nil {
		return err
	}
	object, err := objectOf(r)
	if err != nil {
		return err
	}
	blob, err := b.blobs.Blob(r.Context(), c, object, storage.Conditions{LeaseID: held})
	if err != nil {
		return err
	}
	return azapi.WriteXML(w, http.StatusOK, tagsXML{Set: tagSetOf(blob.Tags)})
}

// setTags replaces all tags and modifies nothing else
// (https://learn.microsoft.com/rest/api/storageservices/set-blob-tags).
func (b *Blobs) setTags(w http.ResponseWriter, r *azapi.Request) error {
	held, err := leaseOf(r.Header, "x-ms-lease-id")
	if err != nil {
		return err
	}
	var sent tagsXML
	if err := storageapi.DecodeXML(r, maxTagsBody, &sent); err != nil {
		return err
	}
	tags := map[string]string{}
	for _, tag := range sent.Set.Tags {
		if _, twice := tags[tag.Key]; twice {
			return storage.InvalidTags.New()
		}
		tags[tag.Key] = tag.Value
	}
	if err := storage.CheckTags(tags); err != nil {
		return err
	}
	c, err := b.container(r)
	if err != nil {
		return err
	}
	_, err = b.blobs.Annotate(r.Context(), c, r.Param("blob"), storage.Conditions{LeaseID: held}, func(blob *storage.Blob) error {
		blob.Tags = tags
		return nil
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// tagsOf reads x-ms-tags, the tags that a write sets, which takes the
// permission to write tags beside the one to write.
func tagsOf(r *azapi.Request) (map[string]string, error) {
	text := r.Header.Get("x-ms-tags")
	if text == "" {
		return nil, nil
	}
	if err := storageapi.PermitTags(r, azapi.Data(tagsWrite)); err != nil {
		return nil, err
	}
	return parseTags(text)
}

// parseTags reads tags as a query has its parameters.
func parseTags(text string) (map[string]string, error) {
	values, err := url.ParseQuery(text)
	if err != nil {
		return nil, storageapi.BadHeader("x-ms-tags", text)
	}
	tags := map[string]string{}
	for key, of := range values {
		if len(of) > 1 {
			return nil, storage.InvalidTags.New()
		}
		tags[key] = of[0]
	}
	return tags, storage.CheckTags(tags)
}

func writeTagCount(h http.Header, blob storage.Blob) {
	if len(blob.Tags) > 0 {
		h.Set("x-ms-tag-count", strconv.Itoa(len(blob.Tags)))
	}
}

// attributes adds to what conditions of roles can ask about: the tags that a
// blob has and those that a request sets
// (https://learn.microsoft.com/azure/storage/blobs/storage-auth-abac-attributes#blob-index-tags).
// The body of Set Blob Tags is not read for it.
func (b *Blobs) attributes(r *azapi.Request) access.Attributes {
	known := storageapi.Attributes(r)
	value := known.Value
	known.Value = func(source, name string) ([]string, bool) {
		const tags = "microsoft.storage/storageaccounts/blobservices/containers/blobs/tags"
		rest, ours := cutPrefixFold(name, tags)
		if !ours {
			return value(source, name)
		}
		set := b.tagsOfObject
		if strings.EqualFold(source, "Request") {
			set = tagsSent
		}
		has := tagValues(set(r), rest)
		return has, has != nil
	}
	return known
}

func cutPrefixFold(text, prefix string) (string, bool) {
	if len(text) < len(prefix) || !strings.EqualFold(text[:len(prefix)], prefix) {
		return text, false
	}
	return text[len(prefix):], true
}

// tagValues is the value of one tag, ":KEY<$key_case_sensitive$>", or the names
// of all, "&$keys$&"; nil when there is none.
func tagValues(tags map[string]string, rest string) []string {
	if strings.EqualFold(rest, "&$keys$&") {
		return slices.Sorted(maps.Keys(tags))
	}
	key, ok := strings.CutPrefix(rest, ":")
	if !ok {
		return nil
	}
	key, _ = strings.CutSuffix(key, "<$key_case_sensitive$>")
	if value, has := tags[key]; has {
		return []string{value}
	}
	return nil
}

// tagsSent are the tags that a request sets by its header; nil when they are malformed.
func tagsSent(r *azapi.Request) map[string]string {
	tags, err := parseTags(r.Header.Get("x-ms-tags"))
	if err != nil {
		return nil
	}
	return tags
}

// tagsOfObject are the tags of the blob that a request is for; nil when there
// is none, or when it cannot be read: then no condition on them holds.
func (b *Blobs) tagsOfObject(r *azapi.Request) map[string]string {
	object, err := objectOf(r)
	if err != nil {
		return nil
	}
	c, err := b.blobs.Container(r.Context(), storageapi.Of(r).Account, storageapi.ObjectOf(r).Container)
	if err != nil {
		return nil
	}
	blob, err := b.blobs.Blob(r.Context(), c, object, storage.Conditions{})
	if err != nil {
		return nil
	}
	return blob.Tags
}
