package chain

// Link names one of the nine things of the chain, in the words that the
// README, the doctor and every error use.
type Link string

// The links, in the order in which a request meets them.
const (
	LinkServiceAccount      Link = "ServiceAccount"
	LinkPod                 Link = "Pod"
	LinkProjectedToken      Link = "projected token"
	LinkIssuer              Link = "OIDC issuer"
	LinkFederatedCredential Link = "federated credential"
	LinkManagedIdentity     Link = "managed identity"
	LinkAccess              Link = "role or access policy"
	LinkFirewall            Link = "resource firewall"
	LinkData                Link = "data"
)
