package blob

import (
	"net/http"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/storage"
	"github.com/aksess/aksess/internal/storageapi"
)

const (
	containers      = storage.TypeAccount + "/blobServices/containers"
	containerRead   = containers + "/read"
	containerWrite  = containers + "/write"
	containerDelete = containers + "/delete"
	containerGetACL = containers + "/getAcl/action"
	containerSetACL = containers + "/setAcl/action"
	blobRead        = containers + "/blobs/read"
	blobWrite       = containers + "/blobs/write"
	blobAdd         = containers + "/blobs/add/action"
	blobDelete      = containers + "/blobs/delete"
)

// Blobs is the service.
type Blobs struct {
	*storageapi.Plane
	blobs *storage.Blobs
	newID func() string
}

// New returns the service for the accounts among the resources and the blobs kept by c.
func New(resources *arm.Resources, c storage.Config) *Blobs {
	plane := storageapi.New("blob", "Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0", storageapi.Objects(), resources, c)
	b := &Blobs{Plane: plane, blobs: storage.NewBlobs(c), newID: c.NewID}
	plane.Policies = func(r *azapi.Request) ([]storage.StoredPolicy, error) {
		c, err := b.blobs.Container(r.Context(), storageapi.Of(r).Account, storageapi.ObjectOf(r).Container)
		return c.Policies, err
	}
	return b
}

// Service is the data plane
// (https://learn.microsoft.com/rest/api/storageservices/blob-service-rest-api).
func (b *Blobs) Service() *azapi.Service {
	s := b.Plane.Service(b.operations())
	s.Decide, s.Attributes = decide, b.attributes
	return s
}

func (b *Blobs) operations() []azapi.Operation {
	list := b.serviceOperations()
	list = append(list, b.containerOperations()...)
	return append(list, b.blobOperations()...)
}

func (b *Blobs) serviceOperations() []azapi.Operation {
	return append(b.Plane.ServiceOperations(), b.Plane.DelegationOperation(), azapi.Operation{
		Name: "ListContainers", Method: http.MethodGet, Pattern: "/", Query: storageapi.Selectors("", "list"),
		Action: azapi.Control(containerRead), Scope: scope, Handle: b.listContainers,
	})
}

func (b *Blobs) containerOperations() []azapi.Operation {
	op := func(name, method, comp, action string, handle azapi.Handler) azapi.Operation {
		return azapi.Operation{
			Name: name, Method: method, Pattern: "/{container}", Query: storageapi.Selectors("container", comp),
			Action: azapi.Control(action), Scope: scope, Handle: handle,
		}
	}
	listBlobs := op("ListBlobs", http.MethodGet, "list", blobRead, b.listBlobs)
	listBlobs.Action = azapi.Data(blobRead)
	setACL := op("SetContainerACL", http.MethodPut, "acl", containerSetACL, b.setACL)
	setACL.MaxBody = storageapi.MaxPolicyBody
	return []azapi.Operation{
		op("CreateContainer", http.MethodPut, "", containerWrite, b.createContainer),
		op("GetContainerProperties", http.MethodGet, "", containerRead, b.getContainer),
		op("HeadContainerProperties", http.MethodHead, "", containerRead, b.getContainer),
		op("GetContainerMetadata", http.MethodGet, "metadata", containerRead, b.getContainer),
		op("HeadContainerMetadata", http.MethodHead, "metadata", containerRead, b.getContainer),
		op("SetContainerMetadata", http.MethodPut, "metadata", containerWrite, b.setContainerMetadata),
		op("LeaseContainer", http.MethodPut, "lease", containerWrite, b.leaseContainer),
		op("DeleteContainer", http.MethodDelete, "", containerDelete, b.deleteContainer),
		op("GetContainerACL", http.MethodGet, "acl", containerGetACL, b.getACL),
		op("HeadContainerACL", http.MethodHead, "acl", containerGetACL, b.getACL),
		setACL, listBlobs,
	}
}

func (b *Blobs) blobOperations() []azapi.Operation {
	op := func(name, method, comp, action string, handle azapi.Handler) azapi.Operation {
		return azapi.Operation{
			Name: name, Method: method, Pattern: "/{container}/{blob...}", Query: storageapi.Selectors("", comp),
			Action: azapi.Data(action), Scope: scope, Handle: served(handle),
		}
	}
	put := op("PutBlob", http.MethodPut, "", blobWrite, b.putBlob)
	put.Stream = true
	block := op("PutBlock", http.MethodPut, "block", blobWrite, b.putBlock)
	block.Stream = true
	commit := op("PutBlockList", http.MethodPut, "blocklist", blobWrite, b.putBlockList)
	commit.MaxBody = maxListBody
	setTags := op("SetBlobTags", http.MethodPut, "tags", tagsWrite, b.setTags)
	setTags.MaxBody = maxTagsBody
	return []azapi.Operation{
		put, block, commit,
		op("GetBlockList", http.MethodGet, "blocklist", blobRead, b.getBlockList),
		op("GetBlob", http.MethodGet, "", blobRead, b.getBlob),
		op("GetBlobProperties", http.MethodHead, "", blobRead, b.headBlob),
		op("GetBlobMetadata", http.MethodGet, "metadata", blobRead, b.blobMetadata),
		op("HeadBlobMetadata", http.MethodHead, "metadata", blobRead, b.blobMetadata),
		op("SetBlobProperties", http.MethodPut, "properties", blobWrite, b.setProperties),
		op("SetBlobMetadata", http.MethodPut, "metadata", blobWrite, b.setMetadata),
		op("SetBlobTier", http.MethodPut, "tier", blobWrite, b.setTier),
		op("GetBlobTags", http.MethodGet, "tags", tagsRead, b.getTags), setTags,
		op("SnapshotBlob", http.MethodPut, "snapshot", blobWrite, b.snapshotBlob),
		op("AbortCopyBlob", http.MethodPut, "copy", blobWrite, b.abortCopy),
		op("LeaseBlob", http.MethodPut, "lease", blobWrite, b.leaseBlob),
		op("DeleteBlob", http.MethodDelete, "", blobDelete, b.deleteBlob),
	}
}

// scope is the container, or the blob within it, as role assignments name them.
func scope(r *azapi.Request) string {
	call, ok := r.Target.Resource.(*storageapi.Call)
	if !ok {
		return ""
	}
	id := call.ContainerID(r.Param("container"))
	if name := r.Param("blob"); name != "" {
		id += "/blobs/" + name
	}
	return id
}

// decide asks the roles. An operation that writes a whole blob is also open to
// who may only add one
// (https://learn.microsoft.com/rest/api/storageservices/put-blob#permissions).
func decide(r *azapi.Request, grants func() ([]access.Grant, error)) (access.Verdict, error) {
	if err := storageapi.OwnTenant(r); err != nil {
		return access.Verdict{}, err
	}
	held, err := grants()
	if err != nil {
		return access.Verdict{}, err
	}
	verdict := r.DecideRole(r.Operation.Action, held)
	if verdict.Allowed {
		return verdict, nil
	}
	switch r.Operation.Name {
	case "PutBlob", "PutBlock", "PutBlockList", "SnapshotBlob":
		add := r.DecideRole(azapi.Data(blobAdd), held)
		if add.Allowed {
			storageapi.Of(r).CreateOnly = true
			return add, nil
		}
	}
	return verdict, nil
}
