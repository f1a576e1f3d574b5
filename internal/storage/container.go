package storage

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/aksess/aksess/internal/store"
)

// Container is a container of blobs.
type Container struct {
	UID          string            `json:"uid"` // tells it from an earlier one of the same name
	Name         string            `json:"name"`
	Metadata     map[string]string `json:"metadata,omitempty"`
	PublicAccess string            `json:"publicAccess,omitempty"` // "", "Blob" or "Container"; kept, not granted
	Policies     []StoredPolicy    `json:"policies,omitempty"`
	Created      time.Time         `json:"created"`
	Modified     time.Time         `json:"modified"`
	Lease        Lease             `json:"lease,omitzero"`
	// Kept is the Version that a change of the lease alone went on with; 0 when
	// the record's own is the Version.
	Kept int64 `json:"kept,omitempty"`

	Version int64  `json:"-"` // what the ETag shows
	stored  int64  // the record's own
	holder  string // account UID
}

func (c *Container) key() string { return c.holder + "/" + c.Name }
func (c *Container) state(now time.Time) state {
	return state{exists: true, version: c.Version, modified: c.Modified, lease: c.Lease, now: now, of: leasedContainer()}
}

// check is the operation that makes a write fail when the container changed or went.
func (c *Container) check() store.Op {
	return store.Op{Kind: kindContainer, Key: c.key(), Check: true, If: store.At(c.stored)}
}

// Blobs keeps the containers and blobs of all accounts.
type Blobs struct {
	config     Config
	containers store.Collection[Container]
	blobs      store.Collection[Blob]
	snapshots  store.Collection[Blob]
	parts      store.Collection[[]Part]
	uploads    store.Collection[upload]
	blocks     store.Collection[Block]
	collector  *Collector
}

// NewBlobs returns the containers and blobs kept in the store of c.
func NewBlobs(c Config) *Blobs {
	return &Blobs{
		config:     c,
		containers: store.Collection[Container]{Store: c.Store, Kind: kindContainer},
		blobs:      store.Collection[Blob]{Store: c.Store, Kind: kindBlob},
		snapshots:  store.Collection[Blob]{Store: c.Store, Kind: kindSnapshot},
		parts:      store.Collection[[]Part]{Store: c.Store, Kind: kindParts},
		uploads:    store.Collection[upload]{Store: c.Store, Kind: kindUpload},
		blocks:     store.Collection[Block]{Store: c.Store, Kind: kindBlock},
		collector:  NewCollector(c),
	}
}

func containerOf(holder string, item store.Item[Container]) Container {
	item.Value.Version, item.Value.stored, item.Value.holder = item.Version, item.Version, holder
	if item.Value.Kept != 0 {
		item.Value.Version = item.Value.Kept
	}
	return item.Value
}

// Container returns a container, or ContainerNotFound.
func (b *Blobs) Container(ctx context.Context, account *Account, name string) (Container, error) {
	item, err := b.containers.Get(ctx, account.UID+"/"+name)
	if errors.Is(err, store.ErrNotFound) {
		return Container{}, ContainerNotFound.New()
	}
	if err != nil {
		return Container{}, fmt.Errorf("reading container %q: %w", name, err)
	}
	return containerOf(account.UID, item), nil
}

// CheckPublicAccess refuses an access level that is none, or that the account
// does not permit. A permitted one is kept and shown; it lets nobody in.
func CheckPublicAccess(account *Account, level string) error {
	switch level {
	case "":
		return nil
	case "Blob", "Container":
		if !account.Public {
			return PublicAccessNotPermitted.New()
		}
		return nil
	default:
		return InvalidHeaderValue.New()
	}
}

// CreateContainer makes an empty container, or returns ContainerAlreadyExists.
func (b *Blobs) CreateContainer(ctx context.Context, account *Account, name, publicAccess string, metadata map[string]string) (Container, error) {
	if err := CheckContainerName(name); err != nil {
		return Container{}, err
	}
	if err := CheckMetadata(metadata); err != nil {
		return Container{}, err
	}
	if err := CheckPublicAccess(account, publicAccess); err != nil {
		return Container{}, err
	}
	now := b.config.Now()
	c := Container{
		UID: b.config.NewID(), Name: name, Metadata: metadata, PublicAccess: publicAccess,
		Created: now, Modified: now, holder: account.UID,
	}
	version, err := b.containers.Put(ctx, c.key(), c, store.Absent())
	if errors.Is(err, store.ErrConflict) {
		return Container{}, ContainerAlreadyExists.New()
	}
	if err != nil {
		return Container{}, fmt.Errorf("creating container %q: %w", name, err)
	}
	c.Version, c.stored = version, version
	return c, nil
}

