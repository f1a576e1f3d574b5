package storage

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Entry is one line of a listing: a blob, or what the names of several begin with.
type Entry struct {
	Blob   Blob
	Prefix string // up to and with the delimiter; "" for a blob
}

// List returns the blobs of a container in the order of their names, bytewise,
// and the name to continue after, "" at the end. With a delimiter, names that
// have it after the prefix are one entry.
func (b *Blobs) List(ctx context.Context, c Container, delimiter string, p Page) ([]Entry, string, error) {
	var entries []Entry
	for {
		page := p
		page.Limit = p.Limit - len(entries)
		items, next, err := list(ctx, b.blobs, c.UID, page)
		if err != nil {
			return nil, "", fmt.Errorf("listing blobs: %w", err)
		}
		entries = slices.Grow(entries, len(items))
		last := "" // the prefix that the loop left off at
		for _, item := range items {
			if last != "" && strings.HasPrefix(item.Value.Name, last) {
				continue
			}
			last = common(item.Value.Name, p.Prefix, delimiter)
			if last != "" {
				entries = append(entries, Entry{Prefix: last})
				continue
			}
			entries = append(entries, Entry{Blob: blobOf(item)})
		}
		switch {
		case next == "":
			return entries, "", nil
		case last != "":
			// Names are valid UTF-8, so this is behind every name that begins so.
			next = last + "\xff"
		}
		if len(entries) >= p.Limit {
			return entries, next, nil
		}
		p.After = next
	}
}

// common returns the part of a name up to the first delimiter after the prefix, or "".
func common(name, prefix, delimiter string) string {
	if delimiter == "" {
		return ""
	}
	at := strings.Index(name[len(prefix):], delimiter)
	if at < 0 {
		return ""
	}
	return name[:len(prefix)+at+len(delimiter)]
}
