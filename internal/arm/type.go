package arm

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/store"
)

// Type describes one resource type. The hooks are called with the resource
// merged from what was stored and what was sent; they validate, fill computed
// fields and return coded errors as the real provider does.
//
// A child type names its parents in its own name. Its parent is the nearest
// one that is served as a type of its own and must exist on create.
type Type struct {
	Name   string // "Microsoft.KeyVault/vaults", in Azure's spelling; children as "Microsoft.Storage/storageAccounts/blobServices/containers"
	Global bool   // the name is unique across Azure and findable by ByName: vaults, stores, storage accounts
	// Proxy types have no location and no tags: federated credentials, containers.
	Proxy bool
	// Stateless types have no properties.provisioningState. The others have
	// "Succeeded" before Put is called; proxy types are stateless anyway.
	Stateless bool

	CreateStatus int // 0 means 201
	UpdateStatus int // 0 means 200
	DeleteStatus int // 0 means 200; 204 when there was nothing

	// ValidName reports a bad name; nil accepts what ids accept.
	ValidName func(name string) error
	// NameTaken words the refusal of a Global name that another resource has.
	// nil answers 409 NameUnavailable.
	NameTaken func(name string) error
	// Put completes a resource before it is written. old is nil on create. It
	// may be called again when another writer was faster: effects elsewhere
	// must be repeatable, or go into Also.
	Put func(ctx context.Context, c Change) error
	// Written runs after the write is on disk, for state that lives elsewhere and can be made again.
	Written func(ctx context.Context, r *Resource) error
	// Read fills what is computed at each read. nil for most.
	Read func(ctx context.Context, r *Resource) error
	// Delete runs before the resource and its children go; the children's own
	// Delete ran before. nil for most.
	Delete func(ctx context.Context, r *Resource) error
	// Ended runs after a DELETE of the resource itself was done, for what the
	// request says beside its id, such as ?force=true; it does not when the
	// resource goes with its group or parent. nil for most.
	Ended func(r *azapi.Request, resource *Resource) error
	// NoPatch: the type answers PATCH with 405.
	NoPatch bool

	// Default makes the resource that exists with its parent before anything
	// was written to it, such as blobServices/default. nil, or a nil resource:
	// nothing is there until it is put. Such a resource is updated, never created.
	Default func(ctx context.Context, parent *Resource, name string) (*Resource, error)
	// Storage keeps the type's resources elsewhere than in Resources. Only for
	// child types. Global, Written, Default and Change.Also mean nothing then.
	Storage *Storage

	// Work is what a write starts and does not wait for, such as starting a
	// cluster: it runs after the write is on disk, on a resource whose
	// provisioningState is Creating or Updating and becomes Succeeded when Work
	// returns, or Failed with the coded error that it returns. The write is
	// answered at once with Azure-AsyncOperation. Work may run again after a
	// restart that interrupted it. What it changes in r is not kept. Its context
	// ends when the resource is deleted with its group, and at a stop. nil for
	// types that are complete when written.
	Work func(ctx context.Context, r *Resource) error

	// SoftDelete keeps deleted resources for a while, with their name. Only for
	// Global types; nil: what is deleted is gone.
	SoftDelete *SoftDelete

	// Actions are POST operations on a resource: listKeys, listClusterUserCredential.
	Actions []PostAction
	// Operations are further rows of the host's table that belong to the type:
	// deleted vaults, name checks.
	Operations []azapi.Operation
}

// Storage is where a type's resources are when they are not documents of
// Resources, so that they have one home. ETags, paging and merging of bodies
// stay with arm.
type Storage struct {
	// Get returns the named child of parent, or ErrNotFound.
	Get func(ctx context.Context, parent *Resource, name string) (*Resource, error)
	// List returns all children of parent.
	List func(ctx context.Context, parent *Resource) ([]*Resource, error)
	// Put writes c.New on the condition that c.Old is still what is there;
	// otherwise it returns an error with store.ErrConflict in its chain, and is
	// called again after a new look.
	Put func(ctx context.Context, parent *Resource, c Change) error
	// Delete removes the child, or returns ErrNotFound.
	Delete func(ctx context.Context, parent, r *Resource) error
}

// SoftDelete is how a type's deleted resources can come back
// (https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview).
// While one is deleted its name stays taken; it is found with
// [Resources.Deleted] and ends with [Resources.Purge], or by itself when its time is up.
type SoftDelete struct {
	// Terms says for how many days a resource is kept, and whether it may be
	// purged earlier. 0 days: this one is gone at once.
	Terms func(r *Resource) (days int, protected bool, err error)
	// Recovers reports that a PUT asks for the deleted resource of its name. The
	// deleted resource is then Change.Old of Put, and what is below it is back.
	Recovers func(c Change) bool
	// Taken words the refusal of a PUT that does not ask for it.
	Taken func(d *Deleted) error
	// Purge removes what belongs to the resource elsewhere, such as secrets. It
	// may run again; nil for nothing. The type's Delete hook runs at the delete, this
	// at its end, and before it the Delete hooks of what was below it.
	Purge func(ctx context.Context, r *Resource) error
}

// Deleted is a deleted resource that can still be recovered.
type Deleted struct {
	Resource  *Resource // as it was
	At        time.Time // when it was deleted
	Until     time.Time // when it ends by itself
	Protected bool      // it cannot be purged before
}

// Change is a write under way.
type Change struct {
	Request *azapi.Request // who writes; for api-version and caller
	Old     *Resource      // nil on create
	New     *Resource      // to be completed in place
	Parent  *Resource      // the parent resource of a child; nil otherwise
	Sent    map[string]any // the body as sent, for "was this member there" questions
	Now     time.Time
	// Also adds operations that are applied in one write with the resource.
	Also func(ops ...store.Op)
}

// PostAction is one POST operation on a resource.
type PostAction struct {
	Name   string // "listKeys": the last path segment and, with the type, the action TYPE/listKeys/action
	Handle func(w http.ResponseWriter, r *azapi.Request, resource *Resource) error
}

// namespace is the provider's: "Microsoft.KeyVault".
func (t *Type) namespace() string {
	namespace, _, _ := strings.Cut(t.Name, "/")
	return namespace
}

// segments are the type's own segments: "storageAccounts", "blobServices", "containers".
func (t *Type) segments() []string { return strings.Split(t.Name, "/")[1:] }

// topLevel reports that the type is not a child.
func (t *Type) topLevel() bool { return strings.Count(t.Name, "/") == 1 }
