package blob

import (
	"crypto/md5" //nolint:gosec // Content-MD5 is the protocol's checksum, not a protection
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/storage"
	"github.com/aksess/aksess/internal/storageapi"
)

// maxRangeMD5 is the largest range that is answered with a checksum of its own.
const maxRangeMD5 = 4 << 20 // bytes

// getBlob: https://learn.microsoft.com/rest/api/storageservices/get-blob
func (b *Blobs) getBlob(w http.ResponseWriter, r *azapi.Request) error {
	on, err := conditionsOf(r.Header)
	if err != nil {
		return err
	}
	span, err := rangeOf(r.Header)
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
	var offset, length int64
	blob, content, err := b.blobs.Open(r.Context(), c, object, on, func(of storage.Blob) (int64, int64, error) {
		var err error
		offset, length, err = span.within(of.Size)
		return offset, length, err
	})
	if err != nil {
		return notModified(w, blob, err)
	}
	defer content.Close() //nolint:errcheck // it was only read
	writeBlob(w.Header(), blob, r.Now)
	override(w.Header(), r)
	status := http.StatusOK
	if span.given {
		status = http.StatusPartialContent
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", offset, offset+length-1, blob.Size))
		if err := sumRange(w.Header(), r.Header, blob, &content, length); err != nil {
			return err
		}
	}
	w.Header().Set("Content-Length", strconv.FormatInt(length, 10))
	w.WriteHeader(status)
	if _, err := io.Copy(w, content); err != nil {
		return fmt.Errorf("sending blob %q: %w", blob.Name, err)
	}
	return nil
}

// sumRange moves the blob's own MD5 out of the way of the range's, which is
// computed when it was asked for.
func sumRange(h, sent http.Header, blob storage.Blob, content *io.ReadCloser, length int64) error {
	h.Del("Content-MD5")
	if blob.Headers.ContentMD5 != nil {
		h.Set("x-ms-blob-content-md5", base64.StdEncoding.EncodeToString(blob.Headers.ContentMD5))
	}
	if sent.Get("x-ms-range-get-content-md5") != "true" {
		return nil
	}
	if length > maxRangeMD5 {
		return storageapi.BadHeader("x-ms-range-get-content-md5", "true")
	}
	data, err := io.ReadAll(*content)
	if err != nil {
		return fmt.Errorf("reading blob %q: %w", blob.Name, err)
	}
	sum := md5.Sum(data) //nolint:gosec // see the import
	h.Set("Content-MD5", base64.StdEncoding.EncodeToString(sum[:]))
	*content = reread{data: data, Closer: *content}.reader()
	return nil
}

// headBlob: https://learn.microsoft.com/rest/api/storageservices/get-blob-properties
func (b *Blobs) headBlob(w http.ResponseWriter, r *azapi.Request) error {
	blob, err := b.readable(w, r)
	if err != nil || blob.Version == 0 {
		return err
	}
	h := w.Header()
	writeBlob(h, blob, r.Now)
	override(h, r)
	h.Set("Content-Length", strconv.FormatInt(blob.Size, 10))
	tier := blob.Tier
	if tier == "" {
		tier = "Hot"
		h.Set("x-ms-access-tier-inferred", "true")
	}
	h.Set("x-ms-access-tier", tier)
	if !blob.Retiered.IsZero() {
		h.Set("x-ms-access-tier-change-time", azapi.HTTPTime(blob.Retiered))
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// blobMetadata: https://learn.microsoft.com/rest/api/storageservices/get-blob-metadata
func (b *Blobs) blobMetadata(w http.ResponseWriter, r *azapi.Request) error {
	blob, err := b.readable(w, r)
	if err != nil || blob.Version == 0 {
		return err
	}
	writeStamp(w.Header(), blob.Version, blob.Modified)
	writeMetadata(w.Header(), blob.Metadata)
	w.WriteHeader(http.StatusOK)
	return nil
}

// readable returns the blob on the request's conditions. When the caller's
// copy is current it has answered and returns a zero blob.
func (b *Blobs) readable(w http.ResponseWriter, r *azapi.Request) (storage.Blob, error) {
	on, err := conditionsOf(r.Header)
	if err != nil {
		return storage.Blob{}, err
	}
	object, err := objectOf(r)
	if err != nil {
		return storage.Blob{}, err
	}
	c, err := b.container(r)
	if err != nil {
		return storage.Blob{}, err
	}
	blob, err := b.blobs.Blob(r.Context(), c, object, on)
	if err != nil {
		return storage.Blob{}, notModified(w, blob, err)
	}
	return blob, nil
}

// notModified answers 304, which has no body, and returns any other error.
func notModified(w http.ResponseWriter, blob storage.Blob, err error) error {
	if !errors.Is(err, storage.NotModified) {
		return err
	}
	writeStamp(w.Header(), blob.Version, blob.Modified)
	w.Header().Set("x-ms-error-code", storage.NotModified.Code)
	w.WriteHeader(http.StatusNotModified)
	return nil
}

// override sets the headers that a shared access signature gives the answer.
func override(h http.Header, r *azapi.Request) {
	for name, value := range storageapi.Of(r).Overrides {
		h.Set(name, value)
	}
}

func writeBlob(h http.Header, blob storage.Blob, now time.Time) {
	writeStamp(h, blob.Version, blob.Modified)
	writeMetadata(h, blob.Metadata)
	if blob.Snapshot == "" {
		writeLease(h, blob.Lease, now)
	}
	writeCopy(h, blob)
	writeTagCount(h, blob)
	h.Set("x-ms-blob-type", "BlockBlob")
	h.Set("x-ms-creation-time", azapi.HTTPTime(blob.Created))
	h.Set("x-ms-server-encrypted", "true")
	h.Set("Accept-Ranges", "bytes")
	for name, value := range map[string]string{
		"Content-Type":        blob.Headers.ContentType,
		"Content-Encoding":    blob.Headers.ContentEncoding,
		"Content-Language":    blob.Headers.ContentLanguage,
		"Content-Disposition": blob.Headers.ContentDisposition,
		"Cache-Control":       blob.Headers.CacheControl,
	} {
		if value != "" {
			h.Set(name, value)
		}
	}
	if blob.Headers.ContentType == "" {
		h.Set("Content-Type", "application/octet-stream")
	}
	if blob.Headers.ContentMD5 != nil {
		h.Set("Content-MD5", base64.StdEncoding.EncodeToString(blob.Headers.ContentMD5))
	}
}
