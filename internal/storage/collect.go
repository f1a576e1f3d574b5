package storage

import (
	"context"
	"errors"
	"fmt"
	"sync"
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
	sweepBudget = 128
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
	Series    string   `json:"series,omitempty"`    // of the snapshots of a blob that are gone with it
	Waiting   string   `json:"waiting,omitempty"`   // key of an upload to end if nothing was added to it lately
}

// Collector removes what no record refers to any more.
type Collector struct {
	config  Config
	remains store.Collection[remains]
	running sync.Mutex // held by the sweep of this process; others have nothing to add
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
	if !c.running.TryLock() {
		return
	}
	defer c.running.Unlock()
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

// collect removes about budget documents and reports whether any were due.
func (c *Collector) collect(ctx context.Context, budget int) (bool, error) {
	due, _, err := c.remains.List(ctx, store.Query{Before: dueKey(c.config.Now().Add(1)), Limit: budget})
	if err != nil {
		return false, fmt.Errorf("listing what is to be removed: %w", err)
	}
	s := &sweeping{Collector: c, budget: budget}
	for _, item := range due {
		err := s.remove(ctx, item.Value)
		if errors.Is(err, errMore) {
			break
		}
		if err == nil {
			err = s.drop(ctx, kindRemains, item.Key)
		}
		if err != nil {
			return true, fmt.Errorf("removing what is left at %q: %w", item.Key, err)
		}
	}
	return len(due) > 0, s.flush(ctx)
}
