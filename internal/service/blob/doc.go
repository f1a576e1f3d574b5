// Package blob serves Azure Blob Storage under *.blob.core.windows.net:
// containers and block blobs.
//
// It owns the wire: headers, XML, ranges, and how the service words its
// refusals. What containers and blobs are, and when a write takes effect, is
// decided in storage; roles and network rules in access.
package blob
