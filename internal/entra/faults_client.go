package entra

import (
	"net/http"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/fault"
)

// Faults of the client and of how it proves who it is.
var (
	unknownClient = &fault.Kind{
		Code: "AADSTS700016", Inner: unauthorizedClient, Status: http.StatusBadRequest,
		Format: "Application with identifier '%s' was not found in the directory '%s'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.",
		Link:   chain.LinkManagedIdentity,
		Why:    "no identity of this tenant has the client id",
		Fix:    "set azure.workload.identity/client-id to the identity's clientId; its resource id and principalId are something else",
	}
	zeroClient = &fault.Kind{
		Code: "AADSTS700038", Inner: unauthorizedClient, Status: http.StatusBadRequest,
		Format: "%s is not a valid application identifier.",
		Link:   chain.LinkManagedIdentity,
		Why:    "the client id is still a placeholder",
		Fix:    "set azure.workload.identity/client-id to the identity's clientId",
	}
	disabledClient = &fault.Kind{
		Code: "AADSTS7000112", Inner: unauthorizedClient, Status: http.StatusBadRequest,
		Format: "Application '%s'(%s) is disabled.",
		Link:   chain.LinkManagedIdentity,
		Why:    "the identity's service principal is disabled",
		Fix:    "enable it: az ad sp update --id CLIENT-ID --set accountEnabled=true",
	}
	noCredential = &fault.Kind{
		Code: "AADSTS7000216", Inner: invalidClient, Status: http.StatusUnauthorized,
		Format: "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.",
		Link:   chain.LinkProjectedToken,
		Why:    "the request names a client and proves nothing",
		Fix:    "send the projected token as client_assertion",
	}
	badSecret = &fault.Kind{
		Code: "AADSTS7000215", Inner: invalidClient, Status: http.StatusUnauthorized,
		Format: "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '%s'.",
		Link:   chain.LinkManagedIdentity,
		Why:    "no secret of the application has this value",
		Fix:    "use the value that was shown when the secret was made, or drop the secret and federate",
	}
	expiredSecret = &fault.Kind{
		Code: "AADSTS7000222", Inner: invalidClient, Status: http.StatusUnauthorized,
		Format: "The provided client secret keys for app '%s' are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds.",
		Link:   chain.LinkManagedIdentity,
		Why:    "the secret is right and has expired",
		Fix:    "make a new secret, or federate and have none",
	}
	malformedAssertion = &fault.Kind{
		Code: "AADSTS50027", Inner: invalidRequest, Status: http.StatusBadRequest,
		Format: "JWT token is invalid or malformed. %s",
		Link:   chain.LinkProjectedToken,
		Why:    "the client_assertion is not a signed token that may be used here; the second sentence is ours",
		Fix:    "send the content of AZURE_FEDERATED_TOKEN_FILE unchanged",
	}
	badAlgorithm = &fault.Kind{
		Code: "AADSTS5002730", Inner: invalidRequest, Status: http.StatusBadRequest,
		Format: "Invalid JWT token. Unsupported key for the signing algorithm.",
		Link:   chain.LinkProjectedToken,
		Why:    "the assertion is signed with an algorithm that is not accepted: RS256 alone for federation",
		Fix:    "sign with RS256",
	}
	outOfTime = &fault.Kind{
		Code: "AADSTS700024", Inner: invalidClient, Status: http.StatusUnauthorized,
		Format: "Client assertion is not within its valid time range. Current time: %s, assertion valid from %s, expiry time of assertion %s. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials .",
		Link:   chain.LinkProjectedToken,
		Why:    "the assertion has expired, or is from the future by more than five minutes",
		Fix:    "read the token file again before each request: the kubelet renews it; compare the clocks",
	}
	badSignature = &fault.Kind{
		Code: "AADSTS700027", Inner: invalidClient, Status: http.StatusUnauthorized,
		Format: "Client assertion failed signature validation.%s",
		Link:   chain.LinkProjectedToken,
		Why:    "the signature is not that of the key which the assertion names",
		Fix:    "send the token unchanged; an issuer that was rebuilt signs with another key",
	}
)

