package sqlite

import (
	"context"
	"database/sql"
	"fmt"
)

// applicationID marks the database file as ours: "akss".
const applicationID = 0x616b7373

// migrations lead from one schema to the next; the schema's number is how many
// were applied, kept in PRAGMA user_version. A released one is never changed.
//
// doc has no separate row id: a document is one entry of one B-tree, where a
// listing reads along. state.version is not the last version given out but
// a bound that none given out exceeds; see writer.reserve.
var migrations = [...]string{
	`CREATE TABLE doc (
		kind    BLOB    NOT NULL,
		key     BLOB    NOT NULL,
		version INTEGER NOT NULL,
		value   BLOB    NOT NULL,
		PRIMARY KEY (kind, key)
	) STRICT, WITHOUT ROWID;
	CREATE TABLE content (
		id   INTEGER PRIMARY KEY,
		data BLOB NOT NULL
	) STRICT;
	CREATE TABLE state (
		id      INTEGER PRIMARY KEY CHECK (id = 1),
		version INTEGER NOT NULL
	) STRICT;
	INSERT INTO state (id, version) VALUES (1, 0);`,
}

// SchemaError is the refusal of state that a newer version wrote.
type SchemaError struct {
	Dir         string
	Have, Known int
}

func (e *SchemaError) Error() string {
	return fmt.Sprintf("state in %s was written by a newer aksess (schema %d, this one knows %d): use that version, or another folder", e.Dir, e.Have, e.Known)
}

// migrate brings the schema up to date in one transaction.
func migrate(ctx context.Context, conn *sql.Conn, dir string) error {
	schema, err := schemaOf(ctx, conn, dir)
	if err != nil {
		return err
	}
	if err := startJournal(ctx, conn); err != nil {
		return err
	}
	if schema == len(migrations) {
		return nil
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("migrating: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // nothing to do after Commit
	for ; schema < len(migrations); schema++ {
		if _, err := tx.ExecContext(ctx, migrations[schema]); err != nil {
			return fmt.Errorf("migrating from schema %d: %w", schema, err)
		}
	}
	settings := fmt.Sprintf("PRAGMA user_version = %d; PRAGMA application_id = %d", schema, applicationID)
	if _, err := tx.ExecContext(ctx, settings); err != nil {
		return fmt.Errorf("migrating: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("migrating: %w", err)
	}
	return nil
}

// schemaOf returns the number of the schema, 0 for an empty database, and
// refuses databases that are not ours to write.
func schemaOf(ctx context.Context, conn *sql.Conn, dir string) (int, error) {
	var application, schema, objects int
	for query, into := range map[string]*int{
		"PRAGMA application_id":              &application,
		"PRAGMA user_version":                &schema,
		"SELECT count(*) FROM sqlite_schema": &objects,
	} {
		if err := conn.QueryRowContext(ctx, query).Scan(into); err != nil {
			return 0, fmt.Errorf("reading the schema of aksess.db: %w", err)
		}
	}
	empty := objects == 0 && schema == 0 && application == 0
	switch {
	case application != applicationID && !empty:
		return 0, fmt.Errorf("aksess.db belongs to another program (application id %#x)", application)
	case schema > len(migrations):
		return 0, &SchemaError{Dir: dir, Have: schema, Known: len(migrations)}
	}
	return schema, nil
}

// startJournal makes sure of the write-ahead log, in which readers and the
// writer do not wait for each other.
func startJournal(ctx context.Context, conn *sql.Conn) error {
	var mode string
	if err := conn.QueryRowContext(ctx, "PRAGMA journal_mode = wal").Scan(&mode); err != nil {
		return fmt.Errorf("starting the journal of aksess.db: %w", err)
	}
	if mode != "wal" {
		return fmt.Errorf("the folder's file system has no shared memory for the journal of aksess.db (mode %q): use a local disk", mode)
	}
	return nil
}
