// Package access decides whether a principal may do an action at a scope from
// an address: role assignments, vault access policies and network rules.
//
// The decisions are pure functions that return a verdict together with what
// allowed the request or the nearest miss. The package also keeps the data the
// role decision needs (built-in and custom role definitions, assignments) in
// the store, with a read model in memory. Which action an operation needs is
// declared by the services; how a refusal reads on the wire is theirs too.
//
// Conditions of assignments and of role definitions are compiled by
// [ParseCondition] and held against the attributes that a service says of its
// request; which attributes there are is the services' own.
//
// Where it knows less than Azure it refuses: a condition that asks for what a
// request does not say does not hold, and a management group contains no
// subscription, so an assignment there reaches nothing below it. Deny
// assignments, which only Azure's own services make, do not exist.
package access
