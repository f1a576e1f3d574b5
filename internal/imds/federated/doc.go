// Package federated gets a workload's access tokens from Entra ID's token
// service in exchange for the service account token that the kubelet keeps in a
// file, and keeps them: the client behind the metadata service's answers in a pod.
//
// It owns the exchange (RFC 7523), the cache with its refresh ahead of time, and
// what the metadata service says of the token service's refusals. What a request
// must look like is the parent package's. Nothing is asked of any host but the
// configured token service: there is no instance discovery, so sovereign,
// private and local clouds need nothing more than their address.
//
// # The cache
//
// Tokens are kept by client and resource; the tenant is the process's one. A
// token is handed out until shortly before its end. From some two thirds of its
// life on, give or take, a request also starts a refresh that it does not wait
// for. Requests that need the same token wait for the same exchange, and one
// that gives up does not end it for the others. A refusal is remembered for a
// few seconds, so that a client that retries in a loop costs nothing; while a
// refresh is refused, a token that is still valid goes on being handed out.
//
// # Identities
//
// A service account's token buys tokens for any client that trusts it, so
// client_id selects. object_id and a resource id are compared with what the
// token of the pod's own client says of its identity (oid, xms_mirid), and are
// refused as not found unless they are the same: never is another identity's
// token answered.
//
// # Identity bindings
//
// With a [Binding], requests go to AKS's token proxy in the cluster instead of
// the token service: its host and path in front, the Host of the token service,
// a server name and an authority of its own.
//
// Sources: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow#third-case-access-token-request-with-a-federated-credential,
// https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#error-handling.
package federated
