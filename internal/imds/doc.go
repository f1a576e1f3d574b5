// Package imds is the wire protocol by which programs on a machine or in a pod
// get the tokens of a managed identity: Azure's instance metadata service
// (http://169.254.169.254/metadata/identity/oauth2/token) and the endpoint of
// App Service (IDENTITY_ENDPOINT with IDENTITY_HEADER).
//
// It owns what requests must look like, how answers and errors are written, and
// which of a request's parameters name an identity. Where tokens come from is
// the caller's: `aksess up` signs them, the proxy beside a pod's containers gets
// them from a token service. It imports the standard library and the vocabulary
// only, so that the proxy stays small. The proxy's other parts are below:
// federated gets and keeps tokens, node is what passes to the node's own service,
// redirect the kernel's rules, companions the pod's other containers, proxy the
// server.
//
// Nothing but tokens is served: neither the machine's description, nor its
// identity's certificate, nor the second version's getplatformmetadata. They are
// answered with 404, on which clients go on.
//
// # What keeps others out
//
// A request needs the header Metadata (or X-IDENTITY-HEADER with the secret),
// which neither a web page of another site nor a redirected request can send,
// and must not carry X-Forwarded-For, which one that came through a proxy has,
// in any of the spellings that servers have taken for it.
// Who may connect at all is up to who mounts the handler.
//
// # Divergences from Azure
//
//   - `aksess up` signs a token for every request; Azure, and the proxy, hand out
//     a cached one for hours.
//   - The texts for a second selector, a selector that is no GUID or resource
//     id, a bad api-version and a wrong method are ours.
//   - Azure Arc, Cloud Shell, Service Fabric and machine learning have endpoints
//     of their own, which are not served.
//
// Source: https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token,
// https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference.
package imds
