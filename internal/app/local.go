package app

// LocalSuffix is the suffix of the names that clients use who come without the
// proxy: management.aksess.localhost, NAME.vault.aksess.localhost and so on, at
// the listener's port. Names below localhost are this machine's (RFC 6761).
const LocalSuffix = "aksess.localhost"
