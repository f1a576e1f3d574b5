// Package azapi is Azure's HTTP habits, once: a service is a value with a table
// of operations, and one pipeline serves them all.
//
//	request id → host → operation → api-version → authenticate → audience
//	→ target → firewall → decide → handle → encode
//
// It owns that order, the headers that every answer carries, the renderers of
// the error dialects, paging and precondition rules. What an operation does and
// which action it needs is declared by the services; who may do what is decided
// in access; tokens are checked by the Authenticator it is given.
package azapi
