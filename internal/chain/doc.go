// Package chain is the vocabulary of the project: the nine things that keyless
// access connects and the names they carry on the wire (labels, annotations,
// environment variables, token paths, limits, subjects, ARM ids).
//
// It parses and validates those names and nothing else. What the webhook does
// with a label is decided in inject, whether a subject matches in federation,
// what an id may be used for in access.
package chain
