package blob

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/storage"
	"github.com/aksess/aksess/internal/storageapi"
)

const maxPage = 5000 // entries, also the default

// pageOf reads prefix, marker and maxresults.
func pageOf(r *azapi.Request) (storage.Page, error) {
	page := storage.Page{Prefix: r.Query("prefix"), Limit: maxPage}
	if !utf8.ValidString(page.Prefix) || len(page.Prefix) > 4*maxNameBytes {
		return page, storageapi.BadQuery("prefix", page.Prefix, "The prefix is not one of a name.")
	}
	if text := r.Query("maxresults"); text != "" {
		n, err := strconv.Atoi(text)
		switch {
		case err != nil:
			return page, storageapi.BadQuery("maxresults", text, "Invalid integer value.")
		case n < 1:
			return page, storageapi.OutOfRange("maxresults", text, 1, maxPage)
		}
		page.Limit = min(n, maxPage)
	}
	after, err := base64.RawURLEncoding.DecodeString(r.Query("marker"))
	if err != nil || len(after) > 4*maxNameBytes {
		return page, storageapi.BadQuery("marker", r.Query("marker"), "The marker is not one that this service gave.")
	}
	page.After = string(after)
	return page, nil
}

// maxNameBytes bounds names in queries; a key of the store has less room.
const maxNameBytes = 1024

func marker(next string) string { return base64.RawURLEncoding.EncodeToString([]byte(next)) }

// include reads the data sets that a listing adds. Those that are not served
// would be empty, and are; uncommitted blobs would not be.
func include(r *azapi.Request) (map[string]bool, error) {
	known := []string{
		"copy", "deleted", "deletedwithversions", "immutabilitypolicy", "legalhold", "metadata",
		"permissions", "snapshots", "system", "tags", "versions",
	}
	sets := map[string]bool{}
	for _, value := range r.QueryValues("include") {
		for name := range strings.SplitSeq(value, ",") {
			name = strings.ToLower(strings.TrimSpace(name))
			switch {
			case name == "uncommittedblobs":
				return nil, storage.NotServed.New("Listing uncommitted blobs")
			case name != "" && !slices.Contains(known, name):
				return nil, storageapi.BadQuery("include", value, "Invalid query parameter value.")
			}
			sets[name] = true
		}
	}
	return sets, nil
}

// listContainers: https://learn.microsoft.com/rest/api/storageservices/list-containers2
func (b *Blobs) listContainers(w http.ResponseWriter, r *azapi.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	sets, err := include(r)
	if err != nil {
		return err
	}
	found, next, err := b.blobs.Containers(r.Context(), storageapi.Of(r).Account, page)
	if err != nil {
		return err
	}
	answer := containerPage{
		ServiceEndpoint: r.BaseURL() + "/", Prefix: r.Query("prefix"), Marker: r.Query("marker"),
		MaxResults: r.Query("maxresults"), NextMarker: marker(next),
	}
	for _, c := range found {
		item := containerItem{Name: c.Name, Properties: containerProperties{
			LastModified: azapi.HTTPTime(c.Modified), ETag: storage.ETag(c.Version),
			leaseProperties: leaseShown(c.Lease, r.Now), DefaultEncryptionScope: "$account-encryption-key",
		}}
		item.Metadata = metadataIf(sets["metadata"], c.Metadata)
		answer.Containers.Items = append(answer.Containers.Items, item)
	}
	return azapi.WriteXML(w, http.StatusOK, answer)
}

func metadataIf(wanted bool, from map[string]string) *metadata {
	if !wanted {
		return nil
	}
	m := metadata(from)
	return &m
}

