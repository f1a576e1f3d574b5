package blob

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/storage"
)

const (
	resource   = "https://storage.azure.com"
	hostSuffix = ".blob.core.windows.net"

	containers      = storage.TypeAccount + "/blobServices/containers"
	actionService   = storage.TypeAccount + "/blobServices/read"
	containerRead   = containers + "/read"
	containerWrite  = containers + "/write"
	containerDelete = containers + "/delete"
	blobRead        = containers + "/blobs/read"
	blobWrite       = containers + "/blobs/write"
	blobAdd         = containers + "/blobs/add/action"
	blobDelete      = containers + "/blobs/delete"
)

// Blobs is the service.
type Blobs struct {
	blobs    *storage.Blobs
	accounts *arm.View[*storage.Account]
}

// New returns the service for the accounts among the resources and the blobs kept by c.
func New(resources *arm.Resources, c storage.Config) *Blobs {
	decode := func(r *arm.Resource) (*storage.Account, error) {
		base := storage.Account{ID: r.ID, Name: r.Name, Location: r.Location}
		return storage.DecodeAccount(base, r.Properties, r.Private)
	}
	return &Blobs{blobs: storage.NewBlobs(c), accounts: arm.NewView(resources, storage.TypeAccount, decode)}
}

// Service is the data plane
// (https://learn.microsoft.com/rest/api/storageservices/blob-service-rest-api).
func (b *Blobs) Service() *azapi.Service {
	return &azapi.Service{
		Name:       "blob",
		Hosts:      []string{"*" + hostSuffix},
		Dialect:    azapi.DialectStorage,
		Version:    azapi.VersionHeader,
		Audiences:  []string{resource, "{host}"},
		Selectors:  []string{"restype", "comp"},
		Operations: b.operations(),
		Target:     b.target,
		Refuse:     refuse,
		Decide:     decide,
		Headers:    headers,
	}
}

func (b *Blobs) operations() []azapi.Operation {
	list := b.serviceOperations()
	list = append(list, b.containerOperations()...)
	return append(list, b.blobOperations()...)
}

func (b *Blobs) serviceOperations() []azapi.Operation {
	return []azapi.Operation{
		{Name: "ListContainers", Method: http.MethodGet, Pattern: "/", Query: selectors("", "list"),
			Action: azapi.Control(containerRead), Scope: scope, Handle: b.listContainers},
		{Name: "GetServiceProperties", Method: http.MethodGet, Pattern: "/", Query: selectors("service", "properties"),
			Action: azapi.Control(actionService), Scope: scope, Handle: serviceProperties},
	}
}

func (b *Blobs) containerOperations() []azapi.Operation {
	op := func(name, method, comp, action string, handle azapi.Handler) azapi.Operation {
		return azapi.Operation{
			Name: name, Method: method, Pattern: "/{container}", Query: selectors("container", comp),
			Action: azapi.Control(action), Scope: scope, Handle: handle,
		}
	}
	listBlobs := op("ListBlobs", http.MethodGet, "list", blobRead, b.listBlobs)
	listBlobs.Action = azapi.Data(blobRead)
	return []azapi.Operation{
		op("CreateContainer", http.MethodPut, "", containerWrite, b.createContainer),
		op("GetContainerProperties", http.MethodGet, "", containerRead, b.getContainer),
		op("HeadContainerProperties", http.MethodHead, "", containerRead, b.getContainer),
		op("GetContainerMetadata", http.MethodGet, "metadata", containerRead, b.getContainer),
		op("HeadContainerMetadata", http.MethodHead, "metadata", containerRead, b.getContainer),
		op("SetContainerMetadata", http.MethodPut, "metadata", containerWrite, b.setContainerMetadata),
		op("DeleteContainer", http.MethodDelete, "", containerDelete, b.deleteContainer),
		listBlobs,
	}
}

