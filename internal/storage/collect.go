package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aksess/aksess/internal/store"
)

const (
	// grace is how long superseded content stays readable for answers under way.
	grace = 2 * time.Minute
	// abandoned is how long uploaded blocks wait for their list, as in Azure
	// (https://learn.microsoft.com/rest/api/storageservices/put-block#remarks).
	abandoned = 7 * 24 * time.Hour
	// sweepBudget bounds, in documents, what one write removes of what earlier ones left.
	sweepBudget = 256
)

// remains is what is left to remove after a write has taken effect. It is
// written with that write, so that nothing is forgotten when the process ends.
// Carrying it out twice does no harm.
type remains struct {
	Bodies    []Body   `json:"bodies,omitempty"`    // superseded content
	Parts     string   `json:"parts,omitempty"`     // key of a superseded list of blocks
	Container string   `json:"container,omitempty"` // UID of a deleted container
	Queue     string   `json:"queue,omitempty"`     // UID of a deleted or cleared queue
	Upload    string   `json:"upload,omitempty"`    // UID of an upload that ended
	Used      []string `json:"used,omitempty"`      // ids of the blocks' bodies that the blob now owns
	Waiting   string   `json:"waiting,omitempty"`   // key of an upload to end if nothing was added to it lately
}

// Collector removes what no record refers to any more.
type Collector struct {
	config  Config
	remains store.Collection[remains]
}

// NewCollector returns the collector of the records kept in the store of c.
func NewCollector(c Config) *Collector {
	return &Collector{config: c, remains: store.Collection[remains]{Store: c.Store, Kind: kindRemains}}
}

// op schedules a removal.
func (c *Collector) op(after time.Duration, what remains) (store.Op, error) {
	due := c.config.Now().Add(after)
	return c.remains.PutOp(dueKey(due)+"/"+c.config.NewID(), what, store.Always())
}

func dueKey(t time.Time) string { return fmt.Sprintf("%016x", t.UnixNano()) }

// sweep removes a bounded part of what is due, on behalf of a write. What it
// cannot remove stays scheduled, so its error is not the write's.
func (c *Collector) sweep(ctx context.Context) {
	_, _ = c.collect(ctx, sweepBudget)
}

// Collect removes everything that is due. The owner of the process calls it
// now and then, and at start, for what no later write sweeps.
func (c *Collector) Collect(ctx context.Context) error {
	for {
		found, err := c.collect(ctx, store.DefaultLimit)
		if err != nil || !found {
			return err
		}
	}
}

// errMore: the budget is spent, documents are left.
var errMore = errors.New("more is left to remove")

// collect removes about budget documents and reports whether any were due.
func (c *Collector) collect(ctx context.Context, budget int) (bool, error) {
	due, _, err := c.remains.List(ctx, store.Query{Before: dueKey(c.config.Now().Add(1)), Limit: budget})
	if err != nil {
		return false, fmt.Errorf("listing what is to be removed: %w", err)
	}
	for _, item := range due {
		err := c.remove(ctx, item.Value, &budget)
		if errors.Is(err, errMore) {
			return true, nil
		}
		if err != nil {
			return true, fmt.Errorf("removing what is left at %q: %w", item.Key, err)
		}
		if err := c.remains.Delete(ctx, item.Key, store.Always()); err != nil {
			return true, err
		}
	}
	return len(due) > 0, nil
}

func (c *Collector) remove(ctx context.Context, what remains, budget *int) error {
	for _, body := range what.Bodies {
		if err := c.removeBody(ctx, body); err != nil {
			return err
		}
	}
	switch {
	case what.Parts != "":
		return c.delete(ctx, kindParts, what.Parts)
	case what.Container != "":
		return c.removeContainer(ctx, what.Container, budget)
	case what.Queue != "":
		return c.each(ctx, kindMessage, what.Queue+"/", budget, func(store.Doc) error { return nil })
	case what.Upload != "":
		return c.removeUpload(ctx, what.Upload, what.Used, budget)
	case what.Waiting != "":
		return c.endIdleUpload(ctx, what.Waiting)
	}
	return nil
}

