package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/aksess/aksess/internal/store"
)

// maxReaders bounds the read connections: each has a page cache of its own.
const maxReaders = 4

// readers lends read connections out. The one used last is lent first, so that
// as many are opened as reads really overlap.
type readers struct {
	db    *sql.DB
	slots chan struct{}

	mu     sync.Mutex
	idle   []*reader
	closed bool
}

// reader is one connection with its statements.
type reader struct {
	conn                    *sql.Conn
	get, list, open, inline *sql.Stmt
}

func newReaders(db *sql.DB) *readers {
	return &readers{db: db, slots: make(chan struct{}, maxReaders)}
}

// use calls read with a connection of its own. The statements run without the
// context (a watched one costs the driver a goroutine each); read looks at it
// between rows.
func (p *readers) use(ctx context.Context, read func(*reader) error) error {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-p.slots }()
	r, err := p.take(ctx)
	if err != nil {
		return err
	}
	defer p.give(r)
	return read(r)
}

func (p *readers) take(ctx context.Context) (*reader, error) {
	if r, err := p.takeIdle(); r != nil || err != nil {
		return r, err
	}
	conn, err := p.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	r := &reader{conn: conn}
	if err := r.prepare(); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return r, nil
}

func (p *readers) takeIdle() (*reader, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, store.ErrClosed
	}
	last := len(p.idle) - 1
	if last < 0 {
		return nil, nil
	}
	r := p.idle[last]
	p.idle = p.idle[:last]
	return r, nil
}

func (p *readers) give(r *reader) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, r)
}

// pause waits for the reads under way and keeps others out until resume.
func (p *readers) pause() {
	for range maxReaders {
		p.slots <- struct{}{}
	}
}

func (p *readers) resume() {
	for range maxReaders {
		<-p.slots
	}
}

// close waits for the reads under way; later ones answer ErrClosed.
func (p *readers) close() error {
	p.pause()
	defer p.resume()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, r := range p.idle {
		_ = r.conn.Close() // hands the connection back to the pool, closed next
	}
	return p.db.Close()
}

func (r *reader) prepare() error {
	for _, s := range []struct {
		into  **sql.Stmt
		query string
	}{
		{&r.get, "SELECT version, value FROM doc WHERE kind = ? AND key = ?"},
		{&r.list, "SELECT key, version, value FROM doc WHERE kind = ? AND key >= ? AND key < ? ORDER BY key LIMIT ?"},
		{&r.open, "SELECT key, version, value FROM doc WHERE kind = ? AND key >= ? ORDER BY key LIMIT ?"},
		{&r.inline, "SELECT data FROM content WHERE id = ?"},
	} {
		// A prepared statement lives as long as the connection, not this call.
		stmt, err := r.conn.PrepareContext(context.Background(), s.query)
		if err != nil {
			return fmt.Errorf("preparing to read: %w", err)
		}
		*s.into = stmt
	}
	return nil
}

func (r *reader) document(id docID) (store.Doc, error) {
	doc := store.Doc{Kind: id.kind, Key: id.key}
	err := r.get.QueryRow([]byte(id.kind), []byte(id.key)).Scan(&doc.Version, &doc.Value)
	if errors.Is(err, sql.ErrNoRows) {
		return store.Doc{}, store.ErrNotFound
	}
	return doc, err
}

func (r *reader) page(ctx context.Context, kind string, q store.Range) (page store.Page, err error) {
	// One more than asked for tells whether there is more.
	stmt, args := r.list, []any{[]byte(kind), []byte(q.From), []byte(q.To), q.Limit + 1}
	if q.Open {
		stmt, args = r.open, []any{[]byte(kind), []byte(q.From), q.Limit + 1}
	}
	rows, err := stmt.Query(args...)
	if err != nil {
		return store.Page{}, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	size := 0
	for rows.Next() {
		if err := ctx.Err(); err != nil {
			return store.Page{}, err
		}
		if len(page.Docs) == q.Limit || size >= store.MaxPage {
			page.More = true
			return page, nil
		}
		doc := store.Doc{Kind: kind}
		if err := rows.Scan(&doc.Key, &doc.Version, &doc.Value); err != nil {
			return store.Page{}, err
		}
		size += len(doc.Value)
		page.Docs = append(page.Docs, doc)
	}
	return page, rows.Err()
}

// content returns a small content, or ErrNotFound.
func (r *reader) content(id int64) (data []byte, err error) {
	err = r.inline.QueryRow(id).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, store.ErrNotFound
	}
	return data, err
}
