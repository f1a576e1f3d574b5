package blob

import (
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/storage"
	"github.com/aksess/aksess/internal/storageapi"
)

// Limits of one request since version 2019-12-12
// (https://learn.microsoft.com/azure/storage/blobs/scalability-targets).
const (
	maxPutBlob  = 5000 << 20 // bytes
	maxPutBlock = 4000 << 20 // bytes
)

// putBlob: https://learn.microsoft.com/rest/api/storageservices/put-blob
func (b *Blobs) putBlob(w http.ResponseWriter, r *azapi.Request) error {
	if r.Header.Get("x-ms-copy-source") != "" {
		return b.copyBlob(w, r)
	}
	if err := blockBlob(r.Header); err != nil {
		return err
	}
	size, err := sizeOf(r, maxPutBlob)
	if err != nil {
		return err
	}
	write, err := writeOf(r)
	if err != nil {
		return err
	}
	c, err := b.container(r)
	if err != nil {
		return err
	}
	staged, err := b.blobs.Stage(r.Context(), c, r.Body, size)
	if err != nil {
		return err
	}
	if write.Headers.ContentMD5 == nil {
		write.Headers.ContentMD5 = staged.MD5
	}
	if err := verify(r.Header, staged); err != nil {
		b.blobs.Discard(r.Context(), staged)
		return err
	}
	written, err := b.blobs.Put(r.Context(), c, write, staged)
	if err != nil {
		b.blobs.Discard(r.Context(), staged)
		return err
	}
	writeStamp(w.Header(), written.Version, written.Modified)
	writeSums(w.Header(), staged)
	w.WriteHeader(http.StatusCreated)
	return nil
}

func writeSums(h http.Header, staged *storage.Staged) {
	h.Set("Content-MD5", base64.StdEncoding.EncodeToString(staged.MD5))
	h.Set("x-ms-content-crc64", base64.StdEncoding.EncodeToString(staged.CRC64))
	h.Set("x-ms-request-server-encrypted", "true")
}

// blockBlob requires the only blob type that is served.
func blockBlob(h http.Header) error {
	switch kind := h.Get("x-ms-blob-type"); {
	case kind == "":
		return storageapi.MissingHeader("x-ms-blob-type")
	case strings.EqualFold(kind, "BlockBlob"):
		return nil
	case strings.EqualFold(kind, "AppendBlob"), strings.EqualFold(kind, "PageBlob"):
		return storage.NotServed.New("The blob type " + kind)
	default:
		return storageapi.BadHeader("x-ms-blob-type", kind)
	}
}

// writeOf reads what Put Blob and Put Block List set beside the content.
func writeOf(r *azapi.Request) (storage.Write, error) {
	write := storage.Write{Name: r.Param("blob"), Metadata: metadataOf(r.Header)}
	if err := storage.CheckBlobName(write.Name); err != nil {
		return write, err
	}
	var err error
	if write.On, err = conditionsOf(r.Header); err != nil {
		return write, err
	}
	if write.Tags, err = tagsOf(r); err != nil {
		return write, err
	}
	if write.Tier, err = tierOf(r.Header); err != nil {
		return write, err
	}
	if write.Headers, err = headersOf(r.Header, r.Query("comp") == ""); err != nil {
		return write, err
	}
	if write.Headers.ContentType == "" {
		write.Headers.ContentType = "application/octet-stream"
	}
	if storageapi.Of(r).CreateOnly {
		write.MayOverwrite = func() error {
			return storage.AuthorizationPermissionMismatch.New().
				Because("the blob exists, and " + r.Verdict.By + " grants " + blobAdd + " but not " + blobWrite)
		}
	}
	return write, nil
}

// deleteBlob removes a blob, one snapshot, or all
// (https://learn.microsoft.com/rest/api/storageservices/delete-blob).
func (b *Blobs) deleteBlob(w http.ResponseWriter, r *azapi.Request) error {
	on, err := conditionsOf(r.Header)
	if err != nil {
		return err
	}
	object, err := objectOf(r)
	if err != nil {
		return err
	}
	c, err := b.container(r)
	if err != nil {
		return err
	}
	switch snapshots := strings.ToLower(r.Header.Get("x-ms-delete-snapshots")); {
	case object.Snapshot != "" && snapshots == "":
		err = b.blobs.DeleteSnapshot(r.Context(), c, object, on)
	case object.Snapshot == "" && snapshots == "only":
		err = b.blobs.DeleteSnapshots(r.Context(), c, object.Name, on)
	case object.Snapshot == "" && (snapshots == "" || snapshots == "include"):
		err = b.blobs.Delete(r.Context(), c, object.Name, on, snapshots == "include")
	default:
		err = storageapi.BadHeader("x-ms-delete-snapshots", snapshots)
	}
	if err != nil {
		return err
	}
	w.Header().Set("x-ms-delete-type-permanent", "true")
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// setProperties replaces all x-ms-blob-* headers
// (https://learn.microsoft.com/rest/api/storageservices/set-blob-properties).
func (b *Blobs) setProperties(w http.ResponseWriter, r *azapi.Request) error {
	for _, name := range []string{"x-ms-blob-content-length", "x-ms-sequence-number-action", "x-ms-blob-sequence-number"} {
		if r.Header.Get(name) != "" {
			return storage.NotServed.New("The header " + name + " of page blobs")
		}
	}
	headers, err := headersOf(r.Header, false)
	if err != nil {
		return err
	}
	return b.update(w, r, http.StatusOK, func(blob *storage.Blob) error {
		blob.Headers, blob.Copy = headers, nil
		return nil
	})
}

// setMetadata: https://learn.microsoft.com/rest/api/storageservices/set-blob-metadata
func (b *Blobs) setMetadata(w http.ResponseWriter, r *azapi.Request) error {
	w.Header().Set("x-ms-request-server-encrypted", "true")
	return b.update(w, r, http.StatusOK, func(blob *storage.Blob) error {
		blob.Metadata = metadataOf(r.Header)
		return nil
	})
}

// setTier: https://learn.microsoft.com/rest/api/storageservices/set-blob-tier
func (b *Blobs) setTier(w http.ResponseWriter, r *azapi.Request) error {
	tier, err := tierOf(r.Header)
	if err != nil {
		return err
	}
	if tier == "" {
		return storageapi.MissingHeader("x-ms-access-tier")
	}
	held, err := leaseOf(r.Header, "x-ms-lease-id")
	if err != nil {
		return err
	}
	c, err := b.container(r)
	if err != nil {
		return err
	}
	_, err = b.blobs.Annotate(r.Context(), c, r.Param("blob"), storage.Conditions{LeaseID: held}, func(blob *storage.Blob) error {
		blob.Tier, blob.Retiered = tier, r.Now
		return nil
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// update changes a blob on the request's conditions and answers with its new ETag.
func (b *Blobs) update(w http.ResponseWriter, r *azapi.Request, status int, change func(*storage.Blob) error) error {
	on, err := conditionsOf(r.Header)
	if err != nil {
		return err
	}
	c, err := b.container(r)
	if err != nil {
		return err
	}
	blob, err := b.blobs.Update(r.Context(), c, r.Param("blob"), on, change)
	if err != nil {
		return err
	}
	writeStamp(w.Header(), blob.Version, blob.Modified)
	w.WriteHeader(status)
	return nil
}