// Faults of federated assertions.
var (
	noFederation = &fault.Kind{
		Code: "AADSTS70025", Inner: invalidClient, Status: http.StatusUnauthorized,
		Format: "The client '%s'(%s) has no configured federated identity credentials.",
		Link:   chain.LinkFederatedCredential,
		Why:    "the identity trusts no issuer at all",
		Fix:    "create a federated credential: az identity federated-credential create",
	}
	issuerMismatch = &fault.Kind{
		Code: "AADSTS700211", Inner: invalidClient, Status: http.StatusUnauthorized,
		Format: "No matching federated identity record found for presented assertion issuer '%s'. " + federationHelp,
		Link:   chain.LinkFederatedCredential,
		Why:    "no federated credential of the identity has exactly this issuer; the trailing slash counts",
		Fix:    "set the credential's issuer to the token's iss, byte for byte",
	}
	audienceMismatch = &fault.Kind{
		Code: "AADSTS700212", Inner: invalidClient, Status: http.StatusUnauthorized,
		Format: "No matching federated identity record found for presented assertion audience '%s'. " + federationHelp,
		Link:   chain.LinkFederatedCredential,
		Why:    "issuer and subject match, the audience does not",
		Fix:    "ask for the token with audience api://AzureADTokenExchange",
	}
	subjectMismatch = &fault.Kind{
		Code: "AADSTS700213", Inner: invalidClient, Status: http.StatusUnauthorized,
		Format: "No matching federated identity record found for presented assertion subject '%s'. " + federationHelp,
		Link:   chain.LinkFederatedCredential,
		Why:    "the issuer matches, the subject does not: another namespace, service account or identity",
		Fix:    "set the credential's subject to system:serviceaccount:NAMESPACE:NAME",
	}
	subjectCase = &fault.Kind{
		Code: "AADSTS7002138", Inner: invalidClient, Status: http.StatusUnauthorized,
		Format: "No matching federated identity record found for presented assertion subject '%s'. The subject matches with case-insensitive comparison, but not with case-sensitive comparison. " + federationHelp,
		Link:   chain.LinkFederatedCredential,
		Why:    "the subject differs in nothing but case",
		Fix:    "spell the credential's subject as the token does",
	}
	entraIssuer = &fault.Kind{
		Code: "AADSTS700222", Inner: invalidRequest, Status: http.StatusBadRequest,
		Format: "AAD-issued tokens may not be used for federated identity flows.",
		Link:   chain.LinkProjectedToken,
		Why:    "an access token was sent where a service account's token belongs",
		Fix:    "send the content of AZURE_FEDERATED_TOKEN_FILE",
	}
	longLived = &fault.Kind{
		Code: "AADSTS70023", Inner: invalidRequest, Status: http.StatusBadRequest,
		Format: "External OIDC Provider token must have a lifetime of less than or equal to 1.01:00:00. Token issued at %d. Token expires on %d.",
		Link:   chain.LinkProjectedToken,
		Why:    "the token lives longer than Entra accepts",
		Fix:    "set azure.workload.identity/service-account-token-expiration to at most 86400",
	}
	issuerUnreachable = &fault.Kind{
		Code: "AADSTS90061", Inner: invalidRequest, Status: http.StatusBadRequest,
		Format: "Request to External OIDC endpoint failed.",
		Link:   chain.LinkIssuer,
		Why:    "the issuer's discovery document or keys could not be fetched, or are not what they must be",
		Fix:    "open ISSUER/.well-known/openid-configuration and its jwks_uri from where the token service runs",
	}
	unknownKey = &fault.Kind{
		Code: "AADSTS7000272", Inner: invalidClient, Status: http.StatusUnauthorized,
		Format: "The certificate with identifier %s used to sign the federated credential could not be found in the metadata of identity provider %s. Please validate that your Identity Provider's metadata exposes the key used to sign the incoming token.",
		Link:   chain.LinkIssuer,
		Why:    "the issuer does not publish the key that signed the token: rotated away, or not published yet",
		Fix:    "publish the key before it signs, and keep it published until its last token expired",
	}
)

// Faults of assertions that a client signed with its certificate.
var (
	wrongClient = &fault.Kind{
		Code: "AADSTS700021", Inner: invalidClient, Status: http.StatusUnauthorized,
		Format: "Client assertion application identifier doesn't match 'client_id' parameter. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials .",
		Link:   chain.LinkManagedIdentity,
		Why:    "the assertion is of another client than the request",
		Fix:    "set iss and sub of the assertion to the client id",
	}
	wrongSubject = &fault.Kind{
		Code: "AADSTS50048", Inner: invalidRequest, Status: http.StatusBadRequest,
		Format: "Subject must match the issuer claim in the client assertion.",
		Link:   chain.LinkManagedIdentity,
		Why:    "sub and iss of the client's own assertion differ",
		Fix:    "set both to the client id",
	}
	wrongEndpoint = &fault.Kind{
		Code: "AADSTS700023", Inner: invalidClient, Status: http.StatusUnauthorized,
		Format: "Client assertion audience claim does not match Realm issuer. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials .",
		Link:   chain.LinkManagedIdentity,
		Why:    "the assertion's aud is not the URL of this tenant's token endpoint",
		Fix:    "set aud to the token_endpoint of the tenant's OpenID configuration",
	}
)
