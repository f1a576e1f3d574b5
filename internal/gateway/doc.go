// Package gateway is how a client's connection reaches the local Azure: the
// certificate authority, TLS for every served host name, the HTTP CONNECT proxy
// and the plain listener for the control interface, all on one TCP port.
//
//	accept → first byte ─ 0x16: TLS by SNI ──────────────────────────┐
//	                    └ else: plain HTTP                           ├→ Handler
//	                            ├ CONNECT, served host, port 443: TLS┘
//	                            ├ CONNECT or http://, other host     → 403, or passed through
//	                            ├ http://169.254.169.254, or CONNECT → Plain (IMDS)
//	                            └ origin form, own address           → Control
//
// It owns which names are served (one list, which is also the name constraint
// of the certificate authority), what a connection may ask for, and the limits
// that keep a hostile client from costing memory or time. Which service a host
// belongs to and which operation a path means is decided in azapi; who may do
// it in access.
//
// What a handler may rely on, for every request that reaches Gateway.Handler:
// it arrived over TLS 1.2 or newer; Request.Host is lower case, without a
// trailing dot or ":443", is a served name (or the loopback address that a client
// dialled) and equals the name of the TLS session; Request.URL is in origin form;
// Request.RemoteAddr is derived from the TCP connection and from nothing else,
// where a loopback peer is replaced by Gateway.LoopbackOrigin. Forwarding headers
// are neither read nor removed.
package gateway