// removeBody removes content: the blocks of a blob before the list of them.
func (c *Collector) removeBody(ctx context.Context, body Body) error {
	if body.Parts != "" {
		parts, err := store.Collection[[]Part]{Store: c.config.Store, Kind: kindParts}.Get(ctx, body.Parts)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		for _, part := range parts.Value {
			if err := c.removeBody(ctx, part.Body); err != nil {
				return err
			}
		}
		return c.delete(ctx, kindParts, body.Parts)
	}
	if body.Bytes != "" {
		return c.delete(ctx, kindBytes, body.Bytes)
	}
	return c.config.Store.DeleteContent(ctx, body.Content)
}

func (c *Collector) delete(ctx context.Context, kind, key string) error {
	_, err := c.config.Store.Apply(ctx, store.Op{Kind: kind, Key: key, Delete: true})
	return err
}

// each calls do for the documents below a prefix and deletes them after it,
// until the budget is spent, which it tells by errMore.
func (c *Collector) each(ctx context.Context, kind, prefix string, budget *int, do func(store.Doc) error) error {
	for {
		if *budget <= 0 {
			return errMore
		}
		page, err := c.config.Store.List(ctx, kind, store.Query{Prefix: prefix, Limit: *budget})
		if err != nil || len(page.Docs) == 0 {
			return err
		}
		ops := make([]store.Op, 0, len(page.Docs))
		for _, doc := range page.Docs {
			if err := do(doc); err != nil {
				return err
			}
			ops = append(ops, store.Op{Kind: kind, Key: doc.Key, Delete: true})
		}
		*budget -= len(ops)
		if _, err := c.config.Store.Apply(ctx, ops...); err != nil {
			return err
		}
	}
}

// removeContainer removes what the blobs and uploads of a container hold, then them.
func (c *Collector) removeContainer(ctx context.Context, uid string, budget *int) error {
	err := c.each(ctx, kindBlob, uid+"/", budget, func(doc store.Doc) error {
		var blob Blob
		if err := json.Unmarshal(doc.Value, &blob); err != nil {
			return err
		}
		return c.removeBody(ctx, blob.Body)
	})
	if err != nil {
		return err
	}
	return c.each(ctx, kindUpload, uid+"/", budget, func(doc store.Doc) error {
		var of upload
		if err := json.Unmarshal(doc.Value, &of); err != nil {
			return err
		}
		return c.removeUpload(ctx, of.UID, nil, budget)
	})
}

// removeUpload removes the blocks of an upload, and the content of those that no list took.
func (c *Collector) removeUpload(ctx context.Context, uid string, used []string, budget *int) error {
	taken := make(map[string]bool, len(used))
	for _, id := range used {
		taken[id] = true
	}
	return c.each(ctx, kindBlock, uid+"/", budget, func(doc store.Doc) error {
		var block Block
		if err := json.Unmarshal(doc.Value, &block); err != nil {
			return err
		}
		if taken[block.Body.id()] {
			return nil
		}
		return c.removeBody(ctx, block.Body)
	})
}

// endIdleUpload ends an upload that got no block for a long time, else looks again later.
func (c *Collector) endIdleUpload(ctx context.Context, key string) error {
	uploads := store.Collection[upload]{Store: c.config.Store, Kind: kindUpload}
	found, err := uploads.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	blocks, err := store.Collection[Block]{Store: c.config.Store, Kind: kindBlock}.All(ctx, found.Value.UID+"/")
	if err != nil {
		return err
	}
	latest := found.Value.Started
	for _, block := range blocks {
		if block.Value.Put.After(latest) {
			latest = block.Value.Put
		}
	}
	idle := c.config.Now().Sub(latest)
	if idle < abandoned {
		later, err := c.op(abandoned-idle, remains{Waiting: key})
		if err != nil {
			return err
		}
		_, err = c.config.Store.Apply(ctx, later)
		return err
	}
	end, err := c.op(0, remains{Upload: found.Value.UID})
	if err != nil {
		return err
	}
	_, err = c.config.Store.Apply(ctx, uploads.DeleteOp(key, store.At(found.Version)), end)
	if errors.Is(err, store.ErrConflict) {
		return nil // its list came, or another collector
	}
	return err
}
