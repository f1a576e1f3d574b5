package storageapi

import "github.com/aksess/aksess/internal/azapi"

// Object is what a request is for on the data planes of blobs and queues, each
// part "" when the request names none.
type Object struct{ Container, Blob, Snapshot, Queue string }

// ObjectOf returns what a request is for: what its path names, or the source of
// a copy.
func ObjectOf(r *azapi.Request) Object {
	if call, ok := r.Target.Resource.(*Call); ok && call.source != nil {
		return *call.source
	}
	return Object{Container: r.Param("container"), Blob: r.Param("blob"), Snapshot: r.Query("snapshot"), Queue: r.Param("queue")}
}

// BlobID is the id of the blob as role assignments name it.
func (o Object) BlobID(call *Call) string { return call.ContainerID(o.Container) + "/blobs/" + o.Blob }
