// Package access decides whether a principal may do an action at a scope from
// an address: role assignments, vault access policies and network rules.
//
// The decisions are pure functions that return a verdict together with what
// allowed the request or the nearest miss. The package also keeps the data the
// role decision needs (built-in and custom role definitions, assignments) in
// the store, with a read model in memory. Which action an operation needs is
// declared by the services; how a refusal reads on the wire is theirs too.
//
// Where it knows less than Azure it refuses: conditions of assignments are not
// evaluated and so never grant, and a management group contains no
// subscription, so an assignment there reaches nothing below it. Deny
// assignments, which only Azure's own services make, do not exist.
package access
