// Package proxy is the server beside a pod's containers: it answers for the
// metadata service on loopback, where package redirect sends their requests, or
// where IDENTITY_ENDPOINT points them to.
//
// It owns who is heard and what goes where: the listeners, what a connection may
// look like, the Host of a request, the routes, health and metrics, and the
// probe that waits for it. What a token request must look like and its answer
// are the parent package's, tokens are federated's, what passes to the node is
// node's.
//
// # Who is heard
//
// Loopback only. The Host is the metadata service's address, or loopback: a web
// page that had its own name resolve to an address in the pod is refused. Heads
// of requests are held to the letter of RFC 9112 before anybody parses them, so
// that nothing is two requests to one reader and one to another; absolute-form,
// authority-form and whatever a proxy of ours has sent on (a loop) are refused.
//
// # Routes
//
//	/metadata/identity/oauth2/token   tokens
//	/msi/token                        tokens in App Service's protocol, if there is a secret; Host is loopback
//	/healthz /readyz /metrics         Host is loopback
//	all else                          node.Service: what is on its list, else 404
package proxy
