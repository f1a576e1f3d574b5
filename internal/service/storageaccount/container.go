package storageaccount

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/storage"
	"github.com/aksess/aksess/internal/store"
)

// containerProperties are a container on the wire
// (https://learn.microsoft.com/rest/api/storagerp/blob-containers/get).
type containerProperties struct {
	PublicAccess                string            `json:"publicAccess"`
	Metadata                    map[string]string `json:"metadata,omitempty"`
	DefaultEncryptionScope      string            `json:"defaultEncryptionScope"`
	DenyEncryptionScopeOverride bool              `json:"denyEncryptionScopeOverride"`
	HasImmutabilityPolicy       bool              `json:"hasImmutabilityPolicy"`
	HasLegalHold                bool              `json:"hasLegalHold"`
	Deleted                     bool              `json:"deleted"`
	RemainingRetentionDays      int               `json:"remainingRetentionDays"`
	LastModifiedTime            string            `json:"lastModifiedTime"`
	LeaseStatus                 string            `json:"leaseStatus"`
	LeaseState                  string            `json:"leaseState"`
	ImmutableStorage            *struct {
		Enabled bool `json:"enabled"`
	} `json:"immutableStorageWithVersioning"`
}

const accountScope = "$account-encryption-key"

func (p *provider) containerType() *arm.Type {
	return &arm.Type{
		Name:      storage.TypeAccount + "/blobServices/containers",
		Proxy:     true,
		ValidName: storage.CheckContainerName,
		Storage: &arm.Storage{
			Get:    p.getContainer,
			List:   p.listContainers,
			Put:    p.putContainer,
			Delete: p.deleteContainer,
		},
		DeleteStatus: http.StatusOK,
	}
}

// inside is the account that a service belongs to.
func (p *provider) inside(ctx context.Context, service *arm.Resource) (*storage.Account, error) {
	id, err := chain.ParseID(service.ID)
	if err != nil {
		return nil, err
	}
	account, err := p.resources.Get(ctx, id.Parent().String())
	if err != nil {
		return nil, err
	}
	return accountOf(account)
}

func (p *provider) containerResource(c storage.Container) (*arm.Resource, error) {
	r := &arm.Resource{Name: c.Name, Created: c.Created, Changed: c.Modified, Version: c.Version}
	level := c.PublicAccess
	if level == "" {
		level = "None"
	}
	state, status := c.Lease.State(p.config.Now()), "Unlocked"
	if state.Locked() {
		status = "Locked"
	}
	return r, r.SetProperties(containerProperties{
		PublicAccess: level, Metadata: c.Metadata, DefaultEncryptionScope: accountScope,
		LastModifiedTime: stamp(c.Modified), LeaseStatus: status, LeaseState: capital(string(state)),
	})
}

// capital is a word of the data plane as Resource Manager spells it: "Leased".
func capital(word string) string { return strings.ToUpper(word[:1]) + word[1:] }

func (p *provider) getContainer(ctx context.Context, service *arm.Resource, name string) (*arm.Resource, error) {
	account, err := p.inside(ctx, service)
	if err != nil {
		return nil, err
	}
	c, err := p.blobs.Container(ctx, account, name)
	if errors.Is(err, storage.ContainerNotFound) {
		return nil, arm.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return p.containerResource(c)
}

func (p *provider) listContainers(ctx context.Context, service *arm.Resource) ([]*arm.Resource, error) {
	account, err := p.inside(ctx, service)
	if err != nil {
		return nil, err
	}
	var all []*arm.Resource
	page := storage.Page{Limit: store.DefaultLimit}
	for {
		found, next, err := p.blobs.Containers(ctx, account, page)
		if err != nil {
			return nil, err
		}
		for _, c := range found {
			r, err := p.containerResource(c)
			if err != nil {
				return nil, err
			}
			all = append(all, r)
		}
		if next == "" {
			return all, nil
		}
		page.After = next
	}
}

// putContainer: https://learn.microsoft.com/rest/api/storagerp/blob-containers/create
func (p *provider) putContainer(ctx context.Context, service *arm.Resource, change arm.Change) error {
	account, err := p.inside(ctx, service)
	if err != nil {
		return err
	}
	var wanted containerProperties
	if err := change.New.Decode(&wanted); err != nil {
		return badProperties.New("", "properties")
	}
	level, err := wanted.check(change.New.ID)
	if err != nil {
		return err
	}
	var written storage.Container
	if change.Old == nil {
		written, err = p.blobs.CreateContainer(ctx, account, change.New.Name, level, wanted.Metadata)
	} else {
		unchanged := storage.Conditions{IfMatch: storage.ETag(change.Old.Version)}
		written, err = p.blobs.UpdateContainer(ctx, account, change.New.Name, unchanged, func(c *storage.Container) error {
			c.Metadata, c.PublicAccess = wanted.Metadata, level
			return nil
		})
	}
	if raced(err, storage.ContainerAlreadyExists, storage.ConditionNotMet, storage.ContainerNotFound) {
		return store.ErrConflict
	}
	if err != nil {
		return err
	}
	return p.adopt(change.New, written)
}

// raced reports that what was there when Resource Manager looked is not there now.
func raced(err error, kinds ...error) bool {
	for _, kind := range kinds {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

func (p *provider) adopt(into *arm.Resource, written storage.Container) error {
	r, err := p.containerResource(written)
	if err != nil {
		return err
	}
	into.Properties, into.Version, into.Changed = r.Properties, r.Version, r.Changed
	return nil
}

// check returns the access level, or refuses what is not served.
func (c containerProperties) check(id string) (string, error) {
	switch {
	case c.DefaultEncryptionScope != "" && c.DefaultEncryptionScope != accountScope:
		return "", notServed.New("defaultEncryptionScope", id)
	case c.DenyEncryptionScopeOverride:
		return "", notServed.New("denyEncryptionScopeOverride", id)
	case c.ImmutableStorage != nil && c.ImmutableStorage.Enabled:
		return "", notServed.New("immutableStorageWithVersioning", id)
	}
	switch strings.ToLower(c.PublicAccess) {
	case "", "none":
		return "", nil
	case "blob":
		return "Blob", nil
	case "container":
		return "Container", nil
	default:
		return "", badProperties.New(c.PublicAccess, "publicAccess")
	}
}

func (p *provider) deleteContainer(ctx context.Context, service, r *arm.Resource) error {
	account, err := p.inside(ctx, service)
	if err != nil {
		return err
	}
	err = p.blobs.DeleteContainer(ctx, account, r.Name, storage.Conditions{})
	if errors.Is(err, storage.ContainerNotFound) {
		return arm.ErrNotFound
	}
	return err
}
