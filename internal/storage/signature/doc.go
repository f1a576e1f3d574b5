// Package signature computes what a request or a shared access signature signs
// with a storage account's key, and compares signatures.
//
// It owns the texts (canonical headers, canonical resource, the order of a
// signature's fields in each version) and HMAC-SHA256 over them. Which keys an
// account has belongs to storage; who is asked, what a signature permits and how
// a refusal is worded belong to storageapi.
package signature
