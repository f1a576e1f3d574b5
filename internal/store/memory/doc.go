// Package memory is the store that forgets: everything lives in the process,
// for tests and for a local Azure started with --ephemeral.
//
// It owns an ordered set of documents per kind and the contents beside them.
// What the methods promise is written at store.Store; "on disk" means
// "in memory" here.
package memory
