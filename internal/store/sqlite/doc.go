// Package sqlite is the store on one machine: a folder with one SQLite
// database for documents and small contents, and one file for each larger
// content. What the methods promise is written at store.Store.
//
// It owns the folder while it is open (a lock file keeps a second process
// out), one writer goroutine that commits whatever waits in one transaction
// and one sync, a few read connections that are opened when needed, and a
// bounded cache of documents that were read.
//
//	DIR/aksess.lock     held while open, with the process id
//	DIR/aksess.db       documents, contents up to 32 KiB (and -wal, -shm)
//	DIR/content/ID      a larger content, complete and synced
//	DIR/content/tmp/ID  a content being received; removed at the next open
//
// The driver is modernc.org/sqlite because it is SQLite's own source, its VFS
// included, without cgo: one static binary for every platform. The version of
// modernc.org/libc in go.mod must be the one that its go.mod names.
package sqlite
