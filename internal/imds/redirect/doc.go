// Package redirect makes the kernel send a pod's requests for the metadata
// service to the proxy beside it, by rules in a table of its own (nftables) in
// the pod's network namespace.
//
// It needs the capability NET_ADMIN there and nothing else: no privileges, no
// program, no shell. The table is deleted and made anew in one transaction, so a
// step that runs again leaves one set of rules, at no time are there none, and
// nobody else's rules are touched.
//
// What the proxy's own user sends is left alone, or its requests to the node
// would come back to it. Everything else is redirected, whatever its user. The
// rules bind programs without NET_ADMIN; who has it, or runs as the proxy's user,
// gets past them (docs/security.md). A proxy that passes nothing on needs no
// exemption, and then there is none to use.
//
// Source: https://wiki.nftables.org/wiki-nftables/index.php/Performing_Network_Address_Translation_(NAT)#Redirect.
package redirect
