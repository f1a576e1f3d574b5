package blob

import (
	"net/http"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/storage"
	"github.com/aksess/aksess/internal/storageapi"
)

// snapshotBlob: https://learn.microsoft.com/rest/api/storageservices/snapshot-blob
func (b *Blobs) snapshotBlob(w http.ResponseWriter, r *azapi.Request) error {
	on, err := conditionsOf(r.Header)
	if err != nil {
		return err
	}
	c, err := b.container(r)
	if err != nil {
		return err
	}
	made, err := b.blobs.Snap(r.Context(), c, r.Param("blob"), on, metadataOf(r.Header))
	if err != nil {
		return err
	}
	writeStamp(w.Header(), made.Version, made.Modified)
	w.Header().Set("x-ms-snapshot", string(made.Snapshot))
	w.Header().Set("x-ms-request-server-encrypted", "true")
	w.WriteHeader(http.StatusCreated)
	return nil
}

// objectOf is the blob that the path names, or the snapshot of it that the query does.
func objectOf(r *azapi.Request) (storage.Object, error) {
	return objectFrom(storageapi.ObjectOf(r))
}

func objectFrom(o storageapi.Object) (storage.Object, error) {
	of := storage.Object{Name: o.Blob, Snapshot: storage.Snapshot(o.Snapshot)}
	if of.Snapshot != "" && !of.Snapshot.Valid() {
		return of, storageapi.BadQuery("snapshot", o.Snapshot, "The snapshot is not a moment in the form that Snapshot Blob gave.")
	}
	return of, nil
}

// servesSnapshots reports whether an operation is one on snapshots too.
func servesSnapshots(operation string) bool {
	switch operation {
	case "GetBlob", "GetBlobProperties", "GetBlobMetadata", "HeadBlobMetadata", "GetBlobTags", "DeleteBlob":
		return true
	default:
		return false
	}
}
