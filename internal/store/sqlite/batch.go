package sqlite

import (
	"github.com/aksess/aksess/internal/store"
)

// change is what becomes of one document in a transaction.
type change struct {
	version int64 // 0 means deleted
	value   []byte
}

// batch gathers what several requests do to the documents. Conditions are
// decided on it in memory, so that one request's failure needs no savepoint.
type batch struct {
	changes map[docID]change
	drops   []int64 // small contents to delete
	size    int64   // bytes of keys and values
	flush   bool    // staged contents are to be written even without changes
	// stored returns the version in the database, 0 for none.
	stored func(docID) (int64, error)
	// next gives out a version.
	next func() int64
}

// add decides the conditions of a request and adds its changes, all or none.
// It returns the conflict, or a failure to read.
func (b *batch) add(r *request) error {
	r.versions = make([]int64, len(r.ops))
	own := make(map[docID]change, len(r.ops))
	for i, op := range r.ops {
		id := docID{op.Kind, op.Key}
		if op.If != store.Always() {
			have, err := b.version(own, id)
			if err != nil {
				return err
			}
			if !op.If.Holds(have != 0, have) {
				return &store.ConflictError{Index: i, Exists: have != 0, Have: have}
			}
		}
		switch {
		case op.Check:
		case op.Delete:
			own[id] = change{}
		default:
			r.versions[i] = b.next()
			own[id] = change{version: r.versions[i], value: op.Value}
		}
	}
	for id, c := range own {
		b.changes[id] = c
		b.size += int64(len(id.kind)+len(id.key)+len(c.value)) + 100
	}
	b.flush = b.flush || r.flush
	if r.drop != 0 {
		b.drops = append(b.drops, r.drop)
	}
	return nil
}

func (b *batch) version(own map[docID]change, id docID) (int64, error) {
	if c, found := own[id]; found {
		return c.version, nil
	}
	if c, found := b.changes[id]; found {
		return c.version, nil
	}
	return b.stored(id)
}

func (b *batch) empty() bool { return len(b.changes) == 0 && len(b.drops) == 0 && !b.flush }
