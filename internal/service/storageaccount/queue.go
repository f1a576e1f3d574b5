package storageaccount

import (
	"context"
	"errors"
	"net/http"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/storage"
	"github.com/aksess/aksess/internal/store"
)

// queueProperties are a queue on the wire
// (https://learn.microsoft.com/rest/api/storagerp/queue/get).
type queueProperties struct {
	Metadata map[string]string `json:"metadata,omitempty"`
}

func (p *provider) queueType() *arm.Type {
	return &arm.Type{
		Name:         storage.TypeAccount + "/queueServices/queues",
		Proxy:        true,
		CreateStatus: http.StatusOK,
		DeleteStatus: http.StatusNoContent,
		ValidName:    storage.CheckQueueName,
		Storage: &arm.Storage{
			Get:    p.getQueue,
			List:   p.listQueues,
			Put:    p.putQueue,
			Delete: p.deleteQueue,
		},
	}
}

func queueResource(q storage.Queue) (*arm.Resource, error) {
	r := &arm.Resource{Name: q.Name, Created: q.Created, Changed: q.Created, Version: q.Version}
	return r, r.SetProperties(queueProperties{Metadata: q.Metadata})
}

func (p *provider) getQueue(ctx context.Context, service *arm.Resource, name string) (*arm.Resource, error) {
	account, err := p.inside(ctx, service)
	if err != nil {
		return nil, err
	}
	q, err := p.queues.Queue(ctx, account, name)
	if errors.Is(err, storage.QueueNotFound) {
		return nil, arm.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return queueResource(q)
}

func (p *provider) listQueues(ctx context.Context, service *arm.Resource) ([]*arm.Resource, error) {
	account, err := p.inside(ctx, service)
	if err != nil {
		return nil, err
	}
	var all []*arm.Resource
	page := storage.Page{Limit: store.DefaultLimit}
	for {
		found, next, err := p.queues.List(ctx, account, page)
		if err != nil {
			return nil, err
		}
		for _, q := range found {
			r, err := queueResource(q)
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

// putQueue: https://learn.microsoft.com/rest/api/storagerp/queue/create
func (p *provider) putQueue(ctx context.Context, service *arm.Resource, change arm.Change) error {
	account, err := p.inside(ctx, service)
	if err != nil {
		return err
	}
	var wanted queueProperties
	if err := change.New.Decode(&wanted); err != nil {
		return badProperties.New("", "properties.metadata")
	}
	var written storage.Queue
	if change.Old == nil {
		written, _, err = p.queues.Create(ctx, account, change.New.Name, wanted.Metadata)
	} else {
		written, err = p.queues.SetMetadata(ctx, account, change.New.Name, wanted.Metadata)
	}
	if raced(err, storage.QueueAlreadyExists, storage.QueueNotFound) {
		return store.ErrConflict
	}
	if err != nil {
		return err
	}
	r, err := queueResource(written)
	if err != nil {
		return err
	}
	change.New.Properties, change.New.Version = r.Properties, r.Version
	return nil
}

func (p *provider) deleteQueue(ctx context.Context, service, r *arm.Resource) error {
	account, err := p.inside(ctx, service)
	if err != nil {
		return err
	}
	err = p.queues.Delete(ctx, account, r.Name)
	if errors.Is(err, storage.QueueNotFound) {
		return arm.ErrNotFound
	}
	return err
}
