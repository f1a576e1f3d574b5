// Package issuer owns the clusters' OIDC issuers of the local Azure: their
// signing keys, the two documents that the world fetches from them and the
// service account tokens of clusters that have no API server of their own.
//
// An issuer's URL, documents and tokens have the shapes that AKS and
// kube-apiserver give them, so that nothing downstream can tell the difference.
// Whether a token matches a federated credential is decided in federation;
// signatures are made and checked in jose; clusters with a real API server are
// started in cluster, which signs with the key it gets from here.
//
// # Keys
//
// A [Ring] holds the keys of one signer. Each key goes through three states:
//
//	published   in the key set, signs nothing yet: verifiers learn it
//	active      signs; there is exactly one
//	retired     signs no more; stays in the key set until its last token expired
//
// The moments of change are stored, so a restart or a second replica sees the
// same states. A [KeyPool] generates keys ahead of need, because an RSA-2048
// key takes a tenth of a second of a core. The token service of package entra
// keeps its keys in a Ring from here as well.
package issuer
