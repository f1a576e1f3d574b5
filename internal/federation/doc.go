// Package federation decides whether a token's claims match one of an
// identity's federated credentials, and says what differs when they do not.
// It also owns the rules that a federated credential must keep to be stored.
//
// Issuer, subject and audience are compared byte for byte, in this order, as
// Entra ID does: a missing slash, another case or a space is a mismatch. A
// credential has exactly one audience, and exactly one of the token's audiences
// must equal it: the one-element array of Kubernetes matches like a string,
// further audiences beside the right one do not harm, the right one twice is
// refused as malformed (draft-ietf-oauth-rfc7523bis leaves the rule to the
// token service; Entra documents none for arrays). An empty issuer or subject
// matches nothing.
//
// Everything here is pure. Whether the token was signed by its issuer is
// decided in jose, whether it is in time and which error a client reads in
// entra, where credentials live in directory.
package federation
