// Package storage keeps what storage accounts hold: containers with their
// blobs and blocks, queues with their messages.
//
// It owns the stored records, their keys, the rules that hold among them
// (preconditions, one winner of a message, when superseded content goes) and
// Storage's error codes, so that Resource Manager's view of a container or
// queue and the data plane's are the same object. It knows no HTTP: headers,
// XML and JSON belong to internal/service/{storageaccount,blob,queue}. The
// account itself is a resource; [DecodeAccount] makes its form for the data
// planes.
package storage
