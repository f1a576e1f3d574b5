// Package storageapi is what the data planes of a storage account have in
// common on the wire: which account a host names, how its keys and shared access
// signatures are checked, how refusals are worded, service properties and access
// policies.
//
// It owns what two planes would otherwise both write. Operations, their actions
// and their own headers belong to internal/service/{blob,queue,file,table};
// what is kept, and what is signed, to storage.
package storageapi