func (b *Blobs) blobOperations() []azapi.Operation {
	op := func(name, method, comp, action string, handle azapi.Handler) azapi.Operation {
		return azapi.Operation{
			Name: name, Method: method, Pattern: "/{container}/{blob...}", Query: selectors("", comp),
			Action: azapi.Data(action), Scope: scope, Handle: served(handle),
		}
	}
	put := op("PutBlob", http.MethodPut, "", blobWrite, b.putBlob)
	put.Stream = true
	block := op("PutBlock", http.MethodPut, "block", blobWrite, b.putBlock)
	block.Stream = true
	commit := op("PutBlockList", http.MethodPut, "blocklist", blobWrite, b.putBlockList)
	commit.MaxBody = maxListBody
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
		op("DeleteBlob", http.MethodDelete, "", blobDelete, b.deleteBlob),
	}
}

func selectors(restype, comp string) map[string]string {
	return map[string]string{"restype": restype, "comp": comp}
}

// call is what the service knows about one request beside the request itself.
type call struct {
	*storage.Account
	// createOnly: the caller may make a blob but not overwrite one.
	createOnly bool
}

func (b *Blobs) target(ctx context.Context, r *azapi.Request) (azapi.Target, error) {
	name := strings.TrimSuffix(r.Host, hostSuffix)
	account, err := b.accounts.Get(ctx, name)
	if errors.Is(err, arm.ErrNotFound) {
		return azapi.Target{}, storage.AccountNotFound.New(name)
	}
	if err != nil {
		return azapi.Target{}, err
	}
	return azapi.Target{
		ID: account.ID, Name: account.Name, TenantID: account.TenantID, Location: account.Location,
		Network: account.Network, Resource: &call{Account: account},
	}, nil
}

func callOf(r *azapi.Request) *call { return r.Target.Resource.(*call) }

// scope is the container, or the blob within it, as role assignments name them.
func scope(r *azapi.Request) string {
	call, ok := r.Target.Resource.(*call)
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
	call := callOf(r)
	if r.Caller.TenantID != call.TenantID {
		return access.Verdict{}, invalidToken(call, "Issuer validation failed. Issuer did not match.")
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
	case "PutBlob", "PutBlock", "PutBlockList":
		add := r.DecideRole(azapi.Data(blobAdd), held)
		if add.Allowed {
			call.createOnly = true
			return add, nil
		}
	}
	return verdict, nil
}

func headers(h http.Header, r *azapi.Request) {
	version := r.Header.Get("x-ms-version")
	if version == "" || len(version) > 32 {
		version = "2025-11-05"
	}
	h.Set("x-ms-version", version)
	h.Set("Server", "Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0")
}

// refuse words the pipeline's refusals as Storage does.
func refuse(r *azapi.Request, refusal azapi.Refusal) error {
	call, ok := r.Target.Resource.(*call)
	if !ok {
		return storage.AccountNotFound.New(r.ResourceName())
	}
	switch refusal.Stage {
	case azapi.StageNoToken:
		if r.HasQuery("sig") {
			return signed(call, "Shared access signatures are not served by aksess.")
		}
		return storage.NoAuthenticationInformation.New().SetHeader("WWW-Authenticate", challenge(call))
	case azapi.StageBadToken:
		scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if strings.HasPrefix(strings.ToLower(scheme), "sharedkey") {
			return signed(call, "Account keys are not served by aksess.")
		}
		return invalidToken(call, fmt.Sprintf("Token validation failed: %v.", refusal.Err))
	case azapi.StageAudience:
		return invalidToken(call, "Audience validation failed. Audience did not match.").
			Because("the token is for " + r.Caller.Audience + ", expected " + resource)
	case azapi.StageFirewall:
		return storage.AuthorizationFailure.New()
	case azapi.StageAccess:
		return storage.AuthorizationPermissionMismatch.New()
	case azapi.StageVersion:
		return badHeader("x-ms-version", r.Header.Get("x-ms-version"))
	}
	if len(refusal.Allow) > 0 {
		return storage.UnsupportedHTTPVerb.New().SetHeader("Allow", strings.Join(refusal.Allow, ", "))
	}
	return storage.NotServed.New(describe(r))
}

// describe names an operation by what distinguishes it on the wire.
func describe(r *azapi.Request) string {
	text := r.Method + " " + r.URL.Path
	sign := "?"
	for _, name := range []string{"restype", "comp"} {
		if value := r.Query(name); value != "" {
			text += sign + name + "=" + value
			sign = "&"
		}
	}
	return text
}
