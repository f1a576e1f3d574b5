// Package app puts the local Azure together: configuration to store, services,
// pipeline and listener; and starts, drains and stops them.
//
// It is the one place that knows all parts. What a part does is its own
// business; flags and environment are read in cli, Go tests come in through the
// root package.
package app
