package storage

import (
	"context"
	"strings"
)

// ListWithSnapshots is List without a delimiter and with the snapshots of each
// blob before it, in the order of time.
func (b *Blobs) ListWithSnapshots(ctx context.Context, c Container, p Page) ([]Entry, string, error) {
	var entries []Entry
	if name, after, within := strings.Cut(p.After, "\x00"); within { // the page before ended among the snapshots of name
		base, err := b.find(ctx, c, name)
		if err != nil {
			return nil, "", err
		}
		p.After = name
		if base.Version != 0 && strings.HasPrefix(name, p.Prefix) {
			var more bool
			if entries, more, err = b.appendSnapshots(ctx, entries, base, Snapshot(after), p.Limit); err != nil || more {
				return entries, resume(entries), err
			}
			if len(entries) >= p.Limit {
				return entries, name, nil
			}
		}
	}
	for {
		page := p
		page.Limit = p.Limit - len(entries)
		blobs, next, err := b.List(ctx, c, "", page)
		if err != nil {
			return nil, "", err
		}
		for i, blob := range blobs {
			var more bool
			if entries, more, err = b.appendSnapshots(ctx, entries, blob.Blob, "", p.Limit-len(entries)); err != nil || more {
				return entries, resume(entries), err
			}
			if len(entries) >= p.Limit && (i+1 < len(blobs) || next != "") {
				return entries, blob.Blob.Name, nil
			}
		}
		if next == "" {
			return entries, "", nil
		}
		p.After = next
	}
}

// appendSnapshots adds a blob behind its snapshots after that one, as far as
// limit allows; more says that it did not allow the blob.
func (b *Blobs) appendSnapshots(ctx context.Context, entries []Entry, base Blob, after Snapshot, limit int) (_ []Entry, more bool, _ error) {
	found, more, err := b.snapshotsOf(ctx, base, after, limit)
	if err != nil {
		return nil, false, err
	}
	for _, one := range found {
		entries = append(entries, Entry{Blob: one})
	}
	if more || len(found) == limit {
		return entries, true, nil
	}
	return append(entries, Entry{Blob: base}), false, nil
}

// resume is where a listing goes on that ended with a snapshot.
func resume(entries []Entry) string {
	if len(entries) == 0 {
		return ""
	}
	last := entries[len(entries)-1].Blob
	return last.Name + "\x00" + string(last.Snapshot)
}
