package storage

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/aksess/aksess/internal/store"
)

// errMore: the budget is spent, documents are left.
var errMore = errors.New("more is left to remove")

// sweeping is one round of removals.
type sweeping struct {
	*Collector
	budget  int        // documents still to look at
	pending []store.Op // deletes to be written together
}

// drop deletes a document, later and with others. What a document leads to is
// dropped before it, so that a round that breaks off can be done again.
func (s *sweeping) drop(ctx context.Context, kind, key string) error {
	s.pending = append(s.pending, store.Op{Kind: kind, Key: key, Delete: true})
	if len(s.pending) < store.DefaultLimit {
		return nil
	}
	return s.flush(ctx)
}

func (s *sweeping) flush(ctx context.Context) error {
	if len(s.pending) == 0 {
		return nil
	}
	_, err := s.config.Store.Apply(ctx, s.pending...)
	s.pending = s.pending[:0]
	return err
}

func (s *sweeping) remove(ctx context.Context, what remains) error {
	for _, body := range what.Bodies {
		if err := s.removeBody(ctx, body); err != nil {
			return err
		}
	}
	switch {
	case what.Parts != "":
		return s.drop(ctx, kindParts, what.Parts)
	case what.Container != "":
		return s.removeContainer(ctx, what.Container)
	case what.Queue != "":
		return s.each(ctx, kindMessage, what.Queue+"/", func(store.Doc) error { return nil })
	case what.Upload != "":
		return s.removeUpload(ctx, what.Upload, what.Used)
	case what.Series != "":
		return s.removeSeries(ctx, what.Series)
	case what.Waiting != "":
		return s.endIdleUpload(ctx, what.Waiting)
	}
	return nil
}

// removeBody removes content: the blocks of a blob before the list of them.
func (s *sweeping) removeBody(ctx context.Context, body Body) error {
	if body.Parts != "" {
		parts, err := store.Collection[[]Part]{Store: s.config.Store, Kind: kindParts}.Get(ctx, body.Parts)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		for _, part := range parts.Value {
			if err := s.removeBody(ctx, part.Body); err != nil {
				return err
			}
		}
		return s.drop(ctx, kindParts, body.Parts)
	}
	if body.Bytes != "" {
		return s.drop(ctx, kindBytes, body.Bytes)
	}
	return s.config.Store.DeleteContent(ctx, body.Content)
}

// each calls do for the documents below a prefix and deletes them after it,
// until the budget is spent, which it tells by errMore.
func (s *sweeping) each(ctx context.Context, kind, prefix string, do func(store.Doc) error) error {
	for {
		if s.budget <= 0 {
			return errMore
		}
		page, err := s.config.Store.List(ctx, kind, store.Query{Prefix: prefix, Limit: s.budget})
		if err != nil || len(page.Docs) == 0 {
			return err
		}
		for _, doc := range page.Docs {
			if err := do(doc); err != nil {
				return err
			}
			if err := s.drop(ctx, kind, doc.Key); err != nil {
				return err
			}
		}
		s.budget -= len(page.Docs)
		if err := s.flush(ctx); err != nil {
			return err
		}
	}
}

// removeContainer removes what the blobs and uploads of a container hold, then them.
func (s *sweeping) removeContainer(ctx context.Context, uid string) error {
	err := s.each(ctx, kindBlob, uid+"/", func(doc store.Doc) error {
		var blob Blob
		if err := json.Unmarshal(doc.Value, &blob); err != nil {
			return err
		}
		if blob.Series != "" {
			if err := s.removeSeries(ctx, blob.Series); err != nil {
				return err
			}
		}
		return s.removeBody(ctx, blob.Body)
	})
	if err != nil {
		return err
	}
	return s.each(ctx, kindUpload, uid+"/", func(doc store.Doc) error {
		var of upload
		if err := json.Unmarshal(doc.Value, &of); err != nil {
			return err
		}
		return s.removeUpload(ctx, of.UID, nil)
	})
}

// removeSeries removes snapshots with their content.
func (s *sweeping) removeSeries(ctx context.Context, uid string) error {
	return s.each(ctx, kindSnapshot, uid+"/", func(doc store.Doc) error {
		var snapshot Blob
		if err := json.Unmarshal(doc.Value, &snapshot); err != nil {
			return err
		}
		return s.removeBody(ctx, snapshot.Body)
	})
}

// removeUpload removes the blocks of an upload, and the content of those that no list took.
func (s *sweeping) removeUpload(ctx context.Context, uid string, used []string) error {
	taken := make(map[string]bool, len(used))
	for _, id := range used {
		taken[id] = true
	}
	return s.each(ctx, kindBlock, uid+"/", func(doc store.Doc) error {
		var block Block
		if err := json.Unmarshal(doc.Value, &block); err != nil {
			return err
		}
		if taken[block.Body.id()] {
			return nil
		}
		return s.removeBody(ctx, block.Body)
	})
}

// endIdleUpload ends an upload that got no block for a long time, else looks again later.
func (s *sweeping) endIdleUpload(ctx context.Context, key string) error {
	uploads := store.Collection[upload]{Store: s.config.Store, Kind: kindUpload}
	found, err := uploads.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	blocks, err := store.Collection[Block]{Store: s.config.Store, Kind: kindBlock}.All(ctx, found.Value.UID+"/")
	if err != nil {
		return err
	}
	latest := found.Value.Started
	for _, block := range blocks {
		if block.Value.Put.After(latest) {
			latest = block.Value.Put
		}
	}
	idle := s.config.Now().Sub(latest)
	if idle < abandoned {
		later, err := s.op(abandoned-idle, remains{Waiting: key})
		if err != nil {
			return err
		}
		_, err = s.config.Store.Apply(ctx, later)
		return err
	}
	end, err := s.op(0, remains{Upload: found.Value.UID})
	if err != nil {
		return err
	}
	_, err = s.config.Store.Apply(ctx, uploads.DeleteOp(key, store.At(found.Version)), end)
	if errors.Is(err, store.ErrConflict) {
		return nil // its list came, or another collector
	}
	return err
}