// listBlobs: https://learn.microsoft.com/rest/api/storageservices/list-blobs
func (b *Blobs) listBlobs(w http.ResponseWriter, r *azapi.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	sets, err := include(r)
	if err != nil {
		return err
	}
	if sets["tags"] {
		if err := storageapi.PermitTags(r, azapi.Data(tagsRead)); err != nil {
			return err
		}
	}
	if start := r.Query("startfrom"); start != "" {
		return storage.NotServed.New("The query parameter startFrom")
	}
	c, err := b.container(r)
	if err != nil {
		return err
	}
	entries, next, err := b.entries(r, c, sets["snapshots"], page)
	if err != nil {
		return err
	}
	answer := blobPage{
		ServiceEndpoint: r.BaseURL() + "/", ContainerName: c.Name, Prefix: r.Query("prefix"), Marker: r.Query("marker"),
		MaxResults: r.Query("maxresults"), Delimiter: r.Query("delimiter"), NextMarker: marker(next),
	}
	for _, entry := range entries {
		if entry.Prefix != "" {
			answer.Blobs.Entries = append(answer.Blobs.Entries, blobPrefix{Name: encode(entry.Prefix)})
			continue
		}
		item := itemOf(entry.Blob, r.Now)
		item.Metadata = metadataIf(sets["metadata"], entry.Blob.Metadata)
		if sets["tags"] && len(entry.Blob.Tags) > 0 {
			item.Tags = &tagsXML{Set: tagSetOf(entry.Blob.Tags)}
		}
		if sets["copy"] {
			item.Properties.copyProperties = copyShown(entry.Blob)
		}
		answer.Blobs.Entries = append(answer.Blobs.Entries, item)
	}
	return azapi.WriteXML(w, http.StatusOK, answer)
}

// entries is one page of a listing. Snapshots are listed flat only
// (https://learn.microsoft.com/rest/api/storageservices/list-blobs#uri-parameters).
func (b *Blobs) entries(r *azapi.Request, c storage.Container, snapshots bool, page storage.Page) ([]storage.Entry, string, error) {
	delimiter := r.Query("delimiter")
	switch {
	case !snapshots:
		return b.blobs.List(r.Context(), c, delimiter, page)
	case delimiter != "":
		return nil, "", storageapi.BadQuery("include", "snapshots", "Snapshots are not listed by a delimiter.")
	default:
		return b.blobs.ListWithSnapshots(r.Context(), c, page)
	}
}

func itemOf(blob storage.Blob, now time.Time) blobItem {
	item := blobItem{Name: encode(blob.Name), Properties: blobProperties{
		CreationTime: azapi.HTTPTime(blob.Created), LastModified: azapi.HTTPTime(blob.Modified),
		ETag: strings.Trim(storage.ETag(blob.Version), `"`), ContentLength: blob.Size,
		ContentType: blob.Headers.ContentType, ContentEncoding: blob.Headers.ContentEncoding,
		ContentLanguage: blob.Headers.ContentLanguage, CacheControl: blob.Headers.CacheControl,
		ContentDisposition: blob.Headers.ContentDisposition, BlobType: "BlockBlob", AccessTier: blob.Tier, TagCount: len(blob.Tags),
		leaseProperties: leaseShown(blob.Lease, now), ServerEncrypted: true,
	}}
	if blob.Snapshot != "" {
		item.Snapshot, item.Properties.leaseProperties = string(blob.Snapshot), leaseProperties{}
	}
	if blob.Headers.ContentMD5 != nil {
		item.Properties.ContentMD5 = base64.StdEncoding.EncodeToString(blob.Headers.ContentMD5)
	}
	if blob.Tier == "" {
		inferred := true
		item.Properties.AccessTier, item.Properties.AccessTierInferred = "Hot", &inferred
	}
	return item
}

// encode writes a name so that XML can hold it, as Storage does since 2021-02-12.
func encode(name string) encoded {
	inXML := func(r rune) bool {
		return r == '\t' || r == '\n' || r == '\r' || (r >= ' ' && r <= 0xD7FF) || (r >= 0xE000 && r <= 0xFFFD) || r >= 0x10000
	}
	if strings.IndexFunc(name, func(r rune) bool { return !inXML(r) }) < 0 {
		return encoded{Value: name}
	}
	return encoded{Encoded: true, Value: url.PathEscape(name)}
}
