package storage

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/store"
)

const (
	maxBlockID   = 64     // bytes, decoded
	maxBlockList = 50_000 // blocks of a blob

)

// Block is one uploaded block that waits for a list. A block sent twice is
// there twice; the later one counts.
type Block struct {
	ID   string    `json:"id"` // in base64, as it was sent
	Size int64     `json:"size"`
	Body Body      `json:"body,omitzero"`
	Put  time.Time `json:"put"`
}

// upload is the blocks of one blob that wait for a list. It ends with the list,
// with a whole write of the blob, or when it is abandoned.
type upload struct {
	UID      string    `json:"uid"`
	Started  time.Time `json:"started"`
	IDLength int       `json:"idLength"` // of the ids, which all have one length
}

// checkBlockID returns the length of the decoded id.
func checkBlockID(id string) (int, error) {
	decoded, err := base64.StdEncoding.DecodeString(id)
	if err != nil || len(decoded) == 0 || len(decoded) > maxBlockID || strings.ContainsAny(id, "\r\n") { // the decoder skips line breaks
		return 0, InvalidBlockID.New()
	}
	return len(decoded), nil
}

// waiting returns the upload of a blob, with Version 0 when there is none.
func (b *Blobs) waiting(ctx context.Context, c Container, name string) (store.Item[upload], error) {
	item, err := b.uploads.Get(ctx, blobKey(c, name))
	if errors.Is(err, store.ErrNotFound) {
		return store.Item[upload]{}, nil
	}
	if err != nil {
		return item, fmt.Errorf("reading the upload of blob %q: %w", name, err)
	}
	return item, nil
}

