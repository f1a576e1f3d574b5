// Package queue serves Azure Queue Storage under *.queue.core.windows.net:
// queues and their messages.
//
// It owns the wire: XML, query parameters, and how the service words its
// refusals. Who gets a message, and what a pop receipt is worth, is decided in
// storage; roles and network rules in access.
package queue
