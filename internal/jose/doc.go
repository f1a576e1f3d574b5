// Package jose owns the cryptographic part of every token: signing keys,
// signatures in compact form (RFC 7515), key sets (RFC 7517) and the fetching
// of key sets from issuers. It is the only package that imports a JOSE library.
//
// It leaves the meaning of claims to its callers: which issuer, subject and
// audience are acceptable is decided in federation and entra. What it does
// decide is whether a token is well formed, whose key signed it, and whether a
// moment lies within its bounds of time.
//
// # Tokens
//
// [Verify] accepts the compact form only, of three parts, at most 16 KiB by
// default. Five-part (encrypted) tokens and JSON serialisation are refused
// before anything is decoded. Base64url is strict: no padding, no white space,
// no stray trailing bits. Header and claims are each one JSON object in UTF-8
// without duplicate member names at any depth. Refused header members are crit,
// zip, enc and a b64 other than true. The members jku, x5u, jwk and x5c are
// never used as a source of keys. The algorithm must be allowed by the caller's
// [Policy] and by the key; the header alone never chooses it (RFC 8725, 3.1).
// The kid only looks a key up. A token without kid is tried with at most
// sixteen keys of the right type.
//
// # Algorithms
//
// RS256, PS256 (salt of 32 bytes) and ES256. Symmetric algorithms do not exist
// here at all, so that a public key can never become an HMAC secret.
//
// # Key sets
//
// [ParseJWKS] ignores a key that it cannot use and remembers why: unknown kty,
// alg, crv or use, key_ops without verify, RSA outside 2048 to 8192 bits (seen
// from the encoded length, before any arithmetic), an exponent that is even,
// below 3 or above 2^31-1, a modulus with the ROCA fingerprint (CVE-2017-15361),
// a point that is not on its curve, alg and curve that disagree. It refuses the
// whole set when its publisher cannot be trusted to know what it publishes: a
// private or symmetric key in it, two keys with one kid, a duplicate member
// name, more than 100 keys or more than 1 MiB.
//
// # Why a library, and where it stops
//
// go-jose writes the keys of a set with their certificates and decodes points
// of curves. Compact signatures are made and checked here, directly on the
// standard library: go-jose parses a header twice, decodes certificates and
// keys that an attacker put into it and encodes the payload again, all before
// the signature is known to be good, in 98 allocations against 23. RSA keys are
// decoded here because go-jose takes none above 4096 bits. Tests hold both
// implementations side by side.
package jose
