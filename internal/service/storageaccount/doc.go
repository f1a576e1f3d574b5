// Package storageaccount is the resource provider Microsoft.Storage: accounts
// with their keys, and their services with the containers and queues in them,
// as Resource Manager shows them.
//
// It owns what an account's properties may be and the keys. Containers and
// queues themselves are kept by storage, where the data planes find the same ones.
package storageaccount