// CheckLease refuses a request that names a lease, unless the container's
// holds and is that one.
func (b *Blobs) CheckLease(c Container, id string) error {
	return c.Lease.use(id, false, b.config.Now(), leasedContainer())
}

// UpdateContainer changes a container on conditions. A lease on it does not
// hold that off
// (https://learn.microsoft.com/rest/api/storageservices/lease-container#outcomes-of-use-attempts-on-containers-by-lease-state).
func (b *Blobs) UpdateContainer(ctx context.Context, account *Account, name string, on Conditions, change func(*Container) error) (Container, error) {
	return b.rewriteContainer(ctx, account, name, on, func(c *Container) error {
		c.Kept, c.Modified = 0, b.config.Now()
		if err := change(c); err != nil {
			return err
		}
		if err := CheckMetadata(c.Metadata); err != nil {
			return err
		}
		return CheckPublicAccess(account, c.PublicAccess)
	})
}

// LeaseContainer changes the lease of a container on conditions. The container
// stays unmodified.
func (b *Blobs) LeaseContainer(ctx context.Context, account *Account, name string, on Conditions, change LeaseChange) (Container, error) {
	return b.rewriteContainer(ctx, account, name, on, func(c *Container) (err error) {
		c.Kept = c.Version
		c.Lease, err = change(c.Lease, b.config.Now(), "container")
		return err
	})
}

func (b *Blobs) rewriteContainer(ctx context.Context, account *Account, name string, on Conditions, change func(*Container) error) (Container, error) {
	for {
		c, err := b.Container(ctx, account, name)
		if err != nil {
			return c, err
		}
		if err := on.forUpdate(c.state(b.config.Now())); err != nil {
			return c, err
		}
		changed := c
		changed.Metadata = maps.Clone(c.Metadata)
		if err := change(&changed); err != nil {
			return c, err
		}
		version, err := b.containers.Put(ctx, c.key(), changed, store.At(c.stored))
		if !errors.Is(err, store.ErrConflict) {
			return containerOf(account.UID, store.Item[Container]{Value: changed, Version: version}), err
		}
	}
}

// DeleteContainer removes a container on conditions. Its blobs are out of reach
// at once, whatever leases they have; what they hold is removed by the collector.
func (b *Blobs) DeleteContainer(ctx context.Context, account *Account, name string, on Conditions) error {
	return b.deleteContainer(ctx, account, name, on.forWrite)
}

func (b *Blobs) deleteContainer(ctx context.Context, account *Account, name string, admit func(state) error) error {
	for {
		c, err := b.Container(ctx, account, name)
		if err != nil {
			return err
		}
		if err := admit(c.state(b.config.Now())); err != nil {
			return err
		}
		remove, err := b.collector.op(0, remains{Container: c.UID})
		if err != nil {
			return err
		}
		_, err = b.config.Store.Apply(ctx, b.containers.DeleteOp(c.key(), store.At(c.stored)), remove)
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			return fmt.Errorf("deleting container %q: %w", name, err)
		}
		b.collector.sweep(ctx)
		return nil
	}
}

// Containers lists the containers of an account in the order of their names,
// and the name to continue after, "" at the end.
func (b *Blobs) Containers(ctx context.Context, account *Account, p Page) ([]Container, string, error) {
	items, next, err := list(ctx, b.containers, account.UID, p)
	if err != nil {
		return nil, "", fmt.Errorf("listing containers of %q: %w", account.Name, err)
	}
	found := make([]Container, 0, len(items))
	for _, item := range items {
		found = append(found, containerOf(account.UID, item))
	}
	return found, next, nil
}

// DeleteAll removes all containers of an account, leased or not.
func (b *Blobs) DeleteAll(ctx context.Context, account *Account) error {
	for {
		containers, next, err := b.Containers(ctx, account, Page{Limit: store.DefaultLimit})
		if err != nil {
			return err
		}
		for _, c := range containers {
			err := b.deleteContainer(ctx, account, c.Name, Conditions{}.forUpdate)
			if err != nil && !errors.Is(err, ContainerNotFound) {
				return err
			}
		}
		if next == "" {
			return nil
		}
	}
}
