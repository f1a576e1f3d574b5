package storageapi

import (
	"strings"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/storage"
)

// Attributes says what conditions of role assignments can ask about a request
// for a blob, a container, a queue or a message
// (https://learn.microsoft.com/azure/storage/blobs/storage-auth-abac-attributes,
// https://learn.microsoft.com/azure/storage/queues/queues-auth-abac-attributes).
func Attributes(r *azapi.Request) access.Attributes {
	return access.Attributes{
		SubOperation: subOperation(r),
		Value:        func(source, name string) ([]string, bool) { return attribute(r, source, name) },
	}
}

// subOperation tells apart what the one data action of reading, and the one of writing, stand for.
func subOperation(r *azapi.Request) string {
	if r.Operation == nil {
		return ""
	}
	if setsTags(r) {
		return "Blob.Write.WithTagHeaders"
	}
	switch r.Operation.Name {
	case "ListBlobs":
		return "Blob.List"
	case "SetBlobTier":
		return "Blob.Write.Tier"
	}
	return ""
}

// attribute returns one attribute of a request. Names compare without case.
func attribute(r *azapi.Request, source, name string) ([]string, bool) {
	call, ok := r.Target.Resource.(*Call)
	if !ok {
		return nil, false
	}
	object := ObjectOf(r)
	const (
		containers = "microsoft.storage/storageaccounts/blobservices/containers"
		blobs      = containers + "/blobs"
	)
	switch strings.ToLower(source) + " " + strings.ToLower(name) {
	case "resource " + strings.ToLower(storage.TypeAccount) + ":name":
		return []string{call.Name}, true
	case "resource " + containers + ":name":
		return given(object.Container)
	case "resource " + blobs + ":path":
		return given(object.Blob)
	case "resource microsoft.storage/storageaccounts/queueservices/queues:name":
		return given(object.Queue)
	case "request " + blobs + ":prefix":
		return listed(r, "prefix")
	case "request " + blobs + ":delimiter":
		return listed(r, "delimiter")
	case "request " + blobs + ":include":
		if values := r.QueryValues("include"); len(values) > 0 {
			return strings.Split(strings.Join(values, ","), ","), true
		}
	case "request " + blobs + ":snapshot":
		return given(object.Snapshot)
	case "request " + blobs + ":versionid":
		return given(r.Query("versionid"))
	}
	return nil, false
}

// listed is a parameter of a listing; one that is not sent is the empty text.
func listed(r *azapi.Request, parameter string) ([]string, bool) {
	if r.Operation == nil || r.Operation.Name != "ListBlobs" {
		return nil, false
	}
	return []string{r.Query(parameter)}, true
}

func given(value string) ([]string, bool) {
	if value == "" {
		return nil, false
	}
	return []string{value}, true
}
