package store

import (
	"context"
	"errors"
	"io"
)

// Limits that every backend enforces.
const (
	MaxKeyLength = 4096     // bytes of a key; a kind and a key have at least one
	MaxValue     = 16 << 20 // bytes of one document
	MaxOps       = 4096     // operations in one Apply
	MaxPage      = 32 << 20 // bytes of documents in one Page, past which it ends early
	DefaultLimit = 1000     // documents in one Page when the Query says nothing
)

// Errors of a store. Everything else is a failure of the medium.
var (
	// ErrNotFound: no document, or no content, under that key.
	ErrNotFound = errors.New("not found")
	// ErrConflict: a condition of a write did not hold. The error that wraps it is a *ConflictError.
	ErrConflict = errors.New("condition not met")
	// ErrInvalid: an operation that is beyond a limit or contradicts itself. Nothing was written.
	ErrInvalid = errors.New("invalid operation")
	// ErrUnwritable: the medium takes no writes now: it is full, failing, or
	// was given up after a sync failed. Reads go on.
	ErrUnwritable = errors.New("storage takes no writes")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("store is closed")
)

// ConflictError says which operation of an Apply failed its condition and what was there.
type ConflictError struct {
	Index  int   // of the operation in the call
	Exists bool  // whether the document exists
	Have   int64 // its version, when it exists
}

func (e *ConflictError) Error() string { return "condition not met" }

// Unwrap makes errors.Is(err, ErrConflict) true.
func (e *ConflictError) Unwrap() error { return ErrConflict }

// Doc is one stored document. Value must not be modified: it may be shared.
type Doc struct {
	Kind    string // family of documents, such as "keyvault.secret"
	Key     string // unique within the kind; compares bytewise
	Version int64  // > 0, changes with every write, never used again within the store
	Value   []byte
}

// Condition is what must hold for one operation of an Apply.
type Condition struct {
	mode    int
	version int64
}

const (
	condAlways = iota
	condAbsent
	condPresent
	condVersion
)

// Always holds. It is the zero Condition.
func Always() Condition { return Condition{} }

// Absent holds when no document exists under the key.
func Absent() Condition { return Condition{mode: condAbsent} }

// Present holds when a document exists under the key, whatever its version.
func Present() Condition { return Condition{mode: condPresent} }

// At holds when the document exists in just this version.
func At(version int64) Condition { return Condition{mode: condVersion, version: version} }

// Holds decides the condition for a document that exists (in that version) or not.
func (c Condition) Holds(exists bool, version int64) bool {
	switch c.mode {
	case condAbsent:
		return !exists
	case condPresent:
		return exists
	case condVersion:
		return exists && version == c.version
	default:
		return true
	}
}

// Op is one operation of an Apply: a write, a delete, or only a check.
// The store copies Value: the caller may use the slice again.
type Op struct {
	Kind, Key string
	Value     []byte // nil with Delete or Check
	Delete    bool   // deleting what is not there is no error under Always
	Check     bool   // write nothing, only require If
	If        Condition
}

// Query selects documents of one kind in the order of their keys, bytewise.
type Query struct {
	Prefix string // only keys that begin so
	After  string // only keys greater than this one: the continuation of an earlier page
	Before string // only keys less than this one, when not ""
	Limit  int    // at most this many; 0 means DefaultLimit
}

// Page is one part of a listing, as of one moment. More says that documents
// follow after the last one; it alone says so, as a page of large documents
// ends before Limit (see MaxPage).
type Page struct {
	Docs []Doc
	More bool
}

// Store is what a backend provides. All methods are safe for concurrent use.
type Store interface {
	// Get returns one document, or ErrNotFound.
	Get(ctx context.Context, kind, key string) (Doc, error)
	// List returns one page of documents of a kind.
	List(ctx context.Context, kind string, q Query) (Page, error)
	// Apply performs all operations or none and returns only when they are on
	// disk. It returns the version of each written document, 0 for deletes and
	// checks. Operations take effect in order: a condition sees what earlier
	// operations of the same call did. The first condition that fails is
	// returned as a *ConflictError. An Apply that has begun
	// is not undone by the context's end; the caller is then told the context's error.
	Apply(ctx context.Context, ops ...Op) ([]int64, error)
	// Generation grows with every write to any of the kinds that a later Get
	// or List of this process would see. It is cheap: caches compare it.
	Generation(kinds ...string) uint64
	// PutContent reads r to its end and returns a reference to what was read.
	// The content is on disk before an Apply that writes and that begins after
	// PutContent returned is acknowledged: small contents share its sync.
	// Content that no document refers to is of no use and may be lost.
	PutContent(ctx context.Context, r io.Reader) (ContentRef, error)
	// OpenContent returns the content of a reference, or ErrNotFound. The caller closes it.
	OpenContent(ctx context.Context, ref ContentRef) (io.ReadSeekCloser, error)
	// DeleteContent removes content; removing what is not there is no error.
	DeleteContent(ctx context.Context, ref ContentRef) error
	// Close waits for writes under way and releases the medium. Every later
	// call answers ErrClosed, but a second Close is no error.
	Close() error
}

// ContentRef names stored content. The zero value is empty content.
type ContentRef struct {
	ID   string `json:"id,omitempty"`
	Size int64  `json:"size,omitempty"`
}
