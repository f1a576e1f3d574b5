// Package fault is the form of an error that a client may see: a stable code,
// an HTTP status, Azure's text and the link of the chain that failed.
//
// It owns the type only. Each package declares its own codes, once, in its
// faults.go; azapi renders them in the dialect of the host that was asked.
package fault

import (
	"cmp"
	"fmt"
	"net/http"

	"github.com/aksess/aksess/internal/chain"
)

// Kind declares one refusal. It is a package variable of the package that
// returns it and is itself an error, so that errors.Is(err, kind) works on
// every error that [Kind.New] or [Kind.With] made.
type Kind struct {
	Code   string     // Azure's code: "SecretNotFound", "AuthorizationFailed", "AADSTS700213"
	Inner  string     // Azure's inner error code, where the dialect has one: "ForbiddenByPolicy"
	Name   string     // tells kinds apart that share code and inner code; never sent
	Status int        // HTTP status
	Format string     // Azure's text, a fmt format for the arguments of New
	Link   chain.Link // the link of the chain that this refusal is about; "" when it is none of them
	Why    string     // one sentence for a person: what this means
	Fix    string     // one sentence for a person: what to do about it
}

// Error returns the code, so that a Kind can stand alone in errors.Is and logs.
func (k *Kind) Error() string { return k.ID() }

// ID is the kind's unique name: its code and, where there is one, its inner code or name.
func (k *Kind) ID() string {
	if detail := cmp.Or(k.Inner, k.Name); detail != "" {
		return k.Code + "/" + detail
	}
	return k.Code
}

// New makes an error of this kind; args fill the kind's Format.
func (k *Kind) New(args ...any) *Error {
	message := k.Format
	if len(args) > 0 {
		message = fmt.Sprintf(k.Format, args...)
	}
	return &Error{Kind: k, Message: message}
}

// Error is a refusal on its way to a client.
type Error struct {
	Kind    *Kind
	Message string      // the text the client reads
	Header  http.Header // extra headers of the answer: WWW-Authenticate, Retry-After
	Detail  any         // dialect-specific extra, such as the parameter's name; the renderer knows its type
	Explain string      // what was looked at and what differs, for doctor and the log; never sent to a client
	Cause   error       // what went wrong inside; for the log, never sent to a client
}

// With returns the error with its cause set.
func (e *Error) With(cause error) *Error {
	e.Cause = cause
	return e
}

// Because returns the error with its explanation set.
func (e *Error) Because(explain string) *Error {
	e.Explain = explain
	return e
}

// SetHeader returns the error with one more header for its answer.
func (e *Error) SetHeader(name, value string) *Error {
	if e.Header == nil {
		e.Header = http.Header{}
	}
	e.Header.Set(name, value)
	return e
}

// Error is the text for logs: code, message and cause.
func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Kind.ID(), e.Message, e.Cause)
	}
	return e.Kind.ID() + ": " + e.Message
}

// Is makes errors.Is(err, SomeKind) true for errors of that kind.
func (e *Error) Is(target error) bool {
	kind, ok := target.(*Kind)
	return ok && kind == e.Kind
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }
