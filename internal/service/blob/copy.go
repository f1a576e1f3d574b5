package blob

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/storage"
	"github.com/aksess/aksess/internal/storageapi"
)

const (
	// maxSyncCopy is the largest source of Copy Blob From URL
	// (https://learn.microsoft.com/rest/api/storageservices/copy-blob-from-url).
	maxSyncCopy = 256 << 20 // bytes
	copySuccess = "success"
)

// copyBlob serves the three operations that have x-ms-copy-source, and copies
// within the local Azure. Each is complete when it is answered, as Copy Blob
// often is in one account of Azure.
//
//   - Copy Blob: https://learn.microsoft.com/rest/api/storageservices/copy-blob
//   - Copy Blob From URL, with x-ms-requires-sync: https://learn.microsoft.com/rest/api/storageservices/copy-blob-from-url
//   - Put Blob From URL, with x-ms-blob-type: https://learn.microsoft.com/rest/api/storageservices/put-blob-from-url
func (b *Blobs) copyBlob(w http.ResponseWriter, r *azapi.Request) error {
	put := r.Header.Get("x-ms-blob-type") != ""
	synchronous := put || strings.EqualFold(r.Header.Get("x-ms-requires-sync"), "true")
	if put {
		if err := blockBlob(r.Header); err != nil {
			return err
		}
	}
	if strings.EqualFold(r.Header.Get("x-ms-copy-source-tag-option"), "COPY") {
		return storage.NotServed.New("Copying tags")
	}
	write, err := writeOf(r)
	if err != nil {
		return err
	}
	c, err := b.container(r)
	if err != nil {
		return err
	}
	limit := int64(maxPutBlob)
	if synchronous && !put {
		limit = maxSyncCopy
	}
	from, err := b.openSource(r, span{}, limit)
	if err != nil {
		return err
	}
	defer from.Close() //nolint:errcheck // it was only read
	staged, err := b.stage(r, c, from)
	if err != nil {
		return err
	}
	adopt(&write, r, from.blob, staged, put)
	if !put {
		write.Copy = &storage.Copy{ID: b.newID(), Source: sourceShown(r), Completed: r.Now}
	}
	written, err := b.blobs.Put(r.Context(), c, write, staged)
	if err != nil {
		b.blobs.Discard(r.Context(), staged)
		return err
	}
	writeStamp(w.Header(), written.Version, written.Modified)
	if synchronous {
		writeSums(w.Header(), staged)
	}
	if put {
		w.WriteHeader(http.StatusCreated)
		return nil
	}
	w.Header().Set("x-ms-copy-id", write.Copy.ID)
	w.Header().Set("x-ms-copy-status", copySuccess)
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// adopt completes a write by what a copy takes over from its source: Put Blob
// From URL the headers that the request does not set, unless it is told not to,
// a copy all headers, and the metadata when the request has none.
func adopt(write *storage.Write, r *azapi.Request, from storage.Blob, staged *storage.Staged, put bool) {
	own := write.Headers
	if put && strings.EqualFold(r.Header.Get("x-ms-copy-source-blob-properties"), "false") {
		if own.ContentMD5 == nil {
			write.Headers.ContentMD5 = staged.MD5
		}
		return
	}
	write.Headers = from.Headers
	if !put {
		if write.Metadata == nil {
			write.Metadata = from.Metadata
		}
		return
	}
	for header, into := range map[string]*string{
		"x-ms-blob-content-type": &write.Headers.ContentType, "x-ms-blob-content-encoding": &write.Headers.ContentEncoding,
		"x-ms-blob-content-language": &write.Headers.ContentLanguage, "x-ms-blob-content-disposition": &write.Headers.ContentDisposition,
		"x-ms-blob-cache-control": &write.Headers.CacheControl,
	} {
		if value := r.Header.Get(header); value != "" {
			*into = value
		}
	}
	write.Headers.ContentMD5 = staged.MD5
}

// putBlockFromURL: https://learn.microsoft.com/rest/api/storageservices/put-block-from-url
func (b *Blobs) putBlockFromURL(w http.ResponseWriter, r *azapi.Request) error {
	id := r.Query("blockid")
	if id == "" {
		return storageapi.MissingQuery("blockid")
	}
	held, err := leaseOf(r.Header, "x-ms-lease-id")
	if err != nil {
		return err
	}
	var part span
	if text := r.Header.Get("x-ms-source-range"); text != "" {
		var ok bool
		if part, ok = parseRange(text); !ok {
			return storageapi.BadHeader("x-ms-source-range", text)
		}
	}
	c, err := b.container(r)
	if err != nil {
		return err
	}
	from, err := b.openSource(r, part, maxPutBlock)
	if err != nil {
		return err
	}
	defer from.Close() //nolint:errcheck // it was only read
	staged, err := b.stage(r, c, from)
	if err != nil {
		return err
	}
	if err := b.blobs.PutBlock(r.Context(), c, r.Param("blob"), id, storage.Conditions{LeaseID: held}, staged); err != nil {
		b.blobs.Discard(r.Context(), staged)
		return err
	}
	writeSums(w.Header(), staged)
	w.WriteHeader(http.StatusCreated)
	return nil
}

// copySource is an open source of a copy.
type copySource struct {
	io.ReadCloser
	blob   storage.Blob
	length int64 // of the part that was asked for
}

// openSource opens the blob at x-ms-copy-source, on the request's conditions
// for it, when the caller may read it and the part has at most limit bytes.
func (b *Blobs) openSource(r *azapi.Request, part span, limit int64) (*copySource, error) {
	if r.ContentLength > 0 {
		return nil, storageapi.BadHeader("Content-Length", fmt.Sprint(r.ContentLength))
	}
	on, err := sourceConditionsOf(r.Header)
	if err != nil {
		return nil, err
	}
	source, err := b.Source(r)
	if err != nil {
		return nil, err
	}
	object, err := objectOf(source)
	if err != nil {
		return nil, err
	}
	c, err := b.blobs.Container(r.Context(), storageapi.Of(source).Account, storageapi.ObjectOf(source).Container)
	if err != nil {
		return nil, sourceFault(err)
	}
	from := &copySource{}
	from.blob, from.ReadCloser, err = b.blobs.Open(r.Context(), c, object, on, func(of storage.Blob) (int64, int64, error) {
		offset, length, err := part.within(of.Size)
		if err == nil && length > limit {
			err = storageapi.TooLarge(limit)
		}
		from.length = length
		return offset, length, err
	})
	return from, sourceFault(err)
}

// sourceFault words a refusal of reading as one about the source.
func sourceFault(err error) error {
	switch {
	case errors.Is(err, storage.ContainerNotFound), errors.Is(err, storage.BlobNotFound):
		return storage.CopySourceNotFound.New().With(err)
	case errors.Is(err, storage.NotModified), errors.Is(err, storage.ConditionNotMet):
		return storage.CopySourceConditionNotMet.New().With(err)
	default:
		return err
	}
}

// stage copies the content of a source, and holds it against the checksum that
// was sent for it.
func (b *Blobs) stage(r *azapi.Request, c storage.Container, from *copySource) (*storage.Staged, error) {
	staged, err := b.blobs.Stage(r.Context(), c, from, from.length)
	if err != nil {
		return nil, err
	}
	sums := http.Header{}
	for source, name := range map[string]string{"x-ms-source-content-md5": "Content-MD5", "x-ms-source-content-crc64": "x-ms-content-crc64"} {
		if sent := r.Header.Get(source); sent != "" {
			sums.Set(name, sent)
		}
	}
	if err := verify(sums, staged); err != nil {
		b.blobs.Discard(r.Context(), staged)
		return nil, err
	}
	return staged, nil
}

// sourceShown is the URL of the source as it is kept: a signature in it is a
// secret of whoever signed.
func sourceShown(r *azapi.Request) string {
	address, err := url.Parse(r.Canonical(r.Header.Get("x-ms-copy-source")))
	if err != nil {
		return ""
	}
	snapshot := address.Query().Get("snapshot")
	address.RawQuery, address.User, address.Fragment = "", nil, ""
	if snapshot != "" {
		address.RawQuery = url.Values{"snapshot": {snapshot}}.Encode()
	}
	return address.String()
}

// abortCopy finds no copy to abort, as each is complete when it is answered
// (https://learn.microsoft.com/rest/api/storageservices/abort-copy-blob).
func (b *Blobs) abortCopy(_ http.ResponseWriter, r *azapi.Request) error {
	if r.Query("copyid") == "" {
		return storageapi.MissingQuery("copyid")
	}
	on, err := conditionsOf(r.Header)
	if err != nil {
		return err
	}
	c, err := b.container(r)
	if err != nil {
		return err
	}
	if _, err := b.blobs.Blob(r.Context(), c, storage.Object{Name: r.Param("blob")}, storage.Conditions{LeaseID: on.LeaseID}); err != nil {
		return err
	}
	return storage.NoPendingCopyOperation.New()
}

// copyShown is how the copy that made a blob is shown.
func copyShown(blob storage.Blob) copyProperties {
	if blob.Copy == nil {
		return copyProperties{}
	}
	return copyProperties{
		CopyID: blob.Copy.ID, CopySource: blob.Copy.Source, CopyStatus: copySuccess,
		CopyProgress: fmt.Sprintf("%d/%d", blob.Size, blob.Size), CopyCompletion: azapi.HTTPTime(blob.Copy.Completed),
	}
}

func writeCopy(h http.Header, blob storage.Blob) {
	if blob.Copy == nil {
		return
	}
	shown := copyShown(blob)
	h.Set("x-ms-copy-id", shown.CopyID)
	h.Set("x-ms-copy-source", shown.CopySource)
	h.Set("x-ms-copy-status", shown.CopyStatus)
	h.Set("x-ms-copy-progress", shown.CopyProgress)
	h.Set("x-ms-copy-completion-time", shown.CopyCompletion)
}
