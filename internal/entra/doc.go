// Package entra is the token service of the local Azure: what
// login.microsoftonline.com and its aliases answer to clients that are
// applications or managed identities.
//
// It owns the endpoints (instance discovery, OpenID configuration, keys, token
// endpoints of both versions), the client credentials grant with its three ways
// of proving who the client is (federated assertion, secret, certificate), the
// claims and lifetimes of access tokens, Entra's error codes, and the
// verification of the access tokens that it issued. Who exists is kept in
// directory; whether an assertion matches a federated credential is decided in
// federation; signatures are made and checked in jose; the assertions' issuers
// are in issuer or far away.
//
// # Order of checks
//
// An assertion is refused at the first of: its form; its issuer, subject and
// audience against the federated credentials of the client that is named in
// the request, in this order and byte for byte; the issuer's keys; the
// signature; its times; its lifetime. So nothing is fetched from an issuer that
// the client's owner did not name, and nothing costly is computed for one
// either. An assertion that is both expired and badly signed is badly signed.
//
// # Tokens of our own
//
// An access token is good until it expires, as in Azure: disabling or deleting
// an identity stops new tokens, not those already issued. Removing a signing
// key ends all tokens that it signed.
//
// # Divergences from Azure
//
//   - There are no users: device code, authorization code, refresh token,
//     on-behalf-of and password grants are refused with a code.
//   - The order of the checks above is ours; Entra's is not public. The code for
//     an assertion with a single fault is Entra's.
//   - Resources are Azure's own (Resource Manager, Key Vault, Storage, App
//     Configuration, Graph) and the applications of the directory, by client id
//     or api://CLIENT-ID. Azure's own get v1 tokens, applications v2 tokens.
//   - Identical requests within a few seconds get the same access token. Every
//     assertion is verified all the same, and the state of identity and
//     credential is read anew for each request.
package entra
