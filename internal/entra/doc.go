// Package entra is the token service of the local Azure: what
// login.microsoftonline.com and its aliases answer to applications, managed
// identities and the clients that people sign in with.
//
// It owns the endpoints (instance discovery, OpenID configuration, keys, token
// endpoints of both versions, authorization endpoint, device codes, the pages
// that people see), the grants with their ways of proving who the client is
// (federated assertion, secret, certificate) and who the user is (a password),
// the claims and lifetimes of tokens, Entra's error codes, and the verification
// of the access tokens that it issued. Who exists is kept in directory, with
// users' passwords; whether an assertion matches a federated credential is
// decided in federation; signatures are made and checked in jose; the
// assertions' issuers are in issuer or far away.
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
// # Users
//
// A person signs in at a page, with a code from another device or with name and
// password in the request. What comes of it is a session: the family of refresh
// tokens of one user with one client in one tenant, good for every resource.
// Codes and refresh tokens are random, kept as digests, and never logged. A
// browser keeps nothing: every sign-in takes the password, so that there is no
// cookie on which another site's form could ride, and forms of other sites are
// refused all the same. Codes go to loopback addresses only, with PKCE.
//
// A caller carries the security groups that it is in at the moment of the
// request, directly or not: of users, applications and managed identities alike.
//
// # Divergences from Azure
//
//   - Nobody stays signed in in a browser: prompt=none is refused with
//     AADSTS50058, and signing out has nothing to end.
//   - A user is in one tenant. Where there is but one tenant, organizations,
//     common and consumers mean it; otherwise the domain of the user's name tells.
//     There are no personal accounts, guests, consents, second factors or
//     conditional access. Every user may use every application.
//   - An application without any credential is a public client; one with a
//     credential must prove itself. Registered redirect URIs are not looked at:
//     a loopback address on http is accepted, nothing else is.
//   - PKCE with S256 is required of every client; Entra asks it of some.
//   - Of a sign-in's refresh tokens the newest 16 are good, for 90 days after
//     they were issued. Another password ends the session (AADSTS50173); a code
//     that is redeemed twice ends what it gave.
//   - The on-behalf-of grant is refused.
//   - A user's token has no groups claim: the caller's groups are looked up.
//   - The order of the checks above is ours; Entra's is not public. The code for
//     an assertion with a single fault is Entra's.
//   - Resources are Azure's own (Resource Manager, Key Vault, Storage, App
//     Configuration, Graph) and the applications of the directory, by client id
//     or api://CLIENT-ID. Azure's own get v1 tokens, applications v2 tokens.
//   - Identical requests within a few seconds get the same access token. Every
//     assertion is verified all the same, and the state of identity and
//     credential is read anew for each request.
package entra
