package blob

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/storage"
	"github.com/aksess/aksess/internal/storageapi"
)

const metaPrefix = "X-Ms-Meta-"

// metadataOf reads x-ms-meta-*. HTTP/2 and Go's server do not keep the case of
// header names, so names of metadata are lower case here.
func metadataOf(h http.Header) map[string]string {
	var metadata map[string]string
	for name, values := range h {
		rest, ok := strings.CutPrefix(name, metaPrefix)
		if !ok {
			continue
		}
		if metadata == nil {
			metadata = map[string]string{}
		}
		metadata[strings.ToLower(rest)] = strings.Join(values, ",")
	}
	return metadata
}

func writeMetadata(h http.Header, metadata map[string]string) {
	for name, value := range metadata {
		h["x-ms-meta-"+name] = []string{value}
	}
}

// conditionsOf reads the preconditions
// (https://learn.microsoft.com/rest/api/storageservices/specifying-conditional-headers-for-blob-service-operations).
func conditionsOf(h http.Header) (storage.Conditions, error) {
	return conditionsFrom(h, "", "x-ms-lease-id")
}

// sourceConditionsOf reads the preconditions on the source of a copy.
func sourceConditionsOf(h http.Header) (storage.Conditions, error) {
	return conditionsFrom(h, "x-ms-source-", "x-ms-source-lease-id")
}

func conditionsFrom(h http.Header, prefix, lease string) (storage.Conditions, error) {
	c := storage.Conditions{IfMatch: h.Get(prefix + "If-Match"), IfNoneMatch: h.Get(prefix + "If-None-Match")}
	for name, into := range map[string]*time.Time{prefix + "If-Modified-Since": &c.IfModifiedSince, prefix + "If-Unmodified-Since": &c.IfUnmodifiedSince} {
		text := h.Get(name)
		if text == "" {
			continue
		}
		at, err := http.ParseTime(text)
		if err != nil {
			return c, storageapi.BadHeader(name, text)
		}
		*into = at
	}
	for _, name := range []string{prefix + "If-Match", prefix + "If-None-Match"} {
		if tag := h.Get(name); strings.Contains(tag, ",") {
			return c, storageapi.BadHeader(name, tag) // Storage takes one tag
		}
	}
	var err error
	c.LeaseID, err = leaseOf(h, lease)
	return c, err
}

func writeStamp(h http.Header, version int64, modified time.Time) {
	h.Set("ETag", storage.ETag(version))
	h.Set("Last-Modified", azapi.HTTPTime(modified))
}

// notServed are headers of options that change what an operation means.
func notServed() []string {
	return []string{
		"x-ms-encryption-key", "x-ms-encryption-scope", "x-ms-expiry-option", "x-ms-if-tags",
		"x-ms-immutability-policy-until-date", "x-ms-legal-hold", "x-ms-source-encryption-key", "x-ms-structured-body",
	}
}

// served refuses options that are not, before the operation: an option that is
// ignored would be a wrong answer that looks right.
func served(handle azapi.Handler) azapi.Handler {
	return func(w http.ResponseWriter, r *azapi.Request) error {
		if r.Query("versionid") != "" {
			return storage.NotServed.New("The query parameter versionid")
		}
		if r.Query("snapshot") != "" && !servesSnapshots(r.Operation.Name) {
			return storage.NotServed.New("This operation on a snapshot")
		}
		for _, name := range notServed() {
			if r.Header.Get(name) != "" {
				return storage.NotServed.New("The header " + name)
			}
		}
		return handle(w, r)
	}
}

// sizeOf is the declared length of the body.
func sizeOf(r *azapi.Request, limit int64) (int64, error) {
	switch {
	case r.ContentLength < 0:
		return 0, missingLength.New()
	case r.ContentLength > limit:
		return 0, storageapi.TooLarge(limit)
	}
	return r.ContentLength, nil
}

// verify compares the checksums that were sent with those of what arrived.
func verify(h http.Header, staged *storage.Staged) error {
	for _, name := range []string{"Content-MD5", "x-ms-blob-content-md5"} {
		sent, err := md5Of(h, name)
		if err != nil {
			return err
		}
		if sent != nil && !bytes.Equal(sent, staged.MD5) {
			return storageapi.With(md5Mismatch.New(), "UserSpecifiedMd5", base64.StdEncoding.EncodeToString(sent),
				"ServerCalculatedMd5", base64.StdEncoding.EncodeToString(staged.MD5))
		}
	}
	text := h.Get("x-ms-content-crc64")
	if text == "" {
		return nil
	}
	sent, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(sent) != len(staged.CRC64) {
		return storageapi.BadHeader("x-ms-content-crc64", text)
	}
	if !bytes.Equal(sent, staged.CRC64) {
		return storageapi.With(crc64Mismatch.New(), "UserSpecifiedCrc64", text, "ServerCalculatedCrc64", base64.StdEncoding.EncodeToString(staged.CRC64))
	}
	return nil
}

func md5Of(h http.Header, name string) ([]byte, error) {
	text := h.Get(name)
	if text == "" {
		return nil, nil
	}
	sum, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(sum) != 16 {
		return nil, invalidMD5.New()
	}
	return sum, nil
}

// headersOf reads x-ms-blob-content-* and, for a whole write, the plain
// headers that stand in for them.
func headersOf(h http.Header, whole bool) (storage.BlobHeaders, error) {
	get := func(own, plain string) string {
		if value := h.Get(own); value != "" || !whole {
			return value
		}
		return h.Get(plain)
	}
	sum, err := md5Of(h, "x-ms-blob-content-md5")
	if err != nil {
		return storage.BlobHeaders{}, err
	}
	return storage.BlobHeaders{
		ContentType:        get("x-ms-blob-content-type", "Content-Type"),
		ContentEncoding:    get("x-ms-blob-content-encoding", "Content-Encoding"),
		ContentLanguage:    get("x-ms-blob-content-language", "Content-Language"),
		ContentDisposition: h.Get("x-ms-blob-content-disposition"),
		CacheControl:       get("x-ms-blob-cache-control", "Cache-Control"),
		ContentMD5:         sum,
	}, nil
}

// tierOf reads x-ms-access-tier. Archive is refused: reading an archived blob
// fails until it is rehydrated, which is not served.
func tierOf(h http.Header) (string, error) {
	sent := h.Get("x-ms-access-tier")
	for _, tier := range []string{"Hot", "Cool", "Cold"} {
		if strings.EqualFold(sent, tier) {
			return tier, nil
		}
	}
	switch {
	case sent == "":
		return "", nil
	case strings.EqualFold(sent, "Archive"):
		return "", storage.NotServed.New("The access tier Archive")
	default:
		return "", storageapi.BadHeader("x-ms-access-tier", sent)
	}
}