// PutBlock adds a staged block to the upload of a blob, which a lease on the
// blob holds off. The caller discards staged on error.
func (b *Blobs) PutBlock(ctx context.Context, c Container, name, id string, on Conditions, staged *Staged) error {
	length, err := checkBlockID(id)
	if err != nil {
		return err
	}
	blob, err := b.find(ctx, c, name)
	if err != nil {
		return err
	}
	if err := on.forWrite(blob.state(b.config.Now())); err != nil {
		return err
	}
	for {
		err := b.addBlock(ctx, c, name, Block{ID: id, Size: staged.Size, Body: staged.body, Put: b.config.Now()}, length, staged)
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

func (b *Blobs) addBlock(ctx context.Context, c Container, name string, block Block, idLength int, staged *Staged) error {
	check, err := b.holds(ctx, c)
	if err != nil {
		return err
	}
	ops := []store.Op{check}
	waiting, err := b.waiting(ctx, c, name)
	if err != nil {
		return err
	}
	if waiting.Version == 0 {
		waiting.Value = upload{UID: b.config.NewID(), Started: b.config.Now(), IDLength: idLength}
		begin, err := b.begin(blobKey(c, name), waiting.Value)
		if err != nil {
			return err
		}
		ops = append(ops, begin...)
	} else {
		ops = append(ops, store.Op{Kind: kindUpload, Key: waiting.Key, Check: true, If: store.At(waiting.Version)})
	}
	if waiting.Value.IDLength != idLength {
		return InvalidBlobOrBlock.New()
	}
	key := fmt.Sprintf("%s/%s\x00%016x-%s", waiting.Value.UID, block.ID, block.Put.UnixNano(), b.config.NewID())
	add, err := b.blocks.PutOp(key, block, store.Absent())
	if err != nil {
		return err
	}
	ops = append(ops, add)
	if op, ok := staged.op(); ok {
		ops = append(ops, op)
	}
	_, err = b.config.Store.Apply(ctx, ops...)
	return err
}

// begin starts an upload and schedules a look at whether it was abandoned.
func (b *Blobs) begin(key string, of upload) ([]store.Op, error) {
	start, err := b.uploads.PutOp(key, of, store.Absent())
	if err != nil {
		return nil, err
	}
	look, err := b.collector.op(abandoned, remains{Waiting: key})
	if err != nil {
		return nil, err
	}
	return []store.Op{start, look}, nil
}

// Choice says where a list takes a block from.
type Choice int

// Where a block of a list comes from.
const (
	Latest      Choice = iota // uploaded, else of the blob as it is
	Uncommitted               // uploaded
	Committed                 // of the blob as it is
)

// ListedBlock is one entry of a block list.
type ListedBlock struct {
	ID   string
	From Choice
}

// Commit makes a blob of blocks, in the order of list. Blocks that the list
// does not take are removed.
func (b *Blobs) Commit(ctx context.Context, c Container, w Write, list []ListedBlock) (Blob, error) {
	if len(list) > maxBlockList {
		return Blob{}, BlockListTooLong.New()
	}
	return b.write(ctx, c, w, func(old Blob, waiting store.Item[upload]) (draft, error) {
		uncommitted, err := b.uploaded(ctx, waiting)
		if err != nil {
			return draft{}, err
		}
		committed, err := b.partsOf(ctx, old)
		if err != nil {
			return draft{}, err
		}
		parts, err := choose(list, uncommitted, committed)
		if err != nil {
			return draft{}, err
		}
		return b.assemble(c, parts)
	})
}

// assemble makes the content of a blob from its parts.
func (b *Blobs) assemble(c Container, parts []Part) (draft, error) {
	next := draft{}
	for _, part := range parts {
		next.size += part.Size
		if !part.Body.empty() {
			next.used = append(next.used, part.Body.id())
		}
	}
	if len(parts) == 0 {
		return next, nil
	}
	next.body.Parts = c.UID + "/" + b.config.NewID()
	op, err := b.parts.PutOp(next.body.Parts, parts, store.Absent())
	next.ops = []store.Op{op}
	return next, err
}

func choose(list []ListedBlock, uncommitted, committed map[string]Part) ([]Part, error) {
	parts := make([]Part, 0, len(list))
	for _, entry := range list {
		if _, err := checkBlockID(entry.ID); err != nil {
			return nil, err
		}
		part, found := uncommitted[entry.ID]
		if entry.From == Committed || (!found && entry.From == Latest) {
			part, found = committed[entry.ID]
		}
		if !found {
			return nil, InvalidBlockList.New()
		}
		parts = append(parts, part)
	}
	return parts, nil
}

// uploaded returns the newest block of each id.
func (b *Blobs) uploaded(ctx context.Context, waiting store.Item[upload]) (map[string]Part, error) {
	found := map[string]Part{}
	if waiting.Version == 0 {
		return found, nil
	}
	items, err := b.blocks.All(ctx, waiting.Value.UID+"/")
	if err != nil {
		return nil, fmt.Errorf("listing blocks: %w", err)
	}
	for _, item := range items { // in the order of id and time
		found[item.Value.ID] = Part{ID: item.Value.ID, Size: item.Value.Size, Body: item.Value.Body}
	}
	return found, nil
}

// partsOf returns the committed blocks of a blob. A blob that was written whole has none.
func (b *Blobs) partsOf(ctx context.Context, blob Blob) (map[string]Part, error) {
	found := map[string]Part{}
	if blob.Body.Parts == "" {
		return found, nil
	}
	item, err := b.parts.Get(ctx, blob.Body.Parts)
	if errors.Is(err, store.ErrNotFound) {
		return found, nil // superseded meanwhile; the write that asks will not commit
	}
	if err != nil {
		return nil, fmt.Errorf("reading the blocks of blob %q: %w", blob.Name, err)
	}
	for _, part := range item.Value {
		found[part.ID] = part
	}
	return found, nil
}

// BlockLists returns the blob as it is (Version 0 when there is only an
// upload), its committed blocks in order and its uncommitted ones in the order
// of their ids. Of the conditions only the lease is asked for. BlobNotFound when there is neither.
func (b *Blobs) BlockLists(ctx context.Context, c Container, name string, on Conditions) (blob Blob, committed, uncommitted []Part, err error) {
	blob, err = b.find(ctx, c, name)
	if err != nil {
		return blob, nil, nil, err
	}
	if err := on.forRead(blob.state(b.config.Now())); err != nil {
		return blob, nil, nil, err
	}
	waiting, err := b.waiting(ctx, c, name)
	if err != nil {
		return blob, nil, nil, err
	}
	if blob.Version == 0 && waiting.Version == 0 {
		return blob, nil, nil, BlobNotFound.New()
	}
	if blob.Body.Parts != "" {
		item, err := b.parts.Get(ctx, blob.Body.Parts)
		if err != nil {
			return blob, nil, nil, fmt.Errorf("reading the blocks of blob %q: %w", name, err)
		}
		committed = item.Value
	}
	if waiting.Version == 0 {
		return blob, committed, nil, nil
	}
	items, err := b.blocks.All(ctx, waiting.Value.UID+"/")
	if err != nil {
		return blob, nil, nil, err
	}
	for i, item := range items {
		// The next document of the same id is the later one.
		if i+1 < len(items) && strings.HasPrefix(items[i+1].Key, waiting.Value.UID+"/"+item.Value.ID+"\x00") {
			continue
		}
		uncommitted = append(uncommitted, Part{ID: item.Value.ID, Size: item.Value.Size, Body: item.Value.Body})
	}
	return blob, committed, uncommitted, nil
}
