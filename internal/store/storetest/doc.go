// Package storetest is the conformance suite of the storage boundary: what
// store.Store promises, as tests that every backend runs.
//
// It owns the promises that can be seen through the interface. What only one
// backend can show (a kill in the middle of a write, a full disk, a newer
// schema) is tested beside that backend.
package storetest
