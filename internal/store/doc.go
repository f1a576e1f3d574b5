// Package store is the storage boundary: documents with versions, conditional
// and atomic writes, ordered listing with continuation, and content too large
// for a document as streams.
//
// It owns durability and atomicity. What a document means, how its key is made
// and which conditions a write carries is the business of the package that
// keeps it. Backends live below it (sqlite) and are proved by storetest.
package store
